//! Which object of Kubernetes a path names: the API server's own rules (`RequestInfo`), so that both tell the same story.

use super::{bounded, masked};
use crate::record::Target;
use std::borrow::Cow;

/// Longest name that is kept: what Kubernetes allows.
const LONGEST_NAME: usize = 253;

/// What method and decoded path name; and where the tail begins that is an application's business, if it has one.
pub(super) fn target<'a>(method: &'a str, path: &'a str, watch: bool) -> (Target<'a>, Option<usize>) {
    let Some((mut target, tail)) = named(path) else {
        let verb = bounded(method, LONGEST_NAME).to_ascii_lowercase();
        return (Target { verb: Cow::Owned(verb), ..Target::default() }, None);
    };
    if target.verb.is_empty() {
        target.verb = Cow::Borrowed(verb(method, !target.name.is_empty(), watch));
    }
    (target, tail.map(|tail| path.len().saturating_sub(tail.len())))
}

/// Group, version, namespace, resource, name, subresource; none if the path names no resource.
fn named(path: &str) -> Option<(Target<'_>, Option<&str>)> {
    let mut words = Words(path);
    let group = match words.next()? {
        "api" => Cow::Borrowed(""),
        "apis" => name(words.next()?),
        _ => return None,
    };
    let version = name(words.next()?);
    let mut target = Target { group, version, ..Target::default() };
    let mut word = words.next()?;
    // The API server still serves this form of the verbs, and reads the rest as without it.
    if matches!(word, "proxy" | "watch") {
        target.verb = Cow::Borrowed(word);
        word = words.next()?;
    }
    if word == "namespaces" {
        let before = words;
        if let Some(namespace) = words.next() {
            target.namespace = name(namespace);
            match words.next() {
                Some(resource) if !matches!(resource, "status" | "finalize") => word = resource,
                _ => words = before,
            }
        }
    }
    target.resource = name(word);
    target.name = words.next().map(name).unwrap_or_default();
    target.subresource = words.next().map(name).unwrap_or_default();
    let proxied = target.subresource == "proxy" || target.verb == "proxy";
    let tail = (proxied && !words.0.trim_matches('/').is_empty()).then_some(words.0);
    Some((target, tail))
}

fn name(word: &str) -> Cow<'_, str> {
    // In this order: of a secret that is cut first enough may be left to guess the rest, and too little to be seen as one.
    match masked(word) {
        Cow::Borrowed(word) => bounded(word, LONGEST_NAME),
        Cow::Owned(masked) => Cow::Owned(bounded(&masked, LONGEST_NAME).into_owned()),
    }
}

fn verb(method: &str, one: bool, watch: bool) -> &'static str {
    match (method, one) {
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) if watch => "watch",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "",
    }
}

/// The words between slashes; what is left begins with the slash after the last one taken.
#[derive(Clone, Copy)]
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// Only slashes at either end count for nothing; an empty word in between is one.
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.strip_prefix('/').unwrap_or(self.0);
        if rest.trim_end_matches('/').is_empty() {
            return None;
        }
        // Words are short: what looks for a character in a long text takes longer to begin than this to end.
        let (word, left) = match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => rest.split_at_checked(at)?,
            None => (rest, ""),
        };
        self.0 = left;
        Some(word)
    }
}

use super::{bounded, decoded, masked};
use crate::hash::Digest;
use std::borrow::Cow;

/// The parameters that may be kept, in order of name. `command` is digested; everything else is withheld.
pub const KEPT: &[&str] = &[
    "allowWatchBookmarks",
    "container",
    "dryRun",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "labelSelector",
    "limit",
    "limitBytes",
    "orphanDependents",
    "ports",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "tailLines",
    "timeout",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "watch",
];

/// More are counted, not kept.
const MOST: usize = 24;
/// Longest value that is kept.
const LONGEST_VALUE: usize = 256;

/// A query, parted.
pub(super) struct Kept<'a> {
    pub(super) pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) withheld: u32,
    /// Whether the API server takes it for a watch.
    pub(super) watch: bool,
    command: Vec<Cow<'a, str>>,
}

// === impl Kept ===

impl<'a> Kept<'a> {
    pub(super) fn of(query: &'a str) -> Self {
        let mut kept = Self { pairs: Vec::new(), withheld: 0, watch: false, command: Vec::new() };
        // The first value counts, as in the API server.
        let mut watch = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decoded(key, true), decoded(value, true));
            match key.as_ref() {
                "command" => {
                    kept.command.push(value);
                    continue;
                }
                "watch" => {
                    watch.get_or_insert(!(value == "0" || value.eq_ignore_ascii_case("false")));
                }
                _ => {}
            }
            if kept.pairs.len() < MOST && KEPT.binary_search(&key.as_ref()).is_ok() {
                kept.pairs.push((key, short(value)));
            } else {
                kept.withheld = kept.withheld.saturating_add(1);
            }
        }
        kept.watch = watch.unwrap_or_default();
        kept
    }

    /// Each argument with its length, so that `a b` is not `ab`.
    pub(super) fn command(&self) -> Option<Digest> {
        if self.command.is_empty() {
            return None;
        }
        let bytes = bcs::to_bytes(&self.command).ok()?;
        Some(Digest::of_bytes(&bytes))
    }
}

fn short(value: Cow<'_, str>) -> Cow<'_, str> {
    let changed = match masked(&value) {
        Cow::Owned(masked) => Some(bounded(&masked, LONGEST_VALUE).into_owned()),
        Cow::Borrowed(same) if same.len() > LONGEST_VALUE => Some(bounded(same, LONGEST_VALUE).into_owned()),
        Cow::Borrowed(_) => None,
    };
    changed.map_or(value, Cow::Owned)
}

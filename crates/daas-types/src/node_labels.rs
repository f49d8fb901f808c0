//! Labels and taints that a node's owner may give it: by Kubernetes' rules, and nothing that the cluster goes by itself.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A node needs a handful.
const MOST: usize = 32;
/// Longest name and value.
const LONGEST: usize = 63;
const LONGEST_PREFIX: usize = 253;
/// What hangs on keys below these is decided by the cluster, its engine, or the node's programs.
const RESERVED: [&str; 4] = ["kubernetes.io", "k8s.io", "k3s.io", "k3s.cattle.io"];
/// Except these, which are the owner's to know.
const FREE: [&str; 3] =
    ["node.kubernetes.io/instance-type", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// What a node is to be known by. What is in here keeps the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct NodeMarks {
    labels: BTreeMap<String, String>,
    taints: Vec<NodeTaint>,
}

/// A taint of a node's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTaint {
    /// Its key.
    pub key: String,
    /// Its value, may be empty.
    #[serde(default)]
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// None is sent here.
    NoSchedule,
    /// Elsewhere rather than here.
    PreferNoSchedule,
    /// None stays.
    NoExecute,
}

/// Why a label or taint is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeMarksError {
    /// Not `key=value`.
    #[error("`{0}` is not a label: write key=value")]
    NotALabel(String),
    /// Not `key=value:Effect`.
    #[error("`{0}` is not a taint: write key=value:NoSchedule, :PreferNoSchedule or :NoExecute")]
    NotATaint(String),
    /// Not a qualified name.
    #[error(
        "`{0}` is not a key: at most 63 letters, digits, '-', '_' and '.', which begins and ends with a letter or digit, after a domain and '/' if there is one"
    )]
    Key(String),
    /// Not a label's value.
    #[error(
        "`{0}` is not a value: at most 63 letters, digits, '-', '_' and '.', which begins and ends with a letter or digit, or nothing"
    )]
    Value(String),
    /// Somebody else's.
    #[error(
        "`{0}` is not the node's owner's to set: keys below daas, kubernetes.io, k8s.io, k3s.io and k3s.cattle.io are the cluster's"
    )]
    Reserved(String),
    /// One key, two values.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// Too many.
    #[error("more than {MOST} labels or taints")]
    TooMany,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    taints: Vec<NodeTaint>,
}

// === impl NodeMarks ===

impl NodeMarks {
    /// Labels as `key=value` and taints as `key=value:Effect`; with all that is wrong with them.
    pub fn parse(labels: &[String], taints: &[String]) -> Result<Self, Vec<NodeMarksError>> {
        let (mut marks, mut errors) = (Self::default(), Vec::new());
        for text in labels {
            match label(text) {
                Ok((key, value)) => {
                    if marks.labels.insert(key.clone(), value).is_some() {
                        errors.push(NodeMarksError::Twice(key));
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        for text in taints {
            match text.parse() {
                Ok(taint) => marks.taints.push(taint),
                Err(error) => errors.push(error),
            }
        }
        if let Err(error) = marks.check_together() {
            errors.push(error);
        }
        if errors.is_empty() { Ok(marks) } else { Err(errors) }
    }

    /// The labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The taints.
    pub fn taints(&self) -> &[NodeTaint] {
        &self.taints
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.taints.is_empty()
    }

    fn check_together(&self) -> Result<(), NodeMarksError> {
        if self.labels.len() > MOST || self.taints.len() > MOST {
            return Err(NodeMarksError::TooMany);
        }
        // Kubernetes takes one taint of each key and effect.
        let mut seen = BTreeSet::new();
        match self.taints.iter().find(|taint| !seen.insert((taint.key.as_str(), taint.effect))) {
            Some(taint) => Err(NodeMarksError::Twice(taint.to_string())),
            None => Ok(()),
        }
    }
}

impl TryFrom<Written> for NodeMarks {
    type Error = NodeMarksError;

    fn try_from(written: Written) -> Result<Self, NodeMarksError> {
        let Written { labels, taints } = written;
        for (name, text) in &labels {
            key(name, &FREE)?;
            value(text)?;
        }
        for taint in &taints {
            key(&taint.key, &[])?;
            value(&taint.value)?;
        }
        let marks = Self { labels, taints };
        marks.check_together()?;
        Ok(marks)
    }
}

impl From<NodeMarks> for Written {
    fn from(NodeMarks { labels, taints }: NodeMarks) -> Self {
        Self { labels, taints }
    }
}

// === impl NodeTaint ===

impl FromStr for NodeTaint {
    type Err = NodeMarksError;

    fn from_str(text: &str) -> Result<Self, NodeMarksError> {
        let wrong = || NodeMarksError::NotATaint(shown(text));
        let (pair, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
        let effect = TaintEffect::ALL.into_iter().find(|known| known.name() == effect).ok_or_else(wrong)?;
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        key(name, &[])?;
        value(text)?;
        Ok(Self { key: name.to_owned(), value: text.to_owned(), effect })
    }
}

impl fmt::Display for NodeTaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.key, self.value, self.effect.name())
    }
}

// === impl TaintEffect ===

impl TaintEffect {
    const ALL: [Self; 3] = [Self::NoSchedule, Self::PreferNoSchedule, Self::NoExecute];

    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

fn label(text: &str) -> Result<(String, String), NodeMarksError> {
    let (name, rest) = text.split_once('=').ok_or_else(|| NodeMarksError::NotALabel(shown(text)))?;
    key(name, &FREE)?;
    value(rest)?;
    Ok((name.to_owned(), rest.to_owned()))
}

/// A qualified name that is not reserved.
fn key(text: &str, free: &[&str]) -> Result<(), NodeMarksError> {
    let wrong = || Err(NodeMarksError::Key(shown(text)));
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if name.is_empty() || !is_name(name) {
        return wrong();
    }
    let Some(prefix) = prefix else { return Ok(()) };
    if !is_domain(prefix) {
        return wrong();
    }
    let below = |domain: &str| prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if !free.contains(&text) && (below("daas") || RESERVED.iter().any(|domain| below(domain))) {
        return Err(NodeMarksError::Reserved(shown(text)));
    }
    Ok(())
}

fn value(text: &str) -> Result<(), NodeMarksError> {
    if text.is_empty() || is_name(text) { Ok(()) } else { Err(NodeMarksError::Value(shown(text))) }
}

fn is_name(text: &str) -> bool {
    let edges = [text.bytes().next(), text.bytes().last()];
    text.len() <= LONGEST
        && edges.into_iter().all(|edge| edge.is_some_and(|b| b.is_ascii_alphanumeric()))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// DNS-1123 labels with dots between them.
fn is_domain(text: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= LONGEST_PREFIX
        && text.split('.').all(|part| {
            let edges = [part.bytes().next(), part.bytes().last()];
            edges.into_iter().all(|edge| edge.is_some_and(alnum)) && part.bytes().all(|b| alnum(b) || b == b'-')
        })
}

/// What is wrong may be long.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(labels: &[&str], taints: &[&str]) -> Result<NodeMarks, Vec<NodeMarksError>> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        NodeMarks::parse(&own(labels), &own(taints))
    }

    #[test]
    fn hints_are_just_labels() {
        let labels = [
            "gpu=true",
            "nvidia.com/gpu.product=A100-SXM4",
            "edge=",
            "topology.kubernetes.io/zone=home",
            "a.b/c_d=E.f-1",
        ];
        let taints = ["nvidia.com/gpu=present:NoSchedule", "edge:NoExecute", "edge=:PreferNoSchedule"];
        let marks = parse(&labels, &taints).unwrap();
        assert_eq!(marks.labels().len(), 5);
        assert_eq!(marks.labels()["edge"], "");
        assert_eq!(
            marks.taints()[1],
            NodeTaint { key: "edge".into(), value: String::new(), effect: TaintEffect::NoExecute }
        );
        let json = serde_json::to_string(&marks).unwrap();
        assert!(json.contains(r#"{"key":"nvidia.com/gpu","value":"present","effect":"NoSchedule"}"#), "{json}");
        assert_eq!(serde_json::from_str::<NodeMarks>(&json).unwrap(), marks);
    }

    #[test]
    fn the_clusters_keys_are_refused() {
        for bad in [
            "daas/revoked",
            "x.daas/y",
            "node-restriction.kubernetes.io/daas-owner",
            "node-role.kubernetes.io/master",
            "kubernetes.io/hostname",
            "x.k8s.io/y",
            "svccontroller.k3s.cattle.io/enablelb",
            "node.k3s.io/x",
        ] {
            assert!(
                matches!(parse(&[&format!("{bad}=x")], &[]).unwrap_err()[..], [NodeMarksError::Reserved(_)]),
                "{bad}"
            );
            let taint = format!("{bad}=x:NoSchedule");
            assert!(matches!(parse(&[], &[&taint]).unwrap_err()[..], [NodeMarksError::Reserved(_)]), "{bad}");
            // A master is told by strangers.
            let json = format!(r#"{{"labels":{{"{bad}":"x"}}}}"#);
            assert!(serde_json::from_str::<NodeMarks>(&json).is_err(), "{bad}");
            let json = format!(r#"{{"taints":[{{"key":"{bad}","effect":"NoSchedule"}}]}}"#);
            assert!(serde_json::from_str::<NodeMarks>(&json).is_err(), "{bad}");
        }
        // Zones are for labels, and for no taint.
        assert!(parse(&[], &["topology.kubernetes.io/zone=a:NoSchedule"]).is_err());
        parse(&["mykubernetes.io/x=y", "mydaas/x=y"], &[]).unwrap();
    }

    #[test]
    fn kubernetes_rules_hold() {
        let long = "x".repeat(64);
        for bad in [
            "gpu",
            "=x",
            "/x=y",
            "a/=x",
            "A.b/c=d",
            "a/b/c=d",
            "-a=b",
            "a=b-",
            "a=ü",
            "a b=c",
            &format!("{long}=x"),
            &format!("x={long}"),
        ] {
            assert!(parse(&[bad], &[]).is_err(), "{bad}");
        }
        for bad in
            ["gpu=true", "gpu=true:Never", "=x:NoSchedule", ":NoSchedule", "a=b c:NoSchedule", "gpu=true:noschedule"]
        {
            assert!(parse(&[], &[bad]).is_err(), "{bad}");
        }
        assert_eq!(parse(&["a=1", "a=2"], &[]).unwrap_err(), [NodeMarksError::Twice("a".into())]);
        assert!(matches!(
            parse(&[], &["a=1:NoSchedule", "a=2:NoSchedule"]).unwrap_err()[..],
            [NodeMarksError::Twice(_)]
        ));
        let many: Vec<String> = (0..=MOST).map(|n| format!("l{n}=x")).collect();
        assert_eq!(NodeMarks::parse(&many, &[]).unwrap_err(), [NodeMarksError::TooMany]);
        // Every mistake is named.
        assert_eq!(parse(&["gpu", "daas/x=y"], &["z"]).unwrap_err().len(), 3);
    }
}

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A node's name: a DNS-1123 label, because it becomes `system:node:<id>`, a Node object's name and a host name.
/// A string from the chain that is not one can therefore never reach a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

/// The text is not a DNS-1123 label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a node id: use 1 to 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit"
)]
pub struct NodeIdError(String);

// === impl NodeId ===

impl NodeId {
    /// The label itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let edges = s.bytes().next().is_some_and(alnum) && s.bytes().last().is_some_and(alnum);
        let body = s.len() <= 63 && s.bytes().all(|b| alnum(b) || b == b'-');
        if edges && body { Ok(Self(s.to_owned())) } else { Err(NodeIdError(s.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for NodeId {
    type Error = NodeIdError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels() {
        assert!("worker-001".parse::<NodeId>().is_ok());
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "system:masters", "a\r\nX: y", &"a".repeat(64)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
    }
}

//! What the log says. The canonical bytes of a record are its BCS; a golden test pins them.
//!
//! A request is two records, [`Start`] and [`End`]. Texts are borrowed on the way in and owned on the way out.

pub(crate) mod encode;

use crate::hash::Digest;
use crate::redact::{bounded, masked};
use daas_types::{PositionId, SealId, Tier, UnixMs};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;

/// No record is longer; what comes from a client is cut long before.
pub(crate) const LONGEST: usize = 32 * 1024;
/// Longest user name, reason or id in a record.
const LONGEST_WORD: usize = 256;

/// One record, at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place, from 0.
    pub sequence: u64,
    /// When: of a start, when the request's head was read.
    pub at: UnixMs,
    /// What.
    pub entry: Entry,
}

/// What a record tells. New kinds are added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A process began to write here.
    Opened(Opened),
    /// A request came.
    Start(Box<Start>),
    /// It ended.
    End(End<'static>),
    /// Requests went unrecorded, because the disk was full or too slow.
    Lost(Lost),
}

/// A process began to write here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Version of the program.
    pub version: String,
    /// What a crash had left half written after the record before this one.
    pub torn: Option<Torn>,
}

/// The end of a segment that was never synced, and was cut when the log was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: Digest,
}

/// A request came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// From which socket.
    pub peer: SocketAddr,
    /// What it asks for.
    pub what: What<'static>,
    /// Who asks.
    pub who: Who<'static>,
}

/// What a request asks for, without what must not be kept. Made by [`What::of`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct What<'a> {
    pub(crate) method: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    pub(crate) target: Target<'a>,
    pub(crate) query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) withheld: u32,
    pub(crate) command: Option<Digest>,
}

/// What the API server makes of method and path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target<'a> {
    /// Kubernetes' verb (`list`, `deletecollection`), or the method in lower case where the path names no resource.
    pub verb: Cow<'a, str>,
    /// API group; empty for the core group and where no resource is named.
    pub group: Cow<'a, str>,
    /// API version.
    pub version: Cow<'a, str>,
    /// Namespace.
    pub namespace: Cow<'a, str>,
    /// Resource, such as `pods`; empty where the path names none.
    pub resource: Cow<'a, str>,
    /// Subresource, such as `exec`.
    pub subresource: Cow<'a, str>,
    /// Object's name.
    pub name: Cow<'a, str>,
}

/// Who asks, as far as it was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who<'a> {
    /// What kind of caller.
    pub kind: Caller,
    /// As the API server is told: a wallet, `system:node:…`, `system:serviceaccount:…`.
    pub user: Cow<'a, str>,
    /// The position that answers for it.
    pub position: Option<PositionId>,
    /// A person's tier.
    pub tier: Option<Tier>,
    /// The Seal that was shown.
    pub seal: Option<SealId>,
    /// Whom it wants to be taken for (`kubectl --as`); the API server decides.
    pub acting_as: Cow<'a, str>,
}

/// What kind of caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Not known, or not yet.
    #[default]
    Unknown,
    /// A staker.
    Person,
    /// A node's process.
    Node,
    /// A pod.
    ServiceAccount,
    /// The master itself, carrying out a request of the chain.
    Master,
}

/// How a request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End<'a> {
    /// The sequence number of its start.
    pub start: u64,
    /// HTTP status of the answer; 0 if there was none.
    pub status: u16,
    /// Why so, as a `metav1.Status` has it: it leads to one line of code.
    pub reason: Cow<'a, str>,
    /// Bytes of the request's body, or from the client through a tunnel.
    pub received: u64,
    /// Bytes of the answer's body, or to the client.
    pub sent: u64,
    /// The API server's `Audit-ID`.
    pub audit_id: Cow<'a, str>,
}

/// How much went unrecorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Requests of which there is no record at all.
    pub requests: u64,
    /// Requests whose start is here and whose end is not.
    pub ends: u64,
    /// When the first of them went.
    pub since: UnixMs,
    /// When the last did.
    pub until: UnixMs,
}

// === impl Record ===

impl Record {
    /// Reads canonical bytes; none if they are anything else. There is one encoding of each record, so a record that is read
    /// is the one that was hashed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LONGEST {
            return None;
        }
        bcs::from_bytes(bytes).ok()
    }

    /// Its canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Nothing in a record is too long for BCS, whose bound is 2 GiB.
        bcs::to_bytes(self).unwrap_or_default()
    }
}

// === impl What ===

impl What<'_> {
    /// The HTTP method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path, cut where it is too long or tells too much.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the path names.
    pub fn target(&self) -> &Target<'_> {
        &self.target
    }

    /// SHA-256 of the command of an exec, its arguments as the API server reads them.
    pub fn command(&self) -> Option<Digest> {
        self.command
    }

    /// The parameters that may be kept.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// How many parameters may not.
    pub fn withheld(&self) -> u32 {
        self.withheld
    }

    /// The same, with texts of its own.
    pub fn into_owned(self) -> What<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let target = self.target.into_owned();
        What {
            method: own(self.method),
            path: own(self.path),
            target,
            query: self.query.into_iter().map(|(key, value)| (own(key), own(value))).collect(),
            withheld: self.withheld,
            command: self.command,
        }
    }

    /// Whether it changes something, as far as method and path tell. A stream into a pod does, whatever its method.
    pub fn mutates(&self) -> bool {
        let reads = matches!(self.method.as_ref(), "GET" | "HEAD" | "OPTIONS");
        let stream = matches!(self.target.subresource.as_ref(), "exec" | "attach" | "portforward" | "proxy");
        !reads || stream || self.target.verb == "proxy"
    }
}

// === impl Target ===

impl Target<'_> {
    /// The same, with texts of its own.
    pub(crate) fn into_owned(self) -> Target<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let Self { verb, group, version, namespace, resource, subresource, name } = self;
        Target {
            verb: own(verb),
            group: own(group),
            version: own(version),
            namespace: own(namespace),
            resource: own(resource),
            subresource: own(subresource),
            name: own(name),
        }
    }
}

// === impl Who ===

impl Who<'_> {
    /// The same with no text beyond its bound.
    pub(crate) fn bounded(&self) -> Who<'_> {
        // The one word that a client chooses: a token that is there by mistake is not written down.
        let acting_as = match masked(&self.acting_as) {
            Cow::Borrowed(name) => bounded(name, LONGEST_WORD),
            Cow::Owned(name) => Cow::Owned(bounded(&name, LONGEST_WORD).into_owned()),
        };
        Who { user: bounded(&self.user, LONGEST_WORD), acting_as, ..self.clone_ids() }
    }

    fn clone_ids(&self) -> Who<'static> {
        let Self { kind, position, tier, seal, user: _, acting_as: _ } = *self;
        Who { kind, position, tier, seal, ..Who::default() }
    }
}

// === impl End ===

impl End<'_> {
    pub(crate) fn bounded(&self) -> End<'_> {
        End {
            start: self.start,
            status: self.status,
            reason: bounded(&self.reason, LONGEST_WORD),
            received: self.received,
            sent: self.sent,
            audit_id: bounded(&self.audit_id, LONGEST_WORD),
        }
    }
}

// === impl Lost ===

impl Lost {
    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        self.requests == 0 && self.ends == 0
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.since = if self.is_nothing() { other.since } else { self.since.min(other.since) };
        self.requests = self.requests.saturating_add(other.requests);
        self.ends = self.ends.saturating_add(other.ends);
        self.until = self.until.max(other.until);
    }

    pub(crate) fn count(&mut self, request: bool, at: UnixMs) {
        if self.is_nothing() {
            self.since = at;
        }
        let counter = if request { &mut self.requests } else { &mut self.ends };
        *counter = counter.saturating_add(1);
        self.until = self.until.max(at);
    }
}

#[cfg(test)]
mod tests;

//! Checkpoints, events and objects that may be believed, whoever handed them over.
//!
//! A server's words come in as a [`Claim`]: bytes. [`prove`] takes one checkpoint's through every check: the signature of
//! its epoch's [`Committee`] over the summary, the summary's digest of the contents, the contents' digest of each
//! transaction's effects, the effects' digest of the events. [`Committees`] are reached from the pinned one through the
//! last checkpoint of each epoch. A [`Sequence`] sees that checkpoints follow each other, so that none is left out.
//!
//! The types' fields are private and their only constructors are here: who holds one knows that all of it was checked.

mod checkpoint;
mod committee;
mod error;
mod object;
mod packages;
mod sequence;
#[cfg(test)]
mod tests;

pub use checkpoint::{Claim, ClaimedSignature, ClaimedTransaction, Proven, Unreadable, prove};
pub use committee::{Committee, Committees};
pub use error::{Check, ProofError};
pub use packages::Packages;
pub use sequence::Sequence;

pub(crate) use checkpoint::Header;
pub(crate) use object::{ClaimedObject, ProvenEffects, ProvenObject, Upgrade};

use daas_types::onchain::Event;
use daas_types::{Digest, UnixMs};

/// A checkpoint that may be believed, with a cluster's events in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    sequence: u64,
    epoch: u64,
    ends_epoch: bool,
    digest: Digest,
    previous: Option<Digest>,
    timestamp: UnixMs,
    events: Vec<VerifiedEvent>,
    unknown: bool,
}

/// An event out of a [`VerifiedCheckpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvent {
    checkpoint: u64,
    event: Event,
}

// === impl VerifiedCheckpoint ===

impl VerifiedCheckpoint {
    /// Its sequence number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The digest of its summary.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its time.
    pub fn timestamp(&self) -> UnixMs {
        self.timestamp
    }

    /// The package's events in it, in order.
    pub fn events(&self) -> &[VerifiedEvent] {
        &self.events
    }

    /// Whether the package emitted more than its [`Self::events`]: something of a type that this program does not know.
    pub fn has_unknown(&self) -> bool {
        self.unknown
    }
}

// === impl VerifiedEvent ===

impl VerifiedEvent {
    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// In which checkpoint.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }
}

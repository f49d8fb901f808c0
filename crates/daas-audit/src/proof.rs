//! Proofs for one who has an anchor and not the log: that a record is in it, and that a later log only added to it.

use crate::anchor::Anchor;
use crate::chain::Tip;
use crate::disk::Disk;
use crate::hash::{Digest, LogId};
use crate::merkle::{ProofBuilder, consistency_holds, inclusion_holds};
use crate::record::Record;
use crate::segment::{self, Frame};
use crate::walk::{Damaged, ReadError, Walk};
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};
use std::io;

/// That a record is in a log, for whoever knows that the chain has the anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Which log.
    pub log: LogId,
    /// The anchor: to be compared with the chain's.
    pub anchor: Anchor,
    /// The leaf of the record before; of the first, the log's origin.
    pub previous: Digest,
    /// The record's canonical bytes, in hex.
    pub record: String,
    /// The siblings from the record's leaf up to the root.
    pub path: Vec<Digest>,
}

/// That a log at a later anchor begins with all it had at an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Which log.
    pub log: LogId,
    /// The earlier anchor.
    pub old: Anchor,
    /// The later one.
    pub new: Anchor,
    /// The proof of RFC 9162, 2.1.4.
    pub path: Vec<Digest>,
}

/// Why there is no proof, or why it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The anchor is older than what is to be proven, or the anchors are in the wrong order.
    #[error("{asked} is not below {records}, the number of records anchored")]
    NotAnchored {
        /// The record, or the number of records.
        asked: u64,
        /// What the anchor covers.
        records: u64,
    },
    /// The log has not all that was anchored, or something else.
    #[error("the log does not have the anchor of {0} records")]
    LacksAnchor(u64),
    /// The bytes are no record.
    #[error("the proof's record cannot be read")]
    Form,
    /// The hashes do not lead from the record to the root.
    #[error("the proof does not hold")]
    Broken,
}

/// Proves that record `sequence` is among those of `anchor`. Reads the log up to there.
pub fn prove<D: Disk>(disk: &D, log: LogId, sequence: u64, anchor: Anchor) -> Result<Proof, ProofError> {
    let too_late = ProofError::NotAnchored { asked: sequence, records: anchor.records };
    let builder = ProofBuilder::inclusion(sequence, anchor.records).ok_or(too_late)?;
    let (mut previous, mut record) = (log.origin(), None);
    let path = build(disk, log, builder, &[anchor], |frame| match frame.sequence.cmp(&sequence) {
        Ordering::Less => previous = frame.leaf,
        Ordering::Equal => record = Some(hex::encode(frame.record)),
        Ordering::Greater => {}
    })?;
    let record = record.ok_or(ProofError::LacksAnchor(anchor.records))?;
    Ok(Proof { log, anchor, previous, record, path })
}

/// Proves that the log at `new` begins with all it had at `old`. Reads the log up to there.
pub fn prove_growth<D: Disk>(disk: &D, log: LogId, old: Anchor, new: Anchor) -> Result<Growth, ProofError> {
    let disordered = ProofError::NotAnchored { asked: old.records, records: new.records };
    let builder = ProofBuilder::consistency(old.records, new.records).ok_or(disordered)?;
    let path = build(disk, log, builder, &[old, new], |_| {})?;
    Ok(Growth { log, old, new, path })
}

/// The hashes of a proof, if the log has the anchors.
fn build<D: Disk>(
    disk: &D,
    log: LogId,
    mut builder: ProofBuilder,
    anchors: &[Anchor],
    mut visit: impl FnMut(&Frame<'_>),
) -> Result<Vec<Digest>, ProofError> {
    let all = anchors.iter().map(|anchor| anchor.records).max().unwrap_or_default();
    let mut met = 0;
    let indices = segment::indices(&disk.list()?);
    Walk::new(disk, log).run(&indices, 0, |tip: &Tip, frame| {
        let records = tip.tree.leaves();
        for anchor in anchors.iter().filter(|anchor| anchor.records == records) {
            anchor.check(tip.tree.root()).map_err(|_| ProofError::LacksAnchor(records))?;
            met += 1;
        }
        if let Some(frame) = frame.filter(|frame| frame.sequence < all) {
            builder.push(frame.sequence, frame.leaf);
            visit(frame);
        }
        Ok::<_, ProofError>(())
    })?;
    let path = builder.finish().filter(|_| met == anchors.len());
    path.ok_or(ProofError::LacksAnchor(all))
}

// === impl ProofError ===

impl From<io::Error> for ProofError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl From<Damaged> for ProofError {
    fn from(damaged: Damaged) -> Self {
        Self::Read(damaged.into())
    }
}

// === impl Proof ===

impl Proof {
    /// The record, if the log of [`Self::anchor`] has it. That the chain has this anchor for [`Self::log`] is to be looked up.
    pub fn check(&self) -> Result<Record, ProofError> {
        let bytes = hex::decode(&self.record).map_err(|_| ProofError::Form)?;
        let record = Record::from_bytes(&bytes).ok_or(ProofError::Form)?;
        let Anchor { records, root, sequence: _ } = self.anchor;
        let holds = inclusion_holds(Digest::leaf(&self.previous, &bytes), record.sequence, records, &self.path, root);
        if holds { Ok(record) } else { Err(ProofError::Broken) }
    }
}

// === impl Growth ===

impl Growth {
    /// Whether it holds. That the chain had both anchors is to be looked up.
    pub fn check(&self) -> Result<(), ProofError> {
        let Self { old, new, path, log: _ } = self;
        let holds = consistency_holds(old.records, old.root, new.records, new.root, path);
        if holds { Ok(()) } else { Err(ProofError::Broken) }
    }
}

#[cfg(test)]
mod tests;

//! Roots of the log on chain: which one is next, and whether a log has it.
//!
//! The chain takes one root under each sequence number. So what is to be anchored is written down before it is sent, and a
//! retry, also by a restarted process, is of the same root under the same number. [`Anchoring`] decides and does nothing;
//! [`Anchors`] keeps it on disk.

use crate::disk::{self, Disk};
use crate::hash::{Digest, EnclaveKey, LogId};
use crate::log::Head;
use daas_types::{ErrorCode, Problem, onchain};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// The state file, beside the segments.
const FILE: &str = "anchors.json";

/// A root under its sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Rises with every anchor of the log.
    pub sequence: u64,
    /// How many records the tree has.
    pub records: u64,
    /// Its root.
    pub root: Digest,
}

/// Which root is next: the one that may have been sent, until it is known to be on chain; then one that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchoring {
    log: LogId,
    /// The last that is known to be on chain.
    last: Option<Anchor>,
    /// The one that may have been sent and is not known to be on chain.
    pending: Option<Anchor>,
}

/// [`Anchoring`], on disk before anyone acts on it.
#[derive(Debug)]
pub struct Anchors<D> {
    disk: Arc<D>,
    state: Anchoring,
}

/// The chain has a root under this log's key that this log did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain has {} records, root {}, under {}; this log sent no such root: another process has its key",
    chain.records, chain.root, chain.sequence)]
pub struct Forked {
    /// What the chain has.
    pub chain: Anchor,
}

/// Why anchors cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The disk failed.
    #[error("{FILE}: {0}")]
    Io(#[from] io::Error),
    /// The state file is no such file.
    #[error("{FILE}: {0}")]
    Form(String),
    /// The state file is of another log.
    #[error("{FILE} is of the log of {found}, not of {expected}")]
    Foreign {
        /// Whose log is written here.
        expected: EnclaveKey,
        /// Whose anchors they are.
        found: EnclaveKey,
    },
    /// Somebody else anchors under this key.
    #[error(transparent)]
    Forked(#[from] Forked),
}

/// Why a log does not have an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AnchorMissing {
    /// Records are gone.
    #[error("anchor {sequence} is of {anchored} records, the log has {records}: its end was cut off or rolled back")]
    Short {
        /// The anchor's number.
        sequence: u64,
        /// How many records were anchored.
        anchored: u64,
        /// How many there are.
        records: u64,
    },
    /// Records are others.
    #[error(
        "anchor {sequence} of {anchored} records has root {expected}, the log {found}: a record up to there was changed"
    )]
    Differs {
        /// The anchor's number.
        sequence: u64,
        /// How many records were anchored.
        anchored: u64,
        /// The anchored root.
        expected: Digest,
        /// The log's.
        found: Digest,
    },
    /// The log cannot be read there.
    #[error("anchor {sequence} of {anchored} records cannot be compared: the log cannot be read there")]
    Unread {
        /// The anchor's number.
        sequence: u64,
        /// How many records were anchored.
        anchored: u64,
    },
}

// === impl Anchor ===

impl Anchor {
    /// Whether a log whose first [`Self::records`] records have this `root` has the anchor.
    pub(crate) fn check(&self, root: Digest) -> Result<(), AnchorMissing> {
        let Self { sequence, records: anchored, root: expected } = *self;
        if root == expected {
            Ok(())
        } else {
            Err(AnchorMissing::Differs { sequence, anchored, expected, found: root })
        }
    }

    /// Of a log whose segments up to there are gone or damaged.
    pub(crate) fn unread(&self) -> AnchorMissing {
        AnchorMissing::Unread { sequence: self.sequence, anchored: self.records }
    }

    /// Of a log that has only `records` records.
    pub(crate) fn short(&self, records: u64) -> AnchorMissing {
        AnchorMissing::Short { sequence: self.sequence, anchored: self.records, records }
    }
}

impl TryFrom<&onchain::Anchor> for Anchor {
    type Error = usize;

    /// Fails, with its length, on a root that is no SHA-256.
    fn try_from(anchor: &onchain::Anchor) -> Result<Self, usize> {
        let root = <[u8; 32]>::try_from(anchor.root.as_slice()).map_err(|_| anchor.root.len())?;
        Ok(Self { sequence: anchor.sequence, records: anchor.records, root: Digest(root) })
    }
}

// === impl Anchoring ===

impl Anchoring {
    /// Of a log of which nothing is anchored.
    pub fn new(log: LogId) -> Self {
        Self { log, last: None, pending: None }
    }

    /// After a start: `self` is what the disk has, `on_chain` what the chain has. The disk may have been put back to an
    /// older state, so the chain may be ahead; the log must then have what the chain has.
    pub fn resumed(self, on_chain: Option<Anchor>) -> Result<Self, Forked> {
        let Some(chain) = on_chain else { return Ok(self) };
        let ours = [self.pending, self.last];
        if ours.into_iter().flatten().any(|ours| ours.sequence == chain.sequence && ours != chain) {
            return Err(Forked { chain });
        }
        let last = self.last.filter(|last| last.sequence > chain.sequence).unwrap_or(chain);
        let pending = self.pending.filter(|pending| pending.sequence > last.sequence);
        Ok(Self { last: Some(last), pending, ..self })
    }

    /// With what is to be sent now, given what is on disk: [`Self::pending`] says what, and is none if there is nothing new.
    #[must_use]
    pub fn advanced(self, head: &Head) -> Self {
        let (sequence, anchored) = self.last.map_or((0, 0), |last| (last.sequence, last.records));
        let new = || Anchor { sequence: sequence.saturating_add(1), records: head.records, root: head.root };
        Self { pending: self.pending.or_else(|| (head.records > anchored).then(new)), ..self }
    }

    /// The chain was seen to have `chain`: what was sent, or still what it had before.
    pub fn settled(self, chain: Anchor) -> Result<Self, Forked> {
        if self.pending == Some(chain) {
            return Ok(Self { last: self.pending, pending: None, ..self });
        }
        let behind = self.last.is_some_and(|last| last == chain || chain.sequence < last.sequence);
        if behind { Ok(self) } else { Err(Forked { chain }) }
    }

    /// What may have been sent and is to be sent again.
    pub fn pending(&self) -> Option<Anchor> {
        self.pending
    }

    /// The last that is known to be on chain.
    pub fn last(&self) -> Option<Anchor> {
        self.last
    }
}

// === impl Anchors ===

impl<D: Disk> Anchors<D> {
    /// Reads the state and brings it up to what the chain has for this log.
    pub fn open(disk: Arc<D>, log: LogId, on_chain: Option<Anchor>) -> Result<Self, AnchorError> {
        let state = read(&*disk, log)?.resumed(on_chain)?;
        Ok(Self { disk, state })
    }

    /// What the log must have before it may be extended: to be given to [`crate::Log::open`].
    pub fn expected(&self) -> Vec<Anchor> {
        self.state.last.into_iter().chain(self.state.pending).collect()
    }

    /// What is to be sent now: again the last, until the chain has it; else `head`, if it has anything new. It is on disk
    /// before it is returned.
    pub fn next(&mut self, head: &Head) -> Result<Option<Anchor>, AnchorError> {
        self.keep(self.state.advanced(head))?;
        Ok(self.state.pending)
    }

    /// The chain was seen to have `chain` for this log.
    pub fn settle(&mut self, chain: Anchor) -> Result<(), AnchorError> {
        self.keep(self.state.settled(chain)?)
    }

    /// As it is now.
    pub fn state(&self) -> Anchoring {
        self.state
    }

    fn keep(&mut self, state: Anchoring) -> Result<(), AnchorError> {
        if state == self.state {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(&state).map_err(|e| AnchorError::Form(e.to_string()))?;
        text.push(b'\n');
        disk::replace(&*self.disk, FILE, &text)?;
        self.state = state;
        Ok(())
    }
}

fn read<D: Disk>(disk: &D, log: LogId) -> Result<Anchoring, AnchorError> {
    let bytes = match disk.read(FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Anchoring::new(log)),
        Err(error) => return Err(error.into()),
    };
    let state: Anchoring = serde_json::from_slice(&bytes).map_err(|e| AnchorError::Form(e.to_string()))?;
    if state.log != log {
        return Err(AnchorError::Foreign { expected: log.key, found: state.log.key });
    }
    Ok(state)
}

// === impl AnchorError ===

impl AnchorError {
    /// As a person is told.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Io(error) if disk::is_full(error) => ErrorCode::AuditFull,
            Self::Io(_) => ErrorCode::AuditFailed,
            Self::Form(_) | Self::Foreign { .. } => ErrorCode::AuditDamaged,
            Self::Forked(_) => ErrorCode::AuditForked,
        };
        Problem::new(code, self)
    }
}

#[cfg(test)]
mod tests;

use super::{Check, ProofError, VerifiedCheckpoint};
use daas_types::Digest;
use serde::{Deserialize, Serialize};

/// The end of a run of checkpoints of which none was left out. The next one has to build on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    last: Option<Link>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    sequence: u64,
    digest: Digest,
    timestamp: u64,
    next_epoch: u64,
}

// === impl Sequence ===

impl Sequence {
    /// The last checkpoint of it.
    pub fn last(&self) -> Option<u64> {
        self.last.map(|last| last.sequence)
    }

    /// Takes the next checkpoint in. The first one of a run is taken as it is; nothing changes when a check fails.
    pub fn extend(&mut self, checkpoint: &VerifiedCheckpoint) -> Result<(), ProofError> {
        if let Some(last) = &self.last {
            last.check(checkpoint).map_err(ProofError::at(checkpoint.sequence))?;
        }
        self.last = Some(Link {
            sequence: checkpoint.sequence,
            digest: checkpoint.digest,
            timestamp: checkpoint.timestamp.0,
            next_epoch: checkpoint.epoch.saturating_add(u64::from(checkpoint.ends_epoch)),
        });
        Ok(())
    }
}

// === impl Link ===

impl Link {
    fn check(&self, next: &VerifiedCheckpoint) -> Result<(), Check> {
        if Some(next.sequence) != self.sequence.checked_add(1) {
            return Err(Check::Order { last: self.sequence });
        }
        if next.previous != Some(self.digest) {
            return Err(Check::Previous { expected: self.digest, got: next.previous });
        }
        if next.epoch != self.next_epoch {
            return Err(Check::Epoch { expected: self.next_epoch, got: next.epoch });
        }
        if next.timestamp.0 < self.timestamp {
            return Err(Check::Timestamp { last: self.timestamp, got: next.timestamp.0 });
        }
        Ok(())
    }
}

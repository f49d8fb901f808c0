use super::code::code;
use super::{Status, bytes};
use crate::{Mist, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};

code! {
    /// How far a proposed slash has come.
    Stage "stage of a slash" {
        /// The owner may appeal; if that time passes unused, it may be executed.
        Proposed = 0 "proposed",
        /// It waits for a judge.
        Appealed = 1 "appealed",
        /// A judge let it stand, or reduced it.
        Upheld = 2 "upheld",
    }
}

/// A pending slash, `k3s_daas::slashing::Proposal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// 1 an audit root signed twice, 2 a false attestation, 3 a workload tampered with, 4 an absent node, 5 a breach of
    /// the operator's published rules.
    pub reason: u8,
    /// Digest of the evidence, 32 bytes.
    #[serde(with = "bytes")]
    pub evidence_hash: Vec<u8>,
    /// Where the evidence is.
    pub uri: String,
    /// Who proposed it, and may not judge it.
    pub proposer: WalletAddress,
    /// Amount frozen.
    pub amount: Mist,
    /// How much of it came from unbonding stake.
    pub from_unbonding: Mist,
    /// When it was proposed.
    pub proposed_ms: UnixMs,
    /// The last moment of the owner's time to appeal.
    pub appeal_until_ms: UnixMs,
    /// When it lapses, unless it was executed or cancelled.
    pub expires_ms: UnixMs,
    /// How far it has come.
    pub stage: Stage,
    /// The position's status to return to.
    pub prior_status: Status,
}

// === impl Proposal ===

impl Proposal {
    /// Whether it is over because nobody executed it in time.
    pub fn has_lapsed(&self, now: UnixMs) -> bool {
        now >= self.expires_ms
    }

    /// Whether anyone may execute it now.
    pub fn is_executable(&self, now: UnixMs) -> bool {
        !self.has_lapsed(now) && now > self.appeal_until_ms && self.stage != Stage::Appealed
    }
}

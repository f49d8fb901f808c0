//! What a master has to do next to be on chain: a pure decision over what the chain says.

use core::fmt;
use daas_attest::Binding;
use daas_types::onchain::{ClusterState, MasterRecord, MeasurementStatus, NautilusState, Pcrs};
use daas_types::{PositionId, UnixMs};
use std::time::Duration;

/// What the decision rests on.
pub(super) struct Facts<'a> {
    pub(super) cluster: &'a ClusterState,
    pub(super) nautilus: &'a NautilusState,
    /// Whether a position is active, so that it may answer for a master.
    pub(super) active: &'a (dyn Fn(PositionId) -> bool + Sync),
    /// The only position that may answer for it, if the operator says so.
    pub(super) position: Option<PositionId>,
    /// Positions to try last.
    pub(super) refused: &'a [PositionId],
    pub(super) endpoint: &'a str,
    pub(super) binding: &'a Binding,
    pub(super) pcrs: &'a Pcrs,
    pub(super) has_gas: bool,
    pub(super) now: UnixMs,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Register, answered for by this position.
    Register { position: PositionId, registrations: u64 },
    /// Show a sign of life.
    Beat,
    /// Nothing before then.
    Rest { until: UnixMs, registered_until: UnixMs },
    /// Something that others have to do. While registered the master counts all the same.
    Wait { missing: Vec<Missing>, registered_until: Option<UnixMs> },
}

/// What a master waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A fresh view of the chain.
    Chain,
    /// Money for gas at the enclave's address.
    Gas,
    /// An operator's active position that answers for the enclave's key.
    Endorsement,
    /// A measurement in force that is this enclave's.
    Measurement,
}

/// Decides.
pub(super) fn step(facts: &Facts<'_>) -> Step {
    let policy = &facts.cluster.policy;
    let mine = facts.mine().filter(|record| facts.counts(record));
    let endorser = facts.endorser();
    let missing = facts.missing(endorser);
    let register = |position| Step::Register { position, registrations: facts.nautilus.registrations };
    let Some(record) = mine else {
        return match endorser {
            Some(position) if missing.is_empty() => register(position),
            _ => Step::Wait { missing, registered_until: None },
        };
    };
    let registered_until = record.expires_ms;
    // A quarter of its time is left to attest anew; what is missing for that does not keep it from showing signs of life.
    let renew = UnixMs(registered_until.0.saturating_sub(policy.attestation_ms / 4));
    let beat = record.heartbeat_ms.plus(Duration::from_millis(policy.heartbeat_ms / 3));
    match endorser {
        Some(position) if facts.now >= renew && missing.is_empty() => return register(position),
        _ => {}
    }
    if facts.now < beat {
        let until = if facts.now < renew { beat.min(renew) } else { beat };
        return Step::Rest { until, registered_until };
    }
    if facts.has_gas {
        Step::Beat
    } else {
        Step::Wait { missing: vec![Missing::Gas], registered_until: Some(registered_until) }
    }
}

// === impl Facts ===

impl Facts<'_> {
    fn mine(&self) -> Option<&MasterRecord> {
        self.nautilus.masters.iter().find(|record| record.signing_key == self.binding.signing_key)
    }

    /// Whether the record is of this master as it is now, and counts.
    fn counts(&self, record: &MasterRecord) -> bool {
        record.endpoint == self.endpoint
            && record.ca_spki == self.binding.ca_spki
            && record.config_digest == self.binding.config_digest
            && record.pcr0 == self.pcrs.pcr0
            && self.nautilus.measurements.iter().any(|m| m.pcrs() == *self.pcrs && m.counts())
            && record.is_current(&self.cluster.policy, self.now)
    }

    /// Who is to answer for it. Every operator may endorse any key, so the one that answered before comes first: the chain
    /// takes a key that was registered once for no other.
    fn endorser(&self) -> Option<PositionId> {
        let endorsed = self.nautilus.endorsements.iter().filter(|e| e.signing_key == self.binding.signing_key);
        let chosen = |position: &PositionId| self.position.is_none_or(|chosen| chosen == *position);
        let answers = |position: &PositionId| self.cluster.is_operator(*position) && (self.active)(*position);
        let former = self.mine().map(|record| record.position);
        let willing = endorsed.map(|e| e.position).filter(chosen).filter(answers);
        willing.min_by_key(|position| (Some(*position) != former, self.refused.contains(position)))
    }

    fn missing(&self, endorser: Option<PositionId>) -> Vec<Missing> {
        let in_force =
            |m: &daas_types::onchain::Measurement| m.status == MeasurementStatus::InForce && m.pcrs() == *self.pcrs;
        let all = [
            (Missing::Measurement, !self.nautilus.measurements.iter().any(in_force)),
            (Missing::Endorsement, endorser.is_none()),
            (Missing::Gas, !self.has_gas),
        ];
        all.into_iter().filter(|(_, is_missing)| *is_missing).map(|(missing, _)| missing).collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::Gas => "gas",
            Self::Endorsement => "endorsement",
            Self::Measurement => "measurement",
        })
    }
}

#[cfg(test)]
mod tests;

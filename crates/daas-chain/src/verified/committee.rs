use super::{Check, ProofError};
use daas_types::genesis::Genesis;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_sdk_types::{CheckpointSummary, SignedCheckpointSummary, ValidatorAggregatedSignature, ValidatorCommittee};

/// The validators of one epoch. Their keys are points of the curve, and together they have some stake.
#[derive(Debug)]
pub struct Committee {
    verifier: ValidatorCommitteeSignatureVerifier,
}

/// The committees of all epochs from the pinned one to the last that was reached, with what proves each step.
#[derive(Debug)]
pub struct Committees {
    pinned: u64,
    reached: RwLock<Reached>,
}

#[derive(Debug)]
struct Reached {
    committees: BTreeMap<u64, Arc<Committee>>,
    /// The last checkpoint of each epoch, which names the next committee.
    ends: BTreeMap<u64, SignedCheckpointSummary>,
}

// === impl Committee ===

impl Committee {
    /// Checks the members' keys and stakes.
    pub fn new(committee: ValidatorCommittee) -> Result<Self, Check> {
        let stake = committee.members.iter().try_fold(0_u64, |sum, member| sum.checked_add(member.stake));
        if stake.is_none_or(|stake| stake == 0) {
            return Err(Check::Committee("its members have no stake, or too much".to_owned()));
        }
        let verifier = ValidatorCommitteeSignatureVerifier::new(committee);
        let verifier = verifier.map_err(|e| Check::Committee(format!("a member's key is no key: {e}")))?;
        Ok(Self { verifier })
    }

    /// Its epoch.
    pub fn epoch(&self) -> u64 {
        self.verifier.committee().epoch
    }

    /// Whether a quorum of it signed `summary`.
    pub(super) fn check(
        &self,
        summary: &CheckpointSummary,
        signature: &ValidatorAggregatedSignature,
    ) -> Result<(), Check> {
        let epoch = self.epoch();
        if summary.epoch != epoch {
            return Err(Check::Epoch { expected: epoch, got: summary.epoch });
        }
        let checked = self.verifier.verify_checkpoint_summary(summary, signature);
        checked.map_err(|e| Check::Signature { epoch, cause: e.to_string() })
    }
}

// === impl Committees ===

impl Committees {
    /// The one that `genesis` pins, if it does.
    pub fn pinned(genesis: &Genesis) -> Option<Result<Self, Check>> {
        let committee = genesis.committee()?.clone();
        let pinned = committee.epoch;
        Some(Committee::new(committee).map(|committee| {
            let committees = BTreeMap::from([(pinned, Arc::new(committee))]);
            Self { pinned, reached: RwLock::new(Reached { committees, ends: BTreeMap::new() }) }
        }))
    }

    /// The committee of an epoch, if it was reached.
    pub fn of_epoch(&self, epoch: u64) -> Option<Arc<Committee>> {
        self.read(|reached| reached.committees.get(&epoch).cloned())
    }

    /// The epoch of the pinned committee; what was signed before it is not believed.
    pub fn first_epoch(&self) -> u64 {
        self.pinned
    }

    /// The last epoch whose committee was reached.
    pub fn last_epoch(&self) -> u64 {
        self.read(|reached| reached.committees.last_key_value().map_or(self.pinned, |(epoch, _)| *epoch))
    }

    /// Takes a step: the last checkpoint of an epoch whose committee is known names the committee of the next.
    pub fn advance(&self, end: SignedCheckpointSummary) -> Result<(), ProofError> {
        let SignedCheckpointSummary { checkpoint: summary, signature } = &end;
        let fails = ProofError::at(summary.sequence_number);
        let epoch = summary.epoch;
        let committee = self.of_epoch(epoch);
        let committee = committee.ok_or_else(|| fails(Check::UnknownCommittee { epoch, pinned: self.pinned }))?;
        committee.check(summary, signature).map_err(&fails)?;
        let (Some(data), Some(next)) = (&summary.end_of_epoch_data, epoch.checked_add(1)) else {
            return Err(fails(Check::EndOfEpoch { epoch }));
        };
        let next = ValidatorCommittee { epoch: next, members: data.next_epoch_committee.clone() };
        let next = Arc::new(Committee::new(next).map_err(&fails)?);
        self.write(|reached| {
            reached.committees.entry(next.epoch()).or_insert(next);
            reached.ends.entry(epoch).or_insert(end);
        });
        Ok(())
    }

    /// What proves the steps from `epoch` on.
    pub(crate) fn ends_from(&self, epoch: u64) -> Vec<SignedCheckpointSummary> {
        self.read(|reached| reached.ends.range(epoch..).map(|(_, end)| end.clone()).collect())
    }

    fn read<T>(&self, look: impl FnOnce(&Reached) -> T) -> T {
        look(&self.reached.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Reached)) {
        // Whoever panicked here has inserted whole entries or none.
        change(&mut self.reached.write().unwrap_or_else(PoisonError::into_inner));
    }
}

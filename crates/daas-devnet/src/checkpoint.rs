//! Sealing transactions into checkpoints: the whole consensus of a network with one validator, whose key is another one
//! in each epoch.

use crate::keys::ValidatorSecret;
use crate::ledger::{StoredCheckpoint, StoredTransaction};
use std::sync::{Arc, Mutex, PoisonError};
use sui_crypto::bls12381::{Bls12381PrivateKey, ValidatorCommitteeSignatureAggregator};
use sui_sdk_types::{
    CheckpointContents, CheckpointSummary, CheckpointTransactionInfo, EndOfEpochData, GasCostSummary,
    TransactionEffects, ValidatorAggregatedSignature, ValidatorCommittee, ValidatorCommitteeMember,
};

/// Sui committees have a total stake of 10,000.
const STAKE: u64 = 10_000;
/// Of the protocol that the limits are taken from.
pub(crate) const PROTOCOL_VERSION: u64 = 118;

/// The one-validator committees and their keys.
pub(crate) struct Sealer {
    secret: ValidatorSecret,
    /// The last one used: making a key again for each checkpoint would cost as much as the signature.
    current: Mutex<Option<Arc<Validator>>>,
}

struct Validator {
    key: Bls12381PrivateKey,
    committee: ValidatorCommittee,
}

/// The epoch of the checkpoint after `last` (`None`: of the genesis).
pub(crate) fn epoch_after(last: Option<&CheckpointSummary>) -> u64 {
    last.map_or(0, |last| last.epoch + u64::from(last.end_of_epoch_data.is_some()))
}

// === impl Sealer ===

impl Sealer {
    pub(crate) fn new(secret: ValidatorSecret) -> Self {
        Self { secret, current: Mutex::new(None) }
    }

    /// Who signs in `epoch`.
    pub(crate) fn committee(&self, epoch: u64) -> ValidatorCommittee {
        self.validator(epoch).committee.clone()
    }

    /// The checkpoint after `previous` (`None`: the genesis), signed.
    pub(crate) fn seal(
        &self,
        previous: Option<&CheckpointSummary>,
        transactions: &[StoredTransaction],
        timestamp_ms: u64,
        version_specific_data: Vec<u8>,
    ) -> StoredCheckpoint {
        let contents = contents_of(transactions);
        let summary = summary(previous, transactions, &contents, timestamp_ms, version_specific_data);
        StoredCheckpoint { signature: self.sign(&summary), summary, contents }
    }

    /// The checkpoint after `previous`, the last of its epoch: it names the next committee.
    pub(crate) fn seal_last(
        &self,
        previous: &CheckpointSummary,
        transactions: &[StoredTransaction],
        timestamp_ms: u64,
    ) -> StoredCheckpoint {
        let contents = contents_of(transactions);
        let mut summary = summary(Some(previous), transactions, &contents, timestamp_ms, vec![]);
        summary.end_of_epoch_data = Some(self.end_of(summary.epoch));
        StoredCheckpoint { signature: self.sign(&summary), summary, contents }
    }

    /// What the last checkpoint of `epoch` says about the next one.
    pub(crate) fn end_of(&self, epoch: u64) -> EndOfEpochData {
        EndOfEpochData {
            next_epoch_committee: committee_of(&self.secret.key(epoch + 1), epoch + 1).members,
            next_epoch_protocol_version: PROTOCOL_VERSION,
            epoch_commitments: vec![],
        }
    }

    /// The summary's signature by the committee of its epoch.
    pub(crate) fn sign(&self, summary: &CheckpointSummary) -> ValidatorAggregatedSignature {
        let validator = self.validator(summary.epoch);
        let committee = validator.committee.clone();
        let mut votes = ValidatorCommitteeSignatureAggregator::new_checkpoint_summary(committee, summary)
            .expect("the committee must have a valid key");
        votes.add_signature(validator.key.sign_checkpoint_summary(summary)).expect("the key must be the committee's");
        votes.finish().expect("the only validator must be a quorum")
    }

    fn validator(&self, epoch: u64) -> Arc<Validator> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = current.as_ref().filter(|v| v.committee.epoch == epoch) {
            return validator.clone();
        }
        let key = self.secret.key(epoch);
        let validator = Arc::new(Validator { committee: committee_of(&key, epoch), key });
        *current = Some(validator.clone());
        validator
    }
}

fn committee_of(key: &Bls12381PrivateKey, epoch: u64) -> ValidatorCommittee {
    let member = ValidatorCommitteeMember { public_key: key.public_key(), stake: STAKE };
    ValidatorCommittee { epoch, members: vec![member] }
}

fn summary(
    previous: Option<&CheckpointSummary>,
    transactions: &[StoredTransaction],
    contents: &CheckpointContents,
    timestamp_ms: u64,
    version_specific_data: Vec<u8>,
) -> CheckpointSummary {
    let count = u64::try_from(transactions.len()).expect("a checkpoint's transactions must be countable");
    let epoch = epoch_after(previous);
    let same_epoch = previous.filter(|p| p.epoch == epoch);
    let mut gas = same_epoch.map(|p| p.epoch_rolling_gas_cost_summary.clone()).unwrap_or_default();
    for transaction in transactions {
        add_gas(&mut gas, gas_of(&transaction.effects));
    }
    CheckpointSummary {
        epoch,
        sequence_number: previous.map_or(0, |p| p.sequence_number + 1),
        network_total_transactions: previous.map_or(0, |p| p.network_total_transactions) + count,
        content_digest: contents.digest(),
        previous_digest: previous.map(CheckpointSummary::digest),
        epoch_rolling_gas_cost_summary: gas,
        timestamp_ms,
        checkpoint_commitments: vec![],
        end_of_epoch_data: None,
        version_specific_data,
    }
}

/// What a checkpoint of these transactions lists.
pub(crate) fn contents_of(transactions: &[StoredTransaction]) -> CheckpointContents {
    CheckpointContents::new_v1(transactions.iter().map(info).collect())
}

fn info(transaction: &StoredTransaction) -> CheckpointTransactionInfo {
    let effects = transaction.effects.digest();
    CheckpointTransactionInfo::new(transaction.digest(), effects, transaction.signed.signatures.clone())
}

fn gas_of(effects: &TransactionEffects) -> &GasCostSummary {
    match effects {
        TransactionEffects::V1(effects) => &effects.gas_used,
        TransactionEffects::V2(effects) => &effects.gas_used,
    }
}

fn add_gas(sum: &mut GasCostSummary, more: &GasCostSummary) {
    sum.computation_cost += more.computation_cost;
    sum.storage_cost += more.storage_cost;
    sum.storage_rebate += more.storage_rebate;
    sum.non_refundable_storage_fee += more.non_refundable_storage_fee;
}

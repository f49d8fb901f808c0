//! Sealing transactions into checkpoints: the whole consensus of a network with one validator.

use crate::ledger::{StoredCheckpoint, StoredTransaction};
use sui_crypto::bls12381::{Bls12381PrivateKey, ValidatorCommitteeSignatureAggregator};
use sui_sdk_types::{
    CheckpointContents, CheckpointSummary, CheckpointTransactionInfo, GasCostSummary, TransactionEffects,
    ValidatorCommittee, ValidatorCommitteeMember,
};

/// The only epoch there is: the committee never changes.
pub(crate) const EPOCH: u64 = 0;
/// Sui committees have a total stake of 10,000.
const STAKE: u64 = 10_000;

/// The one-validator committee and its key.
pub(crate) struct Sealer {
    key: Bls12381PrivateKey,
    committee: ValidatorCommittee,
}

// === impl Sealer ===

impl Sealer {
    pub(crate) fn new(key: Bls12381PrivateKey) -> Self {
        let committee = committee_of(&key);
        Self { key, committee }
    }

    pub(crate) fn committee(&self) -> &ValidatorCommittee {
        &self.committee
    }

    /// The checkpoint after `previous` (`None`: the genesis), signed.
    pub(crate) fn seal(
        &self,
        previous: Option<&CheckpointSummary>,
        transactions: &[StoredTransaction],
        timestamp_ms: u64,
        version_specific_data: Vec<u8>,
    ) -> StoredCheckpoint {
        let contents = CheckpointContents::new_v1(transactions.iter().map(info).collect());
        let count = u64::try_from(transactions.len()).expect("a checkpoint's transactions must be countable");
        let mut gas = previous.map(|p| p.epoch_rolling_gas_cost_summary.clone()).unwrap_or_default();
        for transaction in transactions {
            add_gas(&mut gas, gas_of(&transaction.effects));
        }
        let summary = CheckpointSummary {
            epoch: EPOCH,
            sequence_number: previous.map_or(0, |p| p.sequence_number + 1),
            network_total_transactions: previous.map_or(0, |p| p.network_total_transactions) + count,
            content_digest: contents.digest(),
            previous_digest: previous.map(CheckpointSummary::digest),
            epoch_rolling_gas_cost_summary: gas,
            timestamp_ms,
            checkpoint_commitments: vec![],
            end_of_epoch_data: None,
            version_specific_data,
        };
        let mut votes = ValidatorCommitteeSignatureAggregator::new_checkpoint_summary(self.committee.clone(), &summary)
            .expect("the committee must have a valid key");
        votes.add_signature(self.key.sign_checkpoint_summary(&summary)).expect("the key must be the committee's");
        let signature = votes.finish().expect("the only validator must be a quorum");
        StoredCheckpoint { summary, signature, contents }
    }
}

fn committee_of(key: &Bls12381PrivateKey) -> ValidatorCommittee {
    let member = ValidatorCommitteeMember { public_key: key.public_key(), stake: STAKE };
    ValidatorCommittee { epoch: EPOCH, members: vec![member] }
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

//! Transactions of the network itself, which nobody signs: the genesis, and the end of an epoch.

use crate::checkpoint::{PROTOCOL_VERSION, epoch_after};
use crate::ledger::{Changes, StoredTransaction};
use sui_sdk_types::{
    Address, ChangeEpoch, ChangedObject, CheckpointSummary, Ed25519PublicKey, Ed25519Signature,
    EndOfEpochTransactionKind, ExecutionStatus, GasCostSummary, GasPayment, IdOperation, Object, ObjectIn, ObjectOut,
    SignedTransaction, SimpleSignature, Transaction, TransactionEffects, TransactionEffectsV2, TransactionExpiration,
    TransactionKind, UserSignature,
};

/// Version of the objects a system transaction makes.
pub(crate) const VERSION: u64 = 1;

/// A transaction from address zero that pays nothing.
pub(crate) fn transaction(kind: TransactionKind) -> Transaction {
    Transaction {
        kind,
        sender: Address::ZERO,
        gas_payment: GasPayment { objects: vec![], owner: Address::ZERO, price: 1, budget: 0 },
        expiration: TransactionExpiration::None,
    }
}

/// The transaction as executed in the checkpoint after `last`, with the objects it made.
pub(crate) fn executed(
    transaction: Transaction,
    last: Option<&CheckpointSummary>,
    timestamp_ms: u64,
    changes: &Changes,
) -> StoredTransaction {
    let created = |o: &Object| ChangedObject {
        object_id: o.object_id(),
        input_state: ObjectIn::NotExist,
        output_state: ObjectOut::ObjectWrite { digest: o.digest(), owner: *o.owner() },
        id_operation: IdOperation::Created,
    };
    let effects = TransactionEffectsV2 {
        status: ExecutionStatus::Success,
        epoch: epoch_after(last),
        gas_used: GasCostSummary::default(),
        transaction_digest: transaction.digest(),
        gas_object_index: None,
        events_digest: None,
        dependencies: vec![],
        lamport_version: VERSION,
        changed_objects: changes.written.values().map(created).collect(),
        unchanged_consensus_objects: vec![],
        auxiliary_data_digest: None,
    };
    StoredTransaction {
        effects: TransactionEffects::V2(Box::new(effects)),
        signed: SignedTransaction { transaction, signatures: vec![nobody()] },
        events: None,
        balance_changes: vec![],
        checkpoint: last.map_or(0, |last| last.sequence_number + 1),
        index: 0,
        timestamp_ms,
    }
}

/// The transaction that ends the epoch of the checkpoint after `last`, with what the epoch earned until then.
pub(crate) fn change_epoch(last: &CheckpointSummary, now_ms: u64) -> Transaction {
    let epoch = epoch_after(Some(last));
    let same_epoch = last.epoch == epoch;
    let gas = if same_epoch { last.epoch_rolling_gas_cost_summary.clone() } else { GasCostSummary::default() };
    transaction(TransactionKind::EndOfEpoch(vec![EndOfEpochTransactionKind::ChangeEpoch(ChangeEpoch {
        epoch: epoch + 1,
        protocol_version: PROTOCOL_VERSION,
        storage_charge: gas.storage_cost,
        computation_charge: gas.computation_cost,
        storage_rebate: gas.storage_rebate,
        non_refundable_storage_fee: gas.non_refundable_storage_fee,
        epoch_start_timestamp_ms: now_ms,
        system_packages: vec![],
    })]))
}

/// System transactions carry a signature of zeros, as on Sui.
fn nobody() -> UserSignature {
    UserSignature::Simple(SimpleSignature::Ed25519 {
        signature: Ed25519Signature::new([0; 64]),
        public_key: Ed25519PublicKey::new([0; 32]),
    })
}

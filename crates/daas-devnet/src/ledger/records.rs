use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::{
    Address, BalanceChange, CheckpointContents, CheckpointSummary, Digest, Object, SignedTransaction,
    TransactionEffects, TransactionEvents, ValidatorAggregatedSignature,
};

/// A checkpoint as the committee signed it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredCheckpoint {
    pub(crate) summary: CheckpointSummary,
    pub(crate) signature: ValidatorAggregatedSignature,
    pub(crate) contents: CheckpointContents,
}

/// A transaction and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredTransaction {
    pub(crate) signed: SignedTransaction,
    pub(crate) effects: TransactionEffects,
    pub(crate) events: Option<TransactionEvents>,
    pub(crate) balance_changes: Vec<BalanceChange>,
    pub(crate) checkpoint: u64,
    pub(crate) index: u64,
    pub(crate) timestamp_ms: u64,
}

/// What a checkpoint does to the set of objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) written: BTreeMap<Address, Object>,
    pub(crate) deleted: BTreeSet<Address>,
}

impl StoredTransaction {
    pub(crate) fn digest(&self) -> Digest {
        self.signed.transaction.digest()
    }
}

//! What the pages hold. As JSON it is just this.

use crate::control::ClockStatus;
use crate::faults::Active;
use serde::Serialize;
use serde_json::Value;

/// Any page.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Page {
    Overview(Overview),
    Checkpoints(List<CheckpointRow>),
    Checkpoint(Checkpoint),
    Transactions(List<TransactionRow>),
    Transaction(Box<Transaction>),
    Events(List<EventRow>),
    Objects(List<ObjectRow>),
    Object(Object),
    Faults(Faults),
}

/// Rows, and the address of the next ones.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) rows: Vec<T>,
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Overview {
    pub(super) chain: String,
    pub(super) epoch: u64,
    pub(super) clock: ClockStatus,
    pub(super) transactions: u64,
    pub(super) faults: usize,
    pub(super) latest_checkpoints: Vec<CheckpointRow>,
    pub(super) latest_transactions: Vec<TransactionRow>,
}

#[derive(Serialize)]
pub(super) struct CheckpointRow {
    pub(super) sequence: u64,
    pub(super) digest: String,
    pub(super) epoch: u64,
    pub(super) timestamp_ms: u64,
    pub(super) transactions: usize,
    pub(super) end_of_epoch: bool,
}

#[derive(Serialize)]
pub(super) struct Checkpoint {
    #[serde(flatten)]
    pub(super) row: CheckpointRow,
    pub(super) previous_digest: Option<String>,
    pub(super) content_digest: String,
    pub(super) network_total_transactions: u64,
    pub(super) signature: String,
    pub(super) next_committee: Option<Vec<String>>,
    pub(super) contents: Vec<TransactionRow>,
}

#[derive(Serialize)]
pub(super) struct TransactionRow {
    pub(super) digest: String,
    pub(super) checkpoint: u64,
    pub(super) timestamp_ms: u64,
    pub(super) sender: String,
    pub(super) summary: String,
    pub(super) success: bool,
    pub(super) events: usize,
}

#[derive(Serialize)]
pub(super) struct Transaction {
    #[serde(flatten)]
    pub(super) row: TransactionRow,
    pub(super) error: Option<String>,
    pub(super) epoch: u64,
    pub(super) gas_owner: String,
    pub(super) gas: Gas,
    pub(super) inputs: Vec<String>,
    pub(super) commands: Vec<String>,
    pub(super) changed_objects: Vec<Change>,
    pub(super) balance_changes: Vec<BalanceChange>,
    pub(super) emitted: Vec<EventRow>,
}

/// MIST, as strings.
#[derive(Serialize)]
pub(super) struct Gas {
    pub(super) computation: String,
    pub(super) storage: String,
    pub(super) rebate: String,
    pub(super) budget: String,
}

#[derive(Serialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) version: Option<u64>,
    pub(super) operation: &'static str,
    pub(super) object_type: Option<String>,
}

#[derive(Serialize)]
pub(super) struct BalanceChange {
    pub(super) address: String,
    pub(super) coin_type: String,
    pub(super) amount: String,
}

#[derive(Serialize)]
pub(super) struct EventRow {
    pub(super) transaction: String,
    pub(super) index: usize,
    pub(super) checkpoint: u64,
    pub(super) timestamp_ms: u64,
    pub(super) event_type: String,
    pub(super) sender: String,
    pub(super) json: Option<Value>,
    pub(super) bcs: String,
}

#[derive(Serialize)]
pub(super) struct ObjectRow {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) object_type: String,
    pub(super) owner: Owner,
    pub(super) balance: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Owner {
    pub(super) kind: &'static str,
    pub(super) address: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Object {
    #[serde(flatten)]
    pub(super) row: ObjectRow,
    pub(super) digest: String,
    pub(super) previous_transaction: String,
    pub(super) earlier_version: Option<u64>,
    pub(super) modules: Vec<String>,
    pub(super) json: Option<Value>,
    pub(super) bcs: Option<String>,
    pub(super) fields: Vec<ObjectRow>,
}

#[derive(Serialize)]
pub(super) struct Faults {
    pub(super) faults: Vec<Active>,
}

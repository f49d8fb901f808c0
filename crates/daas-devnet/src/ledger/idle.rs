//! Checkpoints as records. A network that nobody uses still makes a checkpoint a second. Nearly all of them are empty, and
//! an empty one repeats what stood in the last one that was not: it is kept as what differs.

use super::{Bytes, StoredCheckpoint};
use crate::StoreError;
use crate::checkpoint::epoch_after;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use sui_sdk_types::{
    Bls12381Signature, CheckpointContents, CheckpointSummary, Digest, GasCostSummary, ValidatorAggregatedSignature,
};

#[derive(Serialize, Deserialize)]
enum Record {
    Whole(Box<StoredCheckpoint>),
    Idle(Idle),
}

/// What an empty checkpoint does not share with the whole record at `like`.
#[derive(Serialize, Deserialize)]
struct Idle {
    like: u64,
    previous_digest: Digest,
    timestamp_ms: u64,
    signature: Bls12381Signature,
}

/// The record for `checkpoint`, to stand behind the last one of `table`.
pub(super) fn encode(
    table: &impl ReadableTable<u64, Bytes>,
    checkpoint: &StoredCheckpoint,
) -> Result<Vec<u8>, StoreError> {
    let idle = idle(table, checkpoint)?;
    Ok(super::encode(&idle.map_or_else(|| Record::Whole(Box::new(checkpoint.clone())), Record::Idle)))
}

/// The checkpoint whose record in `table` is `bytes`.
pub(super) fn decode(
    table: &impl ReadableTable<u64, Bytes>,
    sequence: u64,
    bytes: &[u8],
) -> Result<StoredCheckpoint, StoreError> {
    match record(bytes)? {
        Record::Whole(checkpoint) => Ok(*checkpoint),
        Record::Idle(idle) => Ok(restore(&whole(table, idle.like)?, sequence, &idle)),
    }
}

/// The short form, if nothing is lost by it.
fn idle(table: &impl ReadableTable<u64, Bytes>, checkpoint: &StoredCheckpoint) -> Result<Option<Idle>, StoreError> {
    let summary = &checkpoint.summary;
    let (Some((last, bytes)), Some(previous_digest)) = (table.last()?, summary.previous_digest) else {
        return Ok(None);
    };
    let like = match record(bytes.value())? {
        Record::Whole(_) => last.value(),
        Record::Idle(idle) => idle.like,
    };
    let signature = checkpoint.signature.signature;
    let idle = Idle { like, previous_digest, timestamp_ms: summary.timestamp_ms, signature };
    let restored = restore(&whole(table, like)?, summary.sequence_number, &idle);
    Ok((super::encode(&restored) == super::encode(checkpoint)).then_some(idle))
}

fn restore(like: &StoredCheckpoint, sequence_number: u64, idle: &Idle) -> StoredCheckpoint {
    let contents = CheckpointContents::new_v1(vec![]);
    let epoch = epoch_after(Some(&like.summary));
    let gas = if epoch == like.summary.epoch {
        like.summary.epoch_rolling_gas_cost_summary.clone()
    } else {
        GasCostSummary::default()
    };
    let summary = CheckpointSummary {
        epoch,
        sequence_number,
        network_total_transactions: like.summary.network_total_transactions,
        content_digest: contents.digest(),
        previous_digest: Some(idle.previous_digest),
        epoch_rolling_gas_cost_summary: gas,
        timestamp_ms: idle.timestamp_ms,
        checkpoint_commitments: vec![],
        end_of_epoch_data: None,
        version_specific_data: vec![],
    };
    let bitmap = like.signature.bitmap.clone();
    let signature = ValidatorAggregatedSignature { epoch, signature: idle.signature, bitmap };
    StoredCheckpoint { summary, signature, contents }
}

fn whole(table: &impl ReadableTable<u64, Bytes>, sequence: u64) -> Result<StoredCheckpoint, StoreError> {
    let bytes = table.get(sequence)?.ok_or_else(|| corrupt("an idle checkpoint is like none"))?;
    match record(bytes.value())? {
        Record::Whole(checkpoint) => Ok(*checkpoint),
        Record::Idle(_) => Err(corrupt("an idle checkpoint is like another idle one")),
    }
}

fn record(bytes: &[u8]) -> Result<Record, StoreError> {
    super::decode("checkpoints", bytes)
}

fn corrupt(cause: &str) -> StoreError {
    StoreError::Corrupt { table: "checkpoints", cause: cause.to_owned() }
}

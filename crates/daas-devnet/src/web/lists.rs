//! Pages of many.

use super::page::{CheckpointRow, EventRow, List, ObjectRow, Overview, Owner, Page, TransactionRow};
use super::{Absent, Asked, ROWS, parsed};
use crate::StoreError;
use crate::control::ClockStatus;
use crate::describe;
use crate::layout::json_of;
use crate::ledger::{Holder, StoredCheckpoint, StoredTransaction, View};
use crate::node::Node;
use crate::objects::sui_balance;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sui_sdk_types::{Address, Event, ExecutionStatus, Object, ObjectType, TransactionEffects};

/// Rows of each list on the first page.
const FEW: usize = 10;
/// Transactions looked at for one page of events.
const MAX_SCAN: usize = 2000;

pub(super) fn overview(node: &Node, view: &View) -> Result<Page, Absent> {
    let (latest_checkpoints, _) = checkpoint_rows(view, None, FEW)?;
    let (latest_transactions, _) = transaction_rows(view, None, FEW)?;
    Ok(Page::Overview(Overview {
        chain: node.executor.chain().to_string(),
        epoch: view.epoch()?,
        clock: ClockStatus { now_ms: node.executor.now_ms(), manual: node.time.is_still() },
        transactions: view.transactions()?,
        faults: node.faults.list().len(),
        latest_checkpoints,
        latest_transactions,
    }))
}

pub(super) fn checkpoints(view: &View, asked: &Asked) -> Result<Page, Absent> {
    let (rows, next) = checkpoint_rows(view, number(asked)?, ROWS)?;
    Ok(Page::Checkpoints(List { rows, next: next.map(|n| format!("/checkpoints?before={n}")) }))
}

pub(super) fn transactions(view: &View, asked: &Asked) -> Result<Page, Absent> {
    let (rows, next) = transaction_rows(view, number(asked)?, ROWS)?;
    Ok(Page::Transactions(List { rows, next: next.map(|n| format!("/transactions?before={n}")) }))
}

/// Whole transactions' events, until there are enough.
pub(super) fn events(view: &View, asked: &Asked) -> Result<Page, Absent> {
    let mut place = number(asked)?.unwrap_or(u64::MAX).min(view.transactions()?);
    let mut rows = vec![];
    for _ in 0..MAX_SCAN {
        if place == 0 || rows.len() >= ROWS {
            break;
        }
        place -= 1;
        if let Some(stored) = view.transaction_at(place)? {
            let mut of_one = event_rows(&stored);
            of_one.reverse();
            rows.extend(of_one);
        }
    }
    let next = (place > 0).then(|| format!("/events?before={place}"));
    Ok(Page::Events(List { rows, next }))
}

pub(super) fn objects(view: &View, asked: &Asked) -> Result<Page, Absent> {
    let (holder, of) = match (&asked.owner, &asked.parent) {
        (None, None) => (None, String::new()),
        (Some(owner), None) => (Some(Holder::Address(parsed("address", owner)?)), format!("&owner={owner}")),
        (None, Some(parent)) => (Some(Holder::Object(parsed("object id", parent)?)), format!("&parent={parent}")),
        (Some(_), Some(_)) => return Err(Absent::Bad("an object has an owner or a parent, not both".to_owned())),
    };
    let after = asked.after.as_deref();
    let (found, last) = match holder {
        None => {
            let mut found = view.live(after.map(|text| parsed("object id", text)).transpose()?, ROWS + 1)?;
            let more = found.len() > ROWS;
            found.truncate(ROWS);
            let last = found.last().filter(|_| more).map(|o| o.object_id().to_string());
            (found, last)
        }
        Some(holder) => {
            let after = hex::decode(after.unwrap_or_default()).map_err(|e| Absent::Bad(format!("after: {e}")))?;
            held(view, holder, &after)?
        }
    };
    let next = last.map(|last| format!("/objects?after={last}{of}"));
    Ok(Page::Objects(List { rows: found.iter().map(object_row).collect(), next }))
}

pub(super) fn checkpoint_row(stored: &StoredCheckpoint) -> CheckpointRow {
    let summary = &stored.summary;
    CheckpointRow {
        sequence: summary.sequence_number,
        digest: summary.digest().to_string(),
        epoch: summary.epoch,
        timestamp_ms: summary.timestamp_ms,
        transactions: stored.contents.transactions().len(),
        end_of_epoch: summary.end_of_epoch_data.is_some(),
    }
}

pub(super) fn transaction_row(stored: &StoredTransaction) -> TransactionRow {
    let success = match &stored.effects {
        TransactionEffects::V1(effects) => effects.status == ExecutionStatus::Success,
        TransactionEffects::V2(effects) => effects.status == ExecutionStatus::Success,
    };
    TransactionRow {
        digest: stored.digest().to_string(),
        checkpoint: stored.checkpoint,
        timestamp_ms: stored.timestamp_ms,
        sender: stored.signed.transaction.sender.to_string(),
        summary: describe::summary(&stored.signed.transaction.kind),
        success,
        events: stored.events.as_ref().map_or(0, |events| events.0.len()),
    }
}

pub(super) fn event_rows(stored: &StoredTransaction) -> Vec<EventRow> {
    let row = |(index, event): (usize, &Event)| EventRow {
        transaction: stored.digest().to_string(),
        index,
        checkpoint: stored.checkpoint,
        timestamp_ms: stored.timestamp_ms,
        event_type: event.type_.to_string(),
        sender: event.sender.to_string(),
        json: json_of(&event.type_.clone().into(), &event.contents),
        bcs: STANDARD.encode(&event.contents),
    };
    stored.events.iter().flat_map(|events| &events.0).enumerate().map(row).collect()
}

pub(super) fn object_row(object: &Object) -> ObjectRow {
    ObjectRow {
        id: object.object_id().to_string(),
        version: object.version(),
        object_type: type_of(object),
        owner: owner(object.owner()),
        balance: sui_balance(object).map(|mist| mist.to_string()),
    }
}

pub(super) fn type_of(object: &Object) -> String {
    match object.object_type() {
        ObjectType::Package => "package".to_owned(),
        ObjectType::Struct(tag) => tag.to_string(),
    }
}

fn owner(owner: &sui_sdk_types::Owner) -> Owner {
    use sui_sdk_types::Owner as Of;
    let (kind, address) = match owner {
        Of::Address(address) => ("address", Some(address)),
        Of::Object(parent) => ("object", Some(parent)),
        Of::ConsensusAddress { owner, .. } => ("address, by consensus", Some(owner)),
        Of::Shared(_) => ("shared", None),
        Of::Immutable => ("immutable", None),
        _ => ("other", None),
    };
    Owner { kind, address: address.map(Address::to_string) }
}

/// Rows below `before`, newest first, and where the next ones begin.
fn checkpoint_rows(
    view: &View,
    before: Option<u64>,
    count: usize,
) -> Result<(Vec<CheckpointRow>, Option<u64>), StoreError> {
    let tip = view.last_checkpoint()?.map_or(0, |c| c.summary.sequence_number + 1);
    below(before, tip, count, |sequence| Ok(view.checkpoint(sequence)?.as_ref().map(checkpoint_row)))
}

fn transaction_rows(
    view: &View,
    before: Option<u64>,
    count: usize,
) -> Result<(Vec<TransactionRow>, Option<u64>), StoreError> {
    below(before, view.transactions()?, count, |place| Ok(view.transaction_at(place)?.as_ref().map(transaction_row)))
}

fn below<T>(
    before: Option<u64>,
    end: u64,
    count: usize,
    read: impl Fn(u64) -> Result<Option<T>, StoreError>,
) -> Result<(Vec<T>, Option<u64>), StoreError> {
    let mut at = before.unwrap_or(end).min(end);
    let mut rows = Vec::with_capacity(count);
    while at > 0 && rows.len() < count {
        at -= 1;
        rows.extend(read(at)?);
    }
    Ok((rows, Some(at).filter(|at| *at > 0)))
}

/// Objects, and the place of the last one if there are more.
fn held(view: &View, holder: Holder, after: &[u8]) -> Result<(Vec<Object>, Option<String>), StoreError> {
    let (mut found, mut last, mut more) = (vec![], None, false);
    view.held(holder, after, |place, id| {
        more = found.len() == ROWS;
        if !more {
            found.extend(view.object(id)?);
            last = Some(hex::encode(place));
        }
        Ok(!more)
    })?;
    Ok((found, last.filter(|_| more)))
}

fn number(asked: &Asked) -> Result<Option<u64>, Absent> {
    asked.before.as_deref().map(|text| parsed("number", text)).transpose()
}

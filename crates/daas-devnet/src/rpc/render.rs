//! From the ledger's records to messages, as far as the read mask asks.

use super::json;
use crate::describe;
use crate::faults::shown::Shown;
use crate::ledger::{StoredCheckpoint, StoredTransaction};
use crate::objects::sui_balance;
use crate::{StoreError, twin};
use std::collections::BTreeMap;
use sui_rpc::field::FieldMaskTree;
use sui_rpc::merge::Merge as _;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::clever_error::Value;
use sui_rpc::proto::sui::rpc::v2::execution_error::ErrorDetails;
use sui_rpc::proto::timestamp_ms_to_proto;
use sui_sdk_types::{
    Address, Event, Object, ObjectIn, ObjectOut, ObjectType, TransactionEffects, UnchangedConsensusKind, Version,
};

/// An object.
pub(crate) fn object(object: Object, mask: &FieldMaskTree) -> proto::Object {
    let balance = sui_balance(&object);
    let data = object.as_struct().filter(|_| mask.contains("json"));
    let json = data.and_then(|data| json::of(&data.object_type().clone().into(), data.contents()));
    let mut message = proto::Object::merge_from(object, mask);
    if mask.contains("balance") {
        message.balance = balance;
    }
    message.json = json;
    message
}

/// A transaction of the ledger.
pub(crate) fn transaction(
    shown: &Shown,
    stored: &StoredTransaction,
    mask: &FieldMaskTree,
) -> Result<proto::ExecutedTransaction, StoreError> {
    let mut message = proto::ExecutedTransaction::default();
    if mask.contains("digest") {
        message.digest = Some(stored.digest().to_string());
    }
    if let Some(mask) = mask.subtree("transaction") {
        message.transaction = Some(proto::Transaction::merge_from(stored.signed.transaction.clone(), &mask));
    }
    if let Some(mask) = mask.subtree("signatures") {
        let one = |s: &sui_sdk_types::UserSignature| proto::UserSignature::merge_from(s.clone(), &mask);
        message.signatures = stored.signed.signatures.iter().map(one).collect();
    }
    if let Some(mask) = mask.subtree("effects") {
        message.effects = Some(effects(shown, &stored.effects, &mask)?);
    }
    if let Some((mask, events)) = mask.subtree("events").zip(stored.events.clone()) {
        let jsons: Vec<_> = match mask.subtree("events").filter(|mask| mask.contains("json")) {
            Some(_) => events.0.iter().map(json_of_event).collect(),
            None => vec![],
        };
        let mut events = proto::TransactionEvents::merge_from(events, &mask);
        for (event, json) in events.events.iter_mut().zip(jsons) {
            event.json = json;
        }
        message.events = Some(events);
    }
    if mask.contains("checkpoint") {
        message.checkpoint = Some(stored.checkpoint);
    }
    if mask.contains("timestamp") {
        message.timestamp = Some(timestamp_ms_to_proto(stored.timestamp_ms));
    }
    if mask.contains("balance_changes") {
        message.balance_changes = stored.balance_changes.iter().cloned().map(Into::into).collect();
    }
    if let Some(mask) = mask.subtree("objects.objects") {
        let set = touched(shown, [&stored.effects])?.into_values();
        message.objects = Some(proto::ObjectSet::default().with_objects(set.map(|o| object(o, &mask)).collect()));
    }
    if mask.contains("transaction_index") {
        message.transaction_index = Some(stored.index);
    }
    Ok(message)
}

/// Effects, with the names behind abort codes and the types of changed objects.
pub(crate) fn effects(
    shown: &Shown,
    effects: &TransactionEffects,
    mask: &FieldMaskTree,
) -> Result<proto::TransactionEffects, StoreError> {
    let mut message = proto::TransactionEffects::merge_from(effects, mask);
    if let Some(error) = message.status.as_mut().and_then(|s| s.error.as_mut()) {
        name_abort(error);
        error.description = describe::failure(effects);
    }
    for change in message.changed_objects.iter_mut().chain(&mut message.gas_object) {
        let Some(id) = change.object_id.as_deref().and_then(|id| id.parse().ok()) else {
            continue;
        };
        let Some(version) = change.output_version.or(change.input_version) else {
            continue;
        };
        change.object_type = shown.object_at(id, version)?.map(|o| type_of(&o));
    }
    Ok(message)
}

/// A checkpoint.
pub(crate) fn checkpoint(
    shown: &Shown,
    stored: &StoredCheckpoint,
    mask: &FieldMaskTree,
) -> Result<proto::Checkpoint, StoreError> {
    let mut message = proto::Checkpoint::merge_from(&stored.summary, mask);
    message.merge(stored.signature.clone(), mask);
    message.merge(stored.contents.clone(), mask);
    let (transactions, objects) = (mask.subtree("transactions"), mask.subtree("objects.objects"));
    if transactions.is_some() || objects.is_some() {
        let stored = transactions_of(shown, stored)?;
        if let Some(mask) = transactions {
            let all = stored.iter().map(|t| transaction(shown, t, &mask)).collect::<Result<_, _>>()?;
            message.transactions = all;
        }
        if let Some(mask) = objects {
            let set = touched(shown, stored.iter().map(|t| &t.effects))?.into_values();
            let objects = set.map(|o| object(o, &mask)).collect();
            message.objects = Some(proto::ObjectSet::default().with_objects(objects));
        }
    }
    Ok(message)
}

/// An event and where it stands.
pub(crate) fn event(stored: &StoredTransaction, index: u32, event: &Event, mask: &FieldMaskTree) -> proto::Event {
    let mut message = proto::Event::merge_from(event.clone(), mask);
    if mask.contains("checkpoint") {
        message.checkpoint = Some(stored.checkpoint);
    }
    if mask.contains("transaction_digest") {
        message.transaction_digest = Some(stored.digest().to_string());
    }
    if mask.contains("transaction_index") {
        message.transaction_index = Some(stored.index);
    }
    if mask.contains("event_index") {
        message.event_index = Some(index);
    }
    if mask.contains("json") {
        message.json = json_of_event(event);
    }
    message
}

fn json_of_event(event: &Event) -> Option<Box<prost_types::Value>> {
    json::of(&event.type_.clone().into(), &event.contents)
}

/// The transactions of a checkpoint, in order.
pub(crate) fn transactions_of(shown: &Shown, stored: &StoredCheckpoint) -> Result<Vec<StoredTransaction>, StoreError> {
    let mut found = vec![];
    for info in stored.contents.transactions() {
        found.extend(shown.transaction(*info.transaction())?);
    }
    Ok(found)
}

/// `package`, or the Move type.
fn type_of(object: &Object) -> String {
    match object.object_type() {
        ObjectType::Package => "package".to_owned(),
        ObjectType::Struct(tag) => tag.to_string(),
    }
}

/// Every object version that the transactions read or wrote.
fn touched<'e>(
    shown: &Shown,
    effects: impl IntoIterator<Item = &'e TransactionEffects>,
) -> Result<BTreeMap<(Address, Version), Object>, StoreError> {
    let mut keys = vec![];
    for effects in effects {
        let TransactionEffects::V2(effects) = effects else {
            continue;
        };
        for change in &effects.changed_objects {
            if let ObjectIn::Exist { version, .. } = change.input_state {
                keys.push((change.object_id, version));
            }
            match change.output_state {
                ObjectOut::ObjectWrite { .. } => keys.push((change.object_id, effects.lamport_version)),
                ObjectOut::PackageWrite { version, .. } => keys.push((change.object_id, version)),
                _ => {}
            }
        }
        for read in &effects.unchanged_consensus_objects {
            if let UnchangedConsensusKind::ReadOnlyRoot { version, .. } = read.kind {
                keys.push((read.object_id, version));
            }
        }
    }
    let mut found = BTreeMap::new();
    for (id, version) in keys {
        found.extend(shown.object_at(id, version)?.map(|o| ((id, version), o)));
    }
    Ok(found)
}

/// Fills in what a full node reads from the package: the error constant behind the code.
fn name_abort(error: &mut proto::ExecutionError) {
    let Some(ErrorDetails::Abort(abort)) = &mut error.error_details else {
        return;
    };
    let module = abort.location.as_ref().and_then(|l| l.module.as_deref()).unwrap_or_default();
    let Some(found) = twin::error(module, abort.abort_code()) else {
        return;
    };
    let mut clever = proto::CleverError::default();
    clever.error_code = Some(u64::from(found.code));
    clever.constant_name = Some(found.name.to_owned());
    clever.constant_type = Some("vector<u8>".to_owned());
    clever.value = Some(Value::Rendered(found.message.to_owned()));
    abort.clever_error = Some(clever);
}

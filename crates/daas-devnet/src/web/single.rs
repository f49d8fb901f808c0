//! Pages of one.

use super::lists::{checkpoint_row, event_rows, object_row, transaction_row, type_of};
use super::page::{BalanceChange, Change, Checkpoint, Gas, Object, Page, Transaction};
use super::{Absent, Asked, ROWS, parsed};
use crate::StoreError;
use crate::describe;
use crate::layout::json_of;
use crate::ledger::{Holder, StoredTransaction, View};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sui_sdk_types::{
    Address, ChangedObject, Digest, IdOperation, ObjectData, ObjectIn, ObjectOut, TransactionEffects,
    TransactionEffectsV2,
};

pub(super) fn checkpoint(view: &View, text: &str) -> Result<Page, Absent> {
    let found = match text.parse::<u64>() {
        Ok(sequence) => view.checkpoint(sequence)?,
        Err(_) => view.checkpoint_by_digest(parsed("checkpoint", text)?)?,
    };
    let stored = found.ok_or_else(|| Absent::NotFound(format!("checkpoint {text}")))?;
    let mut contents = vec![];
    for info in stored.contents.transactions() {
        contents.extend(view.transaction(*info.transaction())?.as_ref().map(transaction_row));
    }
    let summary = &stored.summary;
    let members = |data: &sui_sdk_types::EndOfEpochData| {
        data.next_epoch_committee.iter().map(|m| hex::encode(m.public_key.as_bytes())).collect()
    };
    Ok(Page::Checkpoint(Checkpoint {
        row: checkpoint_row(&stored),
        previous_digest: summary.previous_digest.map(|d| d.to_string()),
        content_digest: summary.content_digest.to_string(),
        network_total_transactions: summary.network_total_transactions,
        signature: hex::encode(stored.signature.signature.as_bytes()),
        next_committee: summary.end_of_epoch_data.as_ref().map(members),
        contents,
    }))
}

pub(super) fn transaction(view: &View, text: &str) -> Result<Page, Absent> {
    let digest: Digest = parsed("digest", text)?;
    let stored = view.transaction(digest)?.ok_or_else(|| Absent::NotFound(format!("transaction {digest}")))?;
    let TransactionEffects::V2(effects) = &stored.effects else {
        return Err(Absent::NotFound(format!("page for effects like those of {digest}")));
    };
    let (gas, transaction) = (&effects.gas_used, &stored.signed.transaction);
    Ok(Page::Transaction(Box::new(Transaction {
        row: transaction_row(&stored),
        error: describe::failure(&stored.effects),
        epoch: effects.epoch,
        gas_owner: transaction.gas_payment.owner.to_string(),
        gas: Gas {
            computation: gas.computation_cost.to_string(),
            storage: gas.storage_cost.to_string(),
            rebate: gas.storage_rebate.to_string(),
            budget: transaction.gas_payment.budget.to_string(),
        },
        inputs: describe::inputs(&transaction.kind),
        commands: describe::list(&transaction.kind),
        changed_objects: changes(view, effects)?,
        balance_changes: balances(&stored),
        emitted: event_rows(&stored),
    })))
}

pub(super) fn object(view: &View, text: &str, asked: &Asked) -> Result<Page, Absent> {
    let id: Address = parsed("object id", text)?;
    let found = match asked.version {
        Some(version) => view.object_at(id, version)?,
        None => view.object(id)?,
    };
    let object = found.ok_or_else(|| Absent::NotFound(format!("object {id}")))?;
    let mut fields = vec![];
    view.held(Holder::Object(id), &[], |_, field| {
        fields.extend(view.object(field)?.as_ref().map(object_row));
        Ok(fields.len() < ROWS)
    })?;
    let (modules, json, bcs) = match object.data() {
        ObjectData::Package(package) => (package.modules.keys().map(ToString::to_string).collect(), None, None),
        ObjectData::Struct(data) => {
            let json = json_of(&data.object_type().clone().into(), data.contents());
            (vec![], json, Some(STANDARD.encode(data.contents())))
        }
    };
    let earlier = view.object_before(id, object.version())?;
    Ok(Page::Object(Object {
        row: object_row(&object),
        digest: object.digest().to_string(),
        previous_transaction: object.previous_transaction().to_string(),
        earlier_version: earlier.map(|o| o.version()),
        modules,
        json,
        bcs,
        fields,
    }))
}

fn changes(view: &View, effects: &TransactionEffectsV2) -> Result<Vec<Change>, StoreError> {
    let one = |change: &ChangedObject| {
        let version = match (&change.output_state, &change.input_state) {
            (ObjectOut::ObjectWrite { .. }, _) => Some(effects.lamport_version),
            (ObjectOut::PackageWrite { version, .. }, _) | (_, ObjectIn::Exist { version, .. }) => Some(*version),
            _ => None,
        };
        let object = version.map_or(Ok(None), |version| view.object_at(change.object_id, version))?;
        Ok(Change {
            id: change.object_id.to_string(),
            version,
            operation: match change.id_operation {
                IdOperation::Created => "created",
                IdOperation::Deleted => "deleted",
                _ => "changed",
            },
            object_type: object.as_ref().map(type_of),
        })
    };
    effects.changed_objects.iter().map(one).collect()
}

fn balances(stored: &StoredTransaction) -> Vec<BalanceChange> {
    let one = |change: &sui_sdk_types::BalanceChange| BalanceChange {
        address: change.address.to_string(),
        coin_type: change.coin_type.to_string(),
        amount: change.amount.to_string(),
    };
    stored.balance_changes.iter().map(one).collect()
}

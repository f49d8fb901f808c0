//! How a transaction ended: gas, new versions, effects.

use super::commands::balance_of;
use super::work::{Access, Item, Place, Work};
use super::{Executed, MIN_COMPUTATION, STORAGE_PRICE};
use crate::ledger::Changes;
use crate::objects::{coin_contents, object, sui_balance, with_rebate};
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::{
    Address, BalanceChange, ChangedObject, Digest, ExecutionStatus, GasCostSummary, GasPayment, IdOperation, Object,
    ObjectData, ObjectIn, ObjectOut, Owner, StructTag, TransactionEffectsV2, TransactionEvents, UnchangedConsensusKind,
    UnchangedConsensusObject, Version,
};

/// Commands that are included in the least computation fee.
const FREE_COMMANDS: u64 = 16;

/// Fee for the bytes of an object, refunded at 99 % when it is deleted or rewritten.
pub(crate) fn storage_cost(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(STORAGE_PRICE)
}

/// Computation fee: the least bucket, and the same again for each further 16 commands.
pub(crate) fn computation(commands: usize, price: u64) -> u64 {
    let commands = u64::try_from(commands).unwrap_or(u64::MAX);
    (MIN_COMPUTATION * (1 + commands / FREE_COMMANDS)).saturating_mul(price)
}

/// What the work costs so far, with all that was written.
pub(crate) fn cost(work: &Work<'_>, computation: u64) -> GasCostSummary {
    let outcome = outcome(work, 0);
    let storage_cost = outcome.values().map(Object::storage_rebate).sum();
    let before = work.items.values().filter(|i| touched(i)).filter_map(|i| i.before.as_ref());
    let paid: u64 = before.map(Object::storage_rebate).sum();
    let storage_rebate = u64::try_from(u128::from(paid) * 99 / 100).unwrap_or(paid);
    GasCostSummary::new(computation, storage_cost, storage_rebate, paid - storage_rebate)
}

/// Whether the cost stays within the budget.
pub(crate) fn affordable(cost: &GasCostSummary, budget: u64) -> bool {
    cost.computation_cost.saturating_add(cost.storage_cost) <= budget.saturating_add(cost.storage_rebate)
}

/// Folds the gas coins into the first and answers it.
pub(crate) fn smash(work: &mut Work<'_>, coins: &[Object]) -> Address {
    let total = coins.iter().filter_map(sui_balance).fold(0, u64::saturating_add);
    let first = coins.first().map_or(Address::ZERO, Object::object_id);
    for coin in coins {
        work.admit(coin.clone(), Access::Write);
        if coin.object_id() != first {
            work.delete(coin.object_id());
        }
    }
    set_balance(work, first, total);
    first
}

/// Adds to (`plus`) and takes from (`minus`) a coin, never below zero.
pub(crate) fn adjust(work: &mut Work<'_>, coin: Address, plus: u64, minus: u64) {
    let balance = work.get(coin).map_or(0, balance_of);
    set_balance(work, coin, balance.saturating_add(plus).saturating_sub(minus));
}

/// Versions, effects and changes of the finished work. The gas has been taken.
pub(crate) fn finish(
    mut work: Work<'_>,
    status: ExecutionStatus,
    gas_used: GasCostSummary,
    payment: &GasPayment,
    gas: Address,
    epoch: u64,
) -> Executed {
    let lamport = 1 + work.items.values().filter_map(|i| i.before.as_ref()).map(Object::version).max().unwrap_or(0);
    let written = outcome(&work, lamport);
    let succeeded = status == ExecutionStatus::Success;
    let events = (succeeded && !work.events.is_empty()).then(|| TransactionEvents(std::mem::take(&mut work.events)));
    let changed: Vec<ChangedObject> = changed(&work, &written);
    let position = changed.iter().position(|c| c.object_id == gas);
    let effects = TransactionEffectsV2 {
        status,
        epoch,
        gas_used,
        transaction_digest: work.digest,
        gas_object_index: position.and_then(|p| u32::try_from(p).ok()),
        events_digest: events.as_ref().map(TransactionEvents::digest),
        dependencies: dependencies(&work),
        lamport_version: lamport,
        changed_objects: changed,
        unchanged_consensus_objects: unchanged(&work),
        auxiliary_data_digest: None,
    };
    let balance_changes = balance_changes(&work, &written, payment);
    let gone = work.items.iter().filter(|(_, item)| item.before.is_some() && item.now.is_none());
    let deleted = gone.map(|(id, _)| *id).collect();
    Executed { effects, events, changes: Changes { written, deleted }, balance_changes, answers: vec![] }
}

/// Inputs that may be written get a new version even if nothing in them changed.
fn touched(item: &Item) -> bool {
    item.access == Access::Write || item.written
}

fn outcome(work: &Work<'_>, lamport: Version) -> BTreeMap<Address, Object> {
    let structs = work.items.iter().filter(|(_, item)| touched(item)).filter_map(|(id, item)| {
        let now = item.now.as_ref()?;
        let owner = match now.place {
            Place::Owned(owner) => owner,
            Place::NewlyShared => Owner::Shared(lamport),
            Place::Held => return None,
        };
        let (tag, contents) = (now.tag.clone(), now.contents.clone());
        Some((*id, object(tag, now.public_transfer, lamport, contents, owner, work.digest)))
    });
    let packages = work.packages.iter().map(|package| {
        let data = ObjectData::Package(package.clone());
        (package.id, with_rebate(data, Owner::Immutable, work.digest))
    });
    structs.chain(packages).collect()
}

fn changed(work: &Work<'_>, written: &BTreeMap<Address, Object>) -> Vec<ChangedObject> {
    let deleted = work.items.iter().filter(|(_, i)| i.before.is_some() && i.now.is_none()).map(|(id, _)| *id);
    let ids: BTreeSet<Address> = written.keys().copied().chain(deleted).collect();
    let change = |object_id: Address| {
        let before = work.items.get(&object_id).and_then(|i| i.before.as_ref());
        let after = written.get(&object_id);
        ChangedObject {
            object_id,
            input_state: before.map_or(ObjectIn::NotExist, |o| ObjectIn::Exist {
                version: o.version(),
                digest: o.digest(),
                owner: *o.owner(),
            }),
            output_state: after.map_or(ObjectOut::NotExist, output),
            id_operation: match (before, after) {
                (None, _) => IdOperation::Created,
                (Some(_), Some(_)) => IdOperation::None,
                (Some(_), None) => IdOperation::Deleted,
            },
        }
    };
    ids.into_iter().map(change).collect()
}

fn output(object: &Object) -> ObjectOut {
    match object.data() {
        ObjectData::Package(package) => ObjectOut::PackageWrite { version: package.version, digest: object.digest() },
        ObjectData::Struct(_) => ObjectOut::ObjectWrite { digest: object.digest(), owner: *object.owner() },
    }
}

fn unchanged(work: &Work<'_>) -> Vec<UnchangedConsensusObject> {
    let shared = work.items.iter().filter_map(|(id, item)| {
        let before = item.before.as_ref().filter(|o| matches!(o.owner(), Owner::Shared(_)))?;
        (!touched(item)).then(|| UnchangedConsensusObject {
            object_id: *id,
            kind: UnchangedConsensusKind::ReadOnlyRoot { version: before.version(), digest: before.digest() },
        })
    });
    shared.collect()
}

fn dependencies(work: &Work<'_>) -> Vec<Digest> {
    let before = work.items.values().filter_map(|i| i.before.as_ref());
    let all: BTreeSet<Digest> = before.map(Object::previous_transaction).collect();
    all.into_iter().filter(|d| *d != Digest::ZERO).collect()
}

fn balance_changes(work: &Work<'_>, written: &BTreeMap<Address, Object>, payment: &GasPayment) -> Vec<BalanceChange> {
    let mut sums: BTreeMap<Address, i128> = BTreeMap::from([(payment.owner, 0)]);
    let mut add = |object: &Object, sign: i128| {
        if let (Owner::Address(owner), Some(balance)) = (object.owner(), sui_balance(object)) {
            *sums.entry(*owner).or_default() += sign * i128::from(balance);
        }
    };
    let before = work.items.values().filter(|i| touched(i));
    for object in before.filter_map(|i| i.before.as_ref()) {
        add(object, -1);
    }
    for object in written.values() {
        add(object, 1);
    }
    let sui = StructTag::sui();
    let change = |(address, amount)| BalanceChange { address, coin_type: sui.clone().into(), amount };
    sums.into_iter().filter(|(_, amount)| *amount != 0).map(change).collect()
}

fn set_balance(work: &mut Work<'_>, coin: Address, balance: u64) {
    if let Some(object) = work.get_mut(coin) {
        object.contents = coin_contents(coin, balance);
    }
}

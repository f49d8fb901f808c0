//! Completes a transaction that names its objects by id alone and leaves out gas, and says what it would do.

use super::checks::MAX_GAS_COINS;
use super::{Executed, Executor, MAX_BUDGET, MIN_COMPUTATION, REFERENCE_GAS_PRICE, Refusal, Taking, taking};
use crate::ledger::{Holder, View};
use crate::objects::{coin_contents, object, reference, sui_balance};
use crate::twin;
use std::collections::BTreeSet;
use std::str::FromStr;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Address, Argument, Command, Digest, ExecutionStatus, GasPayment, Input, Object, ObjectReference, Owner,
    ProgrammableTransaction, SharedInput, StructTag, Transaction, TransactionExpiration, TransactionKind,
};

/// Money no simulation runs out of: more than there is.
const PLENTY: u64 = 1 << 62;
/// Added to an estimate, in units of gas.
const HEADROOM: u64 = 1000;

/// A completed transaction and what it would do.
pub(crate) struct Simulated {
    pub(crate) transaction: Transaction,
    pub(crate) executed: Executed,
}

// === impl Executor ===

impl Executor {
    /// Completes `request` and executes it without recording anything; `unchecked`, whoever its objects belong to.
    pub(crate) fn complete(
        &self,
        request: &proto::Transaction,
        select_gas: bool,
        unchecked: bool,
    ) -> Result<Simulated, Refusal> {
        if let Some(bcs) = &request.bcs {
            let transaction: Transaction = bcs.deserialize().map_err(|e| invalid("transaction.bcs", e))?;
            let mock = transaction.gas_payment.objects.is_empty().then(|| mock_coin(&transaction));
            let executed = self.simulate(&transaction, mock.as_ref(), unchecked)?;
            return Ok(Simulated { transaction, executed });
        }
        let view = self.ledger().view()?;
        let mut transaction = parse(&view, request)?;
        let given_budget = request.gas_payment.as_ref().and_then(|g| g.budget).filter(|b| *b > 0);
        if !select_gas && !transaction.gas_payment.objects.is_empty() {
            transaction.gas_payment.budget = given_budget.unwrap_or(MAX_BUDGET);
            let executed = self.simulate(&transaction, None, unchecked)?;
            return Ok(Simulated { transaction, executed });
        }
        transaction.gas_payment.budget = MAX_BUDGET;
        let estimate = self.simulate(&transaction, Some(&mock_coin(&transaction)), unchecked)?;
        let price = transaction.gas_payment.price;
        transaction.gas_payment.budget = given_budget.unwrap_or_else(|| budget(&estimate, price));
        if !select_gas || estimate.effects.status != ExecutionStatus::Success {
            return Ok(Simulated { transaction, executed: estimate });
        }
        if transaction.gas_payment.objects.is_empty() {
            transaction.gas_payment.objects = select(&view, &transaction)?;
        }
        let executed = self.simulate(&transaction, None, unchecked)?;
        Ok(Simulated { transaction, executed })
    }
}

/// Cost without rebate, and some room above it.
fn budget(estimate: &Executed, price: u64) -> u64 {
    let gas = &estimate.effects.gas_used;
    let room = HEADROOM.saturating_mul(price);
    let needed = gas.computation_cost.saturating_add(gas.storage_cost).saturating_add(room);
    needed.clamp(MIN_COMPUTATION.saturating_mul(price), MAX_BUDGET)
}

/// The payer's coins that are no inputs, largest first: enough for the budget, or all of them if the transaction also
/// spends from the gas coin.
fn select(view: &View, transaction: &Transaction) -> Result<Vec<ObjectReference>, Refusal> {
    let TransactionKind::ProgrammableTransaction(ptb) = &transaction.kind else {
        return Ok(vec![]);
    };
    let used: BTreeSet<Address> = ptb.inputs.iter().filter_map(owned_id).collect();
    let owner = transaction.gas_payment.owner;
    let mut coins: Vec<(u64, Object)> = view
        .held_objects(Holder::Address(owner))?
        .into_iter()
        .filter(|o| !used.contains(&o.object_id()))
        .filter_map(|o| Some((sui_balance(&o)?, o)))
        .filter(|(balance, _)| *balance > 0)
        .collect();
    coins.sort_by_key(|(balance, coin)| (std::cmp::Reverse(*balance), coin.object_id()));
    let all = ptb.commands.iter().any(uses_gas);
    let (mut chosen, mut total) = (vec![], 0_u64);
    for (balance, coin) in coins.iter().take(MAX_GAS_COINS) {
        if !all && total >= transaction.gas_payment.budget {
            break;
        }
        total = total.saturating_add(*balance);
        chosen.push(reference(coin));
    }
    if total < transaction.gas_payment.budget {
        let budget = transaction.gas_payment.budget;
        return Err(Refusal::Stale(format!("{owner} has {total} MIST for gas, the transaction needs {budget}")));
    }
    Ok(chosen)
}

fn parse(view: &View, request: &proto::Transaction) -> Result<Transaction, Refusal> {
    let sender = address("transaction.sender", request.sender.as_deref())?;
    let kind = request.kind.as_ref().and_then(|k| k.data.as_ref());
    let Some(proto::transaction_kind::Data::ProgrammableTransaction(given)) = kind else {
        return Err(Refusal::Invalid("transaction.kind must be a programmable transaction".to_owned()));
    };
    let commands: Vec<Command> = given
        .commands
        .iter()
        .map(Command::try_from)
        .collect::<Result<_, _>>()
        .map_err(|e| invalid("transaction.kind.programmable_transaction.commands", e))?;
    let mut inputs = Vec::with_capacity(given.inputs.len());
    for (index, input) in (0_u16..).zip(&given.inputs) {
        inputs.push(resolve(view, input, || written(&commands, index))?);
    }
    let gas = request.gas_payment.clone().unwrap_or_default();
    let owner = gas.owner.as_deref().map(|o| address("gas_payment.owner", Some(o))).transpose()?;
    let objects = gas.objects.iter().map(|o| gas_reference(view, o)).collect::<Result<_, _>>()?;
    let expiration = request.expiration.as_ref().map(TransactionExpiration::try_from).transpose();
    Ok(Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction { inputs, commands }),
        sender,
        gas_payment: GasPayment {
            objects,
            owner: owner.unwrap_or(sender),
            price: gas.price.filter(|p| *p > 0).unwrap_or(REFERENCE_GAS_PRICE),
            budget: 0,
        },
        expiration: expiration.map_err(|e| invalid("transaction.expiration", e))?.unwrap_or_default(),
    })
}

fn resolve(view: &View, input: &proto::Input, written: impl Fn() -> bool) -> Result<Input, Refusal> {
    if let Ok(complete) = Input::try_from(input) {
        return Ok(complete);
    }
    if let Some(bytes) = &input.pure {
        return Ok(Input::Pure(bytes.to_vec()));
    }
    let id = address("input.object_id", input.object_id.as_deref())?;
    let object = view.object(id)?.ok_or_else(|| Refusal::no_object(id))?;
    match *object.owner() {
        Owner::Shared(initial) => {
            let asked = match input.mutability() {
                proto::input::Mutability::Immutable => Some(false),
                proto::input::Mutability::Mutable => Some(true),
                _ => input.mutable,
            };
            Ok(Input::Shared(SharedInput::new(id, initial, asked.unwrap_or_else(written))))
        }
        Owner::Object(parent) => Err(Refusal::Invalid(format!("object {id} is a field of {parent}"))),
        _ => {
            let version = input.version.unwrap_or(object.version());
            let digest = input.digest.as_deref().map(Digest::from_str).transpose();
            let digest = digest.map_err(|e| invalid("input.digest", e))?.unwrap_or(object.digest());
            Ok(Input::ImmutableOrOwned(ObjectReference::new(id, version, digest)))
        }
    }
}

/// Whether any command takes input `index` otherwise than by immutable reference.
fn written(commands: &[Command], index: u16) -> bool {
    let is = |argument: &Argument| *argument == Argument::Input(index);
    commands.iter().any(|command| match command {
        Command::MoveCall(call) => {
            let function = twin::find(call.package, call.module.as_str(), call.function.as_str());
            call.arguments.iter().enumerate().filter(|(_, a)| is(a)).any(|(n, _)| {
                let param = function.and_then(|f| f.params.get(n));
                !matches!(param.map(|p| taking(p, call.package)), Some(Taking::Reference(_)))
            })
        }
        Command::TransferObjects(transfer) => transfer.objects.iter().any(is),
        Command::SplitCoins(split) => is(&split.coin),
        Command::MergeCoins(merge) => is(&merge.coin) || merge.coins_to_merge.iter().any(is),
        Command::MakeMoveVector(vector) => vector.elements.iter().any(is),
        _ => false,
    })
}

fn uses_gas(command: &Command) -> bool {
    let is = |argument: &Argument| *argument == Argument::Gas;
    match command {
        Command::MoveCall(call) => call.arguments.iter().any(is),
        Command::TransferObjects(transfer) => transfer.objects.iter().any(is),
        Command::SplitCoins(split) => is(&split.coin),
        Command::MergeCoins(merge) => is(&merge.coin) || merge.coins_to_merge.iter().any(is),
        Command::MakeMoveVector(vector) => vector.elements.iter().any(is),
        _ => false,
    }
}

fn gas_reference(view: &View, given: &proto::ObjectReference) -> Result<ObjectReference, Refusal> {
    if let Ok(complete) = ObjectReference::try_from(given) {
        return Ok(complete);
    }
    let id = address("gas_payment.objects.object_id", given.object_id.as_deref())?;
    let object = view.object(id)?.ok_or_else(|| Refusal::no_object(id))?;
    Ok(reference(&object))
}

fn owned_id(input: &Input) -> Option<Address> {
    match input {
        Input::ImmutableOrOwned(reference) => Some(*reference.object_id()),
        _ => None,
    }
}

fn mock_coin(transaction: &Transaction) -> Object {
    let id = Address::derive_id(Digest::ZERO, u64::MAX);
    let owner = Owner::Address(transaction.gas_payment.owner);
    object(StructTag::gas_coin(), true, 1, coin_contents(id, PLENTY), owner, Digest::ZERO)
}

fn address(field: &str, text: Option<&str>) -> Result<Address, Refusal> {
    let text = text.ok_or_else(|| Refusal::Invalid(format!("{field} is missing")))?;
    text.parse().map_err(|e| invalid(field, e))
}

fn invalid(field: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::Invalid(format!("{field}: {error}"))
}

//! Transactions in words.

use crate::twin;
use sui_sdk_types::{
    Argument, Command, EndOfEpochTransactionKind, ExecutionError, ExecutionStatus, Input, ProgrammableTransaction,
    TransactionEffects, TransactionKind,
};

/// What a transaction is, in a few words.
pub(crate) fn summary(kind: &TransactionKind) -> String {
    match kind {
        TransactionKind::ProgrammableTransaction(ptb) => {
            let mut names: Vec<String> = ptb.commands.iter().map(name).collect();
            names.dedup();
            names.join(", ")
        }
        TransactionKind::Genesis(_) => "genesis".to_owned(),
        TransactionKind::EndOfEpoch(kinds) => match kinds.first() {
            Some(EndOfEpochTransactionKind::ChangeEpoch(change)) => format!("epoch {} begins", change.epoch),
            _ => "end of epoch".to_owned(),
        },
        _ => "system".to_owned(),
    }
}

/// Each command with its arguments.
pub(crate) fn list(kind: &TransactionKind) -> Vec<String> {
    let TransactionKind::ProgrammableTransaction(ProgrammableTransaction { commands, .. }) = kind else {
        return vec![];
    };
    commands.iter().map(|c| format!("{}({})", full_name(c), arguments(c).join(", "))).collect()
}

/// Each input.
pub(crate) fn inputs(kind: &TransactionKind) -> Vec<String> {
    let TransactionKind::ProgrammableTransaction(ProgrammableTransaction { inputs, .. }) = kind else {
        return vec![];
    };
    let one = |input: &Input| match input {
        Input::Pure(bytes) => format!("0x{}", hex::encode(bytes)),
        Input::ImmutableOrOwned(object) => format!("object {} at version {}", object.object_id(), object.version()),
        Input::Shared(shared) => {
            let how = if shared.mutability().is_mutable() { "to change" } else { "to read" };
            format!("shared object {}, {how}", shared.object_id())
        }
        other => format!("{other:?}"),
    };
    inputs.iter().map(one).collect()
}

/// Why a transaction failed, if it did.
pub(crate) fn failure(effects: &TransactionEffects) -> Option<String> {
    let status = match effects {
        TransactionEffects::V1(effects) => &effects.status,
        TransactionEffects::V2(effects) => &effects.status,
    };
    match status {
        ExecutionStatus::Failure { error: why, command } => Some(error(why, *command)),
        ExecutionStatus::Success => None,
    }
}

/// An abort by the name of its constant.
fn error(error: &ExecutionError, command: Option<u64>) -> String {
    let at = command.map(|n| format!(" in command {n}")).unwrap_or_default();
    let ExecutionError::MoveAbort { location, code } = error else {
        return format!("{error:?}{at}");
    };
    let module = location.module.as_str();
    match twin::error(module, *code) {
        Some(found) => format!("{module}::{} ({}): {}{at}", found.name, found.code, found.message),
        None => format!("{module} aborted with {code}{at}"),
    }
}

fn name(command: &Command) -> String {
    match command {
        Command::MoveCall(call) => format!("{}::{}", call.module, call.function),
        other => full_name(other),
    }
}

fn full_name(command: &Command) -> String {
    match command {
        Command::MoveCall(call) => format!("{}::{}::{}", call.package, call.module, call.function),
        Command::TransferObjects(_) => "transfer objects".to_owned(),
        Command::SplitCoins(_) => "split coins".to_owned(),
        Command::MergeCoins(_) => "merge coins".to_owned(),
        Command::Publish(_) => "publish".to_owned(),
        Command::MakeMoveVector(_) => "make vector".to_owned(),
        Command::Upgrade(_) => "upgrade".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn arguments(command: &Command) -> Vec<String> {
    let (first, rest): (Option<Argument>, &[Argument]) = match command {
        Command::MoveCall(call) => (None, &call.arguments),
        Command::TransferObjects(transfer) => (Some(transfer.address), &transfer.objects),
        Command::SplitCoins(split) => (Some(split.coin), &split.amounts),
        Command::MergeCoins(merge) => (Some(merge.coin), &merge.coins_to_merge),
        Command::MakeMoveVector(vector) => (None, &vector.elements),
        _ => (None, &[]),
    };
    first.iter().chain(rest).copied().map(argument).collect()
}

fn argument(argument: Argument) -> String {
    match argument {
        Argument::Gas => "gas".to_owned(),
        Argument::Input(n) => format!("input {n}"),
        Argument::Result(n) => format!("result {n}"),
        Argument::NestedResult(n, m) => format!("result {n}.{m}"),
    }
}

//! Executing transactions: one at a time, each in a checkpoint of its own.

mod checks;
mod commands;
mod epoch;
mod failure;
mod move_call;
mod publish;
mod resolve;
mod settle;
mod work;

pub(crate) use commands::balance_of;
pub(crate) use failure::{Fault, Refusal};
pub(crate) use move_call::{Taking, bcs_length, taking};
#[cfg(test)]
pub(crate) use publish::digest_of_package;
pub(crate) use publish::interface;
pub(crate) use resolve::Simulated;
pub(crate) use settle::storage_cost;
#[cfg(test)]
pub(crate) use work::{Access, Item};
pub(crate) use work::{Now, Place, Work};

use crate::StoreError;
use crate::checkpoint::{Sealer, epoch_after};
use crate::config::Clock;
use crate::ledger::{Changes, Ledger, StoredTransaction, Tip, View};
use checks::{Inputs, Terms};
use commands::Machine;
use daas_attest::Roots;
use daas_types::genesis::Genesis;
use failure::Failure;
use std::sync::{Mutex, MutexGuard, PoisonError};
use sui_sdk_types::{
    Address, BalanceChange, Digest, ExecutionError, ExecutionStatus, GasCostSummary, Object, SignedTransaction,
    Transaction, TransactionEffects, TransactionEffectsV2, TransactionEvents, TypeTag,
};

/// Gas price of every epoch.
pub(crate) const REFERENCE_GAS_PRICE: u64 = 1000;
/// Largest budget, 50 SUI.
pub(crate) const MAX_BUDGET: u64 = 50_000_000_000;
/// Gas units of the cheapest transaction.
const MIN_COMPUTATION: u64 = 1000;
/// MIST per byte of storage: 100 units of 76 MIST.
const STORAGE_PRICE: u64 = 7600;

/// What came of a transaction.
pub(crate) struct Executed {
    pub(crate) effects: TransactionEffectsV2,
    pub(crate) events: Option<TransactionEvents>,
    pub(crate) changes: Changes,
    pub(crate) balance_changes: Vec<BalanceChange>,
    /// What each command answered, with its type.
    pub(crate) answers: Vec<Vec<(TypeTag, Vec<u8>)>>,
}

/// The only writer of the ledger.
pub(crate) struct Executor {
    ledger: Ledger,
    sealer: Sealer,
    chain: Digest,
    roots: Roots,
    clock: Clock,
    turn: Mutex<()>,
}

// === impl Executor ===

impl Executor {
    pub(crate) fn new(ledger: Ledger, sealer: Sealer, genesis: &Genesis, clock: Clock) -> Self {
        let (chain, roots) = (genesis.digest(), Roots::for_genesis(genesis));
        Self { ledger, sealer, chain, roots, clock, turn: Mutex::new(()) }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The genesis digest.
    pub(crate) fn chain(&self) -> Digest {
        self.chain
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Checks, executes and checkpoints a transaction. One that was executed before answers as it did then.
    pub(crate) fn submit(&self, signed: SignedTransaction) -> Result<StoredTransaction, Refusal> {
        let _turn = self.turn();
        let view = self.ledger.view()?;
        let digest = signed.transaction.digest();
        if let Some(done) = view.transaction(digest)? {
            return Ok(done);
        }
        checks::shape(&signed.transaction)?;
        checks::signatures(&signed)?;
        let now_ms = self.now_ms();
        let last = view.last_checkpoint()?.map(|c| c.summary);
        let epoch = epoch_after(last.as_ref());
        let terms = self.terms(&view, epoch, now_ms, None);
        let executed = execute(&terms, &signed.transaction)?;
        let stored = StoredTransaction {
            signed,
            effects: TransactionEffects::V2(Box::new(executed.effects)),
            events: executed.events,
            balance_changes: executed.balance_changes,
            checkpoint: last.as_ref().map_or(0, |l| l.sequence_number + 1),
            index: 0,
            timestamp_ms: now_ms,
        };
        let transactions = std::slice::from_ref(&stored);
        let checkpoint = self.sealer.seal(last.as_ref(), transactions, now_ms, vec![]);
        self.ledger.append(&checkpoint, transactions, &executed.changes)?;
        Ok(stored)
    }

    /// What a transaction would do, without signatures. `mock_gas` pays instead of the coins it names; `unchecked`, its
    /// objects may be anybody's.
    pub(crate) fn simulate(
        &self,
        transaction: &Transaction,
        mock_gas: Option<&Object>,
        unchecked: bool,
    ) -> Result<Executed, Refusal> {
        let view = self.ledger.view()?;
        let epoch = view.epoch()?;
        execute(&Terms { unchecked, ..self.terms(&view, epoch, self.now_ms(), mock_gas) }, transaction)
    }

    /// An empty checkpoint, unless there has been one within `idle_ms`.
    pub(crate) fn tick(&self, idle_ms: u64) -> Result<(), StoreError> {
        let _turn = self.turn();
        let now_ms = self.now_ms();
        if self.ledger.tip().is_some_and(|tip| now_ms.saturating_sub(tip.timestamp_ms) < idle_ms) {
            return Ok(());
        }
        let last = self.ledger.view()?.last_checkpoint()?.map(|c| c.summary);
        let checkpoint = self.sealer.seal(last.as_ref(), &[], now_ms, vec![]);
        self.ledger.append(&checkpoint, &[], &Changes::default())
    }

    /// Never before the newest checkpoint.
    pub(crate) fn now_ms(&self) -> u64 {
        let tip = self.ledger.tip().map_or(0, |Tip { timestamp_ms, .. }| timestamp_ms);
        (self.clock)().0.max(tip)
    }

    fn terms<'a>(&'a self, view: &'a View, epoch: u64, now_ms: u64, mock_gas: Option<&'a Object>) -> Terms<'a> {
        Terms { view, chain: self.chain, roots: &self.roots, epoch, now_ms, mock_gas, unchecked: false }
    }

    /// A panic while holding it leaves the ledger as it was: nothing is written before the commit.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn execute(terms: &Terms<'_>, transaction: &Transaction) -> Result<Executed, Refusal> {
    let ptb = checks::shape(transaction)?;
    let inputs = checks::admit(terms, transaction)?;
    let payment = &transaction.gas_payment;
    let digest = transaction.digest();
    let computation = settle::computation(ptb.commands.len(), payment.price);
    let (mut work, gas) = start(terms, digest, &inputs);
    settle::adjust(&mut work, gas, 0, payment.budget);
    let mut machine = Machine::new(&mut work, &ptb.inputs, transaction.sender, gas, terms.now_ms);
    let result = machine.run(ptb)?;
    let answers = machine.answers();
    settle::adjust(&mut work, gas, payment.budget, 0);
    let computation = computation.saturating_add(work.spent_units().saturating_mul(payment.price));
    let result = result.and_then(|()| within_budget(&work, computation, payment.budget));
    let (mut work, status, mut cost) = match result {
        Ok(cost) => (work, ExecutionStatus::Success, cost),
        Err(failure) => {
            let Failure { error, command } = *failure;
            // All it did is undone; what it may write still gets a new version, and the gas is paid.
            let (work, _) = start(terms, digest, &inputs);
            let cost = settle::cost(&work, computation);
            (work, ExecutionStatus::Failure { error, command }, cost)
        }
    };
    if !settle::affordable(&cost, payment.budget) {
        cost.computation_cost = payment.budget.saturating_add(cost.storage_rebate).saturating_sub(cost.storage_cost);
    }
    settle::adjust(&mut work, gas, cost.storage_rebate, cost.computation_cost.saturating_add(cost.storage_cost));
    let finished = settle::finish(work, status, cost, payment, gas, terms.epoch);
    Ok(Executed { answers, ..finished })
}

/// The cost, if the budget covers it.
fn within_budget(work: &Work<'_>, computation: u64, budget: u64) -> Result<GasCostSummary, Box<Failure>> {
    let cost = settle::cost(work, computation);
    if settle::affordable(&cost, budget) {
        return Ok(cost);
    }
    Err(Failure::boxed(ExecutionError::InsufficientGas, None))
}

fn start<'v>(terms: &Terms<'v>, digest: Digest, inputs: &Inputs) -> (Work<'v>, Address) {
    let mut work = Work::new(terms.view, digest, terms.roots);
    for (object, access) in &inputs.objects {
        work.admit(object.clone(), *access);
    }
    let gas = settle::smash(&mut work, &inputs.gas);
    (work, gas)
}

//! What a transaction must satisfy before it is executed, as on Sui: a refused one costs nothing.

use super::failure::Refusal;
use super::publish;
use super::work::Access;
use super::{MAX_BUDGET, MIN_COMPUTATION, REFERENCE_GAS_PRICE};
use crate::ledger::View;
use crate::objects::{FRAMEWORK, sui_balance};
use crate::twin;
use daas_attest::Roots;
use std::collections::BTreeSet;
use sui_crypto::{SuiVerifier as _, UserSignatureVerifier};
use sui_sdk_types::{
    Address, Command, Digest, Input, Object, ObjectData, ObjectReference, Owner, ProgrammableTransaction,
    SignedTransaction, Transaction, TransactionExpiration, TransactionKind,
};

const MAX_TRANSACTION_BYTES: usize = 128 * 1024;
const MAX_PURE_BYTES: usize = 16 * 1024;
const MAX_COMMANDS: usize = 1024;
const MAX_INPUTS: usize = 2048;
const MAX_ARGUMENTS: usize = 512;
pub(crate) const MAX_GAS_COINS: usize = 256;

/// The objects of an accepted transaction.
pub(crate) struct Inputs {
    pub(crate) objects: Vec<(Object, Access)>,
    pub(crate) gas: Vec<Object>,
}

/// What a transaction can be measured against.
pub(crate) struct Terms<'a> {
    pub(crate) view: &'a View,
    pub(crate) chain: Digest,
    /// Roots of the documents that masters register with.
    pub(crate) roots: &'a Roots,
    pub(crate) epoch: u64,
    pub(crate) now_ms: u64,
    /// A coin that stands in for gas in a simulation.
    pub(crate) mock_gas: Option<&'a Object>,
    /// A simulation that asks what would be, whoever owns the objects.
    pub(crate) unchecked: bool,
}

/// Every signer has signed this very transaction, and nobody else.
pub(crate) fn signatures(signed: &SignedTransaction) -> Result<(), Refusal> {
    let transaction = &signed.transaction;
    let mut missing = BTreeSet::from([transaction.sender, transaction.gas_payment.owner]);
    if signed.signatures.len() != missing.len() {
        let (expected, got) = (missing.len(), signed.signatures.len());
        return Err(Refusal::Invalid(format!("expected {expected} signatures, got {got}")));
    }
    for signature in &signed.signatures {
        let Some(signer) = signature.derive_addresses().find(|a| missing.contains(a)) else {
            let who = signature.derive_address();
            return Err(Refusal::Invalid(format!("{who} signed, but is neither sender nor sponsor")));
        };
        UserSignatureVerifier::new()
            .verify_transaction(transaction, signature)
            .map_err(|e| Refusal::Invalid(format!("the signature of {signer} does not verify: {e}")))?;
        missing.remove(&signer);
    }
    Ok(())
}

/// The programmable transaction, within the limits.
pub(crate) fn shape(transaction: &Transaction) -> Result<&ProgrammableTransaction, Refusal> {
    let TransactionKind::ProgrammableTransaction(ptb) = &transaction.kind else {
        return Err(Refusal::Invalid("only programmable transactions can be submitted".to_owned()));
    };
    let size = bcs::serialized_size(transaction).unwrap_or(usize::MAX);
    within("bytes", size, MAX_TRANSACTION_BYTES)?;
    within("commands", ptb.commands.len(), MAX_COMMANDS)?;
    within("inputs", ptb.inputs.len(), MAX_INPUTS)?;
    within("gas coins", transaction.gas_payment.objects.len(), MAX_GAS_COINS)?;
    if ptb.commands.is_empty() {
        return Err(Refusal::Invalid("a transaction needs at least one command".to_owned()));
    }
    for input in &ptb.inputs {
        if let Input::Pure(bytes) = input {
            within("bytes of a pure input", bytes.len(), MAX_PURE_BYTES)?;
        }
    }
    Ok(ptb)
}

/// Everything else: expiration, price and budget, commands, and each input's version, digest and owner.
pub(crate) fn admit(terms: &Terms<'_>, transaction: &Transaction) -> Result<Inputs, Refusal> {
    let ptb = shape(transaction)?;
    expiration(terms, &transaction.expiration)?;
    let (price, budget) = (transaction.gas_payment.price, transaction.gas_payment.budget);
    if price < REFERENCE_GAS_PRICE {
        let least = REFERENCE_GAS_PRICE;
        return Err(Refusal::Invalid(format!("gas price {price} is below the reference price {least}")));
    }
    let least = MIN_COMPUTATION.saturating_mul(price);
    if budget < least || budget > MAX_BUDGET {
        return Err(Refusal::Invalid(format!("gas budget {budget} is not between {least} and {MAX_BUDGET}")));
    }
    ptb.commands.iter().try_for_each(|c| command(terms, c))?;
    let mut seen = BTreeSet::new();
    let mut objects = vec![];
    for input in &ptb.inputs {
        if let Some((object, access)) = self::input(terms, transaction.sender, input)? {
            once(&mut seen, object.object_id())?;
            objects.push((object, access));
        }
    }
    let gas = gas(terms, transaction, &mut seen)?;
    Ok(Inputs { objects, gas })
}

fn expiration(terms: &Terms<'_>, expiration: &TransactionExpiration) -> Result<(), Refusal> {
    let (epochs, times, chain) = match expiration {
        TransactionExpiration::None => return Ok(()),
        TransactionExpiration::Epoch(last) => ((None, Some(*last)), (None, None), None),
        TransactionExpiration::ValidDuring { min_epoch, max_epoch, min_timestamp, max_timestamp, chain, .. }
        | TransactionExpiration::Validity { min_epoch, max_epoch, min_timestamp, max_timestamp, chain, .. } => {
            ((*min_epoch, *max_epoch), (*min_timestamp, *max_timestamp), Some(*chain))
        }
        _ => return Err(Refusal::Invalid("unknown kind of expiration".to_owned())),
    };
    let outside = |now: u64, (from, to): (Option<u64>, Option<u64>)| {
        from.is_some_and(|from| now < from) || to.is_some_and(|to| now > to)
    };
    if outside(terms.epoch, epochs) || outside(terms.now_ms, times) {
        return Err(Refusal::Stale("the transaction has expired or is not yet valid".to_owned()));
    }
    match chain {
        Some(chain) if chain != terms.chain => {
            Err(Refusal::Invalid(format!("the transaction is for chain {chain}, this is {}", terms.chain)))
        }
        _ => Ok(()),
    }
}

fn command(terms: &Terms<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::MoveCall(call) => {
            within("arguments", call.arguments.len(), MAX_ARGUMENTS)?;
            let package = terms.view.object(call.package)?.filter(|o| matches!(o.data(), ObjectData::Package(_)));
            let target = format!("{}::{}::{}", call.package, call.module, call.function);
            if package.is_none() && call.package != FRAMEWORK {
                return Err(Refusal::NotFound(format!("this devnet has no package for {target}")));
            }
            if twin::find(call.package, call.module.as_str(), call.function.as_str()).is_none() {
                return Err(Refusal::Invalid(format!("{target} is not a function that this devnet executes")));
            }
            Ok(())
        }
        Command::Publish(publish) => publish::check(publish),
        Command::Upgrade(_) => Err(Refusal::Invalid("this devnet does not upgrade packages".to_owned())),
        Command::TransferObjects(transfer) => within("arguments", transfer.objects.len(), MAX_ARGUMENTS),
        Command::SplitCoins(split) => within("arguments", split.amounts.len(), MAX_ARGUMENTS),
        Command::MergeCoins(merge) => within("arguments", merge.coins_to_merge.len(), MAX_ARGUMENTS),
        Command::MakeMoveVector(vector) => within("arguments", vector.elements.len(), MAX_ARGUMENTS),
        _ => Err(Refusal::Invalid("unknown command".to_owned())),
    }
}

fn input(terms: &Terms<'_>, sender: Address, input: &Input) -> Result<Option<(Object, Access)>, Refusal> {
    match input {
        Input::Pure(_) => Ok(None),
        Input::ImmutableOrOwned(reference) => {
            let object = current(terms, reference)?;
            match *object.owner() {
                Owner::Address(owner) if owner == sender || terms.unchecked => Ok(Some((object, Access::Write))),
                Owner::Immutable if object.as_struct().is_some() => Ok(Some((object, Access::Read))),
                ref other => Err(Refusal::Stale(format!(
                    "object {} is not owned by the sender {sender} but by {other:?}",
                    reference.object_id()
                ))),
            }
        }
        Input::Shared(shared) => {
            let id = shared.object_id();
            let object = terms.view.object(id)?.ok_or_else(|| Refusal::no_object(id))?;
            match *object.owner() {
                Owner::Shared(initial) if initial == shared.version() => {
                    let access = if shared.mutability().is_mutable() { Access::Write } else { Access::Read };
                    if id == crate::objects::CLOCK && access == Access::Write {
                        return Err(Refusal::Invalid("the clock cannot be taken mutably".to_owned()));
                    }
                    Ok(Some((object, access)))
                }
                Owner::Shared(initial) => Err(Refusal::Invalid(format!(
                    "object {id} is shared since version {initial}, not {}",
                    shared.version()
                ))),
                _ => Err(Refusal::Invalid(format!("object {id} is not shared"))),
            }
        }
        _ => Err(Refusal::Invalid("this devnet takes no receiving and no withdrawal inputs".to_owned())),
    }
}

fn gas(terms: &Terms<'_>, transaction: &Transaction, seen: &mut BTreeSet<Address>) -> Result<Vec<Object>, Refusal> {
    let payment = &transaction.gas_payment;
    if let Some(mock) = terms.mock_gas {
        return Ok(vec![mock.clone()]);
    }
    if payment.objects.is_empty() {
        return Err(Refusal::Invalid("the transaction names no gas coin".to_owned()));
    }
    let (mut coins, mut total) = (vec![], 0_u64);
    for reference in &payment.objects {
        let coin = current(terms, reference)?;
        let id = coin.object_id();
        once(seen, id)?;
        if *coin.owner() != Owner::Address(payment.owner) {
            return Err(Refusal::Stale(format!("gas coin {id} is not owned by {}", payment.owner)));
        }
        let balance = sui_balance(&coin).ok_or_else(|| Refusal::Invalid(format!("{id} is not a coin of SUI")))?;
        total = total.saturating_add(balance);
        coins.push(coin);
    }
    if total < payment.budget {
        let budget = payment.budget;
        return Err(Refusal::Stale(format!("the gas coins hold {total} MIST, the budget is {budget}")));
    }
    Ok(coins)
}

/// The object, if the reference is to its current version. One that was spent by another transaction has a newer
/// version, or none: that is how a second use of the same version is refused.
fn current(terms: &Terms<'_>, reference: &ObjectReference) -> Result<Object, Refusal> {
    let id = *reference.object_id();
    let object = terms.view.object(id)?.ok_or_else(|| Refusal::no_object(id))?;
    if object.version() != reference.version() {
        let (expected, got) = (object.version(), reference.version());
        return Err(Refusal::Stale(format!("object {id} is at version {expected}, the transaction has {got}")));
    }
    if object.digest() != *reference.digest() {
        let (expected, got) = (object.digest(), reference.digest());
        return Err(Refusal::Invalid(format!("object {id} has digest {expected}, the transaction has {got}")));
    }
    Ok(object)
}

fn once(seen: &mut BTreeSet<Address>, id: Address) -> Result<(), Refusal> {
    if seen.insert(id) { Ok(()) } else { Err(Refusal::Invalid(format!("object {id} is used twice"))) }
}

fn within(what: &str, got: usize, most: usize) -> Result<(), Refusal> {
    if got <= most { Ok(()) } else { Err(Refusal::Invalid(format!("{got} {what}: at most {most}"))) }
}

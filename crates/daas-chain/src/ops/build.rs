use super::TxError;
use crate::client::{Coin, Reference};
use daas_types::{Address, Mist, PackageId, WalletAddress};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::{Identifier, Owner, Transaction};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};

/// Most coins one transaction may be paid with.
const MAX_GAS_COINS: usize = 255;
/// Gas that the network asks for at the least, at its lowest price.
const LEAST_BUDGET: Mist = Mist(2_000_000);
/// More than any call of ours costs. What is not used comes back.
const CALL_BUDGET: Mist = Mist(100_000_000);
/// More than publishing the package costs.
const PUBLISH_BUDGET: Mist = Mist(1_000_000_000);

/// The shared `Clock`.
pub(super) const CLOCK: Address = Address::from_static("0x6");

/// A transaction before objects and coins are looked up.
#[derive(Clone, Debug)]
pub(super) enum Draft {
    Call { package: PackageId, module: &'static str, function: &'static str, args: Vec<Arg> },
    Publish { modules: Vec<Vec<u8>>, dependencies: Vec<Address> },
    Transfer { to: WalletAddress, amount: Mist },
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    /// BCS of a plain value.
    Pure(Vec<u8>),
    /// An object; `mutable` matters if it is shared.
    Object { id: Address, mutable: bool },
    /// A coin of this much, split off the gas coin.
    Payment(Mist),
}

/// All that building needs to know of the chain.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) sender: WalletAddress,
    pub(super) coins: Vec<Coin>,
    pub(super) objects: BTreeMap<Address, Reference>,
    pub(super) gas_price: u64,
}

// === impl Arg ===

impl Arg {
    pub(super) fn pure<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::Pure(bcs::to_bytes(value).expect("plain values must have a BCS form"))
    }

    pub(super) fn shared(id: Address) -> Self {
        Self::Object { id, mutable: false }
    }

    pub(super) fn shared_mut(id: Address) -> Self {
        Self::Object { id, mutable: true }
    }

    pub(super) fn owned(id: Address) -> Self {
        Self::Object { id, mutable: false }
    }

    pub(super) fn clock() -> Self {
        Self::shared(CLOCK)
    }
}

// === impl Draft ===

impl Draft {
    /// The objects to look up.
    pub(super) fn objects(&self) -> BTreeSet<Address> {
        let Self::Call { args, .. } = self else {
            return BTreeSet::new();
        };
        let ids = args.iter().filter_map(|arg| match arg {
            Arg::Object { id, .. } => Some(*id),
            Arg::Pure(_) | Arg::Payment(_) => None,
        });
        ids.collect()
    }

    /// The transaction, with all of the sender's coins as gas.
    pub(super) fn build(&self, known: &Known) -> Result<Transaction, TxError> {
        let mut tx = TransactionBuilder::new();
        let gas = &known.coins[..known.coins.len().min(MAX_GAS_COINS)];
        tx.set_sender(known.sender.0);
        tx.set_gas_price(known.gas_price);
        tx.set_gas_budget(self.budget(known.sender, gas)?.0);
        tx.add_gas_objects(gas.iter().map(|coin| ObjectInput::owned(coin.id, coin.version, coin.digest)));
        match self {
            Self::Call { package, module, function, args } => {
                let args = args.iter().map(|arg| argument(&mut tx, arg, &known.objects)).collect::<Result<_, _>>()?;
                let (module, function) = (Identifier::from_static(module), Identifier::from_static(function));
                tx.move_call(Function::new(package.0, module, function), args);
            }
            Self::Publish { modules, dependencies } => {
                let upgrade_cap = tx.publish(modules.clone(), dependencies.clone());
                let sender = tx.pure(&known.sender);
                tx.transfer_objects(vec![upgrade_cap], sender);
            }
            Self::Transfer { to, amount } => {
                let coin = payment(&mut tx, *amount);
                let to = tx.pure(to);
                tx.transfer_objects(vec![coin], to);
            }
        }
        tx.try_build().map_err(|error| TxError::Broken(format!("the transaction cannot be built: {error}")))
    }

    /// What leaves the wallet beside gas.
    fn amount(&self) -> Mist {
        match self {
            Self::Call { args, .. } => args.iter().fold(Mist(0), |sum, arg| match arg {
                Arg::Payment(amount) => sum.saturating_add(*amount),
                Arg::Pure(_) | Arg::Object { .. } => sum,
            }),
            Self::Publish { .. } => Mist(0),
            Self::Transfer { amount, .. } => *amount,
        }
    }

    fn budget(&self, address: WalletAddress, gas: &[Coin]) -> Result<Mist, TxError> {
        let wanted = if matches!(self, Self::Publish { .. }) { PUBLISH_BUDGET } else { CALL_BUDGET };
        let have = gas.iter().fold(Mist(0), |sum, coin| sum.saturating_add(coin.balance));
        let need = self.amount().saturating_add(LEAST_BUDGET);
        if have < need {
            return Err(TxError::InsufficientFunds { address, have, need });
        }
        Ok(wanted.min(Mist(have.0 - self.amount().0)))
    }
}

fn argument(
    tx: &mut TransactionBuilder,
    arg: &Arg,
    objects: &BTreeMap<Address, Reference>,
) -> Result<Argument, TxError> {
    match arg {
        // Never merged with an equal one: the two may be of different Move types.
        Arg::Pure(bytes) => Ok(tx.pure_bytes_unique(bytes.clone())),
        Arg::Payment(amount) => Ok(payment(tx, *amount)),
        Arg::Object { id, mutable } => {
            let known = objects.get(id).ok_or_else(|| TxError::Broken(format!("object {id} was not looked up")))?;
            Ok(tx.object(input(known, *mutable)?))
        }
    }
}

fn payment(tx: &mut TransactionBuilder, amount: Mist) -> Argument {
    let gas = tx.gas();
    let amount = tx.pure_bytes_unique(amount.0.to_le_bytes().to_vec());
    tx.split_coins(gas, vec![amount])[0]
}

fn input(known: &Reference, mutable: bool) -> Result<ObjectInput, TxError> {
    let Reference { id, version, digest, owner } = known;
    match owner {
        Owner::Shared(initial) => Ok(ObjectInput::shared(*id, *initial, mutable)),
        Owner::Address(_) => Ok(ObjectInput::owned(*id, *version, *digest)),
        Owner::Immutable => Ok(ObjectInput::immutable(*id, *version, *digest)),
        other => Err(TxError::Broken(format!("object {id} is owned by {other:?} and cannot be an argument"))),
    }
}

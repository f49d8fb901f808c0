use super::TxError;
use crate::client::{Coin, Reference};
use crate::index::IndexIds;
use core::time::Duration;
use daas_types::{Address, Digest, Mist, PackageId, UnixMs, WalletAddress};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::{Command, Identifier, Owner, Transaction, TransactionExpiration, TransactionKind};
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
/// The shared `DisplayRegistry`.
pub(super) const DISPLAY_REGISTRY: Address = Address::from_static("0xd");
/// The Sui framework.
pub(super) const FRAMEWORK: Address = Address::from_static("0x2");

/// A transaction before objects and coins are looked up.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Whose events it makes.
    pub(super) package: Option<PackageId>,
    /// The cluster it is about, which says which version of the package is called.
    pub(super) cluster: Option<IndexIds>,
    pub(super) steps: Vec<Step>,
}

/// One command, with what it needs.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Call {
        package: Address,
        module: &'static str,
        function: &'static str,
        args: Vec<Arg>,
    },
    Publish {
        modules: Vec<Vec<u8>>,
        dependencies: Vec<Address>,
    },
    Upgrade {
        modules: Vec<Vec<u8>>,
        dependencies: Vec<Address>,
        package: Address,
        ticket: Arg,
    },
    /// To somebody else, or to the sender.
    Send {
        what: Arg,
        to: Option<WalletAddress>,
    },
}

/// An argument of a command.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    /// BCS of a plain value.
    Pure(Vec<u8>),
    /// An object; `mutable` matters if it is shared.
    Object { id: Address, mutable: bool },
    /// A coin of this much, split off the gas coin.
    Payment(Mist),
    /// The sender's capability for a cluster.
    Office(Office, IndexIds),
    /// This long after the chain's present time, in ms.
    End(Duration),
    /// What an earlier step answered.
    Result(usize),
}

/// Which capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Office {
    Admin,
    Proposer,
    Judge,
}

/// All that building needs to know of the chain.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) sender: WalletAddress,
    pub(super) coins: Vec<Coin>,
    pub(super) objects: BTreeMap<Address, Reference>,
    pub(super) offices: BTreeMap<Office, Address>,
    pub(super) gas_price: u64,
    pub(super) epoch: u64,
    /// The network's genesis.
    pub(super) chain: Digest,
    /// The code that is called for the package, if it is not its own.
    pub(super) code: Option<(PackageId, PackageId)>,
    /// The time of its last checkpoint, if it matters.
    pub(super) now: UnixMs,
}

// === impl Office ===

impl Office {
    /// Its type's name.
    pub(super) const fn cap(self) -> &'static str {
        match self {
            Self::Admin => "AdminCap",
            Self::Proposer => "ProposerCap",
            Self::Judge => "JudgeCap",
        }
    }
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

    pub(super) fn clock() -> Self {
        Self::shared(CLOCK)
    }
}

// === impl Draft ===

impl Draft {
    /// The objects to look up, beside capabilities.
    pub(super) fn objects(&self) -> BTreeSet<Address> {
        let ids = self.args().filter_map(|arg| match arg {
            Arg::Object { id, .. } => Some(*id),
            Arg::Pure(_) | Arg::Payment(_) | Arg::Office(..) | Arg::End(_) | Arg::Result(_) => None,
        });
        ids.collect()
    }

    /// The capabilities to look up.
    pub(super) fn offices(&self) -> Vec<(Office, IndexIds)> {
        let offices = self.args().filter_map(|arg| match arg {
            Arg::Office(office, ids) => Some((*office, *ids)),
            Arg::Pure(_) | Arg::Object { .. } | Arg::Payment(_) | Arg::End(_) | Arg::Result(_) => None,
        });
        offices.collect()
    }

    /// Whether it depends on the time.
    pub(super) fn needs_now(&self) -> bool {
        self.args().any(|arg| matches!(arg, Arg::End(_)))
    }

    /// What leaves the wallet beside gas.
    pub(super) fn amount(&self) -> Mist {
        self.args().fold(Mist(0), |sum, arg| match arg {
            Arg::Payment(amount) => sum.saturating_add(*amount),
            Arg::Pure(_) | Arg::Object { .. } | Arg::Office(..) | Arg::End(_) | Arg::Result(_) => sum,
        })
    }

    /// The cluster's package, if it moves the cluster to the code that is called.
    pub(super) fn migrates(&self) -> Option<PackageId> {
        let migrate = |step: &Step| matches!(step, Step::Call { module: "cluster", function: "migrate", .. });
        self.package.filter(|_| self.steps.iter().any(migrate))
    }

    /// The package that `transaction`, built of this, calls in place of one that is named here.
    pub(super) fn foreign_code(&self, transaction: &Transaction) -> Option<PackageId> {
        let named = |package: Address| {
            self.steps.iter().any(|step| matches!(step, Step::Call { package: named, .. } if *named == package))
        };
        let TransactionKind::ProgrammableTransaction(program) = &transaction.kind else { return None };
        let called = program.commands.iter().filter_map(|command| match command {
            Command::MoveCall(call) => Some(call.package),
            _ => None,
        });
        called.into_iter().find(|package| !named(*package)).map(PackageId)
    }

    /// The transaction, with all of the sender's coins as gas.
    pub(super) fn build(&self, known: &Known) -> Result<Transaction, TxError> {
        let mut tx = TransactionBuilder::new();
        let gas = &known.coins[..known.coins.len().min(MAX_GAS_COINS)];
        tx.set_sender(known.sender.0);
        tx.set_gas_price(known.gas_price);
        tx.set_gas_budget(self.budget(known.sender, gas)?.0);
        tx.set_expiration(during(known));
        tx.add_gas_objects(gas.iter().map(|coin| ObjectInput::owned(coin.id, coin.version, coin.digest)));
        let mut results = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let result = step.build(&mut tx, known, &results)?;
            results.push(result);
        }
        tx.try_build().map_err(|error| TxError::Broken(format!("the transaction cannot be built: {error}")))
    }

    fn args(&self) -> impl Iterator<Item = &Arg> {
        self.steps.iter().flat_map(|step| match step {
            Step::Call { args, .. } => args.as_slice(),
            Step::Publish { .. } => &[],
            Step::Upgrade { ticket: arg, .. } | Step::Send { what: arg, .. } => core::slice::from_ref(arg),
        })
    }

    fn budget(&self, address: WalletAddress, gas: &[Coin]) -> Result<Mist, TxError> {
        let publishes = self.steps.iter().any(|step| matches!(step, Step::Publish { .. } | Step::Upgrade { .. }));
        let wanted = if publishes { PUBLISH_BUDGET } else { CALL_BUDGET };
        let have = gas.iter().fold(Mist(0), |sum, coin| sum.saturating_add(coin.balance));
        let need = self.amount().saturating_add(LEAST_BUDGET);
        if have < need {
            return Err(TxError::InsufficientFunds { address, have, need });
        }
        Ok(wanted.min(Mist(have.0 - self.amount().0)))
    }
}

// === impl Step ===

impl Step {
    /// Adds the command; answers its result, if it has one.
    fn build(
        &self,
        tx: &mut TransactionBuilder,
        known: &Known,
        results: &[Option<Argument>],
    ) -> Result<Option<Argument>, TxError> {
        Ok(match self {
            Self::Call { package, module, function, args } => {
                let args = args.iter().map(|arg| argument(tx, arg, known, results)).collect::<Result<_, _>>()?;
                let (module, function) = (Identifier::from_static(module), Identifier::from_static(function));
                let code = known.code.filter(|(of, _)| of.0 == *package).map_or(*package, |(_, code)| code.0);
                Some(tx.move_call(Function::new(code, module, function), args))
            }
            Self::Publish { modules, dependencies } => Some(tx.publish(modules.clone(), dependencies.clone())),
            Self::Upgrade { modules, dependencies, package, ticket } => {
                let ticket = argument(tx, ticket, known, results)?;
                Some(tx.upgrade(modules.clone(), dependencies.clone(), *package, ticket))
            }
            Self::Send { what, to } => {
                let what = argument(tx, what, known, results)?;
                let to = tx.pure(&to.unwrap_or(known.sender));
                tx.transfer_objects(vec![what], to);
                None
            }
        })
    }
}

/// Valid on this network alone, in this epoch and the next: a copy of a network, or one that says it is another, gets no
/// signature that moves coins elsewhere. Validators take such bounds where coins pay too, ask for both epochs, and for no
/// more than these two. The number stays zero, so that the same call of the same objects has the same bytes.
fn during(known: &Known) -> TransactionExpiration {
    TransactionExpiration::ValidDuring {
        min_epoch: Some(known.epoch),
        max_epoch: Some(known.epoch.saturating_add(1)),
        min_timestamp: None,
        max_timestamp: None,
        chain: known.chain,
        nonce: 0,
    }
}

fn argument(
    tx: &mut TransactionBuilder,
    arg: &Arg,
    known: &Known,
    results: &[Option<Argument>],
) -> Result<Argument, TxError> {
    let broken = |what: &str| TxError::Broken(format!("{what} was not looked up"));
    match arg {
        // Never merged with an equal one: the two may be of different Move types.
        Arg::Pure(bytes) => Ok(tx.pure_bytes_unique(bytes.clone())),
        Arg::Payment(amount) => {
            let gas = tx.gas();
            let amount = tx.pure_bytes_unique(amount.0.to_le_bytes().to_vec());
            Ok(tx.split_coins(gas, vec![amount])[0])
        }
        Arg::Object { id, mutable } => {
            let object = known.objects.get(id).ok_or_else(|| broken(&format!("object {id}")))?;
            Ok(tx.object(input(object, *mutable)?))
        }
        Arg::Office(office, _) => {
            let id = known.offices.get(office).ok_or_else(|| broken(office.cap()))?;
            let object = known.objects.get(id).ok_or_else(|| broken(office.cap()))?;
            Ok(tx.object(input(object, false)?))
        }
        Arg::End(after) => Ok(tx.pure_bytes_unique(known.now.plus(*after).0.to_le_bytes().to_vec())),
        Arg::Result(step) => results.get(*step).copied().flatten().ok_or_else(|| broken("an earlier result")),
    }
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

//! The twin on objects in memory. Transactions have the digests that Move's `test_scenario` gives its own, so new objects
//! get the same ids; the package has the address that a package under test has.

use super::super::nitro::Document;
use super::super::{Arg, Call, Function, Run, call::encode, error};
use crate::execute::{Access, Fault, Item, Now, Place, Work};
use crate::ledger::{Ledger, View};
use crate::objects::{CLOCK, coin_contents, framework_type};
use daas_attest::Roots;
use daas_types::onchain::PositionState;
use std::collections::BTreeMap;
use std::sync::Arc;
use sui_sdk_types::hash::Hasher;
use sui_sdk_types::{Address, Digest, Event, ExecutionError, Identifier, Owner, StructTag, TypeTag};
use tempfile::TempDir;

/// The package under test.
pub(super) const PACKAGE: Address = Address::ZERO;
/// What Sui hashes first for the ids of dynamic fields and derived objects.
const CHILD_OBJECT_ID: u8 = 0xf0;

/// What stands below every chain: nothing.
pub(super) struct Ground {
    view: View,
    roots: Roots,
    _ledger: Ledger,
    _dir: TempDir,
}

/// A call of an entry function.
#[derive(Clone)]
pub(super) struct Op {
    pub(super) function: &'static Function,
    pub(super) sender: Address,
    pub(super) args: Vec<Given>,
    /// Whether something about it was drawn so as not to fit.
    pub(super) slipped: bool,
}

/// An argument.
#[derive(Clone)]
pub(super) enum Given {
    Object(Address),
    Pure(Vec<u8>),
    /// A coin made for the call.
    Coin(u64),
    Document(Box<Document>),
    Clock,
}

/// What a successful call did.
pub(super) struct Done {
    pub(super) events: Vec<Event>,
    /// New objects that have an owner or are shared, by id.
    pub(super) made: Vec<Address>,
}

/// An abort with a code of the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Abort {
    pub(super) module: &'static str,
    pub(super) name: &'static str,
}

/// The objects, the time, and how many transactions there were.
#[derive(Clone)]
pub(super) struct Chain<'g> {
    ground: &'g Ground,
    pub(super) objects: BTreeMap<Address, Now>,
    pub(super) transactions: u64,
    pub(super) now_ms: u64,
    /// Clusters in the order of their founding.
    pub(super) founded: Vec<Address>,
    /// Derived ids, and what the VM of the unit tests makes of them.
    pub(super) aliases: Vec<(Address, Address)>,
}

// === impl Ground ===

impl Ground {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger"), Arc::new(|| Ok(u64::MAX))).unwrap();
        Self { view: ledger.view().unwrap(), roots: Roots::aws(), _ledger: ledger, _dir: dir }
    }
}

// === impl Op ===

impl Op {
    /// The objects that are passed.
    pub(super) fn objects(&self) -> impl Iterator<Item = Address> {
        self.args.iter().filter_map(|given| match given {
            Given::Object(id) => Some(*id),
            _ => None,
        })
    }

    fn pure(&self, n: usize) -> Vec<u8> {
        let Given::Pure(bytes) = &self.args[n] else { panic!("argument {n} is an object") };
        bytes.clone()
    }
}

// === impl Chain ===

impl<'g> Chain<'g> {
    pub(super) fn new(ground: &'g Ground, now_ms: u64) -> Self {
        Self { ground, objects: BTreeMap::new(), transactions: 0, now_ms, founded: vec![], aliases: vec![] }
    }

    /// Runs a call. `None`: it fails with something that is no code of the package; then, and when it aborts, nothing has
    /// happened.
    pub(super) fn run(&mut self, op: &Op) -> Result<Done, Option<Abort>> {
        let (done, objects) = self.attempt(op)?;
        self.objects = objects;
        // Objects that were made are looked at in a transaction of its own.
        self.transactions += if done.made.is_empty() { 1 } else { 2 };
        let made: Vec<_> = done.made.iter().filter_map(|id| Some((*id, self.alias(op, *id)?))).collect();
        self.aliases.extend(made);
        let is_cluster = |id: &&Address| self.objects[*id].tag.name().as_str() == "Cluster";
        self.founded.extend(done.made.iter().filter(is_cluster));
        Ok(done)
    }

    /// What running it would do.
    pub(super) fn trial(&self, op: &Op) -> Result<(), Option<Abort>> {
        self.attempt(op).map(drop)
    }

    fn attempt(&self, op: &Op) -> Result<(Done, BTreeMap<Address, Now>), Option<Abort>> {
        let mut work = Work::new(&self.ground.view, digest(self.transactions + 1), &self.ground.roots);
        for (id, now) in &self.objects {
            let item = Item { before: None, access: Access::Write, now: Some(now.clone()), written: false };
            work.items.insert(*id, item);
        }
        let args = op.args.iter().map(|given| argument(&mut work, given)).collect();
        let Run::Change(run) = op.function.run else { panic!("{} changes nothing", op.function.name) };
        let mut call = Call {
            work: &mut work,
            args,
            package: PACKAGE,
            function: op.function,
            sender: op.sender,
            now_ms: self.now_ms,
        };
        run(&mut call).map_err(|fault| abort_of(&fault))?;
        let (mut made, mut objects) = (vec![], BTreeMap::new());
        for (id, item) in work.items {
            let Some(now) = item.now else { continue };
            if item.access == Access::New && !matches!(now.place, Place::Owned(Owner::Object(_))) {
                made.push(id);
            }
            objects.insert(id, now);
        }
        Ok((Done { events: work.events, made }, objects))
    }

    /// What the VM of the unit tests derives in place of `id`: it takes the length of the name as 4 bytes, being a program
    /// of 32 bits, where validators (and the twin) take 8. Otherwise the same hash of the same bytes.
    fn alias(&self, op: &Op, id: Address) -> Option<Address> {
        let made: PositionState;
        let (parent, key, module, name) = match self.objects[&id].tag.name().as_str() {
            "StakePosition" => {
                made = bcs::from_bytes(&self.objects[&id].contents).unwrap();
                let salt = op.pure(3);
                (
                    op.objects().nth(1)?,
                    encode(&(made.owner, u64::from_le_bytes(salt.try_into().unwrap()))),
                    "registry",
                    "PositionKey",
                )
            }
            "K8sRequest" => (self.told(op.objects().nth(1)?), op.pure(9), "k8s_gateway", "RequestKey"),
            _ => return None,
        };
        let key_type = StructTag::new(PACKAGE, Identifier::from_static(module), Identifier::from_static(name), vec![]);
        let derived: TypeTag = framework_type("derived_object", "DerivedObjectKey", vec![key_type.into()]).into();
        let mut hash = Hasher::new();
        hash.update([CHILD_OBJECT_ID]);
        hash.update(parent);
        hash.update(u32::try_from(key.len()).unwrap().to_le_bytes());
        hash.update(key);
        hash.update(encode(&derived));
        Some(Address::new(hash.finalize().into_inner()))
    }

    /// The id as the VM of the unit tests has it.
    pub(super) fn told(&self, id: Address) -> Address {
        self.aliases.iter().find(|(real, _)| *real == id).map_or(id, |(_, alias)| *alias)
    }

    /// `set_version_for_testing`.
    pub(super) fn set_version(&mut self, cluster: Address, version: u64) {
        let object = self.objects.get_mut(&cluster).unwrap();
        let mut value: daas_types::onchain::Cluster = bcs::from_bytes(&object.contents).unwrap();
        value.version = version;
        object.contents = encode(&value);
        self.transactions += 1;
    }

    /// Who owns it; nobody, if it is shared.
    pub(super) fn owner(&self, id: Address) -> Option<Address> {
        match self.objects.get(&id)?.place {
            Place::Owned(Owner::Address(owner)) => Some(owner),
            _ => None,
        }
    }

    /// All objects of a type, by id.
    pub(super) fn of_type<'a>(&'a self, module: &'a str, name: &'a str) -> impl Iterator<Item = (Address, &'a Now)> {
        let is = move |tag: &StructTag| tag.module().as_str() == module && tag.name().as_str() == name;
        self.objects.iter().filter(move |(_, now)| is(&now.tag)).map(|(id, now)| (*id, now))
    }
}

/// `dummy_tx_hash_with_hint`.
fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Digest::new(bytes)
}

fn argument(work: &mut Work<'_>, given: &Given) -> Arg {
    match given {
        Given::Object(id) => Arg::Object(*id),
        Given::Pure(bytes) => Arg::Pure(bytes.clone()),
        Given::Document(document) => Arg::Pure(encode(document)),
        Given::Clock => Arg::Object(CLOCK),
        Given::Coin(value) => {
            let id = work.fresh_id();
            let contents = coin_contents(id, *value);
            work.create(id, Now { tag: StructTag::gas_coin(), public_transfer: true, contents, place: Place::Held });
            Arg::Object(id)
        }
    }
}

fn abort_of(fault: &Fault) -> Option<Abort> {
    let Fault::Execution(failure) = fault else { panic!("{fault:?}") };
    let ExecutionError::MoveAbort { location, code } = &**failure else { return None };
    if location.package != PACKAGE {
        return None;
    }
    let error = error(location.module.as_str(), *code).unwrap_or_else(|| panic!("{failure:?}"));
    Some(Abort { module: error.module, name: error.name })
}

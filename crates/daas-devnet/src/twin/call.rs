use super::{Function, MoveError};
use crate::execute::{Fault, Now, Place, Work, balance_of};
use crate::objects::{FRAMEWORK, coin_contents, framework_type};
use daas_types::onchain::{PositionState, Table};
use daas_types::{Mist, WalletAddress};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sui_sdk_types::{Address, Event, ExecutionError, Identifier, MoveLocation, Owner, StructTag, TypeTag};

/// An argument whose type has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// BCS of the parameter's type: given as it is, or made by a command before.
    Pure(Vec<u8>),
    /// An object of the parameter's type.
    Object(Address),
}

/// One call of a function: its arguments, and the framework as far as the package uses it.
pub(crate) struct Call<'c, 'v> {
    pub(crate) work: &'c mut Work<'v>,
    pub(crate) args: Vec<Arg>,
    pub(crate) package: Address,
    pub(crate) function: &'static Function,
    pub(crate) sender: Address,
    pub(crate) now_ms: u64,
}

// === impl Call: arguments ===

impl Call<'_, '_> {
    /// A pure argument.
    pub(crate) fn pure<T: DeserializeOwned>(&self, n: usize) -> Result<T, Fault> {
        match self.args.get(n) {
            Some(Arg::Pure(bytes)) => bcs::from_bytes(bytes).map_err(|_| broken()),
            _ => Err(broken()),
        }
    }

    /// A `vector<u8>`.
    pub(crate) fn bytes(&self, n: usize) -> Result<Vec<u8>, Fault> {
        self.pure(n)
    }

    /// An object's value.
    pub(crate) fn object<T: DeserializeOwned>(&self, n: usize) -> Result<T, Fault> {
        let object = self.work.get(self.object_id(n)?).ok_or_else(broken)?;
        bcs::from_bytes(&object.contents).map_err(|_| broken())
    }

    /// The new value of an object taken mutably.
    pub(crate) fn store<T: Serialize>(&mut self, n: usize, value: &T) -> Result<(), Fault> {
        let id = self.object_id(n)?;
        self.work.get_mut(id).ok_or_else(broken)?.contents = encode(value);
        Ok(())
    }

    /// `Coin::into_balance`.
    pub(crate) fn spend_coin(&mut self, n: usize) -> Result<Mist, Fault> {
        let id = self.object_id(n)?;
        let value = self.work.get(id).map(balance_of).ok_or_else(broken)?;
        self.work.delete(id);
        Ok(Mist(value))
    }

    fn object_id(&self, n: usize) -> Result<Address, Fault> {
        match self.args.get(n) {
            Some(Arg::Object(id)) => Ok(*id),
            _ => Err(broken()),
        }
    }
}

// === impl Call: the framework ===

impl Call<'_, '_> {
    /// `module::Name` of the package.
    pub(crate) fn tag(&self, module: &'static str, name: &'static str) -> StructTag {
        StructTag::new(self.package, Identifier::from_static(module), Identifier::from_static(name), vec![])
    }

    /// `object::new`.
    pub(crate) fn new_id(&mut self) -> Address {
        self.work.fresh_id()
    }

    /// `transfer::share_object` of an object made in this call; `value` starts with `id`.
    pub(crate) fn share<T: Serialize>(&mut self, id: Address, tag: StructTag, value: &T) {
        self.put(id, tag, false, encode(value), Place::NewlyShared);
    }

    /// `transfer::transfer` of an object made in this call; `store` is its ability.
    pub(crate) fn send<T: Serialize>(&mut self, id: Address, tag: StructTag, store: bool, value: &T, to: Address) {
        self.put(id, tag, store, encode(value), Place::Owned(Owner::Address(to)));
    }

    /// `balance.into_coin(ctx)` and a transfer.
    pub(crate) fn pay(&mut self, amount: Mist, to: WalletAddress) {
        let id = self.new_id();
        let place = Place::Owned(Owner::Address(to.0));
        self.put(id, StructTag::gas_coin(), true, coin_contents(id, amount.0), place);
    }

    /// `event::emit` of `module`'s type. The event says which module was called, and in its type which one emitted it.
    pub(crate) fn emit<T: Serialize>(&mut self, module: &'static str, name: &'static str, payload: &T) {
        self.work.events.push(Event {
            package_id: self.package,
            module: Identifier::from_static(self.function.module),
            sender: self.sender,
            type_: self.tag(module, name),
            contents: encode(payload),
        });
    }

    /// The position at argument `n` has changed: generation +1, the event with the state after it and `more`.
    pub(crate) fn changed_position<T: Serialize>(
        &mut self,
        n: usize,
        mut position: PositionState,
        (module, event): (&'static str, &'static str),
        more: T,
    ) -> Result<(), Fault> {
        position.generation += 1;
        self.emit(module, event, &(&position, more));
        self.store(n, &position)
    }

    /// `derived_object::claim` of `id` below `parent`; answers whether it was free.
    pub(crate) fn claim(&mut self, parent: Address, id: Address) -> Result<bool, Fault> {
        let claimed: TypeTag = framework_type("derived_object", "Claimed", vec![]).into();
        if self.has_field(parent, &claimed, &id)? {
            return Ok(false);
        }
        let reserved: TypeTag = framework_type("derived_object", "ClaimedStatus", vec![]).into();
        self.add_field(parent, (&claimed, &id), (reserved, &0_u8));
        Ok(true)
    }

    /// `table::new`.
    pub(crate) fn new_table(&mut self) -> Table {
        Table { id: self.new_id(), size: 0 }
    }

    /// `Table::add`; the caller has seen that there is no such entry.
    pub(crate) fn add_entry<K: Serialize, V: Serialize>(
        &mut self,
        table: &mut Table,
        key: (&TypeTag, &K),
        value: (TypeTag, &V),
    ) {
        self.add_field(table.id, key, value);
        table.size += 1;
    }

    /// `dynamic_field::exists_`.
    pub(crate) fn has_field<K: Serialize>(
        &mut self,
        parent: Address,
        key_type: &TypeTag,
        key: &K,
    ) -> Result<bool, Fault> {
        let id = parent.derive_dynamic_child_id(key_type, &encode(key));
        Ok(self.work.find_child(parent, id)?)
    }

    /// `dynamic_field::add`; the caller has seen that there is none.
    pub(crate) fn add_field<K: Serialize, V: Serialize>(
        &mut self,
        parent: Address,
        (key_type, key): (&TypeTag, &K),
        (value_type, value): (TypeTag, &V),
    ) {
        let id = parent.derive_dynamic_child_id(key_type, &encode(key));
        let tag = framework_type("dynamic_field", "Field", vec![key_type.clone(), value_type]);
        let contents = [id.as_bytes(), &encode(key), &encode(value)].concat();
        self.put(id, tag, false, contents, Place::Owned(Owner::Object(parent)));
    }

    /// `dynamic_field::borrow`, if there is one.
    pub(crate) fn field_value<K: Serialize, V: DeserializeOwned>(
        &mut self,
        parent: Address,
        key_type: &TypeTag,
        key: &K,
    ) -> Result<Option<V>, Fault> {
        if !self.has_field(parent, key_type, key)? {
            return Ok(None);
        }
        let key = encode(key);
        let field = self.work.get(parent.derive_dynamic_child_id(key_type, &key)).ok_or_else(broken)?;
        let value = field.contents.get(Address::LENGTH + key.len()..).ok_or_else(broken)?;
        bcs::from_bytes(value).map(Some).map_err(|_| broken())
    }

    /// A new value for a dynamic field that there is.
    pub(crate) fn set_field<K: Serialize, V: Serialize>(
        &mut self,
        parent: Address,
        (key_type, key): (&TypeTag, &K),
        value: &V,
    ) -> Result<(), Fault> {
        let key = encode(key);
        let id = parent.derive_dynamic_child_id(key_type, &key);
        let field = self.work.get_mut(id).ok_or_else(broken)?;
        field.contents = [id.as_bytes(), &key, &encode(value)].concat();
        Ok(())
    }

    /// `dynamic_field::remove`; answers whether there was one.
    pub(crate) fn remove_field<K: Serialize>(
        &mut self,
        parent: Address,
        key_type: &TypeTag,
        key: &K,
    ) -> Result<bool, Fault> {
        let found = self.has_field(parent, key_type, key)?;
        if found {
            self.work.delete(parent.derive_dynamic_child_id(key_type, &encode(key)));
        }
        Ok(found)
    }

    fn put(&mut self, id: Address, tag: StructTag, public_transfer: bool, contents: Vec<u8>, place: Place) {
        self.work.create(id, Now { tag, public_transfer, contents, place });
    }
}

// === impl Call: what ends it ===

impl Call<'_, '_> {
    /// `assert!(condition, error)` in `function` of the error's module.
    pub(crate) fn ensure(&self, condition: bool, error: MoveError, function: &'static str) -> Result<(), Fault> {
        if condition { Ok(()) } else { Err(self.abort(error, function)) }
    }

    pub(crate) fn abort(&self, error: MoveError, function: &'static str) -> Fault {
        let location = location(self.package, error.module, function);
        ExecutionError::MoveAbort { location, code: error.abort_code() }.into()
    }

    /// An abort of the framework's, whose codes have no names.
    pub(crate) fn framework_abort(module: &'static str, function: &'static str, code: u64) -> Fault {
        ExecutionError::MoveAbort { location: location(FRAMEWORK, module, function), code }.into()
    }

    /// Arithmetic that does not fit its type.
    pub(crate) fn overflow(&self) -> Fault {
        let location = Some(location(self.package, self.function.module, self.function.name));
        ExecutionError::MovePrimitiveRuntimeError { location }.into()
    }

    /// `a + b`.
    pub(crate) fn sum(&self, a: u64, b: u64) -> Result<u64, Fault> {
        a.checked_add(b).ok_or_else(|| self.overflow())
    }

    /// `Balance::join`.
    pub(crate) fn join(&self, balance: Mist, more: Mist) -> Result<Mist, Fault> {
        self.sum(balance.0, more.0).map(Mist)
    }

    /// `Balance::split`: what is left.
    #[expect(clippy::unused_self, reason = "as its sister `join`")]
    pub(crate) fn split(&self, balance: Mist, less: Mist) -> Result<Mist, Fault> {
        const NOT_ENOUGH: u64 = 2;
        let left = balance.0.checked_sub(less.0).map(Mist);
        left.ok_or_else(|| Self::framework_abort("balance", "split", NOT_ENOUGH))
    }
}

fn location(package: Address, module: &'static str, function: &'static str) -> MoveLocation {
    MoveLocation {
        package,
        module: Identifier::from_static(module),
        function: 0,
        instruction: 0,
        function_name: Some(Identifier::from_static(function)),
    }
}

/// The checks before the call rule this out.
fn broken() -> Fault {
    ExecutionError::VmInvariantViolation.into()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("on-chain values must serialize")
}

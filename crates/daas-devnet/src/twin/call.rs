use super::{Function, MoveError};
use crate::execute::{Fault, Now, Place, Work, balance_of};
use crate::objects::{coin_contents, framework_type};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sui_sdk_types::{Address, Event, ExecutionError, Identifier, MoveLocation, Owner, StructTag, TypeTag};

/// An argument whose type has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// BCS of the parameter's type.
    Pure(Vec<u8>),
    /// An object of the parameter's type.
    Object(Address),
}

/// One call of an entry function: its arguments, and the framework as far as the package uses it.
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

    /// `Coin::value`.
    pub(crate) fn coin_value(&self, n: usize) -> Result<u64, Fault> {
        self.work.get(self.object_id(n)?).map(balance_of).ok_or_else(broken)
    }

    /// `Coin::into_balance`.
    pub(crate) fn spend_coin(&mut self, n: usize) -> Result<u64, Fault> {
        let value = self.coin_value(n)?;
        self.work.delete(self.object_id(n)?);
        Ok(value)
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
    pub(crate) fn pay(&mut self, amount: u64, to: Address) {
        let id = self.new_id();
        let place = Place::Owned(Owner::Address(to));
        self.put(id, StructTag::gas_coin(), true, coin_contents(id, amount), place);
    }

    /// `event::emit` of a type of the called module.
    pub(crate) fn emit<T: Serialize>(&mut self, name: &'static str, payload: &T) {
        let module = self.function.module;
        self.work.events.push(Event {
            package_id: self.package,
            module: Identifier::from_static(module),
            sender: self.sender,
            type_: self.tag(module, name),
            contents: encode(payload),
        });
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

    /// `assert!(condition, error)` in `function` of the error's module.
    pub(crate) fn ensure(&self, condition: bool, error: MoveError, function: &'static str) -> Result<(), Fault> {
        if condition { Ok(()) } else { Err(self.abort(error, function)) }
    }

    pub(crate) fn abort(&self, error: MoveError, function: &'static str) -> Fault {
        let location = self.location(error.module, function);
        ExecutionError::MoveAbort { location, code: error.abort_code() }.into()
    }

    /// Arithmetic that does not fit its type.
    pub(crate) fn overflow(&self) -> Fault {
        let location = Some(self.location(self.function.module, self.function.name));
        ExecutionError::MovePrimitiveRuntimeError { location }.into()
    }

    fn location(&self, module: &'static str, function: &'static str) -> MoveLocation {
        MoveLocation {
            package: self.package,
            module: Identifier::from_static(module),
            function: 0,
            instruction: 0,
            function_name: Some(Identifier::from_static(function)),
        }
    }

    fn put(&mut self, id: Address, tag: StructTag, public_transfer: bool, contents: Vec<u8>, place: Place) {
        self.work.create(id, Now { tag, public_transfer, contents, place });
    }
}

/// The checks before the call rule this out.
fn broken() -> Fault {
    ExecutionError::VmInvariantViolation.into()
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("on-chain values must serialize")
}

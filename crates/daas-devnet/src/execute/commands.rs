//! Runs a programmable transaction's commands.

use super::failure::{Failure, Fault, bad_argument};
use super::work::{Now, Place, Work};
use super::{move_call, publish};
use crate::StoreError;
use crate::objects::coin_contents;
use sui_sdk_types::{
    Address, Argument, Command, CommandArgumentError, ExecutionError, Input, MakeMoveVector, MergeCoins, Owner,
    ProgrammableTransaction, SplitCoins, StructTag, TransferObjects, TypeTag,
};

/// What an argument stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// BCS of something that is no object, of a type that its use decides.
    Pure(Vec<u8>),
    /// BCS of what a function answered.
    Answer(TypeTag, Vec<u8>),
    /// An object among the items.
    Object(Address),
    /// A vector of objects.
    Objects(Vec<Address>),
    /// Used up.
    Gone,
}

/// The transaction while it runs.
pub(crate) struct Machine<'m, 'v> {
    pub(crate) work: &'m mut Work<'v>,
    pub(crate) sender: Address,
    pub(crate) now_ms: u64,
    gas: Address,
    inputs: Vec<Value>,
    results: Vec<Vec<Value>>,
}

// === impl Machine ===

impl<'m, 'v> Machine<'m, 'v> {
    /// `gas` is the coin that `Argument::Gas` means.
    pub(crate) fn new(work: &'m mut Work<'v>, inputs: &[Input], sender: Address, gas: Address, now_ms: u64) -> Self {
        let inputs = inputs.iter().map(value_of).collect();
        Self { work, sender, now_ms, gas, inputs, results: vec![] }
    }

    /// Runs all commands, or up to the first that fails.
    pub(crate) fn run(&mut self, ptb: &ProgrammableTransaction) -> Result<Result<(), Box<Failure>>, StoreError> {
        for (index, command) in (0..).zip(&ptb.commands) {
            match self.step(command) {
                Ok(results) => self.results.push(results),
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Execution(error)) => return Ok(Err(Failure::boxed(*error, Some(index)))),
            }
        }
        Ok(self.nothing_left_over().map_err(|error| Failure::boxed(error, None)))
    }

    fn step(&mut self, command: &Command) -> Result<Vec<Value>, Fault> {
        match command {
            Command::SplitCoins(command) => self.split(command),
            Command::MergeCoins(command) => self.merge(command),
            Command::TransferObjects(command) => self.transfer(command),
            Command::MakeMoveVector(command) => self.make_vector(command),
            Command::Publish(_) => Ok(vec![Value::Object(publish::publish(self.work))]),
            Command::MoveCall(call) => Ok(move_call::run(self, call)?.into_iter().collect()),
            _ => Err(ExecutionError::FeatureNotYetSupported.into()),
        }
    }

    fn split(&mut self, command: &SplitCoins) -> Result<Vec<Value>, Fault> {
        let coin = self.coin(0, command.coin)?;
        let mut made = Vec::with_capacity(command.amounts.len());
        for (n, amount) in (1..).zip(&command.amounts) {
            let amount = self.pure_u64(n, *amount)?;
            let left = self.balance(coin).checked_sub(amount).ok_or(ExecutionError::InsufficientCoinBalance)?;
            self.set_balance(coin, left);
            let id = self.work.fresh_id();
            self.work.create(
                id,
                Now {
                    tag: StructTag::gas_coin(),
                    public_transfer: true,
                    contents: coin_contents(id, amount),
                    place: Place::Held,
                },
            );
            made.push(Value::Object(id));
        }
        Ok(made)
    }

    fn merge(&mut self, command: &MergeCoins) -> Result<Vec<Value>, Fault> {
        let into = self.coin(0, command.coin)?;
        for (n, source) in (1..).zip(&command.coins_to_merge) {
            let source = self.take(n, *source)?;
            if source == into {
                return Err(bad_argument(n, CommandArgumentError::InvalidValueUsage));
            }
            self.expect_coin(n, source)?;
            let sum = self.balance(into).checked_add(self.balance(source));
            self.set_balance(into, sum.ok_or(ExecutionError::CoinBalanceOverflow)?);
            self.work.delete(source);
        }
        Ok(vec![])
    }

    fn transfer(&mut self, command: &TransferObjects) -> Result<Vec<Value>, Fault> {
        let last = command.objects.len();
        let to = self.pure(last, command.address)?;
        let to = Address::from_bytes(&to).map_err(|_| bad_argument(last, CommandArgumentError::InvalidBcsBytes))?;
        for (n, object) in command.objects.iter().enumerate() {
            let id = match object {
                Argument::Gas => self.gas,
                other => self.take(n, *other)?,
            };
            let object = self.work.get_mut(id).filter(|o| o.public_transfer);
            object.ok_or(ExecutionError::InvalidTransferObject)?.place = Place::Owned(Owner::Address(to));
        }
        Ok(vec![])
    }

    fn make_vector(&mut self, command: &MakeMoveVector) -> Result<Vec<Value>, Fault> {
        let first = command.elements.first().map(|e| self.peek(0, *e)).transpose()?;
        if matches!(first, Some(Value::Object(_))) {
            let ids = command.elements.iter().enumerate().map(|(n, e)| self.take(n, *e)).collect::<Result<_, _>>()?;
            return Ok(vec![Value::Objects(ids)]);
        }
        let mut bytes = move_call::uleb(command.elements.len());
        for (n, element) in command.elements.iter().enumerate() {
            bytes.extend(self.pure(n, *element)?);
        }
        Ok(vec![Value::Pure(bytes)])
    }

    /// Objects in nobody's hand may not be dropped.
    fn nothing_left_over(&self) -> Result<(), ExecutionError> {
        for (result, values) in (0..).zip(&self.results) {
            for (subresult, value) in (0..).zip(values) {
                let held = |id: &Address| self.work.get(*id).is_some_and(|o| o.place == Place::Held);
                let left = match value {
                    Value::Object(id) => held(id),
                    Value::Objects(ids) => !ids.is_empty(),
                    Value::Pure(_) | Value::Answer(..) | Value::Gone => false,
                };
                if left {
                    return Err(ExecutionError::UnusedValueWithoutDrop { result, subresult });
                }
            }
        }
        Ok(())
    }
}

// === impl Machine: answers ===

impl Machine<'_, '_> {
    /// What each command so far answered that is no object.
    pub(crate) fn answers(&self) -> Vec<Vec<(TypeTag, Vec<u8>)>> {
        let answer = |value: &Value| match value {
            Value::Answer(tag, bytes) => Some((tag.clone(), bytes.clone())),
            _ => None,
        };
        self.results.iter().map(|values| values.iter().filter_map(answer).collect()).collect()
    }
}

// === impl Machine: arguments ===

impl Machine<'_, '_> {
    fn slot(&mut self, n: usize, argument: Argument) -> Result<&mut Value, Fault> {
        let out_of_bounds = |index| bad_argument(n, CommandArgumentError::IndexOutOfBounds { index });
        match argument {
            Argument::Gas => Err(bad_argument(n, CommandArgumentError::InvalidGasCoinUsage)),
            Argument::Input(i) => self.inputs.get_mut(usize::from(i)).ok_or_else(|| out_of_bounds(i)),
            Argument::Result(i) => match self.results.get_mut(usize::from(i)).map(Vec::as_mut_slice) {
                None => Err(out_of_bounds(i)),
                Some([value]) => Ok(value),
                Some(_) => Err(bad_argument(n, CommandArgumentError::InvalidResultArity { result: i })),
            },
            Argument::NestedResult(result, subresult) => {
                let values = self.results.get_mut(usize::from(result)).ok_or_else(|| out_of_bounds(result))?;
                values.get_mut(usize::from(subresult)).ok_or_else(|| {
                    bad_argument(n, CommandArgumentError::SecondaryIndexOutOfBounds { result, subresult })
                })
            }
        }
    }

    pub(crate) fn peek(&mut self, n: usize, argument: Argument) -> Result<Value, Fault> {
        if argument == Argument::Gas {
            return Ok(Value::Object(self.gas));
        }
        match self.slot(n, argument)? {
            Value::Gone => Err(bad_argument(n, CommandArgumentError::ArgumentWithoutValue)),
            value => Ok(value.clone()),
        }
    }

    pub(crate) fn pure(&mut self, n: usize, argument: Argument) -> Result<Vec<u8>, Fault> {
        match self.peek(n, argument)? {
            Value::Pure(bytes) => Ok(bytes),
            _ => Err(bad_argument(n, CommandArgumentError::TypeMismatch)),
        }
    }

    /// BCS of a value of type `tag` that is no object. What a function answered is used up if it can only be moved.
    pub(crate) fn value(&mut self, n: usize, argument: Argument, tag: &TypeTag) -> Result<Vec<u8>, Fault> {
        match self.peek(n, argument)? {
            Value::Pure(bytes) if move_call::can_be_pure(tag) => move_call::checked_pure(bytes, tag, n),
            Value::Answer(of, bytes) if of == *tag => {
                if !move_call::can_be_pure(tag) {
                    *self.slot(n, argument)? = Value::Gone;
                }
                Ok(bytes)
            }
            _ => Err(bad_argument(n, CommandArgumentError::TypeMismatch)),
        }
    }

    fn pure_u64(&mut self, n: usize, argument: Argument) -> Result<u64, Fault> {
        let bytes = self.pure(n, argument)?;
        bcs::from_bytes(&bytes).map_err(|_| bad_argument(n, CommandArgumentError::InvalidBcsBytes))
    }

    /// An object by reference.
    pub(crate) fn borrow(&mut self, n: usize, argument: Argument, mutably: bool) -> Result<Address, Fault> {
        let Value::Object(id) = self.peek(n, argument)? else {
            return Err(bad_argument(n, CommandArgumentError::TypeMismatch));
        };
        let readable = self.work.items.get(&id).is_some_and(|i| !mutably || i.access != super::work::Access::Read);
        readable.then_some(id).ok_or_else(|| bad_argument(n, CommandArgumentError::InvalidObjectByMutRef))
    }

    /// An object by value: the argument is used up.
    pub(crate) fn take(&mut self, n: usize, argument: Argument) -> Result<Address, Fault> {
        let Value::Object(id) = self.peek(n, argument)? else {
            return Err(bad_argument(n, CommandArgumentError::TypeMismatch));
        };
        let ours = |place| matches!(place, Place::Held | Place::Owned(Owner::Address(_)));
        if !self.work.get(id).is_some_and(|o| ours(o.place)) {
            return Err(bad_argument(n, CommandArgumentError::InvalidObjectByValue));
        }
        *self.slot(n, argument)? = Value::Gone;
        Ok(id)
    }

    fn coin(&mut self, n: usize, argument: Argument) -> Result<Address, Fault> {
        let id = self.borrow(n, argument, true)?;
        self.expect_coin(n, id)?;
        Ok(id)
    }

    fn expect_coin(&self, n: usize, id: Address) -> Result<(), Fault> {
        let is_coin = self.work.get(id).is_some_and(|o| o.tag == StructTag::gas_coin());
        is_coin.then_some(()).ok_or_else(|| bad_argument(n, CommandArgumentError::TypeMismatch))
    }

    fn balance(&self, coin: Address) -> u64 {
        self.work.get(coin).map_or(0, balance_of)
    }

    fn set_balance(&mut self, coin: Address, balance: u64) {
        if let Some(object) = self.work.get_mut(coin) {
            object.contents = coin_contents(coin, balance);
        }
    }
}

/// The last eight bytes of a coin.
pub(crate) fn balance_of(coin: &Now) -> u64 {
    let bytes = coin.contents.last_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(bytes)
}

fn value_of(input: &Input) -> Value {
    match input {
        Input::Pure(bytes) => Value::Pure(bytes.clone()),
        Input::ImmutableOrOwned(object) => Value::Object(*object.object_id()),
        Input::Shared(shared) => Value::Object(shared.object_id()),
        _ => Value::Gone,
    }
}

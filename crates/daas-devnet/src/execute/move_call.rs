//! Checks a Move call against the twin's signature and hands it over.

use super::commands::{Machine, Value};
use super::failure::{Fault, bad_argument};
use crate::twin::{self, Arg, Call, Run};
use sui_sdk_types::{Address, CommandArgumentError, ExecutionError, MoveCall, TypeTag};

/// How a parameter takes its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// `&T`.
    Reference(TypeTag),
    /// `&mut T`.
    Mutably(TypeTag),
    /// An object, by value.
    ByValue(TypeTag),
    /// Something that is no object, by value.
    Value(TypeTag),
}

/// Runs the function and answers what it answers.
pub(crate) fn run(machine: &mut Machine<'_, '_>, call: &MoveCall) -> Result<Option<Value>, Fault> {
    let function = twin::find(call.package, call.module.as_str(), call.function.as_str());
    let function = function.ok_or(ExecutionError::FunctionNotFound)?;
    if !call.type_arguments.is_empty() {
        return Err(ExecutionError::TypeArityMismatch.into());
    }
    if call.arguments.len() != function.params.len() {
        return Err(ExecutionError::ArityMismatch.into());
    }
    let mut args = Vec::with_capacity(function.params.len());
    for (n, (param, argument)) in function.params.iter().zip(&call.arguments).enumerate() {
        let arg = match taking(param, call.package) {
            Taking::Value(tag) => Arg::Pure(machine.value(n, *argument, &tag)?),
            Taking::Reference(tag) => Arg::Object(typed(machine.borrow(n, *argument, false)?, &tag, machine, n)?),
            Taking::Mutably(tag) => Arg::Object(typed(machine.borrow(n, *argument, true)?, &tag, machine, n)?),
            Taking::ByValue(tag) => {
                if let Value::Object(id) = machine.peek(n, *argument)? {
                    typed(id, &tag, machine, n)?;
                }
                Arg::Object(machine.take(n, *argument)?)
            }
        };
        if args.contains(&arg) && matches!(arg, Arg::Object(_)) {
            return Err(bad_argument(n, CommandArgumentError::InvalidValueUsage));
        }
        args.push(arg);
    }
    let (sender, now_ms) = (machine.sender, machine.now_ms);
    let mut called = Call { work: machine.work, args, package: call.package, function, sender, now_ms };
    match function.run {
        Run::Change(change) => change(&mut called).map(|()| None),
        Run::Answer(answer, kind) => {
            let bytes = answer(&mut called)?;
            Ok(Some(Value::Answer(type_tag(kind, call.package), bytes)))
        }
    }
}

/// Reads a parameter type as the interface file spells it, with the package's address for `0x0`.
pub(crate) fn taking(param: &str, package: Address) -> Taking {
    let (reference, rest) = match (param.strip_prefix("&mut "), param.strip_prefix('&')) {
        (Some(rest), _) => (Some(true), rest),
        (None, Some(rest)) => (Some(false), rest),
        (None, None) => (None, param),
    };
    let tag = type_tag(rest, package);
    match reference {
        Some(true) => Taking::Mutably(tag),
        Some(false) => Taking::Reference(tag),
        None if matches!(&tag, TypeTag::Struct(s) if s.is_coin().is_some()) => Taking::ByValue(tag),
        None => Taking::Value(tag),
    }
}

fn type_tag(kind: &str, package: Address) -> TypeTag {
    kind.replace("0x0::", &format!("{package}::")).parse().expect("the twin's types must parse")
}

/// Whether bytes of a transaction may become such a value. Others are made by functions alone.
pub(crate) fn can_be_pure(tag: &TypeTag) -> bool {
    match tag {
        TypeTag::Vector(element) => can_be_pure(element),
        TypeTag::Struct(tag) => match (tag.module().as_str(), tag.name().as_str(), tag.type_params()) {
            ("string" | "ascii", "String", []) | ("object", "ID", []) => true,
            ("option", "Option", [inner]) => can_be_pure(inner),
            _ => false,
        },
        _ => true,
    }
}

fn typed(id: Address, tag: &TypeTag, machine: &Machine<'_, '_>, n: usize) -> Result<Address, Fault> {
    let right = matches!((machine.work.get(id), tag), (Some(o), TypeTag::Struct(expected)) if o.tag == **expected);
    right.then_some(id).ok_or_else(|| bad_argument(n, CommandArgumentError::TypeMismatch))
}

pub(crate) fn checked_pure(bytes: Vec<u8>, tag: &TypeTag, n: usize) -> Result<Vec<u8>, Fault> {
    match bcs_length(tag, &bytes) {
        Some(length) if length == bytes.len() => Ok(bytes),
        _ => Err(bad_argument(n, CommandArgumentError::InvalidBcsBytes)),
    }
}

/// How many of the bytes one value of the type takes; `None` if they are not such a value. Knows the types that can be
/// pure arguments or names of dynamic fields.
pub(crate) fn bcs_length(tag: &TypeTag, bytes: &[u8]) -> Option<usize> {
    let fixed = |length: usize| (bytes.len() >= length).then_some(length);
    match tag {
        TypeTag::Bool => bytes.first().filter(|b| **b <= 1).map(|_| 1),
        TypeTag::U8 => fixed(1),
        TypeTag::U16 => fixed(2),
        TypeTag::U32 => fixed(4),
        TypeTag::U64 => fixed(8),
        TypeTag::U128 => fixed(16),
        TypeTag::U256 | TypeTag::Address => fixed(32),
        TypeTag::Vector(element) => sequence_length(element, bytes),
        TypeTag::Struct(tag) => match (tag.module().as_str(), tag.name().as_str(), tag.type_params()) {
            ("object", "ID" | "UID", []) | ("derived_object", "Claimed", []) => fixed(32),
            ("string" | "ascii", "String", []) => {
                let length = sequence_length(&TypeTag::U8, bytes)?;
                let text = bytes.get(unuleb(bytes)?.1..length)?;
                std::str::from_utf8(text).ok().map(|_| length)
            }
            ("option", "Option", [inner]) => match bytes.split_first()? {
                (0, _) => Some(1),
                (1, rest) => Some(1 + bcs_length(inner, rest)?),
                _ => None,
            },
            _ => None,
        },
        TypeTag::Signer => None,
    }
}

fn sequence_length(element: &TypeTag, bytes: &[u8]) -> Option<usize> {
    let (count, mut at) = unuleb(bytes)?;
    for _ in 0..count {
        at += bcs_length(element, bytes.get(at..)?)?;
    }
    Some(at)
}

/// The number and how many bytes it takes.
fn unuleb(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// A length as BCS writes it.
pub(crate) fn uleb(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits must fit a byte");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

//! On-chain values as JSON, for people and for the `json` fields of answers: numbers above 32 bits and addresses are strings,
//! bytes base64, as on Sui. Known are the package's types, from its interface, and the framework's as far as they occur.

use crate::execute::interface;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use sui_sdk_types::{Address, StructTag, TypeTag};

/// Deeper values are somebody's attempt at the stack.
const MAX_DEPTH: usize = 16;

/// Address of the standard library's types.
const STD: Address = Address::from_static("0x1");

static INTERFACE: LazyLock<Value> = LazyLock::new(interface);

/// The value whose BCS is `bytes`, if the type is known and the bytes are just that.
pub(crate) fn json_of(tag: &TypeTag, bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes, depth: 0 };
    let value = reader.value(tag)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'b> {
    rest: &'b [u8],
    depth: usize,
}

// === impl Reader ===

impl<'b> Reader<'b> {
    fn value(&mut self, tag: &TypeTag) -> Option<Value> {
        self.depth += 1;
        let value = if self.depth > MAX_DEPTH { None } else { self.shallow(tag) };
        self.depth -= 1;
        value
    }

    fn shallow(&mut self, tag: &TypeTag) -> Option<Value> {
        Some(match tag {
            TypeTag::Bool => match self.take(1)? {
                [0] => json!(false),
                [1] => json!(true),
                _ => return None,
            },
            TypeTag::U8 => json!(u8::from_le_bytes(self.array()?)),
            TypeTag::U16 => json!(u16::from_le_bytes(self.array()?)),
            TypeTag::U32 => json!(u32::from_le_bytes(self.array()?)),
            TypeTag::U64 => json!(u64::from_le_bytes(self.array()?).to_string()),
            TypeTag::U128 => json!(u128::from_le_bytes(self.array()?).to_string()),
            // Nothing here counts so far.
            TypeTag::U256 => return None,
            TypeTag::Address | TypeTag::Signer => self.address()?,
            TypeTag::Vector(element) if **element == TypeTag::U8 => {
                let length = self.length()?;
                json!(STANDARD.encode(self.take(length)?))
            }
            TypeTag::Vector(element) => self.sequence(element)?,
            TypeTag::Struct(tag) => self.structure(tag)?,
        })
    }

    fn structure(&mut self, tag: &StructTag) -> Option<Value> {
        let names = (tag.module().as_str(), tag.name().as_str());
        let fields = |fields: &[(&str, TypeTag)]| {
            fields.iter().map(|(name, tag)| ((*name).to_owned(), tag.clone())).collect::<Vec<_>>()
        };
        let id = || TypeTag::Address;
        let fields = match (*tag.address(), names, tag.type_params()) {
            (STD, ("string" | "ascii", "String"), []) => return self.text(),
            (STD, ("option", "Option"), [inner]) => return self.option(inner),
            (Address::TWO, ("object", "UID" | "ID") | ("derived_object", "Claimed"), []) => return self.address(),
            (Address::TWO, ("balance", "Balance"), [_]) => return self.value(&TypeTag::U64),
            (Address::TWO, ("coin", "Coin"), [_]) => fields(&[("id", id()), ("balance", TypeTag::U64)]),
            (Address::TWO, ("clock", "Clock"), []) => fields(&[("id", id()), ("timestamp_ms", TypeTag::U64)]),
            (Address::TWO, ("table", "Table"), [_, _]) => fields(&[("id", id()), ("size", TypeTag::U64)]),
            (Address::TWO, ("dynamic_field", "Field"), [name, value]) => {
                fields(&[("id", id()), ("name", name.clone()), ("value", value.clone())])
            }
            (Address::TWO, ("package", "UpgradeCap"), []) => {
                fields(&[("id", id()), ("package", id()), ("version", TypeTag::U64), ("policy", TypeTag::U8)])
            }
            (package, (module, name), _) => declared(package, module, name)?,
        };
        let mut object = Map::new();
        for (name, tag) in fields {
            object.insert(name, self.value(&tag)?);
        }
        Some(Value::Object(object))
    }

    fn sequence(&mut self, element: &TypeTag) -> Option<Value> {
        let count = self.length()?;
        let mut values = vec![];
        for _ in 0..count {
            // An element of no bytes would let a length go on without end.
            let before = self.rest.len();
            values.push(self.value(element)?);
            (self.rest.len() < before).then_some(())?;
        }
        Some(Value::Array(values))
    }

    fn option(&mut self, inner: &TypeTag) -> Option<Value> {
        match self.take(1)? {
            [0] => Some(Value::Null),
            [1] => self.value(inner),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Value> {
        let length = self.length()?;
        Some(json!(std::str::from_utf8(self.take(length)?).ok()?))
    }

    fn address(&mut self) -> Option<Value> {
        Some(json!(Address::new(self.array()?)))
    }

    /// A sequence's length, as BCS writes it.
    fn length(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
}

/// Fields of a type of the package at `package`, in order.
fn declared(package: Address, module: &str, name: &str) -> Option<Vec<(String, TypeTag)>> {
    let fields = INTERFACE.get(module)?.get("structs")?.get(name)?.get("fields")?.as_array()?;
    let field = |field: &Value| {
        let tag = field["type"].as_str()?.replace("0x0::", &format!("{package}::"));
        Some((field["name"].as_str()?.to_owned(), tag.parse().ok()?))
    };
    fields.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tag: &str, value: &impl serde::Serialize) -> Option<Value> {
        json_of(&tag.parse().unwrap(), &bcs::to_bytes(value).unwrap())
    }

    #[test]
    fn values_look_as_on_sui() {
        assert_eq!(of("u64", &7_u64), Some(json!("7")));
        assert_eq!(of("u32", &7_u32), Some(json!(7)));
        assert_eq!(of("vector<u8>", &vec![1_u8, 2]), Some(json!("AQI=")));
        assert_eq!(of("vector<bool>", &vec![true, false]), Some(json!([true, false])));
        assert_eq!(of("0x1::string::String", &"<b>"), Some(json!("<b>")));
        assert_eq!(of("0x1::option::Option<u16>", &None::<u16>), Some(Value::Null));
        assert_eq!(of("0x1::option::Option<u16>", &Some(5_u16)), Some(json!(5)));
        let coin = of("0x2::coin::Coin<0x2::sui::SUI>", &(Address::TWO, 9_u64)).unwrap();
        assert_eq!(coin, json!({ "id": Address::TWO, "balance": "9" }));
        let cap = of("0xab::caps::AdminCap", &(Address::TWO, Address::ZERO)).unwrap();
        assert_eq!(cap, json!({ "id": Address::TWO, "cluster": Address::ZERO }));
    }

    #[test]
    fn what_is_not_known_or_not_whole_is_not_shown() {
        assert_eq!(of("0xab::caps::Crown", &1_u8), None);
        assert_eq!(of("u8", &1_u16), None);
        assert_eq!(of("u64", &1_u16), None);
        assert_eq!(of("bool", &2_u8), None);
        assert_eq!(json_of(&"vector<u64>".parse().unwrap(), &[0xff, 0xff, 0xff, 0xff, 0x7f]), None);
        let deep = format!("{}u8{}", "vector<".repeat(17), ">".repeat(17));
        assert_eq!(deep.parse().ok().and_then(|tag| json_of(&tag, &[1; 18])), None);
    }
}

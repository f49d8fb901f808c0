//! JSON in messages.

use crate::layout::json_of;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use sui_sdk_types::TypeTag;

/// The value whose BCS is `bytes`, if its type is known.
pub(super) fn of(tag: &TypeTag, bytes: &[u8]) -> Option<Box<Value>> {
    json_of(tag, bytes).map(message).map(Box::new)
}

fn message(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.into_iter().map(message).collect() }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.into_iter().map(|(name, value)| (name, message(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

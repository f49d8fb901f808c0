//! Making and reading Move objects.

use sui_sdk_types::framework::Coin;
use sui_sdk_types::{
    Address, Digest, Identifier, MoveStruct, Object, ObjectData, ObjectReference, Owner, StructTag, TypeTag, Version,
};

/// Address of the framework's objects and types.
pub(crate) const FRAMEWORK: Address = Address::TWO;
/// The shared clock.
pub(crate) const CLOCK: Address = Address::from_static("0x6");

/// `0x2::module::Name<params>`.
pub(crate) fn framework_type(module: &'static str, name: &'static str, params: Vec<TypeTag>) -> StructTag {
    StructTag::new(FRAMEWORK, Identifier::from_static(module), Identifier::from_static(name), params)
}

/// `0x2::clock::Clock`.
pub(crate) fn clock_type() -> StructTag {
    framework_type("clock", "Clock", vec![])
}

/// BCS of a `Coin<SUI>`: its id and its balance.
pub(crate) fn coin_contents(id: Address, balance: u64) -> Vec<u8> {
    let mut contents = id.as_bytes().to_vec();
    contents.extend_from_slice(&balance.to_le_bytes());
    contents
}

/// The balance, if the object is a `Coin<SUI>`.
pub(crate) fn sui_balance(object: &Object) -> Option<u64> {
    let coin = Coin::try_from_object(object)?;
    (*coin.coin_type() == TypeTag::from(StructTag::sui())).then(|| coin.balance())
}

/// What names this object at this version.
pub(crate) fn reference(object: &Object) -> ObjectReference {
    ObjectReference::new(object.object_id(), object.version(), object.digest())
}

/// A Move object. `contents` start with its id, which every caller has put there.
pub(crate) fn object(
    tag: StructTag,
    public_transfer: bool,
    version: Version,
    contents: Vec<u8>,
    owner: Owner,
    previous: Digest,
) -> Object {
    let data = MoveStruct::new(tag, public_transfer, version, contents).expect("contents must start with an id");
    with_rebate(ObjectData::Struct(data), owner, previous)
}

/// The object with the storage rebate its size pays for.
pub(crate) fn with_rebate(data: ObjectData, owner: Owner, previous: Digest) -> Object {
    let bare = Object::new(data.clone(), owner, previous, 0);
    let size = bcs::serialized_size(&bare).expect("objects must serialize");
    Object::new(data, owner, previous, crate::execute::storage_cost(size))
}

/// The part of Sui's `display_registry` (the registry is the object 0xd) that the package calls. The crate with the
/// framework's sources is older than the module, so the package is compiled against this declaration of it: a published
/// package links by names, signatures and abilities, which are Sui's, and never by what is inside. What is inside serves
/// the unit tests.
module sui::display_registry;

use std::internal::Permit;
use std::string::String;
use sui::derived_object;
use sui::vec_map::{Self, VecMap};

public struct DisplayRegistry has key {
    id: UID,
}

public struct Display<phantom T> has key {
    id: UID,
    fields: VecMap<String, String>,
}

public struct DisplayCap<phantom T> has key, store {
    id: UID,
}

public struct DisplayKey<phantom T>() has copy, drop, store;

public fun new<T>(
    registry: &mut DisplayRegistry,
    _: Permit<T>,
    ctx: &mut TxContext,
): (Display<T>, DisplayCap<T>) {
    let id = derived_object::claim(&mut registry.id, DisplayKey<T>());
    (Display { id, fields: vec_map::empty() }, DisplayCap { id: object::new(ctx) })
}

public fun set<T>(display: &mut Display<T>, _: &DisplayCap<T>, name: String, value: String) {
    display.fields.insert(name, value);
}

public fun share<T>(display: Display<T>) {
    transfer::share_object(display)
}

public fun fields<T>(display: &Display<T>): &VecMap<String, String> {
    &display.fields
}

#[test_only]
public fun share_for_testing(ctx: &mut TxContext) {
    transfer::share_object(DisplayRegistry { id: object::new(ctx) })
}

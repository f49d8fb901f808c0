#[test_only]
module k3s_daas::nautilus_tests;

use k3s_daas::caps;
use k3s_daas::nautilus;
use k3s_daas::world::{Self, admin, bytes, stranger};
use std::unit_test::assert_eq;
use sui::test_scenario;

#[test]
fun measurements_are_allowed_replaced_and_revoked() {
    let mut w = world::begin();
    w.allow(admin(), bytes(1, 48), bytes(0, 48));
    w.allow(admin(), bytes(2, 48), bytes(0, 48));
    w.allow(admin(), bytes(1, 48), bytes(9, 48));
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    assert_eq!(nautilus.generation(), 4);
    // The replacement stands last.
    assert_eq!(nautilus.measurements().map_ref!(|m| m.pcr0()), vector[bytes(2, 48), bytes(1, 48)]);
    assert_eq!(nautilus.measurements()[1].pcr1(), bytes(9, 48));
    test_scenario::return_shared(nautilus);
    w.revoke(admin(), bytes(2, 48));
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    assert_eq!(nautilus.measurements().map_ref!(|m| m.pcr0()), vector[bytes(1, 48)]);
    test_scenario::return_shared(nautilus);
    w.end();
}

#[test]
fun masters_are_registered_replaced_and_removed() {
    let mut w = world::begin();
    w.register_master(admin(), b"https://a:6443", bytes(1, 32));
    w.register_master(admin(), b"https://b:6443", bytes(2, 32));
    w.register_master(admin(), b"https://a:6443", bytes(3, 32));
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    assert_eq!(nautilus.masters().map_ref!(|m| m.signing_key()), vector[bytes(2, 32), bytes(3, 32)]);
    test_scenario::return_shared(nautilus);
    w.remove_master(admin(), bytes(2, 32));
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    assert_eq!(nautilus.masters().map_ref!(|m| m.endpoint()), vector[b"https://a:6443".to_string()]);
    test_scenario::return_shared(nautilus);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::EBadPcrLength)]
fun a_short_pcr0_is_refused() {
    let mut w = world::begin();
    w.allow(admin(), bytes(1, 47), bytes(1, 48));
    abort
}

#[test, expected_failure(abort_code = nautilus::EBadPcrLength)]
fun a_long_pcr1_is_refused() {
    let mut w = world::begin();
    w.allow(admin(), bytes(1, 48), bytes(1, 49));
    abort
}

#[test, expected_failure(abort_code = nautilus::EUnknownMeasurement)]
fun a_measurement_is_revoked_once() {
    let mut w = world::begin();
    w.allow(admin(), bytes(1, 48), bytes(0, 48));
    w.revoke(admin(), bytes(1, 48));
    w.revoke(admin(), bytes(1, 48));
    abort
}

#[test, expected_failure(abort_code = nautilus::EBadDigestLength)]
fun a_short_signing_key_is_refused() {
    let mut w = world::begin();
    w.register_master(admin(), b"https://a:6443", bytes(1, 31));
    abort
}

#[test, expected_failure(abort_code = nautilus::EUnknownMaster)]
fun an_unknown_master_cannot_be_removed() {
    let mut w = world::begin();
    w.register_master(admin(), b"https://a:6443", bytes(1, 32));
    w.remove_master(admin(), bytes(2, 32));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_allows_nothing() {
    let mut w = world::begin();
    w.foreign_admin(stranger());
    w.allow(stranger(), bytes(1, 48), bytes(1, 48));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_revokes_nothing() {
    let mut w = world::begin();
    w.allow(admin(), bytes(1, 48), bytes(1, 48));
    w.foreign_admin(stranger());
    w.revoke(stranger(), bytes(1, 48));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_registers_nothing() {
    let mut w = world::begin();
    w.foreign_admin(stranger());
    w.register_master(stranger(), b"https://a:6443", bytes(1, 32));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_removes_nothing() {
    let mut w = world::begin();
    w.register_master(admin(), b"https://a:6443", bytes(1, 32));
    w.foreign_admin(stranger());
    w.remove_master(stranger(), bytes(1, 32));
    abort
}

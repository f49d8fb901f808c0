/// A master image's measurement: announced, in force, retired, revoked.
#[test_only]
module k3s_daas::measurement_tests;

use k3s_daas::masters::{Self, pcr};
use k3s_daas::nautilus;
use k3s_daas::signatures;
use k3s_daas::world::{Self, World, admin, bytes, delay_ms, stranger};
use std::unit_test::assert_eq;
use sui::test_scenario;

fun announced(): World {
    let mut w = world::begin();
    masters::announce(&mut w, pcr(0));
    w
}

fun in_force(): World {
    let mut w = announced();
    w.pass_ms(delay_ms());
    masters::activate(&mut w, stranger(), pcr(0));
    w
}

/// PCR 0 of each measurement, and whether it is in force.
fun listed(w: &mut World): (vector<vector<u8>>, vector<bool>) {
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    let pcrs = nautilus.measurements().map_ref!(|measurement| measurement.pcr0());
    let in_force = nautilus.measurements().map_ref!(|measurement| measurement.is_in_force());
    test_scenario::return_shared(nautilus);
    (pcrs, in_force)
}

// === Announced ===

#[test]
fun an_announced_measurement_is_not_in_force() {
    let mut w = announced();
    w.pass_ms(delay_ms());
    let (pcrs, in_force) = listed(&mut w);
    assert_eq!(pcrs, vector[pcr(0)]);
    assert_eq!(in_force, vector[false]);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::EBadPcrLength)]
fun a_pcr_is_48_bytes() {
    let mut w = world::begin();
    masters::announce_as(&mut w, admin(), pcr(0), bytes(1, 32), pcr(2));
    abort
}

#[test, expected_failure(abort_code = nautilus::EZeroPcr)]
fun a_debug_enclaves_measurement_is_refused() {
    let mut w = world::begin();
    masters::announce_as(&mut w, admin(), pcr(0), pcr(1), bytes(0, 48));
    abort
}

#[test, expected_failure(abort_code = nautilus::EMeasurementExists)]
fun a_measurement_is_announced_once() {
    let mut w = announced();
    masters::announce_as(&mut w, admin(), pcr(0), pcr(7), pcr(8));
    abort
}

#[test, expected_failure(abort_code = nautilus::ETooManyMeasurements)]
fun a_seventeenth_measurement_is_refused() {
    let mut w = world::begin();
    17u8.do!(|index| masters::announce(&mut w, pcr(index)));
    abort
}

// === In force ===

#[test]
fun anyone_puts_it_in_force_when_its_delay_is_over() {
    let mut w = in_force();
    let (_, in_force) = listed(&mut w);
    assert_eq!(in_force, vector[true]);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ETooEarly)]
fun a_measurement_waits_for_its_delay() {
    let mut w = announced();
    w.pass_ms(delay_ms() - 1);
    masters::activate(&mut w, admin(), pcr(0));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotAnnounced)]
fun a_measurement_comes_into_force_once() {
    let mut w = in_force();
    masters::activate(&mut w, admin(), pcr(0));
    abort
}

#[test, expected_failure(abort_code = nautilus::EUnknownMeasurement)]
fun an_unknown_measurement_does_not_come_into_force() {
    let mut w = announced();
    masters::activate(&mut w, admin(), pcr(1));
    abort
}

// === Retired ===

#[test]
fun a_retired_measurement_keeps_its_masters() {
    let mut w = world::begin();
    masters::master(&mut w);
    masters::retire(&mut w, admin(), pcr(0));
    let (pcrs, in_force) = listed(&mut w);
    assert_eq!(pcrs, vector[pcr(0)]);
    assert_eq!(in_force, vector[false]);
    assert_eq!(masters::current(&mut w), 1);
    masters::heartbeat(&mut w, masters::enclave(signatures::key()));
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ENotInForce)]
fun an_announced_measurement_is_not_retired() {
    let mut w = announced();
    masters::retire(&mut w, admin(), pcr(0));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotAnnounced)]
fun a_retired_measurement_does_not_come_back() {
    let mut w = in_force();
    masters::retire(&mut w, admin(), pcr(0));
    masters::activate(&mut w, admin(), pcr(0));
    abort
}

#[test, expected_failure(abort_code = nautilus::EUnknownMeasurement)]
fun an_unknown_measurement_is_not_retired() {
    let mut w = in_force();
    masters::retire(&mut w, admin(), pcr(1));
    abort
}

// === Revoked ===

#[test]
fun a_revoked_measurement_takes_its_masters_with_it() {
    let mut w = world::begin();
    masters::master(&mut w);
    masters::announce(&mut w, pcr(5));
    masters::revoke_image(&mut w, admin(), pcr(0));
    let (pcrs, _) = listed(&mut w);
    assert_eq!(pcrs, vector[pcr(5)]);
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}

#[test]
fun revoking_another_measurement_leaves_a_master() {
    let mut w = world::begin();
    masters::master(&mut w);
    masters::announce(&mut w, pcr(5));
    masters::revoke_image(&mut w, admin(), pcr(5));
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

#[test]
fun a_revoked_measurement_waits_again() {
    let mut w = in_force();
    masters::revoke_image(&mut w, admin(), pcr(0));
    masters::announce(&mut w, pcr(0));
    let (_, in_force) = listed(&mut w);
    assert_eq!(in_force, vector[false]);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::EUnknownMeasurement)]
fun an_unknown_measurement_is_not_revoked() {
    let mut w = in_force();
    masters::revoke_image(&mut w, admin(), pcr(1));
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun a_measurement_comes_into_force_in_its_own_cluster() {
    let mut w = announced();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    masters::activate(&mut w, stranger(), pcr(0));
    abort
}

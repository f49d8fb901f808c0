/// A registered master: for how long it counts, what replaces it, and what its signature is worth.
#[test_only]
module k3s_daas::master_tests;

use k3s_daas::masters::{Self, enclave, endpoint};
use k3s_daas::nautilus;
use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::signatures::{Self, key, other_key};
use k3s_daas::stakes;
use k3s_daas::world::{
    Self,
    World,
    admin,
    attestation_ms,
    bytes,
    heartbeat_ms,
    owner,
    stranger,
    sui
};
use std::unit_test::assert_eq;
use sui::test_scenario;

fun master(): World {
    let mut w = world::begin();
    masters::master(&mut w);
    w
}

/// Beside the first master, the stranger's position is an operator's and endorses the second key.
fun two_operators(): World {
    let mut w = master();
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = w.position();
    offices::set_operators(&mut w, vector[first, second]);
    masters::endorse(&mut w, stranger(), other_key());
    w
}

/// Endpoints of all masters, current or not.
fun endpoints(w: &mut World): vector<vector<u8>> {
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    let endpoints = nautilus.masters().map_ref!(|master| master.endpoint().into_bytes());
    test_scenario::return_shared(nautilus);
    endpoints
}

// === For how long a master counts ===

#[test]
fun a_master_counts_while_it_beats() {
    let mut w = master();
    w.pass_ms(heartbeat_ms());
    assert_eq!(masters::current(&mut w), 1);
    masters::heartbeat(&mut w, enclave(key()));
    w.pass_ms(heartbeat_ms());
    assert_eq!(masters::current(&mut w), 1);
    w.pass_ms(1);
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun a_lapsed_heartbeat_is_not_taken_up_again() {
    let mut w = master();
    w.pass_ms(heartbeat_ms() + 1);
    masters::heartbeat(&mut w, enclave(key()));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun nobody_else_beats_for_a_master() {
    let mut w = master();
    masters::heartbeat(&mut w, owner());
    abort
}

/// Beats until `before_end_ms` before its attestation ends.
fun beaten(before_end_ms: u64): World {
    let mut w = master();
    (attestation_ms() / heartbeat_ms() - 1).do!(|_| {
        w.pass_ms(heartbeat_ms());
        masters::heartbeat(&mut w, enclave(key()));
    });
    w.pass_ms(heartbeat_ms() - before_end_ms);
    w
}

#[test]
fun a_master_counts_until_its_attestation_ends() {
    let mut w = beaten(1);
    masters::heartbeat(&mut w, enclave(key()));
    assert_eq!(masters::current(&mut w), 1);
    w.pass_ms(1);
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun after_its_attestation_no_heartbeat_helps() {
    let mut w = beaten(0);
    masters::heartbeat(&mut w, enclave(key()));
    abort
}

#[test]
fun a_master_attests_anew() {
    let mut w = beaten(1);
    masters::register(&mut w, key());
    assert_eq!(endpoints(&mut w).length(), 1);
    w.pass_ms(heartbeat_ms());
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

// === Several masters ===

#[test]
fun two_masters_count() {
    let mut w = two_operators();
    masters::register_at(&mut w, other_key(), b"https://other.example:6443");
    assert_eq!(masters::current(&mut w), 2);
    assert_eq!(endpoints(&mut w), vector[endpoint(), b"https://other.example:6443"]);
    w.end();
}

#[test]
fun a_heartbeat_is_one_masters() {
    let mut w = two_operators();
    masters::register_at(&mut w, other_key(), b"https://other.example:6443");
    w.pass_ms(heartbeat_ms());
    masters::heartbeat(&mut w, enclave(other_key()));
    w.pass_ms(1);
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

#[test]
fun a_master_moves_to_another_endpoint() {
    let mut w = master();
    masters::register_at(&mut w, key(), b"https://elsewhere.example:6443");
    assert_eq!(endpoints(&mut w), vector[b"https://elsewhere.example:6443"]);
    w.end();
}

#[test]
fun a_restarted_enclave_replaces_its_positions_master_at_the_endpoint() {
    let mut w = master();
    masters::endorse(&mut w, owner(), other_key());
    masters::register(&mut w, other_key());
    assert_eq!(endpoints(&mut w), vector[endpoint()]);
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::EEndpointTaken)]
fun an_endpoint_is_not_taken_from_another_positions_master() {
    let mut w = two_operators();
    masters::register(&mut w, other_key());
    abort
}

#[test]
fun an_endpoint_is_free_when_its_master_counts_no_more() {
    let mut w = two_operators();
    w.pass_ms(heartbeat_ms() + 1);
    masters::register(&mut w, other_key());
    assert_eq!(endpoints(&mut w), vector[endpoint()]);
    w.end();
}

/// One operator's enclaves, restarted with new keys at new endpoints: each key's enclave is as good as the first.
fun many(count: u8): World {
    let mut w = master();
    count.do!(|index| {
        let key = bytes(100 + index, 32);
        let mut endpoint = b"https://master-";
        endpoint.push_back(0x61 + index);
        masters::endorse(&mut w, owner(), key);
        masters::register_at(&mut w, key, endpoint);
    });
    w
}

#[test, expected_failure(abort_code = nautilus::ETooManyMasters)]
fun a_seventeenth_master_is_refused() {
    many(16).end()
}

#[test]
fun masters_that_count_no_more_make_room() {
    let mut w = many(15);
    assert_eq!(masters::current(&mut w), 16);
    w.pass_ms(heartbeat_ms() + 1);
    masters::endorse(&mut w, owner(), key());
    masters::register(&mut w, key());
    assert_eq!(endpoints(&mut w), vector[endpoint()]);
    w.end();
}

// === Removed ===

#[test]
fun a_removed_master_is_none() {
    let mut w = master();
    masters::remove(&mut w, admin(), key());
    assert_eq!(masters::current(&mut w), 0);
    assert_eq!(masters::endorsement_count(&mut w), 0);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ENotEndorsed)]
fun a_removed_master_does_not_come_back_by_itself() {
    let mut w = master();
    masters::remove(&mut w, admin(), key());
    masters::register(&mut w, key());
    abort
}

#[test, expected_failure(abort_code = nautilus::EUnknownMaster)]
fun a_master_is_removed_once() {
    let mut w = master();
    masters::remove(&mut w, admin(), key());
    masters::remove(&mut w, admin(), key());
    abort
}

// === What stands behind a master ===

/// Stake unbonds longer than an attestation lasts, so what answers for a master is there as long as the master counts.
#[test]
fun a_master_counts_no_longer_than_its_stake_stays_slashable() {
    let mut w = world::begin_with(world::numbers_with(17, world::unbonding_ms()));
    masters::master(&mut w);
    stakes::unstake(&mut w, owner(), sui(10));
    w.pass_ms(world::unbonding_ms() - 1);
    assert_eq!(masters::current(&mut w), 1);
    w.assert_money(0, 0, sui(10));
    w.pass_ms(1);
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}

// === Signatures ===

/// Whether the first key's signature of intent 3, time 1,000,000 and "hello" is good, if these are what is asked.
fun verifies(
    w: &mut World,
    signing_key: vector<u8>,
    intent: u8,
    timestamp_ms: u64,
    payload: vector<u8>,
    signature: vector<u8>,
): bool {
    w.scenario().next_tx(stranger());
    let nautilus = w.take_nautilus();
    let cluster = w.take_cluster();
    let (_, clock) = w.parts();
    let good = nautilus.verify_signature(
        &cluster,
        signing_key,
        intent,
        timestamp_ms,
        payload,
        signature,
        clock,
    );
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(cluster);
    good
}

fun verifies_as_made(w: &mut World): bool {
    verifies(w, key(), 3, 1_000_000, b"hello", signatures::of_message())
}

#[test]
fun a_current_masters_signature_counts() {
    let mut w = master();
    assert!(verifies_as_made(&mut w));
    w.end();
}

#[test]
fun a_signature_of_something_else_does_not() {
    let mut w = master();
    let signature = signatures::of_message();
    assert!(!verifies(&mut w, key(), 4, 1_000_000, b"hello", signature));
    assert!(!verifies(&mut w, key(), 3, 1_000_001, b"hello", signature));
    assert!(!verifies(&mut w, key(), 3, 1_000_000, b"hullo", signature));
    assert!(!verifies(&mut w, other_key(), 3, 1_000_000, b"hello", signature));
    assert!(!verifies(&mut w, key(), 3, 1_000_000, b"hello", bytes(0, 64)));
    assert!(!verifies(&mut w, key(), 3, 1_000_000, b"hello", vector[]));
    w.end();
}

#[test]
fun an_unknown_keys_signature_does_not() {
    let mut w = world::begin();
    masters::endorsed(&mut w);
    assert!(!verifies_as_made(&mut w));
    w.end();
}

#[test]
fun a_silent_masters_signature_does_not() {
    let mut w = master();
    w.pass_ms(heartbeat_ms() + 1);
    assert!(!verifies_as_made(&mut w));
    w.end();
}

#[test]
fun a_signature_after_the_attestations_end_does_not() {
    let mut w = beaten(1);
    masters::heartbeat(&mut w, enclave(key()));
    w.pass_ms(1);
    assert!(!verifies_as_made(&mut w));
    w.end();
}

#[test]
fun a_revoked_masters_signature_does_not() {
    let mut w = master();
    masters::revoke_image(&mut w, admin(), masters::pcr(0));
    assert!(!verifies_as_made(&mut w));
    w.end();
}

// === Clusters kept apart ===

/// With another cluster's `Nautilus` named in place of ours.
fun astray(): World {
    let mut w = master();
    let position = w.position();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    w.focus(position);
    w
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun a_position_endorses_nobody_in_another_cluster() {
    let mut w = astray();
    masters::endorse(&mut w, owner(), key());
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun nobody_registers_in_another_clusters_nautilus() {
    let mut w = astray();
    masters::register(&mut w, key());
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun another_clusters_masters_are_none_of_this_one() {
    let mut w = astray();
    masters::heartbeat(&mut w, enclave(key()));
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun another_clusters_nautilus_tells_nothing_of_this_one() {
    let mut w = master();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    masters::current(&mut w);
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun another_clusters_nautilus_verifies_nothing_for_this_one() {
    let mut w = master();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    verifies_as_made(&mut w);
    abort
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun another_clusters_position_answers_for_nobody() {
    let mut w = master();
    w.found_foreign();
    masters::register(&mut w, key());
    abort
}

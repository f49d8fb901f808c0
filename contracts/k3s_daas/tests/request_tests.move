/// Kubernetes requests as transactions, their answers, and the anchors of audit logs.
#[test_only]
module k3s_daas::request_tests;

use k3s_daas::k8s_gateway::{Self, K8sRequest};
use k3s_daas::masters::{Self, enclave};
use k3s_daas::nautilus;
use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::requests::{Self, Call, call};
use k3s_daas::signatures::{key, other_key, other_root, root};
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{Self, World, appeal_ms, bytes, operator, owner, stranger, sui};
use std::unit_test::assert_eq;
use sui::test_scenario;

const HOUR_MS: u64 = 3_600_000;

/// A current master, and the owner's position of 10 SUI.
fun served(): World {
    let mut w = world::begin();
    masters::master(&mut w);
    w
}

fun submit(call: Call) {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    requests::submit_as(&mut w, owner(), call);
    w.end();
}

/// Whether it is pending, answered, cancelled.
fun stage(w: &mut World, request: ID): vector<bool> {
    w.scenario().next_tx(owner());
    let request = w.scenario().take_shared_by_id<K8sRequest>(request);
    let stage = vector[request.is_pending(), request.is_answered(), request.is_cancelled()];
    test_scenario::return_shared(request);
    stage
}

// === A request's life ===

#[test]
fun a_request_is_answered_by_a_master() {
    let mut w = served();
    let request = requests::submit(&mut w);
    assert_eq!(stage(&mut w, request), vector[true, false, false]);
    requests::record_result(&mut w, enclave(key()), request);
    assert_eq!(stage(&mut w, request), vector[false, true, false]);
    w.end();
}

#[test]
fun a_request_is_taken_back() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::cancel(&mut w, owner(), request);
    assert_eq!(stage(&mut w, request), vector[false, false, true]);
    w.end();
}

#[test]
fun an_expired_request_is_taken_back() {
    let mut w = served();
    let request = requests::submit(&mut w);
    w.pass_ms(HOUR_MS);
    requests::cancel(&mut w, owner(), request);
    w.end();
}

#[test, expected_failure(abort_code = k8s_gateway::ENotPending)]
fun a_request_is_answered_once() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::record_result(&mut w, enclave(key()), request);
    requests::record_result(&mut w, enclave(key()), request);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::ENotPending)]
fun a_cancelled_request_is_not_answered() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::cancel(&mut w, owner(), request);
    requests::record_result(&mut w, enclave(key()), request);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::ENotPending)]
fun an_answered_request_is_not_taken_back() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::record_result(&mut w, enclave(key()), request);
    requests::cancel(&mut w, owner(), request);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::ERequestExpired)]
fun an_expired_request_is_not_answered() {
    let mut w = served();
    let call = call().waiting(1_000);
    let request = requests::submit_as(&mut w, owner(), call);
    w.pass_ms(1_000);
    requests::record_result(&mut w, enclave(key()), request);
    abort
}

// === Who ===

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_asks_nothing() {
    let mut w = served();
    requests::submit_as(&mut w, operator(), call());
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_asks_nothing() {
    let mut w = served();
    slashes::propose(&mut w);
    requests::submit(&mut w);
    abort
}

#[test, expected_failure(abort_code = position::ESlashed)]
fun a_slashed_position_asks_nothing() {
    let mut w = served();
    slashes::propose(&mut w);
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    requests::submit(&mut w);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EBelowViewer)]
fun a_position_below_the_viewers_tier_asks_nothing() {
    let mut w = world::begin_with(world::numbers_with(4, 1));
    stakes::stake(&mut w, sui(1) / 2 - 1, b"");
    requests::submit(&mut w);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::ENotRequester)]
fun nobody_else_takes_a_request_back() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::cancel(&mut w, stranger(), request);
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun only_a_master_answers() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::record_result(&mut w, owner(), request);
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun a_silent_master_does_not_answer() {
    let mut w = served();
    let call = call().waiting(HOUR_MS);
    let request = requests::submit_as(&mut w, owner(), call);
    w.pass_ms(world::heartbeat_ms() + 1);
    requests::record_result(&mut w, enclave(key()), request);
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EForeignRequest)]
fun another_clusters_request_is_not_taken_back_here() {
    let mut w = served();
    let request = requests::submit(&mut w);
    w.found_foreign();
    requests::cancel(&mut w, owner(), request);
    abort
}

// === What ===

fun ask(
    method: vector<u8>,
    path: vector<u8>,
    namespace: vector<u8>,
    resource_type: vector<u8>,
) {
    submit(call().target(method, path, namespace, resource_type))
}

#[test]
fun methods_paths_and_namespaces_of_kubernetes_do() {
    let mut w = served();
    let methods = vector[b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"];
    methods.do!(|method| {
        let mut key = b"idempotency-key-";
        key.append(method);
        let call = call().target(method, b"/", b"", b"").keyed(key);
        requests::submit_as(&mut w, owner(), call);
    });
    w.end();
}

#[test, expected_failure(abort_code = k8s_gateway::EBadMethod)]
fun another_method_is_refused() { ask(b"CONNECT", b"/", b"", b"") }

#[test, expected_failure(abort_code = k8s_gateway::EBadMethod)]
fun a_method_in_small_letters_is_refused() { ask(b"get", b"/", b"", b"") }

#[test, expected_failure(abort_code = k8s_gateway::EBadPath)]
fun an_empty_path_is_refused() { ask(b"GET", b"", b"", b"") }

#[test, expected_failure(abort_code = k8s_gateway::EBadPath)]
fun a_path_begins_with_a_slash() { ask(b"GET", b"api", b"", b"") }

#[test, expected_failure(abort_code = k8s_gateway::EBadPath)]
fun a_long_path_is_refused() { ask(b"GET", bytes(0x2F, 1_025), b"", b"") }

#[test]
fun the_longest_path_and_resource_type_do() {
    ask(b"GET", bytes(0x2F, 1_024), b"", bytes(0x61, 128))
}

#[test, expected_failure(abort_code = k8s_gateway::EBadNamespace)]
fun a_namespace_is_a_dns_label() { ask(b"GET", b"/", b"Demo", b"") }

#[test, expected_failure(abort_code = k8s_gateway::EBadResourceType)]
fun a_long_resource_type_is_refused() { ask(b"GET", b"/", b"", bytes(0x61, 129)) }

#[test]
fun a_payload_or_its_hash_or_neither_does() {
    let mut w = served();
    let full = call().carrying(bytes(1, 8_192), vector[]);
    requests::submit_as(&mut w, owner(), full.keyed(bytes(1, 16)));
    let hashed = call().carrying(vector[], bytes(1, 32));
    requests::submit_as(&mut w, owner(), hashed.keyed(bytes(2, 64)));
    let empty = call().carrying(vector[], vector[]);
    requests::submit_as(&mut w, owner(), empty.keyed(bytes(3, 16)));
    w.end();
}

#[test, expected_failure(abort_code = k8s_gateway::EBadPayload)]
fun a_long_payload_is_refused() { submit(call().carrying(bytes(1, 8_193), vector[])) }

#[test, expected_failure(abort_code = k8s_gateway::EBadPayload)]
fun a_payload_and_a_hash_are_refused() { submit(call().carrying(b"{}", bytes(1, 32))) }

#[test, expected_failure(abort_code = k8s_gateway::EBadPayload)]
fun a_short_hash_is_refused() { submit(call().carrying(vector[], bytes(1, 31))) }

// === Until when, and once ===

#[test]
fun a_request_may_wait_an_hour() { submit(call().waiting(HOUR_MS)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadExpiry)]
fun a_request_waits_no_longer() { submit(call().waiting(HOUR_MS + 1)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadExpiry)]
fun a_request_expires_after_now() { submit(call().waiting(0)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadKey)]
fun a_short_idempotency_key_is_refused() { submit(call().keyed(bytes(1, 15))) }

#[test, expected_failure(abort_code = k8s_gateway::EBadKey)]
fun a_long_idempotency_key_is_refused() { submit(call().keyed(bytes(1, 65))) }

#[test, expected_failure(abort_code = k8s_gateway::EDuplicateRequest)]
fun an_idempotency_key_serves_once() {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::cancel(&mut w, owner(), request);
    requests::submit(&mut w);
    abort
}

#[test]
fun two_positions_may_use_one_idempotency_key() {
    let mut w = served();
    let first = requests::submit(&mut w);
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = requests::submit_as(&mut w, stranger(), call());
    assert!(first != second);
    w.end();
}

// === The answer ===

fun answer(result_status: u16, result_hash: vector<u8>) {
    let mut w = served();
    let request = requests::submit(&mut w);
    requests::record_result_of(&mut w, enclave(key()), request, result_status, result_hash);
    w.end();
}

#[test]
fun the_least_status_does() { answer(100, bytes(1, 32)) }

#[test]
fun the_greatest_status_does() { answer(599, bytes(1, 32)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadResult)]
fun a_lower_status_is_refused() { answer(99, bytes(1, 32)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadResult)]
fun a_greater_status_is_refused() { answer(600, bytes(1, 32)) }

#[test, expected_failure(abort_code = k8s_gateway::EBadResult)]
fun a_short_digest_is_refused() { answer(200, bytes(1, 31)) }

// === Audit ===

#[test]
fun sequence_numbers_rise_for_each_master() {
    let mut w = served();
    let first = w.position();
    requests::anchor(&mut w, enclave(key()), 0, root());
    requests::anchor(&mut w, enclave(key()), 5, other_root());
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = w.position();
    offices::set_operators(&mut w, vector[first, second]);
    masters::endorse(&mut w, stranger(), other_key());
    masters::register_at(&mut w, other_key(), b"https://other.example:6443");
    requests::anchor(&mut w, enclave(other_key()), 0, root());
    w.scenario().next_tx(stranger());
    let anchors = w.take_anchors();
    assert_eq!(anchors.last_anchor(key()).destroy_some().sequence(), 5);
    assert!(anchors.last_anchor(bytes(9, 32)).is_none());
    test_scenario::return_shared(anchors);
    w.end();
}

#[test, expected_failure(abort_code = k8s_gateway::EOldSequence)]
fun a_sequence_number_is_anchored_once() {
    let mut w = served();
    requests::anchor(&mut w, enclave(key()), 5, root());
    requests::anchor(&mut w, enclave(key()), 5, root());
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EOldSequence)]
fun a_lower_sequence_number_is_not_anchored() {
    let mut w = served();
    requests::anchor(&mut w, enclave(key()), 5, root());
    requests::anchor(&mut w, enclave(key()), 4, other_root());
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EBadRoot)]
fun an_audit_root_is_32_bytes() {
    let mut w = served();
    requests::anchor(&mut w, enclave(key()), 5, bytes(1, 33));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun only_a_master_anchors() {
    let mut w = served();
    requests::anchor(&mut w, stranger(), 5, root());
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EForeignAnchors)]
fun another_clusters_anchors_are_refused() {
    let mut w = served();
    let nautilus = w.nautilus();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    w.name_nautilus(nautilus);
    requests::anchor(&mut w, enclave(key()), 5, root());
    abort
}

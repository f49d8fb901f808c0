/// The entry points of Kubernetes requests and audit anchors, one transaction each.
#[test_only]
module k3s_daas::requests;

use k3s_daas::k8s_gateway::{Self, K8sRequest, RequestState};
use k3s_daas::world::{World, assert_lapses, bytes, owner};
use std::bcs;
use std::unit_test::assert_eq;
use sui::event;
use sui::test_scenario;

/// What is asked of the cluster.
public struct Call has copy, drop {
    method: vector<u8>,
    path: vector<u8>,
    namespace: vector<u8>,
    resource_type: vector<u8>,
    payload: vector<u8>,
    payload_hash: vector<u8>,
    wait_ms: u64,
    key: vector<u8>,
}

// === Calls ===

public fun call(): Call {
    Call {
        method: b"POST",
        path: b"/api/v1/namespaces/demo/configmaps",
        namespace: b"demo",
        resource_type: b"configmaps",
        payload: b"{}",
        payload_hash: vector[],
        wait_ms: 600_000,
        key: b"idempotency-key1",
    }
}

public fun target(
    mut call: Call,
    method: vector<u8>,
    path: vector<u8>,
    namespace: vector<u8>,
    resource_type: vector<u8>,
): Call {
    call.method = method;
    call.path = path;
    call.namespace = namespace;
    call.resource_type = resource_type;
    call
}

public fun carrying(mut call: Call, payload: vector<u8>, payload_hash: vector<u8>): Call {
    call.payload = payload;
    call.payload_hash = payload_hash;
    call
}

public fun waiting(mut call: Call, wait_ms: u64): Call {
    call.wait_ms = wait_ms;
    call
}

public fun keyed(mut call: Call, key: vector<u8>): Call {
    call.key = key;
    call
}

// === Entry points: requests ===

/// The owner's, as `call` makes it.
public fun submit(w: &mut World): ID { submit_as(w, owner(), call()) }

/// Returns the request's id. The position changes only by a lapse.
public fun submit_as(w: &mut World, sender: address, call: Call): ID {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let mut position = w.take_position();
    let (before, lapses) = (position.generation(), w.lapses(&position));
    let (scenario, clock) = w.parts();
    k8s_gateway::submit_k8s_request(
        &cluster,
        &mut position,
        call.method.to_string(),
        call.path.to_string(),
        call.namespace.to_string(),
        call.resource_type.to_string(),
        call.payload,
        call.payload_hash,
        clock.timestamp_ms() + call.wait_ms,
        call.key,
        clock,
        scenario.ctx(),
    );
    assert_eq!(position.generation(), before + lapses);
    assert_eq!(event::num_events(), 1 + (lapses as u32));
    assert_lapses(before, lapses);
    let submitted = event::events_by_type<k8s_gateway::RequestSubmitted>();
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(position);
    w.scenario().next_tx(sender);
    let request = w.scenario().take_shared<K8sRequest>();
    assert_eq!(bcs::to_bytes(&submitted[0]), bcs::to_bytes(&request));
    let id = object::id(&request);
    test_scenario::return_shared(request);
    id
}

public fun record_result(w: &mut World, sender: address, request: ID) {
    record_result_of(w, sender, request, 201, bytes(0x99, 32))
}

public fun record_result_of(
    w: &mut World,
    sender: address,
    request: ID,
    result_status: u16,
    result_hash: vector<u8>,
) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let nautilus = w.take_nautilus();
    let mut request = w.scenario().take_shared_by_id<K8sRequest>(request);
    let (scenario, clock) = w.parts();
    k8s_gateway::record_result(
        &cluster,
        &nautilus,
        &mut request,
        result_status,
        result_hash,
        clock,
        scenario.ctx(),
    );
    let answered = event::events_by_type<k8s_gateway::RequestAnswered>();
    assert_request(&request, bcs::to_bytes(&answered[0]));
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(request);
}

public fun cancel(w: &mut World, sender: address, request: ID) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let mut request = w.scenario().take_shared_by_id<K8sRequest>(request);
    k8s_gateway::cancel_k8s_request(&cluster, &mut request, w.scenario().ctx());
    let cancelled = event::events_by_type<k8s_gateway::RequestCancelled>();
    assert_request(&request, bcs::to_bytes(&cancelled[0]));
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(request);
}

public fun request_state(w: &mut World, request: ID): RequestState {
    w.scenario().next_tx(owner());
    let request = w.scenario().take_shared_by_id<K8sRequest>(request);
    let state = request.request_state();
    test_scenario::return_shared(request);
    state
}

// === Entry points: audit ===

public fun anchor(w: &mut World, sender: address, sequence: u64, root: vector<u8>) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let nautilus = w.take_nautilus();
    let mut anchors = w.take_anchors();
    let (scenario, clock) = w.parts();
    k8s_gateway::anchor_root(
        &cluster,
        &nautilus,
        &mut anchors,
        sequence,
        root,
        1_000 + sequence,
        clock,
        scenario.ctx(),
    );
    let signing_key = nautilus.assert_master(&cluster, sender, clock.timestamp_ms());
    let anchor = anchors.last_anchor(signing_key).destroy_some();
    assert_eq!(anchor.sequence(), sequence);
    assert_eq!(anchor.root(), root);
    let mut expected = bcs::to_bytes(&object::id(&cluster));
    expected.append(bcs::to_bytes(&signing_key));
    expected.append(bcs::to_bytes(&anchor));
    assert_eq!(event::num_events(), 1);
    assert_eq!(bcs::to_bytes(&event::events_by_type<k8s_gateway::RootAnchored>()[0]), expected);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(anchors);
}

// === Private Functions ===

/// The one event of this transaction, and the object, are the same bytes.
fun assert_request(request: &K8sRequest, event: vector<u8>) {
    assert_eq!(event::num_events(), 1);
    assert_eq!(bcs::to_bytes(request), event);
    assert_eq!(bcs::to_bytes(&request.request_state()), event);
}

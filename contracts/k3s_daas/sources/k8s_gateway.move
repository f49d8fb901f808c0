/// Where the chain and the cluster meet: Seals for nodes, Kubernetes requests as transactions, and the anchors of the
/// masters' audit logs.
module k3s_daas::k8s_gateway;

use k3s_daas::cluster::Cluster;
use k3s_daas::nautilus::Nautilus;
use k3s_daas::position::{PositionState, StakePosition};
use k3s_daas::registry;
use k3s_daas::seal_token;
use k3s_daas::staking;
use std::string::String;
use sui::clock::Clock;
use sui::derived_object;
use sui::event;
use sui::table::{Self, Table};

// === Errors ===

#[error(code = 1)]
const EBelowNodeMinimum: vector<u8> = b"Active stake is below what a node needs";
#[error(code = 2)]
const EBelowViewer: vector<u8> = b"Active stake is below the viewer's tier";
#[error(code = 3)]
const EBadMethod: vector<u8> = b"The method is not GET, POST, PUT, PATCH or DELETE";
#[error(code = 4)]
const EBadPath: vector<u8> = b"A path begins with / and has at most 1,024 bytes";
#[error(code = 5)]
const EBadNamespace: vector<u8> = b"A namespace is empty or a DNS-1123 label";
#[error(code = 6)]
const EBadResourceType: vector<u8> = b"A resource type has at most 128 bytes";
#[error(code = 7)]
const EBadPayload: vector<u8> = b"A payload has at most 8,192 bytes, its hash none or 32, and only one of them is given";
#[error(code = 8)]
const EBadExpiry: vector<u8> = b"A request expires after now and within an hour";
#[error(code = 9)]
const EBadKey: vector<u8> = b"An idempotency key has 16 to 64 bytes";
#[error(code = 10)]
const EDuplicateRequest: vector<u8> = b"The position already used this idempotency key";
#[error(code = 11)]
const EForeignRequest: vector<u8> = b"The request is of another cluster";
#[error(code = 12)]
const ENotRequester: vector<u8> = b"The sender did not make the request";
#[error(code = 13)]
const ENotPending: vector<u8> = b"The request is already answered or cancelled";
#[error(code = 14)]
const ERequestExpired: vector<u8> = b"The request has expired";
#[error(code = 15)]
const EBadResult: vector<u8> = b"A result is an HTTP status of 100 to 599 and a digest of 32 bytes";
#[error(code = 16)]
const EForeignAnchors: vector<u8> = b"The anchors are of another cluster";
#[error(code = 17)]
const EBadRoot: vector<u8> = b"An audit root is 32 bytes";
#[error(code = 18)]
const EOldSequence: vector<u8> = b"The log is already anchored at this or a later sequence number";

// === Constants ===

const PENDING: u8 = 0;
const ANSWERED: u8 = 1;
const CANCELLED: u8 = 2;

const MAX_PATH_LENGTH: u64 = 1024;
const MAX_RESOURCE_TYPE_LENGTH: u64 = 128;
const MAX_PAYLOAD_LENGTH: u64 = 8192;
const MAX_WAIT_MS: u64 = 60 * 60 * 1000;
const MIN_KEY_LENGTH: u64 = 16;
const MAX_KEY_LENGTH: u64 = 64;
const DIGEST_LENGTH: u64 = 32;

// === Structs ===

/// A Kubernetes request made on chain, shared. What it carries is public.
public struct K8sRequest has key {
    id: UID,
    cluster: ID,
    position: ID,
    requester: address,
    method: String,
    path: String,
    namespace: String,
    resource_type: String,
    payload: vector<u8>,
    /// SHA-256 of a payload handed over elsewhere.
    payload_hash: vector<u8>,
    submitted_ms: u64,
    expires_ms: u64,
    status: u8,
    /// HTTP status of the answer; zero before.
    result_status: u16,
    /// SHA-256 of the answer's body.
    result_hash: vector<u8>,
}

/// What a request's id is derived from, below its position.
public struct RequestKey(vector<u8>) has copy, drop, store;

/// A `K8sRequest` as its events carry it: the same bytes.
public struct RequestState has copy, drop, store {
    request: ID,
    cluster: ID,
    position: ID,
    requester: address,
    method: String,
    path: String,
    namespace: String,
    resource_type: String,
    payload: vector<u8>,
    payload_hash: vector<u8>,
    submitted_ms: u64,
    expires_ms: u64,
    status: u8,
    result_status: u16,
    result_hash: vector<u8>,
}

/// The last anchored root of each master's audit log.
public struct AuditAnchors has key {
    id: UID,
    cluster: ID,
    logs: Table<vector<u8>, Anchor>,
}

public struct Anchor has copy, drop, store {
    sequence: u64,
    /// Merkle root of the log up to there.
    root: vector<u8>,
    /// How many records that is.
    records: u64,
    anchored_ms: u64,
}

// === Events ===

public struct WorkerSealCreated has copy, drop {
    state: PositionState,
    seal: ID,
}

public struct RequestSubmitted has copy, drop {
    state: RequestState,
}

public struct RequestAnswered has copy, drop {
    state: RequestState,
}

public struct RequestCancelled has copy, drop {
    state: RequestState,
}

public struct RootAnchored has copy, drop {
    cluster: ID,
    signing_key: vector<u8>,
    anchor: Anchor,
}

// === Entry Functions: Seals ===

/// Makes a Seal that joins the position's node and does nothing else. The operator may: a machine so needs no key that
/// moves money.
entry fun create_worker_seal_token(
    cluster: &Cluster,
    position: &mut StakePosition,
    replaces: Option<ID>,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    session_expires_ms: u64,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_kept(cluster, ctx);
    staking::clear_lapsed(position, cluster, now_ms);
    position.assert_active();
    assert!(position.active() >= cluster.policy().node_minimum(), EBelowNodeMinimum);
    let request = seal_token::request(
        seal_token::node(),
        locator,
        commitment,
        session,
        session_expires_ms,
        lifetime_ms,
        cluster.policy().max_seal_lifetime_ms(),
        now_ms,
    );
    let seal = position.add_seal(request, replaces, now_ms, ctx);
    event::emit(WorkerSealCreated { state: position.changed(), seal });
}

// === Entry Functions: requests ===

/// Asks the cluster for something by transaction. A position uses an idempotency key once.
entry fun submit_k8s_request(
    cluster: &Cluster,
    position: &mut StakePosition,
    method: String,
    path: String,
    namespace: String,
    resource_type: String,
    payload: vector<u8>,
    payload_hash: vector<u8>,
    expires_ms: u64,
    idempotency_key: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_owned(cluster, ctx);
    staking::clear_lapsed(position, cluster, now_ms);
    position.assert_active();
    assert!(position.active() >= cluster.policy().viewer(), EBelowViewer);
    assert_target(&method, &path, &namespace, &resource_type);
    assert_payload(&payload, &payload_hash);
    assert!(expires_ms > now_ms && expires_ms - now_ms <= MAX_WAIT_MS, EBadExpiry);
    let length = idempotency_key.length();
    assert!(length >= MIN_KEY_LENGTH && length <= MAX_KEY_LENGTH, EBadKey);
    let (id, key) = (object::id(position), RequestKey(idempotency_key));
    assert!(!derived_object::exists(position.uid_mut(), key), EDuplicateRequest);
    let request = K8sRequest {
        id: derived_object::claim(position.uid_mut(), key),
        cluster: object::id(cluster),
        position: id,
        requester: ctx.sender(),
        method,
        path,
        namespace,
        resource_type,
        payload,
        payload_hash,
        submitted_ms: now_ms,
        expires_ms,
        status: PENDING,
        result_status: 0,
        result_hash: vector[],
    };
    event::emit(RequestSubmitted { state: request.request_state() });
    transfer::share_object(request);
}

/// A current master says what came of a request.
entry fun record_result(
    cluster: &Cluster,
    nautilus: &Nautilus,
    request: &mut K8sRequest,
    result_status: u16,
    result_hash: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    nautilus.assert_master(cluster, ctx.sender(), now_ms);
    request.assert_pending(cluster);
    assert!(now_ms < request.expires_ms, ERequestExpired);
    let fits = result_status >= 100 && result_status <= 599;
    assert!(fits && result_hash.length() == DIGEST_LENGTH, EBadResult);
    request.status = ANSWERED;
    request.result_status = result_status;
    request.result_hash = result_hash;
    event::emit(RequestAnswered { state: request.request_state() });
}

/// Takes a request back.
entry fun cancel_k8s_request(cluster: &Cluster, request: &mut K8sRequest, ctx: &TxContext) {
    cluster.assert_version();
    request.assert_pending(cluster);
    assert!(request.requester == ctx.sender(), ENotRequester);
    request.status = CANCELLED;
    event::emit(RequestCancelled { state: request.request_state() });
}

// === Entry Functions: audit ===

/// Anchors the root of the sender's audit log. Sequence numbers rise.
entry fun anchor_root(
    cluster: &Cluster,
    nautilus: &Nautilus,
    anchors: &mut AuditAnchors,
    sequence: u64,
    root: vector<u8>,
    records: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    let anchored_ms = clock.timestamp_ms();
    let signing_key = nautilus.assert_master(cluster, ctx.sender(), anchored_ms);
    assert!(anchors.cluster == object::id(cluster), EForeignAnchors);
    assert!(root.length() == DIGEST_LENGTH, EBadRoot);
    let anchor = Anchor { sequence, root, records, anchored_ms };
    if (anchors.logs.contains(signing_key)) {
        let last = &mut anchors.logs[signing_key];
        assert!(sequence > last.sequence, EOldSequence);
        *last = anchor;
    } else {
        anchors.logs.add(signing_key, anchor);
    };
    event::emit(RootAnchored { cluster: anchors.cluster, signing_key, anchor });
}

// === View Functions ===

public fun request_state(self: &K8sRequest): RequestState {
    RequestState {
        request: object::id(self),
        cluster: self.cluster,
        position: self.position,
        requester: self.requester,
        method: self.method,
        path: self.path,
        namespace: self.namespace,
        resource_type: self.resource_type,
        payload: self.payload,
        payload_hash: self.payload_hash,
        submitted_ms: self.submitted_ms,
        expires_ms: self.expires_ms,
        status: self.status,
        result_status: self.result_status,
        result_hash: self.result_hash,
    }
}

public fun is_pending(self: &K8sRequest): bool { self.status == PENDING }

public fun is_answered(self: &K8sRequest): bool { self.status == ANSWERED }

public fun is_cancelled(self: &K8sRequest): bool { self.status == CANCELLED }

/// The last anchor of the log that `signing_key` signs.
public fun last_anchor(self: &AuditAnchors, signing_key: vector<u8>): Option<Anchor> {
    if (self.logs.contains(signing_key)) option::some(self.logs[signing_key]) else option::none()
}

public fun sequence(self: &Anchor): u64 { self.sequence }

public fun root(self: &Anchor): vector<u8> { self.root }

// === Package Functions ===

/// Shares a cluster's empty anchors and returns their id.
public(package) fun create_anchors(cluster: ID, ctx: &mut TxContext): ID {
    let anchors = AuditAnchors { id: object::new(ctx), cluster, logs: table::new(ctx) };
    let id = object::id(&anchors);
    transfer::share_object(anchors);
    id
}

// === Private Functions ===

fun assert_pending(self: &K8sRequest, cluster: &Cluster) {
    assert!(self.cluster == object::id(cluster), EForeignRequest);
    assert!(self.status == PENDING, ENotPending);
}

fun assert_target(method: &String, path: &String, namespace: &String, resource_type: &String) {
    let methods = vector[b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"];
    assert!(methods.contains(method.as_bytes()), EBadMethod);
    let bytes = path.as_bytes();
    assert!(!bytes.is_empty() && bytes[0] == 0x2F && bytes.length() <= MAX_PATH_LENGTH, EBadPath);
    assert!(namespace.is_empty() || registry::is_dns_label(namespace), EBadNamespace);
    assert!(resource_type.length() <= MAX_RESOURCE_TYPE_LENGTH, EBadResourceType);
}

/// At most one of payload and hash.
fun assert_payload(payload: &vector<u8>, payload_hash: &vector<u8>) {
    let fits = if (payload_hash.is_empty()) {
        payload.length() <= MAX_PAYLOAD_LENGTH
    } else {
        payload.is_empty() && payload_hash.length() == DIGEST_LENGTH
    };
    assert!(fits, EBadPayload);
}

//! `k3s_daas::k8s_gateway`.

use super::params::{
    ANCHORS_MUT, BYTES, CLOCK, CLUSTER, NAUTILUS, OPTION_ADDRESS, OPTION_ID, POSITION_MUT, REQUEST_MUT, STRING, U16,
    U64,
};
use super::{Call, cluster, declare_errors, declare_functions, nautilus, position, registry, seal_token, staking};
use crate::execute::Fault;
use daas_types::onchain::{
    Anchor, AuditAnchors, Cluster, Nautilus, RequestKey, RequestState, RequestStatus, RootAnchored, request_id,
};
use daas_types::{AnchorsId, ClusterId, PackageId, Permissions, UnixMs, WalletAddress};
use sui_sdk_types::TypeTag;

declare_errors! { "k8s_gateway":
    BELOW_NODE_MINIMUM = 1 "EBelowNodeMinimum" "Active stake is below what a node needs";
    BELOW_VIEWER = 2 "EBelowViewer" "Active stake is below the viewer's tier";
    BAD_METHOD = 3 "EBadMethod" "The method is not GET, POST, PUT, PATCH or DELETE";
    BAD_PATH = 4 "EBadPath" "A path begins with / and has at most 1,024 bytes";
    BAD_NAMESPACE = 5 "EBadNamespace" "A namespace is empty or a DNS-1123 label";
    BAD_RESOURCE_TYPE = 6 "EBadResourceType" "A resource type has at most 128 bytes";
    BAD_PAYLOAD = 7 "EBadPayload" "A payload has at most 8,192 bytes, its hash none or 32, and only one of them is given";
    BAD_EXPIRY = 8 "EBadExpiry" "A request expires after now and within an hour";
    BAD_KEY = 9 "EBadKey" "An idempotency key has 16 to 64 bytes";
    DUPLICATE_REQUEST = 10 "EDuplicateRequest" "The position already used this idempotency key";
    FOREIGN_REQUEST = 11 "EForeignRequest" "The request is of another cluster";
    NOT_REQUESTER = 12 "ENotRequester" "The sender did not make the request";
    NOT_PENDING = 13 "ENotPending" "The request is already answered or cancelled";
    REQUEST_EXPIRED = 14 "ERequestExpired" "The request has expired";
    BAD_RESULT = 15 "EBadResult" "A result is an HTTP status of 100 to 599 and a digest of 32 bytes";
    FOREIGN_ANCHORS = 16 "EForeignAnchors" "The anchors are of another cluster";
    BAD_ROOT = 17 "EBadRoot" "An audit root is 32 bytes";
    OLD_SEQUENCE = 18 "EOldSequence" "The log is already anchored at this or a later sequence number";
}

declare_functions! { "k8s_gateway":
    create_worker_seal_token(
        CLUSTER, POSITION_MUT, OPTION_ID, BYTES, BYTES, OPTION_ADDRESS, U64, U64, CLOCK,
    ) => create_worker_seal_token;
    submit_k8s_request(
        CLUSTER, POSITION_MUT, STRING, STRING, STRING, STRING, BYTES, BYTES, U64, BYTES, CLOCK,
    ) => submit_k8s_request;
    record_result(CLUSTER, NAUTILUS, REQUEST_MUT, U16, BYTES, CLOCK) => record_result;
    cancel_k8s_request(CLUSTER, REQUEST_MUT) => cancel_k8s_request;
    anchor_root(CLUSTER, NAUTILUS, ANCHORS_MUT, U64, BYTES, U64, CLOCK) => anchor_root;
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const MAX_PATH_LENGTH: usize = 1024;
const MAX_RESOURCE_TYPE_LENGTH: usize = 128;
const MAX_PAYLOAD_LENGTH: usize = 8192;
const MAX_WAIT_MS: u64 = 60 * 60 * 1000;
const KEY_LENGTHS: core::ops::RangeInclusive<usize> = 16..=64;
const HTTP_STATUSES: core::ops::RangeInclusive<u16> = 100..=599;
const DIGEST_LENGTH: usize = 32;

// === Entry functions ===

fn create_worker_seal_token(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = staking::load(call, 0, 1)?;
    position::assert_kept(call, &position, &cluster)?;
    staking::clear_lapsed(call, &mut position, &cluster)?;
    position::assert_active(call, &position)?;
    let enough = position.active >= cluster.policy.node_minimum;
    call.ensure(enough, BELOW_NODE_MINIMUM, "create_worker_seal_token")?;
    let wanted = seal_token::request(call, Permissions::NODE, 3, cluster.policy.max_seal_lifetime_ms)?;
    let replaces = call.pure(2)?;
    let seal = position::add_seal(call, &mut position, &wanted, replaces)?;
    call.changed_position(1, position, ("k8s_gateway", "WorkerSealCreated"), seal)
}

fn submit_k8s_request(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "submit_k8s_request";
    let (cluster, mut position) = staking::load(call, 0, 1)?;
    position::assert_owned(call, &position, &cluster)?;
    staking::clear_lapsed(call, &mut position, &cluster)?;
    position::assert_active(call, &position)?;
    call.ensure(position.active >= cluster.policy.thresholds.viewer, BELOW_VIEWER, NAME)?;
    let expires_ms: u64 = call.pure(8)?;
    let key = RequestKey(call.bytes(9)?);
    let request = RequestState {
        request: request_id(PackageId(call.package), position.position, &key),
        cluster: cluster.id,
        position: position.position,
        requester: WalletAddress(call.sender),
        method: call.pure(2)?,
        path: call.pure(3)?,
        namespace: call.pure(4)?,
        resource_type: call.pure(5)?,
        payload: call.bytes(6)?,
        payload_hash: call.bytes(7)?,
        submitted_ms: UnixMs(call.now_ms),
        expires_ms: UnixMs(expires_ms),
        status: RequestStatus::Pending,
        result_status: 0,
        result_hash: vec![],
    };
    assert_target(call, &request)?;
    assert_payload(call, &request)?;
    let wait_ms = expires_ms.checked_sub(call.now_ms).filter(|wait_ms| *wait_ms > 0);
    call.ensure(wait_ms.is_some_and(|wait_ms| wait_ms <= MAX_WAIT_MS), BAD_EXPIRY, NAME)?;
    call.ensure(KEY_LENGTHS.contains(&key.0.len()), BAD_KEY, NAME)?;
    let claimed = call.claim(position.position.0, request.request.0)?;
    call.ensure(claimed, DUPLICATE_REQUEST, NAME)?;
    call.emit("k8s_gateway", "RequestSubmitted", &request);
    call.share(request.request.0, call.tag("k8s_gateway", "K8sRequest"), &request);
    call.store(1, &position)
}

fn record_result(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "record_result";
    let (cluster, masters): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    let mut request: RequestState = call.object(2)?;
    nautilus::assert_master(call, &masters, &cluster)?;
    assert_pending(call, &request, &cluster)?;
    call.ensure(call.now_ms < request.expires_ms.0, REQUEST_EXPIRED, NAME)?;
    let (result_status, result_hash): (u16, Vec<u8>) = (call.pure(3)?, call.bytes(4)?);
    let fits = HTTP_STATUSES.contains(&result_status) && result_hash.len() == DIGEST_LENGTH;
    call.ensure(fits, BAD_RESULT, NAME)?;
    request.status = RequestStatus::Answered;
    (request.result_status, request.result_hash) = (result_status, result_hash);
    call.emit("k8s_gateway", "RequestAnswered", &request);
    call.store(2, &request)
}

fn cancel_k8s_request(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut request): (Cluster, RequestState) = (call.object(0)?, call.object(1)?);
    cluster::assert_version(call, &cluster)?;
    assert_pending(call, &request, &cluster)?;
    call.ensure(request.requester.0 == call.sender, NOT_REQUESTER, "cancel_k8s_request")?;
    request.status = RequestStatus::Cancelled;
    call.emit("k8s_gateway", "RequestCancelled", &request);
    call.store(1, &request)
}

fn anchor_root(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "anchor_root";
    let (cluster, masters): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    let mut anchors: AuditAnchors = call.object(2)?;
    let signing_key = nautilus::assert_master(call, &masters, &cluster)?;
    call.ensure(anchors.cluster == cluster.id, FOREIGN_ANCHORS, NAME)?;
    let root = call.bytes(4)?;
    call.ensure(root.len() == DIGEST_LENGTH, BAD_ROOT, NAME)?;
    let anchor = Anchor { sequence: call.pure(3)?, root, records: call.pure(5)?, anchored_ms: UnixMs(call.now_ms) };
    if let Some(last) = call.field_value::<_, Anchor>(anchors.logs.id, &key_type(), &signing_key)? {
        call.ensure(anchor.sequence > last.sequence, OLD_SEQUENCE, NAME)?;
        call.set_field(anchors.logs.id, (&key_type(), &signing_key), &anchor)?;
    } else {
        let value = (call.tag("k8s_gateway", "Anchor").into(), &anchor);
        call.add_entry(&mut anchors.logs, (&key_type(), &signing_key), value);
    }
    call.emit("k8s_gateway", "RootAnchored", &RootAnchored { cluster: anchors.cluster, signing_key, anchor });
    call.store(2, &anchors)
}

// === Package functions ===

pub(super) fn create_anchors(call: &mut Call<'_, '_>, cluster: ClusterId) -> AnchorsId {
    let id = AnchorsId(call.new_id());
    let anchors = AuditAnchors { id, cluster, logs: call.new_table() };
    call.share(id.0, call.tag("k8s_gateway", "AuditAnchors"), &anchors);
    id
}

/// Type of the names in the tables by signing key.
pub(super) fn key_type() -> TypeTag {
    TypeTag::Vector(Box::new(TypeTag::U8))
}

// === Private functions ===

fn assert_pending(call: &Call<'_, '_>, request: &RequestState, cluster: &Cluster) -> Result<(), Fault> {
    call.ensure(request.cluster == cluster.id, FOREIGN_REQUEST, "assert_pending")?;
    call.ensure(request.status == RequestStatus::Pending, NOT_PENDING, "assert_pending")
}

fn assert_target(call: &Call<'_, '_>, request: &RequestState) -> Result<(), Fault> {
    const NAME: &str = "assert_target";
    call.ensure(METHODS.contains(&request.method.as_str()), BAD_METHOD, NAME)?;
    let path = request.path.starts_with('/') && request.path.len() <= MAX_PATH_LENGTH;
    call.ensure(path, BAD_PATH, NAME)?;
    let namespace = request.namespace.is_empty() || registry::is_dns_label(&request.namespace);
    call.ensure(namespace, BAD_NAMESPACE, NAME)?;
    call.ensure(request.resource_type.len() <= MAX_RESOURCE_TYPE_LENGTH, BAD_RESOURCE_TYPE, NAME)
}

/// At most one of payload and hash.
fn assert_payload(call: &Call<'_, '_>, request: &RequestState) -> Result<(), Fault> {
    let fits = match request.payload_hash.len() {
        0 => request.payload.len() <= MAX_PAYLOAD_LENGTH,
        length => request.payload.is_empty() && length == DIGEST_LENGTH,
    };
    call.ensure(fits, BAD_PAYLOAD, "assert_payload")
}

use super::code::code;
use super::{Table, bytes};
use crate::{AnchorsId, ClusterId, PackageId, PositionId, RequestId, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};
use sui_sdk_types::{Identifier, StructTag};

code! {
    /// What has come of a Kubernetes request made on chain.
    RequestStatus "request status" {
        /// Nothing yet. Once it has expired, nothing will.
        Pending = 0 "pending",
        /// A master recorded the answer.
        Answered = 1 "answered",
        /// The requester took it back.
        Cancelled = 2 "cancelled",
    }
}

/// `k3s_daas::k8s_gateway::K8sRequest` (shared), and the state that events carry: the two have the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestState {
    /// The request.
    pub request: RequestId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The position it was made with.
    pub position: PositionId,
    /// The position's owner then.
    pub requester: WalletAddress,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Path and query at the API server.
    pub path: String,
    /// A namespace, or empty.
    pub namespace: String,
    /// Such as `pods`, or empty.
    pub resource_type: String,
    /// Body of the request.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
    /// SHA-256 of a body handed over elsewhere, or empty.
    #[serde(with = "bytes")]
    pub payload_hash: Vec<u8>,
    /// When it was made.
    pub submitted_ms: UnixMs,
    /// From when on it is not executed.
    pub expires_ms: UnixMs,
    /// What has come of it.
    pub status: RequestStatus,
    /// HTTP status of the answer; zero before.
    pub result_status: u16,
    /// SHA-256 of the answer's body; empty before.
    #[serde(with = "bytes")]
    pub result_hash: Vec<u8>,
}

/// `k3s_daas::k8s_gateway::RequestKey(vector<u8>)`: the idempotency key, from which a request's id is derived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestKey(pub Vec<u8>);

/// `k3s_daas::k8s_gateway::AuditAnchors`, shared: the last anchored root of each master's audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAnchors {
    /// Object id.
    pub id: AnchorsId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// `Table<vector<u8>, Anchor>`: signing key → anchor.
    pub logs: Table,
}

/// `k3s_daas::k8s_gateway::Anchor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Rises with each anchor of a log.
    pub sequence: u64,
    /// Merkle root of the log up to there, 32 bytes.
    #[serde(with = "bytes")]
    pub root: Vec<u8>,
    /// How many records that is.
    pub records: u64,
    /// When it was anchored.
    pub anchored_ms: UnixMs,
}

/// The id of the request that `position` makes under `key`, as `sui::derived_object` derives it.
pub fn request_id(package: PackageId, position: PositionId, key: &RequestKey) -> RequestId {
    let tag = StructTag::new(
        package.0,
        Identifier::from_static("k8s_gateway"),
        Identifier::from_static("RequestKey"),
        Vec::new(),
    );
    // A struct of one byte vector cannot fail to serialize.
    let bytes = bcs::to_bytes(key).unwrap_or_default();
    RequestId(position.0.derive_object_id(&tag.into(), &bytes))
}

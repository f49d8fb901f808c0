//! JSON of the endpoints the gateway answers itself, with the original API's field names.

use crate::NodeMarks;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `POST /api/v1/attestation` request. Without a nonce the answer is informative only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationRequest {
    /// 64 hex characters chosen by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// `/api/v1/attestation` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationResponse {
    /// The document's module id.
    pub enclave_id: String,
    /// `sha384:` + PCR0 in hex.
    pub measurement: String,
    /// The document's signature, base64.
    pub signature: String,
    /// The signing certificate, base64 DER.
    pub certificate: String,
    /// `AWS_NITRO` or `SIMULATED_NITRO`.
    pub tee_type: String,
    /// 0 simulated, 5 Nitro.
    pub security_level: u8,
    /// The whole COSE_Sign1 document, base64. The only field that proves anything.
    pub document: String,
    /// PCR index → hex.
    pub pcrs: BTreeMap<u8, String>,
    /// True when no nonce was given: no client of ours takes such an answer as proof.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub informative: bool,
}

/// `POST /api/v1/register-worker` request: the original body and four fields more.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterWorkerRequest {
    /// The node id the Seal was minted for.
    pub node_id: String,
    /// The original API's second place for the token; must not differ from the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_token: Option<String>,
    /// The node's address, checked against what the gateway saw.
    pub ip_address: String,
    /// What the machine has.
    #[serde(default)]
    pub capacity: Capacity,
    /// Unix seconds, ±60 s.
    pub timestamp: u64,
    /// PKCS#10 request for the kubelet's serving certificate, base64 DER. The key stays on the node. Empty where nodes join by K3s'
    /// own protocol, in which the agent asks for it.
    pub serving_csr: String,
    /// 32 hex characters chosen at the first start of this machine.
    pub instance_id: String,
    /// Labels and taints that the node's owner wants on it.
    #[serde(default, skip_serializing_if = "NodeMarks::is_empty")]
    pub marks: NodeMarks,
    /// The owner's word that this machine takes the place of the one that held the node id: base64, see [`crate::replacement`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// What a machine has, as the original API spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Cores.
    #[serde(default)]
    pub cpu: String,
    /// Such as `16Gi`.
    #[serde(default)]
    pub memory: String,
    /// Such as `100Gi`.
    #[serde(default)]
    pub storage: String,
}

/// `POST /api/v1/register-worker` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterWorkerResponse {
    /// Always true; a refusal is a `metav1.Status`.
    pub success: bool,
    /// A kubeconfig without credentials, base64: server and CA.
    pub kubeconfig: String,
    /// The cluster CA, base64 PEM.
    pub ca_cert: String,
    /// `https://host:6443`.
    pub api_server: String,
    /// The kubelet's serving certificate chain, base64 PEM; empty if none was asked for.
    pub serving_cert: String,
    /// The CA that signs the API server's kubelet-client certificate, base64 PEM: the kubelet's `clientCAFile`.
    pub kubelet_client_ca: String,
    /// What the node engine needs to know of the cluster.
    pub cluster: ClusterSettings,
}

/// Network settings every node shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// Pod network, `10.42.0.0/16`.
    pub cluster_cidr: String,
    /// Service network, `10.43.0.0/16`.
    pub service_cidr: String,
    /// Address of the cluster's DNS service.
    pub cluster_dns: String,
    /// `cluster.local`.
    pub cluster_domain: String,
    /// Kubernetes version of the control plane.
    pub version: String,
    /// Seconds after which evidence is to be asked for again; clients ask at least every hour.
    pub attestation_interval: u64,
}

/// `POST /api/v1/nodes/heartbeat` request.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// The node.
    pub node_id: String,
    /// The original API's second place for the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_token: Option<String>,
    /// Unix seconds.
    pub timestamp: u64,
    /// What the worker sees on chain.
    pub stake_status: String,
    /// In MIST.
    pub stake_amount: u64,
    /// Pods running.
    pub running_pods: u64,
    /// Containers running in them.
    #[serde(default)]
    pub running_containers: u64,
    /// CPU, memory, disk.
    pub resource_usage: ResourceUsage,
}

/// Percentages of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceUsage {
    /// CPU, percent.
    #[serde(default)]
    pub cpu: f32,
    /// Memory, percent.
    #[serde(default)]
    pub memory: f32,
    /// Disk of the state folder, percent.
    #[serde(default)]
    pub disk: f32,
}

/// `POST /api/v1/nodes/heartbeat` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatResponse {
    /// Always true.
    pub success: bool,
    /// The position's status on chain.
    pub stake_status: String,
    /// Unix milliseconds of the master, to report clock skew.
    pub server_time_ms: u64,
}

/// `GET /api/v1/staking/status` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakingStatusResponse {
    /// Active stake of all positions, in MIST.
    pub total_active: u64,
    /// Number of positions with active stake.
    pub positions: u64,
    /// Least stake of each tier, in MIST.
    pub thresholds: BTreeMap<String, u64>,
    /// With a token: the caller's own position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mine: Option<MyStake>,
}

/// The caller's own position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MyStake {
    /// Position id.
    pub position: String,
    /// `active`, `suspended` and so on.
    pub status: String,
    /// Active stake, in MIST.
    pub active: u64,
    /// Frozen by a proposed slash, in MIST.
    pub frozen: u64,
    /// On its way out, in MIST.
    pub unbonding: u64,
    /// Tier, if any.
    pub tier: Option<String>,
    /// Node id, if any.
    pub node_id: Option<String>,
}

/// `GET /api/v1/security-context` answer: what the caller's requests run in. Proves nothing by itself; evidence does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityContextResponse {
    /// As in [`AttestationResponse`].
    pub enclave_id: String,
    /// As in [`AttestationResponse`].
    pub measurement: String,
    /// As in [`AttestationResponse`].
    pub tee_type: String,
    /// As in [`AttestationResponse`].
    pub security_level: u8,
    /// The last checkpoint that the master verified; every right is judged by it.
    pub checkpoint: u64,
    /// How old it is.
    pub checkpoint_age_ms: u64,
    /// With a token: as whom Kubernetes sees the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerContext>,
}

/// As whom Kubernetes sees a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerContext {
    /// User name.
    pub user: String,
    /// UID: the position, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Groups that the gateway asserts; of a service account Kubernetes knows them itself.
    pub groups: Vec<String>,
    /// Tier, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

// === impl RegisterWorkerRequest, HeartbeatRequest: a Debug that cannot print the token ===

impl core::fmt::Debug for RegisterWorkerRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RegisterWorkerRequest").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for HeartbeatRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HeartbeatRequest").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

/// RFC 5705 exporter label whose 32 bytes bind an attestation to its TLS session.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-k3s-daas-attestation";

//! The few calls a worker makes to the Kubernetes API, through the gateway, as the node it is.

use crate::peers::NodeList;
use bytes::Bytes;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster, client_config, connect, exchange, refusal};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, NodeId, Problem};
use http_body_util::Full;
use hyper::{Method, Request, header};
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
/// A thousand nodes, or the pods of one, are well below.
const MAX_ANSWER: usize = 32 << 20;

/// The API of the cluster whose master was verified. It pins the CA that the verification bound, so a token reaches the
/// enclave or nobody.
#[derive(Clone, Debug)]
pub struct KubeApi {
    tls: Arc<ClientConfig>,
    endpoint: String,
    node: NodeId,
}

/// A pod, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// How many of its containers run, by its status.
    pub containers: u64,
    /// Whether an eviction makes sense: no static pod, and none that its DaemonSet puts back at once.
    pub evictable: bool,
}

#[derive(Deserialize)]
struct PodList {
    #[serde(default)]
    items: Vec<Pod>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: PodMeta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodMeta {
    namespace: String,
    name: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
struct ContainerStatus {
    #[serde(default)]
    state: ContainerState,
}

#[derive(Default, Deserialize)]
struct ContainerState {
    running: Option<serde::de::IgnoredAny>,
}

// === impl KubeApi ===

impl KubeApi {
    /// The API behind a verified master.
    pub fn of(_proof: &VerifiedMaster, cluster: &ClusterInfo, node: NodeId) -> Result<Self, Problem> {
        let tls = Arc::new(client_config(&cluster.join.ca, &[b"http/1.1"])?);
        Ok(Self { tls, endpoint: cluster.join.endpoint.clone(), node })
    }

    /// All nodes.
    pub async fn nodes(&self, seal: &SealFile) -> Result<NodeList, Problem> {
        let body = self.call(seal, Usage::KubeProxy, Method::GET, "/api/v1/nodes", None).await?;
        parse(&body)
    }

    /// The pods on this node.
    pub async fn pods(&self, seal: &SealFile) -> Result<Vec<PodRef>, Problem> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.node);
        let body = self.call(seal, Usage::Kubelet, Method::GET, &path, None).await?;
        Ok(parse::<PodList>(&body)?.items.into_iter().map(PodRef::of).collect())
    }

    /// Takes this node out of scheduling.
    pub async fn cordon(&self, seal: &SealFile, cordoned: bool) -> Result<(), Problem> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let patch = json!({ "spec": { "unschedulable": cordoned } });
        self.call(seal, Usage::Kubelet, Method::PATCH, &path, Some(&patch)).await.map(drop)
    }

    /// Asks for a pod to go, within what its disruption budget allows.
    pub async fn evict(&self, seal: &SealFile, pod: &PodRef) -> Result<(), Problem> {
        let PodRef { namespace, name, .. } = pod;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "namespace": namespace, "name": name },
        });
        self.call(seal, Usage::Kubelet, Method::POST, &path, Some(&body)).await.map(drop)
    }

    async fn call(
        &self,
        seal: &SealFile,
        usage: Usage,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, Problem> {
        let token = seal.mint(usage, clock::now())?;
        let host = self.endpoint.trim_start_matches("https://").trim_end_matches('/');
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, kind)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()))
            .body(Full::new(body.map(|b| Bytes::from(b.to_string())).unwrap_or_default()))
            .map_err(Problem::of(ErrorCode::Internal))?;
        // One request on a connection of its own: there is one every few seconds at most.
        let answer = async {
            let tls = connect(&self.endpoint, &self.tls).await?;
            exchange(tls, request, MAX_ANSWER).await.map_err(|cause| self.failed(path, cause))
        };
        let answer = tokio::time::timeout(DEADLINE, answer).await;
        let late = |_| self.failed(path, format!("no answer within {} s", DEADLINE.as_secs()));
        let (status, body) = answer.map_err(late)??;
        if status.is_success() {
            return Ok(body);
        }
        // The gateway's refusals name their entry of the catalogue; Kubernetes' own have reasons of their own.
        let Problem { code, cause } = refusal(status, &body, ErrorCode::ApiServerUnavailable);
        Err(Problem::new(code, format!("{path}: {cause}")))
    }

    fn failed(&self, path: &str, cause: impl core::fmt::Display) -> Problem {
        Problem::new(ErrorCode::MasterUnreachable, format!("{}{path}: {cause}", self.endpoint))
    }
}

// === impl PodRef ===

impl PodRef {
    fn of(pod: Pod) -> Self {
        let PodMeta { namespace, name, annotations, owner_references } = pod.metadata;
        let fixed = annotations.contains_key("kubernetes.io/config.mirror")
            || owner_references.iter().any(|owner| owner.kind == "DaemonSet");
        let PodStatus { phase, container_statuses, init_container_statuses } = pod.status;
        let over = matches!(phase.as_str(), "Succeeded" | "Failed");
        let all = container_statuses.iter().chain(&init_container_statuses);
        let containers = all.filter(|container| container.state.running.is_some()).count();
        let containers = u64::try_from(containers).unwrap_or(u64::MAX);
        Self { namespace, name, running: phase == "Running", containers, evictable: !fixed && !over }
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(Problem::of(ErrorCode::ApiServerUnavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_come_back_by_themselves_are_left_alone() {
        let text = json!({ "items": [
            { "metadata": { "namespace": "a", "name": "web" }, "status": { "phase": "Running",
                "containerStatuses": [{ "state": { "running": {} } }, { "state": { "waiting": {} } }, {}],
                "initContainerStatuses": [{ "state": { "running": { "startedAt": "x" } } }] } },
            { "metadata": { "namespace": "a", "name": "agent", "ownerReferences": [{ "kind": "DaemonSet" }] } },
            { "metadata": { "namespace": "a", "name": "static",
                "annotations": { "kubernetes.io/config.mirror": "x" } }, "status": { "phase": "Running" } },
            { "metadata": { "namespace": "a", "name": "done" }, "status": { "phase": "Succeeded" } },
        ] });
        let pods: PodList = serde_json::from_value(text).unwrap();
        let pods: Vec<_> = pods.items.into_iter().map(PodRef::of).collect();
        assert_eq!(pods.iter().map(|pod| pod.containers).collect::<Vec<_>>(), [2, 0, 0, 0]);
        let pods: Vec<_> = pods.into_iter().map(|p| (p.name, p.running, p.evictable)).collect();
        let expected = [("web", true, true), ("agent", false, false), ("static", true, false), ("done", false, false)];
        assert_eq!(pods, expected.map(|(name, running, evictable)| (name.to_owned(), running, evictable)));
    }
}

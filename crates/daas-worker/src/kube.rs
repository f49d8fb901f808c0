//! The few calls a worker makes to the Kubernetes API, through the gateway, as the node it is.

use crate::peers::NodeList;
use bytes::Bytes;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster, client_config};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, NodeId, Problem};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

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
struct PodStatus {
    #[serde(default)]
    phase: String,
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
        let (host, port) = split(&self.endpoint).ok_or_else(|| self.failed(path, "not https://host:port"))?;
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, kind)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()))
            .body(Full::new(body.map(|b| Bytes::from(b.to_string())).unwrap_or_default()))
            .map_err(Problem::of(ErrorCode::Internal))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|e| self.failed(path, e))?;
        let exchange = self.exchange(path, (host, port), name, request);
        let (status, body) = match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.failed(path, format!("no answer within {} s", DEADLINE.as_secs()))),
        };
        if status.is_success() { Ok(body) } else { Err(refusal(path, status, &body)) }
    }

    /// One request on a connection of its own: there is one every few seconds at most.
    async fn exchange(
        &self,
        path: &str,
        address: (&str, u16),
        name: ServerName<'static>,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Problem> {
        let tcp = TcpStream::connect(address).await.map_err(|e| self.failed(path, e))?;
        let tls = TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(|e| self.failed(path, e))?;
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(|e| self.failed(path, e))?;
        let request = async {
            let response = send.send_request(request).await.map_err(|e| self.failed(path, e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|e| self.failed(path, e))?.to_bytes()))
        };
        tokio::pin!(request);
        tokio::select! {
            answer = &mut request => answer,
            // A connection may end, in good order, before its last answer is read.
            ended = connection => match ended {
                Ok(()) => request.await,
                Err(error) => Err(self.failed(path, error)),
            },
        }
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
        let over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        Self { namespace, name, running: pod.status.phase == "Running", evictable: !fixed && !over }
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(Problem::of(ErrorCode::ApiServerUnavailable))
}

/// The gateway's refusals name their entry of the catalogue; Kubernetes' own have reasons of their own.
fn refusal(path: &str, status: StatusCode, body: &[u8]) -> Problem {
    #[derive(Default, Deserialize)]
    struct Status {
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }
    let said: Status = serde_json::from_slice(body).unwrap_or_default();
    let code = ErrorCode::from_name(&said.reason).unwrap_or(ErrorCode::ApiServerUnavailable);
    Problem::new(code, format!("{path}: HTTP {}: {}", status.as_u16(), said.message))
}

/// Host (without brackets) and port of an `https://` endpoint.
pub fn split(endpoint: &str) -> Option<(&str, u16)> {
    let rest = endpoint.strip_prefix("https://")?.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "443"));
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_come_back_by_themselves_are_left_alone() {
        let text = json!({ "items": [
            { "metadata": { "namespace": "a", "name": "web" }, "status": { "phase": "Running" } },
            { "metadata": { "namespace": "a", "name": "agent", "ownerReferences": [{ "kind": "DaemonSet" }] } },
            { "metadata": { "namespace": "a", "name": "static",
                "annotations": { "kubernetes.io/config.mirror": "x" } }, "status": { "phase": "Running" } },
            { "metadata": { "namespace": "a", "name": "done" }, "status": { "phase": "Succeeded" } },
        ] });
        let pods: PodList = serde_json::from_value(text).unwrap();
        let pods: Vec<_> = pods.items.into_iter().map(PodRef::of).map(|p| (p.name, p.running, p.evictable)).collect();
        let expected = [("web", true, true), ("agent", false, false), ("static", true, false), ("done", false, false)];
        assert_eq!(pods, expected.map(|(name, running, evictable)| (name.to_owned(), running, evictable)));
    }

    #[test]
    fn a_refusal_keeps_the_gateways_reason() {
        let ours = br#"{"reason":"ChainStale","message":"no checkpoint for 31 s"}"#;
        let problem = refusal("/x", StatusCode::SERVICE_UNAVAILABLE, ours);
        assert_eq!(problem.code, ErrorCode::ChainStale);
        assert!(problem.cause.contains("503") && problem.cause.contains("31 s"));
        let theirs = refusal("/x", StatusCode::FORBIDDEN, br#"{"reason":"Forbidden","message":"no"}"#);
        assert_eq!(theirs.code, ErrorCode::ApiServerUnavailable);
    }

    #[test]
    fn endpoints() {
        assert_eq!(split("https://10.0.0.1:6443/"), Some(("10.0.0.1", 6443)));
        assert_eq!(split("https://[fd00::1]:6443"), Some(("fd00::1", 6443)));
        assert_eq!(split("http://10.0.0.1:6443"), None);
    }
}

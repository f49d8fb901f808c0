//! The few requests that the supervisor itself makes: the master's readiness on loopback, and its node's state through
//! the gateway, on a connection that accepts the pinned CA alone.

use bytes::Bytes;
use daas_audit::Anchor;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile, client_config};
use daas_types::pop::Usage;
use daas_types::{NodeId, Problem, UnixMs, WalletAddress};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const DEADLINE: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 1 << 20;

/// What a master's admin listener says of its enclave.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Enclave {
    /// Ed25519, hex.
    pub(crate) signing_key: String,
    /// That key's Sui address, which pays for what the master does on chain.
    pub(crate) address: WalletAddress,
    /// What it waits for.
    #[serde(default)]
    pub(crate) state: String,
}

/// What a master's admin listener says of its audit log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct AuditLog {
    /// `opening`, `writing`, `full`, `failed` or `closed`.
    pub(crate) state: String,
    pub(crate) records: u64,
    /// The last root that the chain has.
    pub(crate) anchored: Option<Anchor>,
    /// Records that nothing on chain covers.
    pub(crate) on_the_host_alone: u64,
    /// Why the last root is not on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The part of a Node that says whether it is ready.
#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default)]
    kubelet_version: String,
    #[serde(default)]
    container_runtime_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    last_heartbeat_time: String,
}

/// Whether the listener at `admin` says the process is ready; otherwise what it waits for.
pub(crate) async fn ready(admin: SocketAddr) -> Result<(), String> {
    let (status, body) = ask(admin, "/ready").await?;
    if status.is_success() { Ok(()) } else { Err(String::from_utf8_lossy(&body).trim().to_owned()) }
}

/// The enclave of the master whose admin listener is at `admin`.
pub(crate) async fn enclave(admin: SocketAddr) -> Result<Enclave, String> {
    said(admin, "/enclave").await
}

/// Its audit log.
pub(crate) async fn audit_log(admin: SocketAddr) -> Result<AuditLog, String> {
    said(admin, "/audit").await
}

async fn said<T: DeserializeOwned>(admin: SocketAddr, path: &str) -> Result<T, String> {
    let (status, body) = ask(admin, path).await?;
    if !status.is_success() {
        return Err(format!("HTTP {}: {}", status.as_u16(), String::from_utf8_lossy(&body).trim()));
    }
    serde_json::from_slice(&body).map_err(|e| format!("{path}: {e}"))
}

/// Whether the node is Ready and has said so itself after `since`, asked of the API server with the Seal; gives the
/// kubelet's and the runtime's versions.
///
/// Only for a cluster whose master has been verified: the CA that this pins is then the verified one.
pub(crate) async fn node_ready(
    cluster: &ClusterInfo,
    seal: &SealFile,
    node: &NodeId,
    since: UnixMs,
) -> Result<String, String> {
    let words = |problem: Problem| problem.to_string();
    let token = seal.mint(Usage::User, clock::now()).map_err(words)?;
    let (status, body) = within(async {
        let (tls, authority) = connect(&cluster.join.endpoint, &cluster.join.ca).await?;
        get(tls, &authority, &format!("/api/v1/nodes/{node}"), Some(&token)).await
    })
    .await?;
    if status == StatusCode::NOT_FOUND {
        return Err("not registered yet".to_owned());
    }
    if !status.is_success() {
        return Err(format!("HTTP {}: {}", status.as_u16(), message(&body)));
    }
    judge(&body, since)
}

/// A TLS connection to an `https://` endpoint that trusts the CAs in `ca` alone, and the endpoint's authority.
pub(crate) async fn connect(endpoint: &str, ca: &str) -> Result<(TlsStream<TcpStream>, String), String> {
    let config = client_config(ca, &[b"http/1.1"]).map_err(|problem| problem.to_string())?;
    let uri: http::Uri = endpoint.parse().map_err(|_| "the endpoint is no URL".to_owned())?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|e| e.to_string())?;
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|e| e.to_string())?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())?;
    let authority = uri.authority().map_or(host, ToString::to_string);
    Ok((tls, authority))
}

fn judge(node: &[u8], since: UnixMs) -> Result<String, String> {
    let node: Node = serde_json::from_slice(node).map_err(|e| format!("not a Node: {e}"))?;
    match node.status.conditions.iter().find(|condition| condition.kind == "Ready") {
        // The API server remembers a node of before a restart as Ready for a while.
        Some(ready) if seconds(&ready.last_heartbeat_time).is_none_or(|at| at < since.secs()) => {
            Err("the kubelet has not reported since it was started".to_owned())
        }
        Some(ready) if ready.status == "True" => {
            let NodeInfo { kubelet_version, container_runtime_version } = node.status.node_info;
            Ok(format!("kubelet {kubelet_version}, {container_runtime_version}"))
        }
        Some(other) => Err(other.message.clone()),
        None => Err("the kubelet has not reported yet".to_owned()),
    }
}

/// Seconds since the epoch of Kubernetes' form of time, `2026-01-02T03:04:05Z`.
fn seconds(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

/// The message of a `metav1.Status`.
fn message(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    status.and_then(|s| Some(s.get("message")?.as_str()?.to_owned())).unwrap_or_default()
}

/// Asks an admin listener.
async fn ask(admin: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    within(async {
        let stream = TcpStream::connect(admin).await.map_err(|e| e.to_string())?;
        get(stream, &admin.to_string(), path, None).await
    })
    .await
}

async fn within<T>(answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(DEADLINE, answer).await.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
}

async fn get<S>(stream: S, host: &str, path: &str, token: Option<&str>) -> Result<(StatusCode, Bytes), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut send, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let mut request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let exchange = async {
        let response = send.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| e.to_string())?;
        Ok((status, body.to_bytes()))
    };
    // The connection has no life beyond this one exchange.
    tokio::pin!(connection);
    let mut open = true;
    tokio::pin!(exchange);
    loop {
        tokio::select! {
            answer = &mut exchange => return answer,
            ended = &mut connection, if open => {
                open = false;
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    #[test]
    fn a_node_is_ready_when_it_says_so() {
        let node = |status: &str| {
            format!(
                r#"{{"status":{{"conditions":[{{"type":"MemoryPressure","status":"False"}},
                {{"type":"Ready","status":"{status}","message":"cni plugin not initialized",
                "lastHeartbeatTime":"2000-02-29T12:34:56Z"}}],
                "nodeInfo":{{"kubeletVersion":"v1.36.3","containerRuntimeVersion":"containerd://2.3.7"}}}}}}"#
            )
        };
        let at = UnixMs(951_827_696_000);
        assert_eq!(judge(node("True").as_bytes(), at).unwrap(), "kubelet v1.36.3, containerd://2.3.7");
        assert_eq!(judge(node("False").as_bytes(), at).unwrap_err(), "cni plugin not initialized");
        assert_eq!(judge(b"{}", at).unwrap_err(), "the kubelet has not reported yet");
        assert!(judge(b"<html>", at).is_err());
        // What it said before this start does not count.
        assert!(judge(node("True").as_bytes(), UnixMs(at.0 + 1000)).unwrap_err().contains("since it was started"));
    }

    #[test]
    fn times_of_kubernetes() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2026-11-17T20:00:00Z"), Some(1_794_945_600));
        for bad in ["", "2026-11-17", "2026-13-17T20:00:00Z", "1969-12-31T23:59:59Z", "１970-01-01T00:00:00Z"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    async fn answering(answer: &'static str) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        (address, server)
    }

    #[tokio::test]
    async fn readiness_is_the_status_and_its_words() {
        let (address, _server) = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        ready(address).await.unwrap();
        let (address, _server) =
            answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 10\r\n\r\nwaiting: x").await;
        assert_eq!(ready(address).await.unwrap_err(), "waiting: x");
        assert!(ready("127.0.0.1:1".parse().unwrap()).await.is_err());
    }

    #[tokio::test]
    async fn an_enclave_says_its_key_and_what_it_waits_for() {
        let (address, _server) = answering(
            "HTTP/1.1 200 OK\r\ncontent-length: 62\r\n\r\n\
             {\"signing_key\":\"0a\",\"address\":\"0x7\",\"state\":\"waiting for gas\"}",
        )
        .await;
        let said = enclave(address).await.unwrap();
        assert_eq!((said.signing_key.as_str(), said.state.as_str()), ("0a", "waiting for gas"));
        assert_eq!(said.address, WalletAddress(daas_types::Address::from_static("0x7")));
        for wrong in
            ["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]
        {
            let (address, _server) = answering(wrong).await;
            assert!(enclave(address).await.is_err(), "{wrong}");
        }
    }
}

//! A node whose agent has joined: the connections that its processes keep, their watches, and what its kubelet says every few
//! seconds.

use super::ScriptedAgent;
use crate::client::Http2;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rustls_pki_types::ServerName;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// What each process watches all its life.
const KUBELET: [&str; 5] = [
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/node.k8s.io/v1/runtimeclasses",
    "/apis/storage.k8s.io/v1/csidrivers",
];
const PROXY: [&str; 3] = ["/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"];
const CONTROLLER: [&str; 1] = ["/apis/discovery.k8s.io/v1/endpointslices"];

/// What a node has open beside its agent's tunnel.
pub struct ScriptedNode {
    name: String,
    kubelet: Http2,
    _others: Vec<Http2>,
    watches: Vec<Response<Incoming>>,
}

/// How a kubelet says that its node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Its lease is renewed.
    Lease,
    /// Its status is told.
    Status,
}

// === impl ScriptedAgent ===

impl ScriptedAgent {
    /// Starts kubelet, kube-proxy and controller with the certificates that were issued: a connection each, and their watches.
    /// `None` if one of them did not come up.
    pub async fn live(&self) -> Option<ScriptedNode> {
        let mut watches = Vec::new();
        let mut connections = Vec::new();
        for (process, paths) in [("kubelet", &KUBELET[..]), ("kube-proxy", &PROXY), ("controller", &CONTROLLER)] {
            let connection = self.http2(process).await?;
            for path in paths {
                watches.push(watch(&connection, path).await?);
            }
            connections.push(connection);
        }
        let kubelet = connections.remove(0);
        Some(ScriptedNode { name: self.node.clone(), kubelet, _others: connections, watches })
    }

    /// A connection with the certificate of one of its processes.
    async fn http2(&self, process: &str) -> Option<Http2> {
        let mut tls = self.tls("pinned", Some(self.leaf(process)));
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(self.from, 0)).unwrap();
        let tcp = socket.connect(self.server).await.ok()?;
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        Some(Http2::over(TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.ok()?).await)
    }
}

// === impl ScriptedNode ===

impl ScriptedNode {
    /// Says that it lives; whether that was taken, once all of the answer is there.
    pub async fn beat(&self, beat: Beat) -> bool {
        let name = &self.name;
        let (method, path, kind) = match beat {
            Beat::Lease => {
                let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
                (Method::PUT, path, "application/json")
            }
            Beat::Status => {
                (Method::PATCH, format!("/api/v1/nodes/{name}/status"), "application/strategic-merge-patch+json")
            }
        };
        let request = Request::builder().method(method).uri(uri(&path)).header("content-type", kind);
        let request = request.body(Full::from(self.says(beat))).unwrap();
        let Ok(response) = self.kubelet.send(request).await else { return false };
        let taken = response.status().is_success();
        response.into_body().collect().await.is_ok() && taken
    }

    /// How many of its watches are open, as far as is known without waiting.
    pub fn watches(&mut self) -> usize {
        let open = self.watches.iter_mut().map(|watch| watch.body_mut().frame().now_or_never().is_none());
        open.filter(|open| *open).count()
    }

    /// How many there should be.
    pub fn all_watches() -> usize {
        KUBELET.len() + PROXY.len() + CONTROLLER.len()
    }

    /// As long as what a kubelet says.
    fn says(&self, beat: Beat) -> String {
        let now = "2026-01-01T00:00:00.000000Z";
        let said = match beat {
            Beat::Lease => json!({
                "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
                "metadata": { "name": self.name, "namespace": "kube-node-lease", "resourceVersion": "123456789",
                    "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": self.name, "uid": self.name }] },
                "spec": { "holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now },
            }),
            Beat::Status => {
                let condition = |kind: &str| {
                    json!({ "type": kind, "status": "False", "lastHeartbeatTime": now, "lastTransitionTime": now,
                        "reason": format!("KubeletHasNo{kind}"), "message": format!("kubelet has no {kind}") })
                };
                let conditions = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map(condition);
                json!({ "metadata": { "uid": self.name }, "status": { "conditions": conditions } })
            }
        };
        said.to_string()
    }
}

/// Opens a watch and waits for its first event.
async fn watch(connection: &Http2, path: &str) -> Option<Response<Incoming>> {
    let request = Request::get(uri(&format!("{path}?watch=true"))).body(Full::<Bytes>::default()).unwrap();
    let mut response = connection.send(request).await.ok()?;
    if response.status() != 200 {
        return None;
    }
    response.body_mut().frame().await?.ok()?;
    Some(response)
}

/// Through the agent's load balancer.
fn uri(path: &str) -> String {
    format!("https://127.0.0.1:6444{path}")
}

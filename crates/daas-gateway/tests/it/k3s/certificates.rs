//! What agents' certificates open, for as long as their position has the right.

use super::world::World;
use crate::harness::within;
use bytes::Bytes;
use daas_testkit::k3s::{AGENT_TOKEN, ScriptedAgent, basic};
use daas_testkit::pki::{Ca, Leaf};
use daas_types::{Mist, Permissions};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// A kubelet's connection, as client-go makes it.
struct Client {
    sender: http2::SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Client {
    async fn new(world: &World, leaf: Leaf) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(world.authorities.server.roots());
        let mut tls = builder.with_client_auth_cert(leaf.chain, leaf.key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(world.addr).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Self { sender, _driver: driver }
    }

    async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Request::get(format!("https://127.0.0.1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        within(self.sender.send_request(request.body(Full::default()).unwrap())).await.unwrap()
    }

    /// Status, and the reason of a refusal.
    async fn ends(&mut self, path: &str) -> String {
        let response = self.get(path, &[]).await;
        let status = response.status().as_u16();
        if status == 200 {
            return "200".to_owned();
        }
        format!("{status} {}", crate::harness::reason(response).await)
    }
}

const NODES: &[&str] = &["system:nodes"];
/// Three that are asked for: by a certificate alone, of K3s, and of the API server.
const PATHS: [&str; 3] = ["/v1-k3s/config", "/v1-k3s/apiservers", "/api/v1/pods"];

#[tokio::test]
async fn a_kubelets_certificate_reads_what_agents_read_and_the_others_do_not() {
    let world = World::new().await;
    let (_, agent) = world.joined(1).await;
    let mut kubelet = Client::new(&world, agent.leaf("kubelet")).await;
    for path in PATHS {
        assert_eq!(kubelet.ends(path).await, "200", "{path}");
    }
    let asked = world.supervisor.asked();
    assert_eq!(asked.last().unwrap().user, r#"system:node:worker-1 ["system:nodes"]"#);
    let mut config = asked.iter().rev().filter(|asked| asked.target == "/v1-k3s/config");
    assert_eq!(config.next().unwrap().user, r#"system:node:worker-1 ["system:nodes"]"#);
    for other in ["kube-proxy", "controller"] {
        let mut client = Client::new(&world, agent.leaf(other)).await;
        assert_eq!(client.ends("/v1-k3s/config").await, "401 CertificateRefused");
        assert_eq!(client.ends("/v1-k3s/connect").await, "401 CertificateRefused");
        assert_eq!(client.ends("/api/v1/pods").await, "200");
    }
}

#[tokio::test]
async fn every_request_is_judged_by_the_right_of_then() {
    let world = World::new().await;
    let ((mut staker, agent), (_, other)) = (world.joined(1).await, world.joined(2).await);
    let leaves = ["kubelet", "kube-proxy", "controller"];
    let mut clients = Vec::new();
    for name in leaves {
        clients.push((Client::new(&world, agent.leaf(name)).await, Client::new(&world, other.leaf(name)).await));
        let (client, _) = clients.last_mut().unwrap();
        assert_eq!(client.ends("/api/v1/pods").await, "200");
    }
    world.chain.suspend(&mut staker);
    for (client, neighbour) in &mut clients {
        assert_eq!(client.ends("/api/v1/pods").await, "403 PositionSuspended");
        assert_eq!(neighbour.ends("/api/v1/pods").await, "200", "shared names are nobody else's loss");
    }
    world.chain.put(&mut staker, |state| state.status = daas_types::onchain::Status::Active);
    for (client, _) in &mut clients {
        assert_eq!(client.ends("/api/v1/pods").await, "200");
    }
    world.chain.put(&mut staker, |state| state.active = "0.1".parse().unwrap());
    for (client, _) in &mut clients {
        assert_eq!(client.ends("/api/v1/pods").await, "403 StakeTooLow");
    }
}

#[tokio::test]
async fn a_certificate_is_nothing_without_a_key_that_was_seen_here() {
    let world = World::new().await;
    let (_, agent) = world.joined(1).await;
    let client_ca = &world.authorities.client;
    let stranger = Ca::new("another");
    let cases = [
        ("a kubelet's", client_ca.member("system:node:worker-1", NODES)),
        ("a kube-proxy's", client_ca.member("system:kube-proxy", &[])),
        ("a controller's", client_ca.member("system:k3s-controller", &[])),
        ("an administrator's", client_ca.member("system:admin", &["system:masters"])),
        ("a node's that is more", client_ca.member("system:node:worker-1", &["system:nodes", "system:masters"])),
        ("another CA's", stranger.member("system:node:worker-1", NODES)),
        ("the server CA's", world.authorities.server.member("system:node:worker-1", NODES)),
        ("one for servers", client_ca.server(&["system:node:worker-1"])),
        ("one whose time is over", client_ca.expired(&["worker-1"])),
    ];
    let before = world.supervisor.asked().len();
    for (what, leaf) in cases {
        let mut client = Client::new(&world, leaf).await;
        for path in PATHS {
            assert_eq!(client.ends(path).await, "401 CertificateRefused", "{what} {path}");
        }
        assert_eq!(client.ends("/v1-k3s/connect").await, "401 CertificateRefused", "{what}");
    }
    assert_eq!(world.supervisor.asked().len(), before);
    let mut seen = Client::new(&world, agent.leaf("kubelet")).await;
    assert_eq!(seen.ends("/api/v1/pods").await, "200");
}

#[tokio::test]
async fn a_key_is_good_for_the_certificate_it_was_shown_for() {
    let world = World::new().await;
    let (_, agent) = world.joined(1).await;
    // As K3s would sign, had it been asked; and as somebody else.
    let stranger = Ca::new("k3s-client-ca");
    let resigned_by = |ca: &Ca, name: &str, common_name: &str, groups: &[&str]| {
        let leaf = agent.leaf(name);
        let key = rcgen::KeyPair::try_from(leaf.key.secret_der()).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key).unwrap();
        let pem = ca.sign_request(request.der(), common_name, groups);
        let chain = vec![rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()];
        Leaf { chain, key: leaf.key }
    };
    let client_ca = &world.authorities.client;
    let resigned = |name: &str, common_name: &str, groups: &[&str]| resigned_by(client_ca, name, common_name, groups);
    for (name, common_name, groups) in [
        ("kubelet", "system:node:worker-1", NODES),
        ("kube-proxy", "system:kube-proxy", &[]),
        ("controller", "system:k3s-controller", &[]),
    ] {
        let mut client = Client::new(&world, resigned_by(&stranger, name, common_name, groups)).await;
        assert_eq!(client.ends("/api/v1/pods").await, "401 CertificateRefused", "another CA's {name}");
    }
    for (name, common_name, groups) in [
        ("kube-proxy", "system:node:worker-1", NODES),
        ("kubelet", "system:k3s-controller", &[]),
        ("controller", "system:kube-proxy", &[]),
        ("kubelet", "system:node:worker-2", NODES),
    ] {
        let mut client = Client::new(&world, resigned(name, common_name, groups)).await;
        assert_eq!(client.ends("/api/v1/pods").await, "401 CertificateRefused", "{name} {common_name}");
    }
    let mut renewed = Client::new(&world, resigned("kubelet", "system:node:worker-1", NODES)).await;
    assert_eq!(renewed.ends("/api/v1/pods").await, "200");
}

#[tokio::test]
async fn a_node_id_that_passes_to_another_takes_no_certificates_along() {
    let world = World::new().await;
    let (mut former, agent) = world.joined(1).await;
    let mut client = Client::new(&world, agent.leaf("kubelet")).await;
    world.chain.put(&mut former, |state| {
        state.node_id = String::new();
        state.active = Mist(0);
    });
    let mut next = daas_testkit::chain::Staker::new(2, "5", Permissions::NODE);
    world.chain.put(&mut next, |state| state.node_id = "worker-1".to_owned());
    assert_eq!(client.ends("/api/v1/pods").await, "401 CertificateRefused");
    // Who comes next has them, and even the same machine's keys are then its own.
    let mut agent = agent;
    agent.token = Some(next.opaque());
    assert_eq!(within(agent.call("POST /v1-k3s/client-kubelet.crt pinned seal+kubelet")).await, "200");
    assert_eq!(client.ends("/api/v1/pods").await, "200");
}

#[tokio::test]
async fn a_token_beside_a_certificate_is_judged_alone() {
    let world = World::new().await;
    let (_, agent) = world.joined(1).await;
    let mut client = Client::new(&world, agent.leaf("kubelet")).await;
    let before = world.supervisor.asked().len();
    for authorization in ["Bearer nonsense", &format!("Bearer {}", "00".repeat(32)), "Basic bm9kZTp4", "Digest x", ""] {
        let response = client.get("/api/v1/pods", &[("authorization", authorization)]).await;
        assert_eq!(response.status(), 401, "{authorization}");
    }
    assert_eq!(world.supervisor.asked().len(), before);
    // What is claimed beside a certificate is not passed on.
    let claims = [("x-remote-user", "system:admin"), ("x-remote-group", "system:masters")];
    assert_eq!(client.get("/api/v1/pods", &claims).await.status(), 200);
    let asked = world.supervisor.asked().pop().unwrap();
    assert_eq!(
        (asked.all("x-remote-user"), asked.all("x-remote-group")),
        (vec!["system:node:worker-1"], vec!["system:nodes"])
    );
}

#[tokio::test]
async fn what_a_certificate_opened_ends_with_the_right() {
    let world = World::new().await;
    let (mut staker, agent) = world.joined(1).await;
    for name in ["kubelet", "kube-proxy", "controller"] {
        let mut client = Client::new(&world, agent.leaf(name)).await;
        let mut watch = client.get("/api/v1/pods?watch=true", &[]).await;
        assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
        within(world.supervisor.until_watches(1)).await;
        world.chain.suspend(&mut staker);
        assert!(within(watch.body_mut().frame()).await.unwrap().is_err());
        within(world.supervisor.until_watches(0)).await;
        world.chain.put(&mut staker, |state| state.status = daas_types::onchain::Status::Active);
    }
}

#[tokio::test]
async fn whoever_has_a_seal_joins_whatever_certificate_it_has() {
    let world = World::new().await;
    let (staker, _) = world.worker(1);
    let authorization = basic(&staker.opaque());
    let client_ca = &world.authorities.client;
    for leaf in [client_ca.expired(&["worker-1"]), Ca::new("former").member("system:node:worker-1", NODES)] {
        let mut client = Client::new(&world, leaf).await;
        let response = client.get("/v1-k3s/config", &[("authorization", &authorization)]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(world.supervisor.asked().pop().unwrap().user, r#"node ["k3s:agent"]"#);
    }
}

#[tokio::test]
async fn a_certificate_that_k3s_gave_to_a_key_of_its_own_choice_is_none() {
    let world = World::new().await;
    world.joined(1).await;
    // Around the gateway, as whoever has K3s' own token.
    let mut direct = ScriptedAgent::new(world.supervisor.addr, "worker-1", AGENT_TOKEN);
    direct.password = "password-of-worker-1".to_owned();
    assert_eq!(within(direct.call("POST /v1-k3s/client-kubelet.crt any seal")).await, "200");
    let mut client = Client::new(&world, direct.leaf("kubelet")).await;
    assert_eq!(client.ends("/api/v1/pods").await, "401 CertificateRefused");
}

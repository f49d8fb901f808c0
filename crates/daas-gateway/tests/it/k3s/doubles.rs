//! The doubles themselves: what was seen of K3s v1.36.2, without a gateway between.

use crate::harness::within;
use bytes::Bytes;
use daas_testkit::k3s::{AGENT_TOKEN, Authorities, JOIN, ScriptedAgent, ScriptedSupervisor, basic, calls};
use daas_testkit::pki::Leaf;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

async fn status(
    (supervisor, authorities): (&ScriptedSupervisor, &Authorities),
    leaf: Option<Leaf>,
    path: &str,
    headers: &[(&str, &str)],
) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(authorities.server.roots());
    let tls = match leaf {
        Some(Leaf { chain, key }) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let tcp = TcpStream::connect(supervisor.addr).await.unwrap();
    let tls = TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("127.0.0.1").unwrap(), tcp);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(within(tls).await.unwrap())).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.with_upgrades().await) });
    let mut request = Request::get(path).header("host", "x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if path.ends_with("/connect") {
        request = request.header("connection", "Upgrade").header("upgrade", "websocket");
    }
    within(sender.send_request(request.body(Full::<Bytes>::default()).unwrap())).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_supervisor_judges_as_k3s_was_seen_to() {
    let authorities = Authorities::new();
    let supervisor = ScriptedSupervisor::start(&authorities).await;
    let at = (&supervisor, &authorities);
    let proxy = || Some(authorities.request_header.client("daas:gateway"));
    let basic = basic(AGENT_TOKEN);
    let user = |name| [("x-remote-user", name), ("x-remote-group", "system:nodes")];
    let connect = "/v1-k3s/connect";
    assert_eq!(status(at, proxy(), connect, &user("system:node:x")).await, 101);
    assert_eq!(status(at, proxy(), connect, &user("jane")).await, 401, "no node");
    let other = [("x-remote-user", "system:node:x"), ("x-remote-group", "system:masters")];
    assert_eq!(status(at, proxy(), connect, &other).await, 403, "another group");
    assert_eq!(status(at, proxy(), connect, &[]).await, 401, "a certificate without headers");
    assert_eq!(status(at, None, connect, &user("system:node:x")).await, 403, "headers without a certificate");
    let both = [&user("system:node:x")[..], &[("authorization", basic.as_str())]].concat();
    assert_eq!(status(at, proxy(), connect, &both).await, 403, "the token is judged first");
    assert_eq!(status(at, proxy(), "/v1-k3s/config", &user("system:node:x")).await, 200);
    assert_eq!(status(at, proxy(), "/api/v1/pods", &user("system:node:x")).await, 200);
    let named = [&user("system:node:x")[..], &[("k3s-node-name", "x"), ("k3s-node-password", "p")]].concat();
    assert_eq!(status(at, proxy(), "/v1-k3s/client-kubelet.crt", &named).await, 401, "there is no such Node");
    assert_eq!(status(at, None, "/v1-k3s/config", &[("authorization", &basic)]).await, 200);
    assert_eq!(status(at, None, "/v1-k3s/config", &[("authorization", "Basic bm9kZTp4")]).await, 401);
    assert_eq!(status(at, None, "/v1-k3s/token", &[("authorization", &basic)]).await, 403);
    assert_eq!(status(at, None, "/db/info", &[]).await, 200, "from loopback");
    supervisor.api(false);
    assert_eq!(status(at, proxy(), connect, &user("system:node:x")).await, 401, "its API server is not up");
}

#[tokio::test]
async fn the_agent_joins_a_supervisor_alone_and_again_with_a_bogus_token() {
    let authorities = Authorities::new();
    let supervisor = ScriptedSupervisor::start(&authorities).await;
    let mut agent = ScriptedAgent::new(supervisor.addr, "worker-1", AGENT_TOKEN);
    assert_eq!(within(agent.play(JOIN)).await, calls(JOIN));
    agent.token = Some("bogus".to_owned());
    // What the gateway is there to prevent.
    for file in ["client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
        assert_eq!(within(agent.call(&format!("POST /v1-k3s/{file}.crt pinned seal+kubelet"))).await, "200");
    }
    agent.password = "another".to_owned();
    assert_eq!(within(agent.call("POST /v1-k3s/client-kubelet.crt pinned seal+kubelet")).await, "403");
    assert!(agent.message.contains("hash does not match"));
    supervisor.delete_node("worker-1");
    assert_eq!(within(agent.call("POST /v1-k3s/client-kubelet.crt pinned seal+kubelet")).await, "401");
}

//! `/v1-k3s/connect`.

use super::world::World;
use crate::harness::within;
use bytes::Bytes;
use daas_testkit::pki::Leaf;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const CONNECT: &str = "GET /v1-k3s/connect pinned kubelet";

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_is_cut_with_the_right() {
    let world = World::new().await;
    let (mut staker, mut agent) = world.joined(1).await;
    let (_, other) = world.joined(2).await;
    within(world.supervisor.until_tunnels(&["system:node:worker-1", "system:node:worker-2"])).await;
    let tunnel = &mut agent.tunnels[0].io;
    let frame = b"\x82\x04ping";
    tunnel.write_all(frame).await.unwrap();
    let mut back = [0; 6];
    within(tunnel.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, frame);
    world.chain.suspend(&mut staker);
    within(world.supervisor.until_tunnels(&["system:node:worker-2"])).await;
    let mut rest = Vec::new();
    let _ = within(tunnel.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"\x88\x13\x03\xf0the right is gone");
    let (ended, said) = world.refused(&mut agent, CONNECT).await;
    assert!(ended == "401" && said.starts_with("A slash has been proposed"), "{ended} {said}");
    drop(other);
}

#[tokio::test]
async fn a_seal_opens_no_tunnel_with_a_certificate_or_without() {
    let world = World::new().await;
    let (staker, mut agent) = world.joined(1).await;
    agent.tunnels.clear();
    within(world.supervisor.until_tunnels(&[])).await;
    for token in [Some(staker.opaque()), Some("00".repeat(32))] {
        agent.token = token;
        for shown in ["seal", "seal+kubelet"] {
            let (ended, said) = world.refused(&mut agent, &format!("GET /v1-k3s/connect pinned {shown}")).await;
            assert!(ended == "401" && said.contains("by a certificate alone"), "{shown}: {ended} {said}");
        }
    }
    assert_eq!(world.refused(&mut agent, "GET /v1-k3s/connect pinned -").await.0, "401");
    assert_eq!(within(agent.call(CONNECT)).await, "101");
}

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// What the gateway says to K3s' own server, or to who would be it; and the tunnel.
async fn own(world: &World, leaf: &Leaf, path: &str) -> (u16, Option<Upgraded>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(world.authorities.server.roots());
    let Leaf { chain, key } = leaf.clone();
    let tls = TlsConnector::from(Arc::new(builder.with_client_auth_cert(chain, key).unwrap()));
    let tcp = TcpStream::connect(world.addr).await.unwrap();
    let tls = tls.connect(ServerName::try_from("127.0.0.1").unwrap(), tcp).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.with_upgrades().await) });
    let request = Request::get(path).header("host", "127.0.0.1").header("connection", "Upgrade");
    let request = request.header("upgrade", "websocket").body(Full::<Bytes>::default()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    let status = response.status().as_u16();
    let tunnel = if status == 101 { Some(TokioIo::new(hyper::upgrade::on(response).await.unwrap())) } else { None };
    (status, tunnel)
}

#[tokio::test]
async fn k3s_own_server_has_its_tunnel_and_nothing_else() {
    let world = World::new().await;
    let (status, _tunnel) = own(&world, &world.own, "/v1-k3s/connect").await;
    assert_eq!(status, 101);
    within(world.supervisor.until_tunnels(&["system:node:the-server"])).await;
    let before = world.supervisor.asked().len();
    for path in ["/v1-k3s/config", "/api/v1/pods"] {
        assert_eq!(own(&world, &world.own, path).await.0, 401, "{path}");
    }
    // The name alone is not it, nor is the key under another name.
    let named = world.authorities.client.member("system:node:the-server", &["system:nodes"]);
    assert_eq!(own(&world, &named, "/v1-k3s/connect").await.0, 401);
    assert_eq!(world.supervisor.asked().len(), before);
}

#[tokio::test]
async fn the_servers_own_tunnel_is_recorded_without_a_position() {
    let world = World::new().await;
    let (status, tunnel) = own(&world, &world.own, "/v1-k3s/connect").await;
    assert_eq!(status, 101);
    drop(tunnel);
    let found = within(world.trail.ended(1)).await;
    let who = &found[0].1.who;
    assert_eq!((who.user.as_ref(), who.position, who.seal), ("system:node:the-server", None, None));
}

#[tokio::test]
async fn while_its_api_server_starts_k3s_refuses_what_a_proxy_says_and_takes_tokens() {
    let world = World::new().await;
    let (_, mut agent) = world.joined(1).await;
    world.supervisor.api(false);
    assert_eq!(within(agent.call(CONNECT)).await, "401");
    assert_eq!(within(agent.call("GET /v1-k3s/config pinned seal+kubelet")).await, "200");
    world.supervisor.api(true);
    assert_eq!(within(agent.call(CONNECT)).await, "101");
}

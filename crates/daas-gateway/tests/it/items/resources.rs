//! Items 30, 31, 35 and 36: what a client can make us hold, and what we hold ourselves.

mod certificates;
mod secrets;

use super::wire::{Wire, status};
use crate::harness::{Options, World, build, get, reason, text, user, within};
use daas_gateway::{Limits, Streams};
use daas_testkit::client;
use daas_types::Permissions;
use daas_types::pop::Usage;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn item_30_the_slow_and_the_silent_are_shown_out() {
    let limits = Limits {
        handshake: Duration::from_millis(300),
        header_read: Duration::from_millis(300),
        unproven: Duration::from_millis(600),
        upstream_response: Duration::from_millis(600),
        ..Limits::default()
    };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let holder = client::Http2::connect(world.addr, &world.ca.roots()).await;
    assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
    // No handshake, or one byte of it.
    for first in [&b""[..], &[0x16]] {
        let mut tcp = tokio::net::TcpStream::connect(world.addr).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, first).await.unwrap();
        assert!(matches!(within(tcp.read(&mut [0; 1])).await, Ok(0) | Err(_)));
    }
    // A head that never ends, also of someone who has said who he is.
    let mut wire = Wire::open(&world).await;
    wire.send(format!("GET /api HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 200 "));
    wire.send("GET /api HTTP/1.1\r\nHost: local").await;
    let said = wire.rest().await;
    assert!(!said.contains("HTTP/1.1 ") || said.contains("HTTP/1.1 408"), "{said}");
    // A body that never ends: the API server's patience counts, and ours ends.
    for lines in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let slow = format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{lines}\r\n\r\n1"
        );
        assert_eq!(status(&world, slow).await, 504, "{lines}");
    }
    // A connection on which nobody says who he is.
    let mut idle = client::tls(world.addr, &world.ca.roots(), &["h2"]).await.unwrap();
    let _ = within(idle.read_to_end(&mut Vec::new())).await;
    // Whoever has said so stays.
    assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn item_30_connections_are_bounded_in_all_and_of_one_address() {
    let limits = Limits { connections_per_address: 3, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let roots = world.ca.roots();
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let mut held = Vec::new();
    for _ in 0..3 {
        // Of those who say nothing the oldest gives way.
        let _silent = client::Http2::connect(world.addr, &roots).await;
        let holder = client::Http2::connect(world.addr, &roots).await;
        assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
        held.push(holder);
    }
    assert!(client::tls(world.addr, &roots, &["h2"]).await.is_err());
    drop(held.pop());
    within(async { while client::tls(world.addr, &roots, &["h2"]).await.is_err() {} }).await;

    let limits = Limits { connections: 8, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let holder = client::Http2::connect(world.addr, &world.ca.roots()).await;
    assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
    // A flood of half-open handshakes: a new client comes in, whoever was in stays, and the first to come goes first.
    let mut strangers = Vec::new();
    for _ in 0..50 {
        strangers.push(tokio::net::TcpStream::connect(world.addr).await.unwrap());
    }
    assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
    assert!(matches!(within(strangers[0].read(&mut [0; 1])).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn item_31_bodies_stream_and_their_limit_is_the_api_servers() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let bearer = format!("Bearer {token}");
    let body = "0123456789abcdef".repeat(1 << 18);
    let packed = [("authorization", bearer.as_str()), ("content-encoding", "gzip")];
    assert_eq!(
        text(world.send(build("POST", "/echo", &packed, &body)).await).await,
        body,
        "4 MiB, whatever is in them"
    );
    assert_eq!(world.upstream.last().all("content-encoding"), ["gzip"]);
    // `Expect: 100-continue` is this hop's to answer.
    let mut wire = Wire::open(&world).await;
    wire.send(format!(
        "PUT /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ))
    .await;
    assert!(wire.head().await.starts_with("HTTP/1.1 100 "));
    wire.send("hello").await;
    assert!(wire.head().await.starts_with("HTTP/1.1 200 "));
    assert!(world.upstream.last().all("expect").is_empty());
}

#[tokio::test]
async fn item_31_a_body_without_end_waits_with_its_sender() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let bearer = format!("Bearer {token}");
    // One that refuses without reading is heard, and the rest of the body is nobody's next request.
    let mut wire = Wire::open(&world).await;
    wire.send(format!(
        "POST /full HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = async {
        loop {
            wire.send(&chunk).await;
            tokio::task::yield_now().await;
        }
    };
    let served = async {
        within(world.upstream.saw(1)).await;
        assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    };
    tokio::select! {
        () = endless => {}
        () = served => {}
    }
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    // A body that nobody takes waits with its sender: what the API server is sent is bounded by its windows.
    let mut wire = Wire::open(&world).await;
    wire.send(format!(
        "POST /stuck HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let stuck = async {
        for _ in 0..1_000 {
            wire.send(&chunk).await;
        }
    };
    let others = async {
        within(world.upstream.until_open(1)).await;
        for _ in 0..20 {
            assert_eq!(world.send(get("/api", &token)).await.status(), 200);
        }
    };
    tokio::select! {
        () = stuck => panic!("64 MB were taken for someone who takes nothing"),
        () = others => {}
    }
}

#[tokio::test]
async fn item_33_one_holder_does_not_take_what_is_everyones() {
    let limits = Limits { streams: Streams { admin: 2, ..Streams::default() }, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let (greedy, other) =
        (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let client = world.http2().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut watch = within(client.send(get("/api/v1/pods?watch=true", &user(&greedy)))).await.unwrap();
        within(watch.body_mut().frame()).await.unwrap().unwrap();
        held.push(watch);
    }
    let refused = within(client.send(get("/api/v1/pods?watch=true", &user(&greedy)))).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(reason(refused).await, "TooManyRequests");
    // What does not last is counted apart, and others' for themselves.
    assert_eq!(world.send(get("/api", &user(&greedy))).await.status(), 200);
    assert_eq!(world.send(get("/api/v1/pods?watch=true", &user(&other))).await.status(), 200);
    drop(held.pop());
    let watch = || world.send(get("/api/v1/pods?watch=true", &user(&greedy)));
    within(Box::pin(async { while watch().await.status() != 200 {} })).await;
}

#[tokio::test]
async fn item_33_what_may_be_open_depends_on_the_tier() {
    let streams = Streams { viewer: 1, developer: 2, admin: 3, super_user: 4 };
    let limits = Limits { streams, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let client = world.http2().await;
    let mut held = Vec::new();
    for (n, sui, most) in [(1, "0.5", 1), (2, "2", 2), (3, "5", 3), (4, "10", 4)] {
        let staker = world.chain.staker(n, sui, Permissions::BOTH);
        // Its node has as many of its own, kubelet and kube-proxy together, and a developer's at least.
        let (kubelet, proxy) = (staker.token(Usage::Kubelet), staker.token(Usage::KubeProxy));
        for (token, most) in [([user(&staker), staker.opaque()], most), ([kubelet, proxy], most.max(2))] {
            for n in 0..most {
                let watch = within(client.send(get("/api/v1/pods?watch=true", &token[n % 2]))).await.unwrap();
                assert_eq!(watch.status(), 200);
                held.push(watch);
            }
            let refused = within(client.send(get("/api/v1/pods?watch=true", &token[0]))).await.unwrap();
            assert_eq!((refused.status().as_u16(), reason(refused).await), (429, "TooManyRequests".to_owned()));
        }
    }
}

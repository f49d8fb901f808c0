//! What a client is told when what it has open is cut. The stand-in's tunnels echo, so frames sent are frames received.

use crate::harness::{Options, World, get, user, within};
use daas_testkit::chain::{Chain, Staker};
use daas_testkit::client;
use daas_types::Permissions;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A frame with four bytes, and the same with the last of them not sent yet.
const WHOLE: &[u8] = b"\x82\x04ping";
const HALF: &[u8] = b"\x82\x04pin";

/// A tunnel through which `sent` has gone and come back.
async fn tunnel(world: &World, staker: &Staker, protocol: &str, sent: &[u8]) -> TlsStream<TcpStream> {
    let mut tls = client::tls(world.addr, &world.ca.roots(), &["http/1.1"]).await.unwrap();
    let head = format!(
        "GET /api/v1/namespaces/default/pods/p/exec?command=sh HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n",
        user(staker)
    );
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(tls.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    tls.write_all(sent).await.unwrap();
    let mut back = vec![0; sent.len()];
    within(tls.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, sent);
    tls
}

/// What comes until the end.
async fn rest(mut tls: TlsStream<TcpStream>) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = within(tls.read_to_end(&mut rest)).await;
    rest
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    let length = u8::try_from(reason.len() + 2).unwrap();
    [&[0x88, length][..], &code.to_be_bytes(), reason.as_bytes()].concat()
}

#[tokio::test]
async fn a_websocket_that_is_cut_says_why_and_other_tunnels_end_without_a_word() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let whole = tunnel(&world, &staker, "websocket", WHOLE).await;
    let half = tunnel(&world, &staker, "websocket", &[WHOLE, HALF].concat()).await;
    let silent = tunnel(&world, &staker, "WebSocket", b"").await;
    let closed = tunnel(&world, &staker, "websocket", &close(1000, "bye")).await;
    let spdy = tunnel(&world, &staker, "SPDY/3.1", WHOLE).await;
    world.upstream.until_open(5).await;
    world.chain.suspend(&mut staker);
    within(world.upstream.until_open(0)).await;
    assert_eq!(rest(whole).await, close(1008, "the right is gone"));
    assert_eq!(rest(silent).await, close(1008, "the right is gone"));
    for tunnel in [half, closed, spdy] {
        assert_eq!(rest(tunnel).await, b"");
    }
}

#[tokio::test]
async fn a_websocket_that_ends_with_the_gateway_says_so() {
    let world = World::with(Options::default(), Duration::from_millis(100)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let tunnel = tunnel(&world, &staker, "websocket", WHOLE).await;
    world.shutdown.cancel();
    assert_eq!(rest(tunnel).await, close(1001, "the gateway ends"));
}

#[tokio::test]
async fn a_stale_chain_closes_peoples_tunnels() {
    let chain = Chain::stale_after(Duration::from_millis(800));
    let world = World::with(Options { chain, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let tunnel = tunnel(&world, &staker, "websocket", WHOLE).await;
    assert_eq!(rest(tunnel).await, close(1008, "the chain is stale"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let mut tls = tunnel(&world, &staker, "websocket", WHOLE).await;
    // Whole frames, until nothing more fits between here and there.
    let frame = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &vec![0; 65_536]].concat();
    let full = async { while tls.write_all(&frame).await.is_ok() {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), full).await;
    world.chain.suspend(&mut staker);
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_is_reset_with_cancel() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    let mut watch = within(client.send(get("/api/v1/pods?watch=true", &user(&staker)))).await.unwrap();
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    world.chain.suspend(&mut staker);
    let error = within(watch.body_mut().frame()).await.unwrap().unwrap_err();
    let reset = core::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
    assert_eq!(reset.and_then(h2::Error::reason), Some(h2::Reason::CANCEL), "{error:?}");
}

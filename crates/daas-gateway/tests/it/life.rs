use crate::harness::{Options, World, get, reason, user, within};
use daas_gateway::Limits;
use daas_testkit::client;
use daas_types::Permissions;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

#[tokio::test]
async fn shutdown_lets_open_streams_end_and_then_ends_them() {
    let mut world = World::with(Options::default(), Duration::from_millis(800)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    let mut watch = within(client.send(get("/api/v1/pods?watch=true", &user(&staker)))).await.unwrap();
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    let asked = Instant::now();
    world.shutdown.cancel();
    // The stream goes on through the grace.
    world.upstream.emit("grace");
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    assert!(within(watch.body_mut().frame()).await.is_none_or(|frame| frame.is_err()));
    assert!(asked.elapsed() >= Duration::from_millis(700), "{:?}", asked.elapsed());
    within(world.running.join_next()).await.unwrap().unwrap();
    assert!(client::tls(world.addr, &world.ca.roots(), &["h2"]).await.is_err());
}

#[tokio::test]
async fn shutdown_of_an_idle_gateway_does_not_wait_for_the_grace() {
    let mut world = World::with(Options::default(), Duration::from_mins(10)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
    let _idle = (world.http1().await, world.http2().await);
    world.shutdown.cancel();
    within(world.running.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_are_bounded_and_silent_ones_closed() {
    let limits = Limits {
        connections_per_address: 3,
        handshake: Duration::from_millis(300),
        header_read: Duration::from_millis(300),
        ..Limits::default()
    };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let roots = world.ca.roots();
    let mut buffer = [0; 1];
    // No handshake.
    let mut tcp = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    assert!(matches!(within(tcp.read(&mut buffer)).await, Ok(0) | Err(_)));
    // No head.
    let mut tls = client::tls(world.addr, &roots, &["http/1.1"]).await.unwrap();
    let _ = within(tls.read_to_end(&mut Vec::new())).await;
    // Too many.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(client::Http2::connect(world.addr, &roots).await);
    }
    assert!(client::tls(world.addr, &roots, &["h2"]).await.is_err());
    drop(held.pop());
    within(async { while client::tls(world.addr, &roots, &["h2"]).await.is_err() {} }).await;
}

#[tokio::test]
async fn an_api_server_that_is_gone_is_named() {
    let mut world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    assert_eq!(within(client.send(get("/api", &user(&staker)))).await.unwrap().status(), 200);
    let front = daas_testkit::pki::Ca::new("other");
    world.upstream = daas_testkit::upstream::Upstream::start(front.server(&["kubernetes"]), &front, 100).await;
    let response = within(async {
        loop {
            let response = client.send(get("/api", &user(&staker))).await.unwrap();
            if response.status() != 200 {
                return response;
            }
        }
    })
    .await;
    assert_eq!((response.status().as_u16(), reason(response).await), (503, "ApiServerUnavailable".to_owned()));
}

#[tokio::test]
async fn a_stranger_cannot_hold_a_connection() {
    let limits = Limits { unproven: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let holder = client::Http2::connect(world.addr, &world.ca.roots()).await;
    assert_eq!(holder.send(get("/api", &user(&staker))).await.unwrap().status(), 200);

    let mut stranger = client::tls(world.addr, &world.ca.roots(), &["h2"]).await.unwrap();
    let _ = within(stranger.read_to_end(&mut Vec::new())).await;
    assert_eq!(holder.send(get("/api", &user(&staker))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_answer_that_never_comes_has_a_deadline() {
    let limits = Limits { upstream_response: Duration::from_millis(200), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let response = world.send(get("/stuck", &user(&staker))).await;
    assert_eq!((response.status().as_u16(), reason(response).await), (504, "ApiServerUnavailable".to_owned()));
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn a_flood_of_strangers_leaves_the_gateway_open() {
    let limits = Limits { connections: 8, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let holder = client::Http2::connect(world.addr, &world.ca.roots()).await;
    assert_eq!(holder.send(get("/api", &user(&staker))).await.unwrap().status(), 200);
    let mut strangers = Vec::new();
    for _ in 0..30 {
        strangers.push(tokio::net::TcpStream::connect(world.addr).await.unwrap());
    }
    // A new one comes in, and whoever was in stays.
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
    assert_eq!(holder.send(get("/api", &user(&staker))).await.unwrap().status(), 200);
    // The first to come was the first to go.
    assert!(matches!(within(strangers[0].read(&mut [0; 1])).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn one_holder_does_not_take_all_streams() {
    let limits = Limits { streams_per_holder: 2, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let (greedy, other) =
        (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let client = world.http2().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(within(client.send(get("/api/v1/pods?watch=true", &user(&greedy)))).await.unwrap());
    }
    let (status, reason) = world.refusal(get("/api", &user(&greedy))).await;
    assert_eq!((status.as_u16(), reason.as_str()), (429, "TooManyRequests"));
    assert_eq!(world.send(get("/api", &user(&other))).await.status(), 200);
    drop(held.pop());
    within(Box::pin(async { while world.send(get("/api", &user(&greedy))).await.status() != 200 {} })).await;
}

//! Items 26 to 29 and 34: tunnels and watches, how they begin, close by halves, and end.

use super::wire::Wire;
use crate::harness::{Options, Still, World, build, get, text, user, within};
use daas_chain::clock;
use daas_gateway::{Limits, Rate, Rates, Streams};
use daas_testkit::chain::Chain;
use daas_types::Permissions;
use http_body_util::BodyExt;
use std::time::Duration;

/// Upgrades one after the other after which nothing may be left, unless the variable of that name says another number.
const TUNNELS: usize = 2_000;

const HOUR: Duration = Duration::from_hours(1);

fn ask(path: &str, token: &str, upgrade: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
         Upgrade: {upgrade}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn item_26_a_tunnel_may_be_silent_for_half_an_hour() {
    let world = World::with(Options { chain: Chain::stale_after(HOUR), ..Options::default() }, HOUR).await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    world.chain.put(&mut staker, |state| state.seals[0].expires_ms = clock::now().plus(HOUR));
    // The token ends long before: it opened the tunnel, and the Seal keeps it.
    let token = user(&staker);
    let mut tunnels = Vec::new();
    for upgrade in ["websocket", "SPDY/3.1"] {
        let mut wire = Wire::open(&world).await;
        wire.send(ask("/eager", &token, upgrade, "")).await;
        assert!(wire.head().await.starts_with("HTTP/1.1 101 "));
        assert_eq!(wire.exactly(5).await, b"first");
        tunnels.push(wire);
    }
    let still = Still::new();
    for _ in 0..30 {
        still.pass(Duration::from_mins(1)).await;
    }
    for wire in &mut tunnels {
        wire.send(b"\x82\x04ping").await;
        assert_eq!(wire.exactly(6).await, b"\x82\x04ping");
    }
}

#[tokio::test]
async fn item_27_a_refused_upgrade_says_why_in_a_form_that_clients_show() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    for upgrade in ["websocket", "SPDY/3.1"] {
        // The API server's own words.
        let mut wire = Wire::open(&world).await;
        wire.send(ask("/refused", &token, upgrade, "")).await;
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(r#""reason":"Forbidden""#), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("\r\nupgrade:"), "{answer}");
    }
    world.chain.suspend(&mut staker);
    for (token, status, reason) in [(token.as_str(), "403", "PositionSuspended"), ("x", "401", "TokenMalformed")] {
        let mut wire = Wire::open(&world).await;
        wire.send(ask("/exec", token, "websocket", "Sec-WebSocket-Version: 13\r\n")).await;
        let answer = wire.answer().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        for part in ["content-type: application/json", r#""kind":"Status""#, reason, "Fix: "] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }
}

/// A socket between this world's clients, gateway and API server that is still someone's.
struct Socket {
    /// The gateway's end of it.
    ours: bool,
    /// The kernel will ask whether the other side is there.
    kept_alive: bool,
}

fn sockets(world: &World) -> Vec<Socket> {
    let [gateway, upstream] = [world.addr.port(), world.upstream.addr.port()].map(|port| format!(":{port:04X}"));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().skip(1).collect::<Vec<_>>());
    // Neither those that listen, nor those that only the kernel still remembers.
    let open = rows.filter(|row| row[2] != "0A" && row[2] != "06").filter_map(|row| {
        let ours = row[0].ends_with(&gateway) || row[1].ends_with(&upstream);
        let theirs = row[1].ends_with(&gateway) || row[0].ends_with(&upstream);
        (ours || theirs).then(|| Socket { ours, kept_alive: row[4].starts_with("02:") })
    });
    open.collect()
}

#[tokio::test]
async fn item_28_the_kernel_asks_after_whoever_is_silent() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let mut tunnel = Wire::open(&world).await;
    tunnel.send(ask("/eager", &token, "websocket", "")).await;
    assert!(tunnel.head().await.starts_with("HTTP/1.1 101 "));
    let client = world.http2().await;
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    // Two of clients and two of the API server, once what was sent is acknowledged.
    within(async {
        loop {
            let ours: Vec<_> = sockets(&world).into_iter().filter(|socket| socket.ours).collect();
            if ours.len() == 4 && ours.iter().all(|socket| socket.kept_alive) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn item_28_halves_close_one_by_one() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let mut wire = Wire::open(&world).await;
    wire.send(ask("/exec", &token, "SPDY/3.1", "")).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 101 "));
    wire.send("all of it").await;
    // Ours is closed; theirs still speaks, and then closes too.
    wire.close_half().await;
    assert_eq!(wire.rest().await, "all of itbye");
    within(world.upstream.until_open(0)).await;
}

/// One tunnel, which ends in one of three ways.
async fn tunnel(world: &World, token: &str, round: usize) {
    let mut wire = Wire::open(world).await;
    wire.send(ask("/eager", token, "websocket", "")).await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{round}: {head}");
    assert_eq!(wire.exactly(5).await, b"first");
    match round % 3 {
        0 => wire.reset(),
        1 => drop(wire),
        _ => {
            wire.close_half().await;
            assert_eq!(wire.rest().await, "bye");
        }
    }
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn item_28_nothing_is_left_of_a_tunnel() {
    // What is not given back is soon missed: a place, a share.
    let streams = Streams { admin: 3, ..Streams::default() };
    let rates = Rates { admin: Rate { per_minute: u32::MAX, burst: u32::MAX }, ..Rates::default() };
    let limits = Limits { streams, rates, connections: 8, connections_per_address: 4, ..Limits::default() };
    let options = Options { limits, chain: Chain::stale_after(HOUR), ..Options::default() };
    let mut world = World::with(options, Duration::from_mins(10)).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let tasks = tokio::runtime::Handle::current().metrics();
    tunnel(&world, &token, 0).await;
    let before = tasks.num_alive_tasks();
    let tunnels = std::env::var("TUNNELS").map_or(TUNNELS, |tunnels| tunnels.parse().unwrap());
    for round in 0..tunnels {
        tunnel(&world, &token, round).await;
    }
    within(async {
        while !sockets(&world).is_empty() || tasks.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Nobody is waited for.
    world.shutdown.cancel();
    within(world.running.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn item_28_a_client_that_leaves_frees_its_stream() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let client = world.http2().await;
    let mut watch = within(client.send(get("/api/v1/pods?watch=true", &token))).await.unwrap();
    within(watch.body_mut().frame()).await.unwrap().unwrap();
    within(world.upstream.until_open(1)).await;
    drop(watch);
    within(world.upstream.until_open(0)).await;
    for reset in [true, false] {
        let mut wire = Wire::open(&world).await;
        wire.send(format!(
            "GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .await;
        assert!(wire.head().await.starts_with("HTTP/1.1 200 "));
        within(world.upstream.until_open(1)).await;
        if reset {
            wire.reset();
        } else {
            drop(wire);
        }
        within(world.upstream.until_open(0)).await;
    }
}

#[tokio::test]
async fn item_29_subprotocols_keep_their_order() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    for (upgrade, lines, name, seen) in [
        ("websocket", "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n", "sec-websocket-protocol", "v5.channel.k8s.io"),
        (
            "websocket",
            "Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\nSec-WebSocket-Protocol: v3.channel.k8s.io\r\n",
            "sec-websocket-protocol",
            "v5.channel.k8s.io, v4.channel.k8s.io, v3.channel.k8s.io",
        ),
        (
            "websocket",
            "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n",
            "sec-websocket-protocol",
            "SPDY/3.1+portforward.k8s.io",
        ),
        (
            "SPDY/3.1",
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n",
            "x-stream-protocol-version",
            "v4.channel.k8s.io, v3.channel.k8s.io",
        ),
    ] {
        let mut wire = Wire::open(&world).await;
        wire.send(ask("/exec", &token, upgrade, lines)).await;
        let head = wire.head().await;
        assert_eq!(world.upstream.last().all(name).join(", "), seen, "{lines}");
        if name == "sec-websocket-protocol" {
            let chosen = seen.split(", ").next().unwrap();
            assert!(head.contains(&format!("sec-websocket-protocol: {chosen}\r\n")), "{head}");
        }
    }
}

#[tokio::test]
async fn item_34_an_end_lets_streams_finish_within_the_grace_and_then_ends_them() {
    let mut world = World::with(Options::default(), Duration::from_secs(2)).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let client = world.http2().await;
    let mut watch = within(client.send(get("/api/v1/pods?watch=true", &token))).await.unwrap();
    within(watch.body_mut().frame()).await.unwrap().unwrap();
    let mut exec = Wire::open(&world).await;
    exec.send(ask("/eager", &token, "websocket", "")).await;
    assert!(exec.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(exec.exactly(5).await, b"first");
    // A request whose body is on its way.
    let mut post = Wire::open(&world).await;
    post.send(format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 4\r\n\r\nha"
    ))
    .await;
    within(world.upstream.saw(3)).await;
    world.shutdown.cancel();
    // All three go on through the grace.
    post.send("lf").await;
    let answer = post.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("half"), "{answer}");
    exec.send("\x00").await;
    assert_eq!(exec.exactly(1).await, b"\x00");
    world.upstream.emit("grace");
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    // And are over with it: the watch not as if it were complete.
    assert!(within(watch.body_mut().frame()).await.is_none_or(|frame| frame.is_err()));
    exec.rest().await;
    within(world.running.join_next()).await.unwrap().unwrap();
    within(world.upstream.until_open(0)).await;
    assert!(daas_testkit::client::tls(world.addr, &world.ca.roots(), &["h2"]).await.is_err());
}

#[tokio::test]
async fn item_32_a_list_comes_as_the_api_server_sent_it_and_no_faster_than_it_is_read() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let bearer = format!("Bearer {token}");
    let accept = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/cbor,application/json";
    let asked = [
        ("authorization", bearer.as_str()),
        ("accept", accept),
        ("accept-encoding", "gzip"),
        ("if-none-match", "\"A\""),
    ];
    let response = world.send(build("GET", "/list?limit=500&continue=a%2Fb", &asked, "")).await;
    let seen = world.upstream.last();
    for (name, value) in &asked[1..] {
        assert_eq!(seen.all(name), [*value]);
    }
    let all =
        |name: &str| response.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join("|");
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "application/json;as=Table;v=v1;g=meta.k8s.io"),
        ("etag", "\"ABC\""),
        ("vary", "Accept-Encoding|Accept"),
        ("warning", "299 - \"deprecated\""),
        ("audit-id", "6f6d9b6a"),
        ("retry-after", "7"),
        ("x-kubernetes-pf-flowschema-uid", "1"),
        ("cache-control", "no-cache, private"),
    ] {
        assert_eq!(all(name), value);
    }
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(&body[..], b"\x1f\x8b\x08\x00not gzip\xff\x00");
    // A hundred megabytes: whole, and never more of it here than windows hold.
    let client = world.http2().await;
    let mut response = within(client.send(get("/big/100000000", &token))).await.unwrap();
    let (mut read, mut most) = (0, 0);
    while let Some(frame) = within(response.body_mut().frame()).await {
        read += frame.unwrap().into_data().unwrap().len();
        most = most.max(world.upstream.produced() - read);
    }
    assert_eq!(read, 100_000_000);
    assert!(most <= 4 << 20, "{most} bytes were on their way at once");
    assert_eq!(text(world.send(get("/api", &token)).await).await, r#"{"kind":"Answer"}"#);
}

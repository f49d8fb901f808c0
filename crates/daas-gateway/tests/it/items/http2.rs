//! Items 18 and 21 to 25: HTTP/2, frame by frame.

mod floods;

use super::wire::{
    CALM, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, SETTINGS, field, frame, head,
};
use crate::harness::{Options, Still, World, get, reason, user, within};
use daas_gateway::{Limits, Streams};
use daas_testkit::chain::Chain;
use daas_testkit::client::{Http1, Http2};
use daas_types::Permissions;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::Duration;

const WATCH: &str = "/api/v1/pods?watch=true";

const HOUR: Duration = Duration::from_hours(1);

/// The bits of a request's HEADERS frame that is all of it.
const WHOLE: u8 = END_HEADERS | END_STREAM;

async fn watch(client: &Http2, bearer: &str) -> Response<Incoming> {
    let mut response = within(client.send(get(WATCH, bearer))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(within(response.body_mut().frame()).await.unwrap().is_ok());
    response
}

/// Requests of someone who does nothing wrong.
async fn others_are_served(world: &World, bearer: &str) {
    let client = world.http2().await;
    for _ in 0..5 {
        assert_eq!(within(client.send(get("/api", bearer))).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn item_18_http2_names_one_host() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "0.5", Permissions::USER));
    let bearer = format!("Bearer {token}");
    for (authority, host, expected) in
        [("localhost", "elsewhere", 400), ("elsewhere", "localhost", 400), ("elsewhere", "elsewhere", 421)]
    {
        let request = http::Request::get(format!("https://{authority}/api"));
        let request = request.header("host", host).header("authorization", &bearer);
        let (status, _) = world.refusal(request.body(Full::default()).unwrap()).await;
        assert_eq!(status, expected, "{authority} {host}");
    }
    // CONNECT over HTTP/2 has an authority and no path.
    let client = world.http2().await;
    let request = http::Request::connect("elsewhere:443").header("authorization", &bearer);
    let response = within(client.send(request.body(Full::default()).unwrap())).await;
    assert!(response.is_err() || response.unwrap().status() == 400);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn item_21_a_client_that_says_goaway_keeps_its_streams_until_it_goes() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let mut frames = Frames::open(&world, &[]).await;
    frames.write(&frame(HEADERS, WHOLE, 1, &head("GET", WATCH, &token, &[]))).await;
    assert_eq!(frames.read_on(1).await.unwrap().kind, HEADERS);
    assert_eq!(frames.read_on(1).await.unwrap().kind, DATA);
    frames.write(&frame(GOAWAY, 0, 0, &[0; 8])).await;
    world.upstream.emit("after");
    assert_eq!(frames.read_on(1).await.unwrap().payload, b"after\n");
    drop(frames);
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn item_22_watches_open_whatever_the_stream_limit_or_are_told_no() {
    let world = World::with(Options { streams: 50, ..Options::default() }, Duration::from_secs(1)).await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = user(&staker);
    let clients = [world.http2().await, world.http2().await];
    let opens = (0..300).map(|n| watch(&clients[n % 2], &bearer));
    let watches = within(futures::future::join_all(opens)).await;
    assert_eq!(world.upstream.open(), 300);
    // Short requests are not in their way, nor they in theirs.
    assert_eq!(within(clients[0].send(get("/api", &bearer))).await.unwrap().status(), 200);
    world.chain.suspend(&mut staker);
    within(world.upstream.until_open(0)).await;
    drop(watches);

    let limits = Limits { upstream_connections: 1, ..Default::default() };
    let world = World::with(Options { streams: 10, limits, ..Options::default() }, Duration::from_secs(1)).await;
    let bearer = user(&world.chain.staker(1, "5", Permissions::USER));
    let client = world.http2().await;
    let mut watches = Vec::new();
    let refused = loop {
        let response = within(client.send(get(WATCH, &bearer))).await.unwrap();
        if response.status() != 200 {
            break response;
        }
        watches.push(response);
    };
    assert!(!watches.is_empty() && watches.len() <= 10, "{}", watches.len());
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(reason(refused).await, "TooManyRequests");
    // A watch that ends makes room.
    drop(watches.pop());
    within(async { while within(client.send(get(WATCH, &bearer))).await.unwrap().status() != 200 {} }).await;
}

#[tokio::test]
async fn item_23_who_does_not_read_fills_its_own_windows_only() {
    let world = World::new().await;
    let (slow, other) = (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let client = world.http2().await;
    let mut stalled = Vec::new();
    for _ in 0..90 {
        stalled.push(within(client.send(get("/big/1000000000", &user(&slow)))).await.unwrap());
    }
    within(world.upstream.until_open(90)).await;
    // On the same lane, and with more than a window of its own.
    let fast = world.http2().await;
    for _ in 0..3 {
        let response = within(fast.send(get("/big/2000000", &user(&other)))).await.unwrap();
        assert_eq!(within(response.into_body().collect()).await.unwrap().to_bytes().len(), 2_000_000);
    }
    // What the stalled ones make anyone hold is bounded for each of them, whatever they ask for.
    let held = world.upstream.produced().saturating_sub(6_000_000);
    assert!(held <= 90 << 20, "{held}");
    drop((stalled, client));
    within(world.upstream.until_open(0)).await;
}

/// An answer without end.
async fn endless(client: &Http2, bearer: &str) -> Response<Incoming> {
    within(client.send(get("/big/1000000000", bearer))).await.unwrap()
}

/// Reads more of an answer than can be on its way.
async fn take(answer: &mut Response<Incoming>) {
    let mut taken = 0;
    while taken < 8 << 20 {
        taken += within(answer.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap().len();
    }
}

/// For whoever takes nothing a minute.
fn patient() -> Options {
    let limits = Limits { stalled: Duration::from_mins(1), ..Limits::default() };
    Options { chain: Chain::stale_after(HOUR), limits, ..Options::default() }
}

#[tokio::test]
async fn item_23_who_takes_nothing_for_a_minute_is_cut_and_who_waits_is_not() {
    let world = World::with(patient(), HOUR).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let client = world.http2().await;
    let mut idle = watch(&client, &token).await;
    let (mut stalled, mut slow) = (endless(&client, &token).await, endless(&client, &token).await);
    let still = Still::new();
    still.pass_talking(Duration::from_secs(30), &client, &token).await;
    assert_eq!(world.upstream.open(), 3);
    take(&mut slow).await;
    still.pass_talking(Duration::from_secs(50), &client, &token).await;
    within(world.upstream.until_open(2)).await;
    // What had come may be read.
    let error = within(async {
        loop {
            if let Err(error) = stalled.body_mut().frame().await.expect("it ended as if it were complete") {
                return error;
            }
        }
    })
    .await;
    let reset = core::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
    assert_eq!(reset.and_then(h2::Error::reason), Some(h2::Reason::CANCEL), "{error:?}");
    take(&mut slow).await;
    still.pass_talking(Duration::from_secs(50), &client, &token).await;
    take(&mut slow).await;
    world.upstream.emit("alive");
    assert_eq!(&within(idle.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap()[..], b"alive\n");
    drop((still, idle, slow));
    let found = within(world.trail.ended(3 + 39)).await;
    let mut reasons = found.iter().filter(|(_, start, _)| start.what.path() != "/api");
    assert!(reasons.all(|(sequence, _, end)| (end.as_ref().unwrap().reason == "Stalled") == (*sequence == 2)));
}

#[tokio::test]
async fn item_23_the_last_that_is_not_read_is_counted_and_cut_too() {
    let streams = Streams { admin: 4, ..Streams::default() };
    let limits = Limits { stalled: Duration::from_secs(15), streams, ..Limits::default() };
    let options = Options { chain: Chain::stale_after(HOUR), limits, ..Options::default() };
    let world = World::with(options, HOUR).await;
    let (slow, other) = (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let (slow, other) = (user(&slow), user(&other));
    // One byte of each answer is taken, so all of it is with the gateway.
    let mut frames = Frames::open(&world, &[(4, 1)]).await;
    for id in [1, 3, 5, 7] {
        frames.write(&frame(HEADERS, WHOLE, id, &head("GET", "/big/16000", &slow, &[]))).await;
        while frames.read_on(id).await.unwrap().kind != DATA {}
    }
    within(world.upstream.until_open(0)).await;
    let client = world.http2().await;
    let fifth = within(client.send(get("/api", &slow))).await.unwrap();
    assert_eq!(reason(fifth).await, "TooManyRequests");
    let still = Still::new();
    still.pass_talking(Duration::from_secs(16), &client, &other).await;
    assert_eq!(frames.read_on(7).await.unwrap().kind, RST_STREAM);
    assert_eq!(within(client.send(get("/api", &slow))).await.unwrap().status(), 200);
}

/// The end of a small answer is the connection's, which nobody's share or lease holds any more: with the connection it goes.
#[tokio::test]
async fn item_23_the_end_that_nobody_takes_goes_with_its_connection() {
    let limits = Limits { idle: Duration::from_secs(8), stalled: Duration::from_secs(8), ..Limits::default() };
    let options = Options { chain: Chain::stale_after(HOUR), limits, ..Options::default() };
    let world = World::with(options, HOUR).await;
    let (slow, other) = (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    // One byte of the answer is taken, so all of it is with the gateway.
    let mut frames = Frames::open(&world, &[(4, 1)]).await;
    frames.write(&frame(HEADERS, WHOLE, 1, &head("GET", "/big/4000", &user(&slow), &[]))).await;
    while frames.read_on(1).await.unwrap().kind != DATA {}
    within(world.upstream.until_open(0)).await;
    let client = world.http2().await;
    let still = Still::new();
    still.pass_talking(Duration::from_secs(35), &client, &user(&other)).await;
    drop(still);
    // Sooner than for the pings that it does not answer.
    let rest = async {
        while let Some(frame) = frames.read().await {
            assert_ne!((frame.kind, frame.stream), (DATA, 1));
        }
    };
    tokio::time::timeout(Duration::from_secs(3), rest).await.expect("the connection is still there");
}

#[tokio::test]
async fn item_23_over_http1_the_connection_ends() {
    let world = World::with(patient(), HOUR).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let (client, mut http1, mut idle) = (world.http2().await, world.http1().await, world.http1().await);
    let over = async |connection: &mut Http1, path: &str| {
        let request = http::Request::get(path).header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {token}"));
        within(connection.send(request.body(Full::default()).unwrap())).await.unwrap()
    };
    let mut stalled = over(&mut http1, "/big/1000000000").await;
    let mut idle_watch = over(&mut idle, WATCH).await;
    assert!(within(idle_watch.body_mut().frame()).await.unwrap().is_ok());
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    let still = Still::new();
    // What there is between here and there fills while time passes.
    while world.upstream.open() > 1 {
        still.pass_talking(Duration::from_secs(20), &client, &token).await;
    }
    within(async { while stalled.body_mut().frame().await.expect("it was not complete").is_ok() {} }).await;
    world.upstream.emit("alive");
    assert_eq!(&within(idle_watch.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap()[..], b"alive\n");
}

#[tokio::test]
async fn item_24_extended_connect_and_hop_by_hop_fields_are_stream_errors() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let mut frames = Frames::open(&world, &[]).await;
    let settings = within(frames.read()).await.unwrap();
    assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
    assert!(settings.payload.chunks(6).all(|setting| setting[..2] != [0, 8]), "extended CONNECT is offered");
    let extended = [head("CONNECT", "/exec", &token, &[]), field(":protocol", "websocket")].concat();
    let own = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/exec")];
    let proper: Vec<u8> = own.into_iter().chain([(":authority", "localhost")]).flat_map(|(n, v)| field(n, v)).collect();
    let mut heads = vec![extended, proper];
    for line in [
        ("connection", "upgrade"),
        ("connection", "x-remote-user"),
        ("upgrade", "websocket"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("X-Remote-User", "root"),
        ("host", "elsewhere"),
        (":path", "/twice"),
        (":unknown", "x"),
    ] {
        heads.push(head("GET", "/api", &token, &[line]));
    }
    for (n, block) in heads.into_iter().enumerate() {
        let mut frames = Frames::open(&world, &[]).await;
        frames.write(&frame(HEADERS, WHOLE, 1, &block)).await;
        let answer = frames.read_on(1).await;
        // Reset, the connection ended, or 400 with a body: no 200, and nothing upstream.
        let refused = answer.as_ref().is_none_or(|f| f.kind == RST_STREAM || f.kind == GOAWAY || f.kind == HEADERS);
        assert!(refused, "{n}: {answer:?}");
        assert!(world.upstream.requests().is_empty(), "{n} was forwarded");
    }
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_25_an_api_server_that_says_goaway_fails_no_request_and_ends_no_watch() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let (client, bearer) = (world.http2().await, user(&staker));
    let mut open = watch(&client, &bearer).await;
    for _ in 0..20 {
        world.upstream.goaway();
        assert_eq!(within(client.send(get("/api", &bearer))).await.unwrap().status(), 200);
    }
    world.upstream.emit("alive");
    assert!(within(open.body_mut().frame()).await.unwrap().is_ok());
    assert_eq!(world.upstream.requests().len(), 21, "something was sent twice");
}

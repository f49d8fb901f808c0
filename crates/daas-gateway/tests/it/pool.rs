//! Connections to the API server: how many, what goes on which, and what happens when one ends.

use crate::harness::{Options, Start, World, build, get, reason, user, within};
use daas_gateway::{Limits, Streams};
use daas_testkit::pki::Leaf;
use daas_types::Permissions;
use http::StatusCode;
use http_body_util::BodyExt;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 5;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
/// `:status: 200` of HPACK's static table.
const OK: &[u8] = &[0x88];
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// What is done when a request's head has come.
#[derive(Clone, Copy)]
enum Step {
    Answer,
    /// A head, with this length if any, so many bytes, and this reason instead of an end.
    Part(Option<u8>, u8, u32),
    Reset(u32),
    /// With this as the last stream that was looked at.
    GoAway(u32),
    /// The connection ends without a word.
    Break,
}

/// What is done on each connection in turn.
type Script = &'static [&'static [Step]];

/// A stand-in that does with one connection after the other what it was told to.
#[derive(Clone, Default)]
struct Scripted {
    heads: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

// === impl Scripted ===

impl Scripted {
    async fn world(&self, script: Script) -> World {
        self.world_with(script, Limits::default()).await
    }

    async fn world_with(&self, script: Script, limits: Limits) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let this = self.clone();
        let upstream: Start = Box::new(move |leaf| {
            let mut tasks = JoinSet::new();
            tasks.spawn(this.serve(listener, leaf, script));
            (addr, tasks)
        });
        World::with(Options { limits, upstream: Some(upstream), ..Options::default() }, Duration::from_secs(1)).await
    }

    async fn serve(self, listener: TcpListener, leaf: Leaf, script: Script) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_no_client_auth().with_single_cert(leaf.chain, leaf.key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let mut connections = JoinSet::new();
        let mut steps = script.iter();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Ordering::Relaxed);
            let Some(steps) = steps.next() else {
                // Never answered, and held open.
                connections.spawn(async move { drop((tcp, core::future::pending::<()>().await)) });
                continue;
            };
            let (this, acceptor) = (self.clone(), acceptor.clone());
            // Whether the gateway ends it or the script does is not the question.
            connections.spawn(async move { drop(this.connection(acceptor.accept(tcp).await.unwrap(), steps).await) });
        }
    }

    async fn connection(self, mut tls: TlsStream<TcpStream>, steps: &[Step]) -> io::Result<()> {
        tls.read_exact(&mut [0; 24]).await?;
        send(&mut tls, SETTINGS, 0, 0, &[]).await?;
        for step in steps {
            let stream = head(&mut tls).await?;
            self.heads.fetch_add(1, Ordering::Relaxed);
            match step {
                Step::Answer => send(&mut tls, HEADERS, WHOLE, stream, OK).await?,
                Step::Part(length, bytes, why) => {
                    let length = length.map(|length| format!("{length:02}"));
                    // `content-length` is entry 28 of the static table; the value is spelled out.
                    let length = length.map(|text| [&[0x0f, 28 - 15, 2], text.as_bytes()].concat());
                    let head = [OK.to_vec(), length.unwrap_or_default()].concat();
                    send(&mut tls, HEADERS, WHOLE - END_STREAM, stream, &head).await?;
                    send(&mut tls, DATA, 0, stream, &vec![b'x'; usize::from(*bytes)]).await?;
                    send(&mut tls, RST_STREAM, 0, stream, &why.to_be_bytes()).await?;
                }
                Step::Reset(why) => send(&mut tls, RST_STREAM, 0, stream, &why.to_be_bytes()).await?,
                Step::GoAway(last) => {
                    let payload = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
                    send(&mut tls, GOAWAY, 0, 0, &payload).await?;
                }
                Step::Break => return Ok(()),
            }
        }
        tls.read_to_end(&mut Vec::new()).await.map(drop)
    }

    fn heads(&self) -> usize {
        self.heads.load(Ordering::Relaxed)
    }
}

/// The stream of the next request; settings are acknowledged on the way.
async fn head(tls: &mut TlsStream<TcpStream>) -> io::Result<u32> {
    loop {
        let mut header = [0; 9];
        tls.read_exact(&mut header).await?;
        let [a, b, c, kind, flags, stream @ ..] = header;
        let length = u32::from_be_bytes([0, a, b, c]);
        tls.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).await?;
        match kind {
            HEADERS => return Ok(u32::from_be_bytes(stream)),
            SETTINGS if flags & ACK == 0 => send(tls, SETTINGS, ACK, 0, &[]).await?,
            _ => {}
        }
    }
}

async fn send(tls: &mut TlsStream<TcpStream>, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
    tls.write_all(&frame).await?;
    tls.flush().await
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again() {
    const SCRIPTS: [Script; 3] = [
        &[&[Step::GoAway(0)], &[Step::Answer]],
        &[&[Step::Reset(REFUSED_STREAM), Step::Answer]],
        &[&[Step::Answer, Step::GoAway(1)], &[Step::Answer]],
    ];
    for script in SCRIPTS {
        let upstream = Scripted::default();
        let world = upstream.world(script).await;
        let staker = world.chain.staker(1, "5", Permissions::USER);
        let steps: usize = script.iter().map(|steps| steps.len()).sum();
        for _ in 1..steps {
            assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
        }
        assert_eq!(upstream.heads(), steps);
    }
}

#[tokio::test]
async fn what_may_have_been_processed_is_not_sent_again() {
    const SCRIPTS: [Script; 2] = [&[&[Step::Reset(INTERNAL_ERROR), Step::Answer]], &[&[Step::Break], &[Step::Answer]]];
    for script in SCRIPTS {
        let upstream = Scripted::default();
        let world = upstream.world(script).await;
        let staker = world.chain.staker(1, "5", Permissions::USER);
        let response = world.send(get("/api", &user(&staker))).await;
        assert_eq!((response.status().as_u16(), reason(response).await), (503, "ApiServerUnavailable".to_owned()));
        assert_eq!(upstream.heads(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_ends_before_its_end_is_not_whole() {
    // The API server is done, and says so in the way it would after a whole answer: as long as it said, or broken off.
    const SCRIPT: Script = &[&[
        Step::Part(Some(20), 20, NO_ERROR),
        Step::Part(Some(20), 19, NO_ERROR),
        Step::Part(None, 20, NO_ERROR),
        Step::Part(Some(20), 19, INTERNAL_ERROR),
    ]];
    let upstream = Scripted::default();
    let world = upstream.world(SCRIPT).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    for whole in [true, false, false, false] {
        // The reset may overtake the head.
        let answer = async { world.http2().await.send(get("/api", &token)).await?.into_body().collect().await };
        assert_eq!(within(Box::pin(answer)).await.is_ok(), whole);
    }
    let found = within(world.trail.ended(4)).await;
    let reasons = found.iter().map(|(.., end)| end.as_ref().unwrap().reason.clone().into_owned());
    let broken = "ApiServerUnavailable";
    assert_eq!(reasons.collect::<Vec<_>>(), ["", broken, broken, broken]);
}

#[tokio::test]
async fn a_mutation_that_left_is_not_sent_again() {
    let upstream = Scripted::default();
    let world = upstream.world(&[&[Step::GoAway(0)], &[Step::Answer]]).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let response = world.send(build("POST", "/api/v1/namespaces", &[("authorization", &bearer)], "{}")).await;
    assert_eq!((response.status().as_u16(), reason(response).await), (503, "ApiServerUnavailable".to_owned()));
    assert_eq!(upstream.heads(), 1);
    // And the connection that was told to go away takes nothing new.
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn who_waits_for_a_connection_shares_its_failure() {
    let upstream = Scripted::default();
    let limits = Limits { upstream_connect: Duration::from_millis(500), ..Limits::default() };
    let world = upstream.world_with(&[], limits).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let (client, token) = (world.http2().await, user(&staker));
    let answers = (0..20).map(|_| within(client.send(get("/api", &token))));
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer.unwrap().status(), 503);
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn threads_have_connections_of_their_own_and_bounds_together() {
    let streams = Streams { admin: 3, ..Streams::default() };
    let limits = Limits { threads: 2, upstream_connections: 2, streams, ..Default::default() };
    let mut world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let bearer = user(&world.chain.staker(1, "5", Permissions::USER));
    // One after the other, so that each is on the thread that has fewer.
    let clients = [world.http2().await, world.http2().await];
    let mut watches = Vec::new();
    for n in 0..3 {
        watches.push(within(clients[n % 2].send(get("/api/v1/pods?watch=true", &bearer))).await.unwrap());
    }
    assert!(watches.iter().all(|watch| watch.status() == 200));
    assert_eq!(world.upstream.connections(), 2);
    // What one holder has on one thread is counted on the other.
    let refused = within(clients[1].send(get("/api/v1/pods?watch=true", &bearer))).await.unwrap();
    assert_eq!((refused.status(), reason(refused).await.as_str()), (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"));
    // What is open ends with the gateway, on whatever thread it is.
    world.shutdown.cancel();
    within(world.upstream.until_open(0)).await;
    within(world.running.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn few_streams_make_many_connections_and_watches_go_apart() {
    let world = World::with(Options { streams: 3, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let (client, token) = (world.http2().await, user(&staker));
    let mut watches = Vec::new();
    for _ in 0..10 {
        watches.push(within(client.send(get("/api/v1/pods?watch=true", &token))).await.unwrap());
    }
    within(world.upstream.until_open(10)).await;
    assert_eq!(world.upstream.connections(), 4);
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    assert_eq!(world.upstream.connections(), 5);
    // Places are given back.
    drop(watches);
    within(world.upstream.until_open(0)).await;
    let again = (0..9).map(|_| within(client.send(get("/api/v1/pods?watch=true", &token))));
    let again = futures::future::join_all(again).await;
    assert!(again.iter().all(Result::is_ok));
    assert!(world.upstream.connections() <= 6, "{}", world.upstream.connections());
}

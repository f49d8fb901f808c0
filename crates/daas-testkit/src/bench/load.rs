//! Open-loop load: requests leave at times fixed beforehand, whether or not earlier ones were answered, and latency is
//! counted from that time. So a server that stalls is charged for all that it kept waiting.

use super::monotonic;
use crate::client::tls;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::AUTHORIZATION;
use http::{Method, Request};
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How hard, and with what.
#[derive(Clone)]
pub struct Load {
    /// HTTP/2 connections.
    pub connections: usize,
    /// Requests in a second, all connections together.
    pub rate: f64,
    /// For how long.
    pub time: Duration,
    /// Every so manieth is a POST; 0 for none.
    pub mutation_every: usize,
    /// The credential.
    pub bearer: String,
}

/// What came of it: milliseconds of each request.
#[derive(Default)]
pub struct Outcome {
    /// GETs.
    pub reads: Vec<f64>,
    /// POSTs.
    pub mutations: Vec<f64>,
    /// Not answered, or not with 2xx.
    pub failed: usize,
}

/// What one client has open and not read, of all its streams: more than there can be.
const WINDOW: u32 = 1 << 24;
/// Requests that are due within this time leave together: a thread that wakes for each costs more than what it sends.
const TOGETHER: Duration = Duration::from_micros(200);

/// Runs it on a runtime of its own, so that it is one thread and a pacer.
pub fn open_loop(addr: SocketAddr, roots: &Arc<RootCertStore>, load: &Load) -> Outcome {
    std::thread::scope(|scope| scope.spawn(|| alone(addr, roots, load)).join().unwrap())
}

/// How many requests in a second come through where `load` asks for more: saturated is what this client and what it measures
/// are together.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub fn saturated(addr: SocketAddr, roots: &Arc<RootCertStore>, load: &Load) -> f64 {
    let begun = monotonic();
    let Outcome { reads, mutations, failed } = open_loop(addr, roots, load);
    assert_eq!(failed, 0, "requests failed");
    (reads.len() + mutations.len()) as f64 / monotonic().saturating_sub(begun).as_secs_f64()
}

fn alone(addr: SocketAddr, roots: &Arc<RootCertStore>, load: &Load) -> Outcome {
    first_in_line();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut drivers = JoinSet::new();
        let mut senders = Vec::new();
        for _ in 0..load.connections {
            senders.push(connect(addr, roots, &mut drivers).await);
        }
        run(senders, load).await
    })
}

/// A client is on a machine of its own: its threads do not wait for a core behind what they measure. Where nobody may have that, they
/// wait like all others.
fn first_in_line() {
    let thread = nix::unistd::gettid().to_string();
    let mut renice = Command::new("renice");
    let _ = renice.args(["-n", "-10", "-p", &thread]).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

async fn connect(addr: SocketAddr, roots: &Arc<RootCertStore>, drivers: &mut JoinSet<()>) -> SendRequest<Bytes> {
    let io = tls(addr, roots, &["h2"]).await.unwrap();
    // Without a client above it, because what it costs is not there for what is measured.
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, connection) = builder.handshake(io).await.unwrap();
    drivers.spawn(async move { drop(connection.await) });
    sender
}

async fn run(senders: Vec<SendRequest<Bytes>>, load: &Load) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "whoever sets the pace may not wait")]
    let (pace, mut due) = mpsc::unbounded_channel();
    let (rate, time) = (load.rate, load.time);
    // The runtime's timers are as coarse as a millisecond.
    let pacer = std::thread::spawn(move || pacer(rate, time, &pace));
    let mut requests = JoinSet::new();
    let mut n = 0_usize;
    while let Some(at) = due.recv().await {
        n += 1;
        let mutation = load.mutation_every > 0 && n.is_multiple_of(load.mutation_every);
        let sender = senders[n % senders.len()].clone();
        let request = request(mutation, &load.bearer);
        requests.spawn(async move {
            let good = exchange(sender, request, mutation).await == Some(true);
            (mutation, good.then(|| at.elapsed().as_secs_f64() * 1e3))
        });
    }
    pacer.join().unwrap();
    let mut outcome = Outcome::default();
    while let Some(done) = requests.join_next().await {
        match done.unwrap() {
            (true, Some(took)) => outcome.mutations.push(took),
            (false, Some(took)) => outcome.reads.push(took),
            (_, None) => outcome.failed += 1,
        }
    }
    outcome
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own")]
fn pacer(rate: f64, time: Duration, pace: &mpsc::UnboundedSender<Instant>) {
    let (start, gap) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
    let mut at = start;
    while at < start + time {
        std::thread::sleep((at + TOGETHER).saturating_duration_since(Instant::now()));
        let now = Instant::now();
        while at <= now {
            if pace.send(at).is_err() {
                return;
            }
            at += gap;
        }
    }
}

/// Whether it was answered with 2xx, once all of the answer is there.
async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, mutation: bool) -> Option<bool> {
    let mut sender = sender.ready().await.ok()?;
    let (response, mut stream) = sender.send_request(request, !mutation).ok()?;
    if mutation {
        stream.send_data(Bytes::from_static(&[b'x'; 512]), true).ok()?;
    }
    let response = response.await.ok()?;
    let good = response.status().is_success();
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data.ok()?.len()).ok()?;
    }
    Some(good)
}

fn request(mutation: bool, bearer: &str) -> Request<()> {
    let path = "https://localhost/api/v1/namespaces/t-1/configmaps";
    let method = if mutation { Method::POST } else { Method::GET };
    let request = Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {bearer}"));
    request.body(()).unwrap()
}

//! Open-loop load: requests leave at times fixed beforehand, whether or not earlier ones were answered, and latency is
//! counted from that time. So a server that stalls is charged for all that it kept waiting.

use crate::client::tls;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use std::net::SocketAddr;
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

type Sender = http2::SendRequest<Full<Bytes>>;

/// Runs it on a runtime of its own, so that it is one thread and a pacer.
pub fn open_loop(addr: SocketAddr, roots: &Arc<RootCertStore>, load: &Load) -> Outcome {
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

async fn connect(addr: SocketAddr, roots: &Arc<RootCertStore>, drivers: &mut JoinSet<()>) -> Sender {
    let io = TokioIo::new(tls(addr, roots, &["h2"]).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    drivers.spawn(async move { drop(connection.await) });
    sender
}

async fn run(senders: Vec<Sender>, load: &Load) -> Outcome {
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
        let mut sender = senders[n % senders.len()].clone();
        let request = request(mutation, &load.bearer);
        requests.spawn(async move {
            let done = async {
                sender.ready().await.ok()?;
                let response = sender.send_request(request).await.ok()?;
                let good = response.status().is_success();
                response.into_body().collect().await.ok()?;
                good.then(|| at.elapsed().as_secs_f64() * 1e3)
            };
            (mutation, done.await)
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
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if pace.send(at).is_err() {
            return;
        }
        at += gap;
    }
}

fn request(mutation: bool, bearer: &str) -> Request<Full<Bytes>> {
    let path = "https://localhost/api/v1/namespaces/t-1/configmaps";
    let (method, body) =
        if mutation { (Method::POST, Bytes::from_static(&[b'x'; 512])) } else { (Method::GET, Bytes::new()) };
    let request = Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {bearer}"));
    request.body(Full::new(body)).unwrap()
}

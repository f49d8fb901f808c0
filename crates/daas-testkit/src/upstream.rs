//! A stand-in for the API server: it serves HTTP/2 with a stream limit and HTTP/1.1 upgrades, asks for a client
//! certificate without insisting, and records every head as it came, and every byte.
//!
//! What it answers follows from the request: `watch=true` opens a stream that stays; a tunnel echoes, after `/eager`
//! speaks first, and opens after `/held` when it is let through; `/echo` sends the body back; `/big/N` sends N bytes as
//! fast as they are taken; `/stuck` never answers; `/full` reads no body and says 413; `/redirect` says 302;
//! `/refused` says 403; `/list` a compressed answer with all that an answer can carry; anything else 200 and a small
//! object.

mod answer;
mod tap;

use crate::pki::{Ca, Leaf, common_name};
use answer::Shared;
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tap::{Tap, Tape};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, broadcast, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request as the stand-in saw it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// HTTP version.
    pub version: http::Version,
    /// `:authority` or `Host`.
    pub authority: String,
    /// Every header line, in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Common name of the client certificate, if there was one.
    pub client: Option<String>,
    /// Whether the request's body brought trailers, once it was read (`/echo` only).
    pub trailers: bool,
}

/// The running stand-in. Ends when dropped.
pub struct Upstream {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    connections: watch::Receiver<usize>,
    drain: Arc<Mutex<CancellationToken>>,
    stop: CancellationToken,
}

// === impl Recorded ===

impl Recorded {
    /// All values of a header, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        let mine = self.headers.iter().filter(|(n, _)| n == name);
        mine.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// Names of all headers that begin so.
    pub fn names(&self, prefix: &str) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(prefix)).collect()
    }
}

// === impl Upstream ===

impl Upstream {
    /// Starts one that allows `streams` on a connection and knows clients of `clients`.
    pub async fn start(server: Leaf, clients: &Ca, streams: u32) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(clients.roots(), provider.clone());
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_client_cert_verifier(verifier).with_single_cert(server.chain, server.key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            seen: watch::channel(0).0,
            open: watch::channel(0).0,
            events: broadcast::channel(64).0,
            tunnels: TaskTracker::new(),
            tapes: Mutex::default(),
            produced: AtomicUsize::new(0),
            through: Notify::new(),
        });
        let (stop, drain) = (CancellationToken::new(), Arc::new(Mutex::new(CancellationToken::new())));
        let acceptor = Acceptor { tls: TlsAcceptor::from(Arc::new(tls)), shared: shared.clone(), streams, count };
        let tasks = TaskTracker::new();
        let (stopped, draining) = (stop.clone(), drain.clone());
        tasks.clone().spawn(async move {
            let accept = async {
                loop {
                    let (tcp, _) = listener.accept().await.unwrap();
                    let drain = draining.lock().unwrap().clone();
                    let (acceptor, stopped) = (acceptor.clone(), stopped.clone());
                    tasks.spawn(async move { stopped.run_until_cancelled(acceptor.serve(tcp, drain)).await });
                }
            };
            stopped.run_until_cancelled(accept).await
        });
        Self { addr, shared, connections, drain, stop }
    }

    /// What it has seen so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The last request.
    pub fn last(&self) -> Recorded {
        self.requests().pop().unwrap()
    }

    /// Waits until it has seen this many requests.
    pub async fn saw(&self, requests: usize) {
        self.shared.seen.subscribe().wait_for(|seen| *seen >= requests).await.unwrap();
    }

    /// Streams and tunnels open now.
    pub fn open(&self) -> usize {
        *self.shared.open.borrow()
    }

    /// Waits until exactly this many streams and tunnels are open.
    pub async fn until_open(&self, count: usize) {
        self.shared.open.subscribe().wait_for(|open| *open == count).await.unwrap();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// What each connection has received so far, in the order in which they came.
    pub fn tapes(&self) -> Vec<Vec<u8>> {
        let tapes = self.shared.tapes.lock().unwrap();
        tapes.iter().map(|tape| tape.lock().unwrap().clone()).collect()
    }

    /// Bytes of all `/big` answers that were taken off its hands.
    pub fn produced(&self) -> usize {
        self.shared.produced.load(Ordering::Relaxed)
    }

    /// Lets one `/held` upgrade through.
    pub fn let_through(&self) {
        self.shared.through.notify_one();
    }

    /// Sends a line to every open watch.
    pub fn emit(&self, line: &str) {
        let _ = self.shared.events.send(Bytes::from(format!("{line}\n")));
    }

    /// Says GOAWAY on every connection there is; streams go on.
    pub fn goaway(&self) {
        std::mem::take(&mut *self.drain.lock().unwrap()).cancel();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Clone)]
struct Acceptor {
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    streams: u32,
    count: watch::Sender<usize>,
}

impl Acceptor {
    async fn serve(self, tcp: TcpStream, drain: CancellationToken) {
        self.count.send_modify(|count| *count += 1);
        // As Go does: else small answers wait for an acknowledgement of the ones before.
        tcp.set_nodelay(true).unwrap();
        let Ok(tls) = self.tls.accept(tcp).await else {
            return;
        };
        let session = tls.get_ref().1;
        let client = session.peer_certificates().and_then(|chain| chain.first()).map(common_name);
        let h2 = session.alpn_protocol() == Some(b"h2");
        let shared = self.shared;
        let tape = Tape::default();
        shared.tapes.lock().unwrap().push(tape.clone());
        let io = TokioIo::new(Tap::new(tls, tape));
        let service = service_fn(move |request| shared.clone().answer(request, client.clone()));
        if h2 {
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let connection = builder.max_concurrent_streams(self.streams).serve_connection(io, service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = drain.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        } else {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
            let _ = connection.with_upgrades().await;
        }
    }
}

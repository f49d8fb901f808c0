//! K3s' server, as agents and proxies see it.

use super::authenticator::{Authenticator, Requested};
use super::{Authorities, Settings, routes};
use crate::pki::{Ca, Request as KeyRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// A request as the double took it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Every header line, names in lower case.
    pub headers: Vec<(String, String)>,
    /// As whom it was taken: `name [groups]`, or `-`.
    pub user: String,
    /// What was answered.
    pub status: u16,
}

/// A double of `k3s server --disable-agent`. Ends when dropped.
pub struct ScriptedSupervisor {
    /// Where it listens.
    pub addr: SocketAddr,
    pub(super) state: Arc<State>,
    _tasks: JoinSet<()>,
}

pub(super) struct State {
    pub(super) authenticator: Authenticator,
    pub(super) advertised: String,
    pub(super) server_ca: Ca,
    pub(super) client_ca: Ca,
    pub(super) asked: Mutex<Vec<Asked>>,
    pub(super) seen: watch::Sender<usize>,
    pub(super) api_up: AtomicBool,
    /// Of nodes that there are, or may come to be.
    pub(super) passwords: Mutex<HashMap<String, String>>,
    pub(super) nodes: Mutex<HashSet<String>>,
    pub(super) reads: Flight,
    pub(super) writes: Flight,
    /// While true, agents' routes are not answered.
    pub(super) held: watch::Sender<bool>,
    /// How long it takes for what changes nothing, and for a certificate.
    pub(super) takes: Mutex<(Duration, Duration)>,
    pub(super) tunnels: watch::Sender<Vec<String>>,
    pub(super) watches: watch::Sender<usize>,
    pub(super) tasks: TaskTracker,
    /// What all of K3s' old agents share.
    pub(super) shared_key: KeyRequest,
    /// It takes every request for one of theirs.
    pub(super) shares: AtomicBool,
}

/// What is answered at once.
pub(super) struct Flight {
    pub(super) most: usize,
    pub(super) now: AtomicUsize,
    pub(super) peak: watch::Sender<usize>,
}

impl Flight {
    fn new(most: usize) -> Self {
        Self { most, now: AtomicUsize::new(0), peak: watch::channel(0).0 }
    }
}

impl Asked {
    /// One line of a transcript.
    pub fn line(&self) -> String {
        format!("{} {} {} -> {}", self.method, self.target, self.user, self.status)
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl ScriptedSupervisor {
    /// Starts one, with its API server up.
    pub async fn start(authorities: &Authorities) -> Self {
        Self::with(authorities, Settings::default()).await
    }

    /// The same with what a command line would say.
    pub async fn with(authorities: &Authorities, settings: Settings) -> Self {
        let leaf = authorities.server.server(&["127.0.0.1", "localhost", "kubernetes"]);
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_client_cert_verifier(Arc::new(Requested::new()));
        let mut tls = tls.with_single_cert(leaf.chain, leaf.key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind(settings.listen).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State {
            authenticator: Authenticator::new(authorities, &settings),
            advertised: settings.advertised,
            server_ca: authorities.server.clone(),
            client_ca: authorities.client.clone(),
            asked: Mutex::default(),
            seen: watch::channel(0).0,
            api_up: true.into(),
            passwords: Mutex::default(),
            nodes: Mutex::default(),
            reads: Flight::new(20),
            writes: Flight::new(10),
            held: watch::channel(false).0,
            takes: Mutex::default(),
            tunnels: watch::channel(Vec::new()).0,
            watches: watch::channel(0).0,
            tasks: TaskTracker::new(),
            shared_key: KeyRequest::new(),
            shares: false.into(),
        });
        let (mut tasks, serving) = (JoinSet::new(), state.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.spawn(serve(serving.clone(), acceptor.clone(), tcp));
            }
        });
        Self { addr, state, _tasks: tasks }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The same as a transcript.
    pub fn transcript(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// Whether its API server is up; before, a token or a certificate of its own counts, and a proxy's word does not.
    pub fn api(&self, up: bool) {
        self.state.api_up.store(up, std::sync::atomic::Ordering::Relaxed);
    }

    /// From now on it cannot read requests for certificates, whatever they are.
    pub fn share_its_key(&self) {
        self.state.shares.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// A Node object goes, and its password with it.
    pub fn delete_node(&self, name: &str) {
        self.state.nodes.lock().unwrap().remove(name);
        self.state.passwords.lock().unwrap().remove(name);
    }

    /// From now on agents' routes are answered, or not.
    pub fn hold(&self, held: bool) {
        self.state.held.send_replace(held);
    }

    /// From now on it takes so long for what changes nothing, and for a certificate.
    pub fn takes(&self, read: Duration, write: Duration) {
        *self.state.takes.lock().unwrap() = (read, write);
    }

    /// How many agents' requests were answered at once: those that change nothing, and the others.
    pub fn peaks(&self) -> (usize, usize) {
        (*self.state.reads.peak.borrow(), *self.state.writes.peak.borrow())
    }

    /// How many tunnels and watches are open.
    pub fn open(&self) -> (usize, usize) {
        (self.state.tunnels.borrow().len(), *self.state.watches.borrow())
    }

    /// Waits until it was asked so often.
    pub async fn until_asked(&self, times: usize) {
        self.state.seen.subscribe().wait_for(|seen| *seen >= times).await.unwrap();
    }

    /// Waits until so many were answered at once.
    pub async fn busy(&self, reads: usize, writes: usize) {
        self.state.reads.peak.subscribe().wait_for(|peak| *peak >= reads).await.unwrap();
        self.state.writes.peak.subscribe().wait_for(|peak| *peak >= writes).await.unwrap();
    }

    /// Waits until exactly these have tunnels.
    pub async fn until_tunnels(&self, of: &[&str]) {
        let wanted = |open: &Vec<String>| {
            let mut open: Vec<&str> = open.iter().map(String::as_str).collect();
            open.sort_unstable();
            open == of
        };
        self.state.tunnels.subscribe().wait_for(wanted).await.unwrap();
    }

    /// Waits until so many watches are open.
    pub async fn until_watches(&self, count: usize) {
        self.state.watches.subscribe().wait_for(|open| *open == count).await.unwrap();
    }
}

async fn serve(state: Arc<State>, acceptor: TlsAcceptor, tcp: TcpStream) {
    tcp.set_nodelay(true).unwrap();
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let session = tls.get_ref().1;
    let chain: Vec<_> =
        session.peer_certificates().unwrap_or_default().iter().map(|c| c.clone().into_owned()).collect();
    let h2 = session.alpn_protocol() == Some(b"h2");
    let (chain, io) = (Arc::new(chain), TokioIo::new(tls));
    let service = service_fn(move |request| routes::answer(state.clone(), chain.clone(), request));
    if h2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
        let _ = connection.with_upgrades().await;
    }
}

use crate::support::gateway::staker;
use daas_testkit::client::{Http2, tls_from};
use daas_types::pop::Usage;
use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rustls::RootCertStore;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Connections of all clients.
pub(crate) const CONNECTIONS: usize = 1_000;
/// Watches of each.
pub(crate) const WATCHES: usize = 10;
/// Addresses the clients have.
const ADDRESSES: usize = 4;
const WATCH: &str = "/api/v1/pods?watch=true";
/// Nothing here takes as long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the gateway is and whom it trusts.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) roots: Arc<RootCertStore>,
    /// A token of each staker that shows one.
    pub(crate) tokens: Arc<[String]>,
}

/// A connection with the watches open on it.
pub(crate) struct Watcher {
    pub(crate) client: Http2,
    pub(crate) watches: Vec<Watch>,
}

/// An open watch, past its first event.
pub(crate) struct Watch(Response<Incoming>);

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

pub(crate) fn request(path: &str, token: &str) -> Request<Full<bytes::Bytes>> {
    let request = Request::get(format!("https://localhost{path}")).header("authorization", format!("Bearer {token}"));
    request.body(Full::default()).unwrap()
}

// === impl Target ===

impl Target {
    /// The gateway at `addr`, with tokens of stakers 1 to `stakers`.
    pub(crate) fn new(addr: &str, roots: &Arc<RootCertStore>, stakers: u8) -> Self {
        let tokens = (1..=stakers).map(|n| staker(n).token(Usage::User)).collect();
        Self { addr: addr.parse().unwrap(), roots: roots.clone(), tokens }
    }

    pub(crate) fn token(&self, n: usize) -> &str {
        &self.tokens[n % self.tokens.len()]
    }

    pub(crate) async fn connect(&self, n: usize) -> Option<Http2> {
        let address = IpAddr::from([127, 0, 0, u8::try_from(n % ADDRESSES).unwrap() + 1]);
        let tls = tls_from(address, self.addr, &self.roots, &["h2"]).await.ok()?;
        Some(Http2::over(tls).await)
    }

    /// Connection `n` with its watches; those that did not open are missing. `whose` says of which staker each is.
    async fn watcher(&self, n: usize, whose: impl Fn(usize, usize) -> usize) -> Option<Watcher> {
        let client = self.connect(n).await?;
        let opening = (0..WATCHES).map(|m| open(&client, WATCH, self.token(whose(n, m))));
        let opened = futures::future::join_all(opening).await;
        Some(Watcher { watches: opened.into_iter().flatten().collect(), client })
    }

    /// All connections with all watches, so many beginning at once.
    pub(crate) async fn watchers(&self, at_once: usize, whose: impl Fn(usize, usize) -> usize + Copy) -> Vec<Watcher> {
        let opening = stream::iter(0..CONNECTIONS).map(|n| tokio::time::timeout(PATIENCE, self.watcher(n, whose)));
        let opened: Vec<_> = opening.buffered(at_once).collect().await;
        opened.into_iter().filter_map(Result::ok).flatten().collect()
    }
}

/// Opens a watch and waits for its first event.
pub(crate) async fn open(client: &Http2, path: &str, token: &str) -> Option<Watch> {
    let mut response = client.send(request(path, token)).await.ok()?;
    if response.status() != 200 {
        return None;
    }
    response.body_mut().frame().await?.ok()?;
    Some(Watch(response))
}

// === impl Watch ===

impl Watch {
    /// Whether it goes on, as far as is known without waiting.
    pub(crate) fn is_open(&mut self) -> bool {
        self.0.body_mut().frame().now_or_never().is_none()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) {
        while let Some(Ok(_)) = self.0.body_mut().frame().await {}
    }
}

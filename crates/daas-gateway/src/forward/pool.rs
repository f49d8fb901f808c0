//! Connections to the API server. It serves a hundred streams on one and lets the rest wait without a word, so the
//! pool counts streams and opens another connection in time.

use super::Dialer;
use super::body::RequestBody;
use super::share::Share;
use crate::connection::TrackedExecutor;
use crate::refusal::Refusal;
use core::pin::Pin;
use core::time::Duration;
use daas_types::ErrorCode::{ApiServerUnavailable, TooManyRequests};
use futures::future::poll_fn;
use http::{StatusCode, Uri};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Kubernetes' `MaxConcurrentStreams`.
const STREAMS: usize = 100;
/// A stalled stream may fill its own window, and a hundred of them still not the connection's.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;
const PING: Duration = Duration::from_secs(15);
const SETTINGS_POLL: Duration = Duration::from_millis(1);

/// Watches and short requests go on different connections, so that a connection full of stalled watchers delays
/// nobody's `get`. Which lane a request takes decides nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Short,
    Long,
}

/// Connections with one TLS identity.
pub(crate) struct Pool {
    dialer: Dialer,
    most: usize,
    short: Connections,
    long: Connections,
    tasks: TaskTracker,
    kill: CancellationToken,
}

#[derive(Default)]
struct Connections {
    open: Mutex<Vec<Connection>>,
    /// Whoever finds no place dials; the others wait for that and look again.
    dialing: tokio::sync::Mutex<()>,
}

struct Connection {
    sender: http2::SendRequest<RequestBody>,
    used: Arc<AtomicUsize>,
    allowed: Arc<AtomicUsize>,
}

/// A stream's place on a connection; free again when dropped.
pub(crate) struct Slot {
    used: Arc<AtomicUsize>,
    share: Option<Share>,
}

// === impl Lane ===

impl Lane {
    pub(super) fn of(uri: &Uri) -> Self {
        let long = |pair: &str| matches!(pair.split('=').next(), Some("watch" | "follow"));
        if uri.query().is_some_and(|query| query.split('&').any(long)) { Self::Long } else { Self::Short }
    }
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(dialer: Dialer, most: usize, tasks: TaskTracker, kill: CancellationToken) -> Self {
        let (short, long) = (Connections::default(), Connections::default());
        Self { dialer, most, short, long, tasks, kill }
    }

    /// A place for one stream.
    pub(super) async fn slot(&self, lane: Lane) -> Result<(http2::SendRequest<RequestBody>, Slot), Refusal> {
        let connections = match lane {
            Lane::Short => &self.short,
            Lane::Long => &self.long,
        };
        if let Some(place) = connections.place() {
            return Ok(place);
        }
        let _dialing = connections.dialing.lock().await;
        if let Some(place) = connections.place() {
            return Ok(place);
        }
        if connections.len() >= self.most {
            let cause = format!("{} connections to the API server are full", self.most);
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        }
        let unavailable = |error: io::Error| Refusal::unavailable(ApiServerUnavailable, error);
        // Boxed: dialing is rare, and every open stream would carry room for it.
        let connection = Box::pin(self.dial()).await.map_err(unavailable)?;
        let place = (connection.sender.clone(), Slot::take(&connection.used));
        connections.push(connection);
        Ok(place)
    }

    /// Closes idle connections but one.
    pub(super) fn trim(&self) {
        self.short.trim();
        self.long.trim();
    }

    async fn dial(&self) -> io::Result<Connection> {
        let tls = self.dialer.dial_h2().await?;
        if tls.get_ref().1.alpn_protocol() != Some(crate::tls::H2) {
            return Err(io::Error::other("the API server does not speak HTTP/2"));
        }
        let executor = TrackedExecutor::new(self.tasks.clone(), self.kill.clone());
        let handshake = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            // None until its SETTINGS say how many.
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(tls));
        let ready = async {
            let (sender, connection) = handshake.await.map_err(io::Error::other)?;
            // hyper drives the connection by itself and does not say when SETTINGS arrive, so look.
            while connection.current_max_send_streams() == 0 && !sender.is_closed() {
                tokio::time::sleep(SETTINGS_POLL).await;
            }
            Ok((sender, connection))
        };
        let (sender, mut connection) = Box::pin(self.dialer.bounded(ready)).await?;
        let allowed = Arc::new(AtomicUsize::new(usable(connection.current_max_send_streams())));
        let seen = allowed.clone();
        let driver = poll_fn(move |cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            seen.store(usable(connection.current_max_send_streams()), Ordering::Relaxed);
            ended
        });
        let kill = self.kill.clone();
        self.tasks.spawn(async move {
            if let Some(Err(error)) = kill.run_until_cancelled_owned(driver).await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Connection { sender, used: Arc::default(), allowed })
    }
}

// === impl Connections ===

impl Connections {
    fn place(&self) -> Option<(http2::SendRequest<RequestBody>, Slot)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| !connection.sender.is_closed());
        let free = |c: &&Connection| c.used.load(Ordering::Relaxed) < c.allowed.load(Ordering::Relaxed);
        // Takers hold the lock, so between looking and taking nobody else takes.
        open.iter().find(free).map(|c| (c.sender.clone(), Slot::take(&c.used)))
    }

    fn trim(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spare = 1_usize;
        open.retain(|connection| {
            let idle = connection.used.load(Ordering::Relaxed) == 0;
            let keep = !idle || spare > 0;
            spare = spare.saturating_sub(usize::from(idle));
            keep
        });
    }

    fn push(&self, connection: Connection) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

// === impl Slot ===

impl Slot {
    fn take(used: &Arc<AtomicUsize>) -> Self {
        used.fetch_add(1, Ordering::Relaxed);
        Self { used: used.clone(), share: None }
    }

    /// The same, giving the holder's share back with it.
    pub(super) fn with(mut self, share: Option<Share>) -> Self {
        self.share = share;
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
        drop(self.share.take());
    }
}

// === impl Dialer ===

impl Dialer {
    pub(super) async fn dial_h2(&self) -> io::Result<TlsStream<TcpStream>> {
        self.tls(self.tls.h2.clone()).await
    }

    /// A connection of its own for one upgrade.
    pub(super) async fn dial_http11(
        &self,
    ) -> io::Result<(http1::SendRequest<RequestBody>, http1::Connection<TokioIo<TlsStream<TcpStream>>, RequestBody>)>
    {
        let tls = self.tls(self.tls.http11.clone()).await?;
        self.bounded(async { http1::handshake(TokioIo::new(tls)).await.map_err(io::Error::other) }).await
    }

    async fn tls(&self, config: Arc<rustls::ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        self.bounded(async {
            let tcp = TcpStream::connect(self.addr).await?;
            tcp.set_nodelay(true)?;
            TlsConnector::from(config).connect(self.tls.name.clone(), tcp).await
        })
        .await
    }

    pub(super) async fn bounded<T>(&self, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {:?}", self.within));
        tokio::time::timeout(self.within, what).await.map_err(late)?
    }
}

/// A stream that was dropped is counted by the other side until it has seen the reset, so some room is left.
fn usable(advertised: usize) -> usize {
    let most = advertised.min(STREAMS);
    most.saturating_sub(most.div_euclid(25)).max(1)
}

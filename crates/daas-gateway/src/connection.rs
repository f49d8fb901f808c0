//! Client connections: how many, how they begin, which HTTP they speak, and how they end.

pub(crate) mod cord;
mod gather;
mod place;
mod streams;
pub(crate) mod tcp;

pub(crate) use gather::{ReadAhead, gather};
pub use place::network;
pub(crate) use place::{Place, Places};

use crate::config::Limits;
use crate::hygiene::MAX_HEADERS;
use crate::local::ConnectionInfo;
use crate::measure;
use crate::request::{self, App, Context};
use crate::threads::{Seat, Threads};
use cord::StreamExecutor;
use core::future::poll_fn;
use core::pin::pin;
use core::time::Duration;
use daas_types::api::EXPORTER_LABEL;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use streams::Streams;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest head of a request, with a service-account token of 8 KiB in it.
const MAX_HEAD: usize = 32 * 1024;
/// What a client may make us hold for one stream it does not read.
const SEND_BUFFER: usize = 64 * 1024;
const RECEIVE_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const PING: Duration = Duration::from_secs(20);
/// After an error of `accept`, such as too many open files.
const BREATH: Duration = Duration::from_millis(50);
/// Such an error, and a flood, is said at most once in this time.
const QUIET: Duration = Duration::from_secs(30);

type ClientIo = TlsStream<ReadAhead<TcpStream>>;
type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) limits: Arc<Limits>,
    pub(crate) places: Arc<Places>,
    pub(crate) tasks: TaskTracker,
    /// No new requests.
    pub(crate) drain: CancellationToken,
    /// No nothing.
    pub(crate) kill: CancellationToken,
}

// === impl Server ===

impl Server {
    /// Accepts until draining.
    pub(crate) async fn accept(&self, listener: TcpListener, threads: &Threads) {
        let (mut failed, mut told) = (None, None);
        loop {
            let (tcp, peer) = match self.drain.run_until_cancelled(listener.accept()).await {
                None => return,
                Some(Ok(accepted)) => accepted,
                Some(Err(error)) => {
                    // Thousands a minute where it is that too many files are open.
                    if failed.is_none_or(|at: Instant| at.elapsed() >= QUIET) {
                        failed = Some(Instant::now());
                        tracing::warn!(%error, "accept failed");
                    }
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            if !self.places.knows(peer.ip()) && !self.app.strangers.may_connect(peer.ip()) {
                measure::connection("too_fast");
                if told.is_none_or(|at: Instant| at.elapsed() >= QUIET) {
                    told = Some(Instant::now());
                    tracing::warn!(%peer, "more connections than gateway.requests.handshakes: closed before TLS");
                }
                continue;
            }
            let Some(place) = self.places.take(peer.ip()) else {
                measure::connection("refused");
                continue;
            };
            let Ok(tcp) = tcp.into_std() else { continue };
            let (server, seat) = (self.clone(), threads.seat());
            let handle = seat.handle.clone();
            let serve = async move {
                let (kill, given_up) = (server.kill.clone(), place.given_up());
                tokio::select! {
                    () = kill.cancelled() => {}
                    () = given_up.cancelled() => measure::connection("gave_way"),
                    () = server.connection(tcp, peer, (&seat, place)) => {}
                }
            };
            self.tasks.spawn_on(serve, &handle);
        }
    }

    async fn connection(&self, tcp: std::net::TcpStream, peer: SocketAddr, (seat, place): (&Seat, Place)) {
        let tcp = TcpStream::from_std(tcp).and_then(|tcp| tcp::settle(&tcp).map(|()| tcp));
        let tcp = match tcp {
            Ok(tcp) => tcp,
            Err(error) => return tracing::debug!(%peer, %error, "a connection ended before it began"),
        };
        let tls = match tokio::time::timeout(self.limits.handshake, self.acceptor.accept(ReadAhead::new(tcp))).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                measure::connection("handshake_failed");
                tracing::debug!(%peer, %error, "the handshake failed");
                return;
            }
            Err(_) => return measure::connection("handshake_late"),
        };
        let session = tls.get_ref().1;
        let exporter = session.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]));
        let Ok(exporter) = exporter else {
            return measure::connection("handshake_failed");
        };
        measure::connection("accepted");
        let open = measure::Open::new("daas_gateway_connections_open");
        let server_name = session.server_name().map(Arc::from);
        let info = ConnectionInfo { peer, server_name, exporter };
        let presented = self.app.k3s.as_ref().and_then(|k3s| k3s.presented(session));
        let context = Context::new(self.app.clone(), info, seat.forwarder.clone(), place, presented);
        // Kubernetes' upgrade clients often send no ALPN at all; they mean HTTP/1.1.
        let result = if session.alpn_protocol() == Some(crate::tls::H2) {
            self.http2(tls, context).await
        } else {
            self.http1(tls, context).await
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "a connection ended");
        }
        drop(open);
    }

    async fn http2(&self, tls: ClientIo, context: Context) -> Ended {
        let context = Arc::new(context);
        let shown = context.clone();
        let streams = Arc::<Streams>::default();
        let executor = StreamExecutor::new(self.tasks.clone(), context.clone(), self.limits.stalled, streams.clone());
        // Boxed, because hyper and the executor hand it on by value and it is kilobytes.
        let service = service_fn(move |request| Box::pin(request::serve(context.clone(), request)));
        let (io, mut outlet) = gather(tls);
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_per_connection)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_BUFFER)
            .initial_stream_window_size(RECEIVE_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let (mut unproven, mut ending) = (pin!(shown.unproven(self.limits.unproven)), false);
        loop {
            tokio::select! {
                result = poll_fn(|cx| outlet.poll(connection.as_mut(), cx)) => return Ok(result??),
                () = unproven.as_mut() => {
                    measure::connection("unproven");
                    return Ok(());
                }
                () = self.enough(&shown, &streams), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                // What its streams left in their queues is not taken.
                () = streams.idle(self.limits.stalled), if ending => {
                    measure::stalled();
                    return Ok(());
                }
            }
        }
    }

    /// Ends when an HTTP/2 connection is to take no new requests.
    async fn enough(&self, context: &Context, streams: &Streams) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = context.enough() => measure::connection("limited"),
            () = streams.idle(self.limits.idle) => measure::connection("idle"),
        }
    }

    async fn http1(&self, tls: ClientIo, context: Context) -> Ended {
        let context = Arc::new(context);
        let shown = context.clone();
        let service = service_fn(move |request| request::serve(context.clone(), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read)
            .max_buf_size(MAX_HEAD.saturating_mul(2))
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(tls), service)
            .with_upgrades();
        let served = async {
            let mut connection = pin!(connection);
            tokio::select! {
                biased;
                result = connection.as_mut() => return result,
                () = self.drain.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            connection.await
        };
        tokio::select! {
            biased;
            // Dropping the connection is what ends an answer that the client does not read.
            served = cord::around(served, self.limits.stalled) => match served {
                Ok(result) => Ok(result?),
                Err(pulled) => {
                    pulled.count(&self.app);
                    Ok(())
                }
            },
            () = shown.unproven(self.limits.unproven) => {
                measure::connection("unproven");
                Ok(())
            }
        }
    }
}

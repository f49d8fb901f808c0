//! Connections: how many, how long, and their end.

use super::credential::Peer;
use super::listen::Listen;
use super::routes::Api;
use core::convert::Infallible;
use core::net::SocketAddr;
use core::time::Duration;
use daas_types::{ErrorCode, Problem};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// One owner with a few programs needs no more. The next ones wait.
const CONNECTIONS: usize = 32;
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Longer than the longest command.
const WHOLE: Duration = Duration::from_mins(3);
/// After an error of `accept`, such as too many open files.
const BREATH: Duration = Duration::from_millis(200);
/// What is being answered when the worker ends has this long.
const GRACE: Duration = Duration::from_secs(2);

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

// === impl Server ===

impl Server {
    /// Takes the port. Nothing if something else has it and nobody asked for it by name.
    pub async fn bind(listen: &Listen) -> Result<Option<Self>, Problem> {
        let tls = listen.server_config()?.map(TlsAcceptor::from);
        match TcpListener::bind(listen.address).await {
            Ok(listener) => Ok(Some(Self { listener, tls })),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !listen.asked => {
                tracing::warn!(api.address = %listen.address, "the port is in use: no HTTP API; set api.port to another");
                Ok(None)
            }
            Err(error) => Err(Problem::new(ErrorCode::PortBusy, format!("api.port: {}: {error}", listen.address))),
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stopped`.
    pub async fn run(self, api: Api, stopped: CancellationToken) -> anyhow::Result<()> {
        let api = Arc::new(api);
        let mut connections = JoinSet::new();
        let address = self.listener.local_addr()?;
        tracing::info!(api.address = %address, api.tls = self.tls.is_some(), "the HTTP API listens");
        loop {
            tokio::select! {
                () = stopped.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((tcp, _)) => {
                        connections.spawn(connection(tcp, self.tls.clone(), api.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        sleep(BREATH).await;
                    }
                },
            }
        }
        drop(self.listener);
        let ended = timeout(GRACE, async { while connections.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::debug!("connections of the HTTP API were cut");
        }
        Ok(())
    }
}

async fn connection(tcp: TcpStream, tls: Option<TlsAcceptor>, api: Arc<Api>) {
    let whole = async {
        let local = tcp.local_addr()?;
        let Some(tls) = tls else { return serve(tcp, Peer::unknown(local), api).await };
        let stream = timeout(HANDSHAKE, tls.accept(tcp)).await??;
        let peer = Peer::of(local, stream.get_ref().1);
        serve(stream, peer, api).await
    };
    match timeout(WHOLE, whole).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the HTTP API ended"),
        Err(_) => tracing::debug!("a connection to the HTTP API took too long"),
    }
}

/// One request: whoever has another connects again, so nobody keeps a place.
async fn serve<S>(stream: S, peer: Peer, api: Arc<Api>) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.handle(peer, request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

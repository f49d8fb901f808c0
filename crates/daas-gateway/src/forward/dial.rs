//! Connections to the API server, before anything was said on them.

use super::body::RequestBody;
use crate::connection::{ReadAhead, tcp};
use crate::tls::UpstreamTls;
use core::time::Duration;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to reach the API server.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(super) addr: SocketAddr,
    pub(super) tls: UpstreamTls,
    pub(super) within: Duration,
}

/// A connection to the API server.
pub(super) type UpstreamIo = TlsStream<ReadAhead<TcpStream>>;

type Http11 = (http1::SendRequest<RequestBody>, http1::Connection<TokioIo<UpstreamIo>, RequestBody>);

// === impl Dialer ===

impl Dialer {
    pub(super) async fn dial_h2(&self) -> io::Result<UpstreamIo> {
        let tls = self.tls(self.tls.h2.clone()).await?;
        if tls.get_ref().1.alpn_protocol() != Some(crate::tls::H2) {
            return Err(io::Error::other("the API server does not speak HTTP/2"));
        }
        Ok(tls)
    }

    /// A connection of its own for one upgrade.
    pub(super) async fn dial_http11(&self) -> io::Result<Http11> {
        self.bounded(async {
            let tls = self.tls(self.tls.http11.clone()).await?;
            http1::handshake(TokioIo::new(tls)).await.map_err(io::Error::other)
        })
        .await
    }

    async fn tls(&self, config: Arc<rustls::ClientConfig>) -> io::Result<UpstreamIo> {
        let stream = TcpStream::connect(self.addr).await?;
        tcp::settle(&stream)?;
        TlsConnector::from(config).connect(self.tls.name.clone(), ReadAhead::new(stream)).await
    }

    /// Within the time that a connection may take.
    pub(super) async fn bounded<T>(&self, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {:?}", self.within));
        tokio::time::timeout(self.within, what).await.map_err(late)?
    }
}

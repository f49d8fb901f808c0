//! TLS clients, over HTTP/2, HTTP/1.1, or byte for byte.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An HTTP/2 connection.
pub struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

/// An HTTP/1.1 connection, able to upgrade.
pub struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

/// A TLS connection that offers these protocols.
pub async fn tls(addr: SocketAddr, roots: &Arc<RootCertStore>, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(addr).await?, roots, alpn).await
}

/// The same from another address of this machine.
pub async fn tls_from(
    from: IpAddr,
    addr: SocketAddr,
    roots: &Arc<RootCertStore>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    handshake(socket.connect(addr).await?, roots, alpn).await
}

async fn handshake(tcp: TcpStream, roots: &Arc<RootCertStore>, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    tcp.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

// === impl Http2 ===

impl Http2 {
    /// Connects.
    pub async fn connect(addr: SocketAddr, roots: &Arc<RootCertStore>) -> Self {
        Self::over(tls(addr, roots, &["h2"]).await.unwrap()).await
    }

    /// Speaks HTTP/2 on an open connection.
    pub async fn over(tls: TlsStream<TcpStream>) -> Self {
        Self::wide(tls, 65_535).await
    }

    /// The same with so much that a stream may bring before it is read.
    pub async fn wide(tls: TlsStream<TcpStream>, window: u32) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        // Boxed: it is kilobytes, and every test would carry it.
        let (sender, connection) = Box::pin(builder.handshake(TokioIo::new(tls))).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Self { sender, _driver: driver }
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let mut sender = self.sender.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }
}

// === impl Http1 ===

impl Http1 {
    /// Connects, offering `http/1.1`.
    pub async fn connect(addr: SocketAddr, roots: &Arc<RootCertStore>) -> Self {
        Self::over(tls(addr, roots, &["http/1.1"]).await.unwrap()).await
    }

    /// Speaks HTTP/1.1 on an open connection.
    pub async fn over(tls: TlsStream<TcpStream>) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.with_upgrades().await) });
        Self { sender, _driver: driver }
    }

    /// Sends a request.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

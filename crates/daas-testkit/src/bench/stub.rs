//! A stand-in for the API server that costs little: benchmarks run it in a process of its own behind each proxy. It
//! records nothing. `watch=true` opens a stream that stays, with `endless` one that brings as much as is read; `bulk` brings a
//! hundred megabytes, and so does a WebSocket; anything else is answered with two kilobytes.

use crate::pki::Leaf;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::version::TLS13;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// An answer's size.
pub const BODY: usize = 2048;
/// As a rate counts them.
pub const MEGABYTE: usize = 1_000_000;
/// A large answer's size.
pub const BULK: usize = 100 * MEGABYTE;
/// Of which it is made.
const PIECE: usize = 32_000;
/// What an API server allows on one connection.
const STREAMS: u32 = 100;

type Answer = Either<Full<Bytes>, StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

/// What the one key of benchmarks' WebSockets, sixteen zero bytes, is answered with, and what they speak (RFC 6455).
const ACCEPTED: &str = "ICX+Yqv66kxgM0FcWaLWlFLwTAI=";
const CHANNEL: &str = "v5.channel.k8s.io";

/// Serves until dropped.
pub async fn serve(listener: TcpListener, leaf: Leaf) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut tls = tls.with_no_client_auth().with_single_cert(leaf.chain, leaf.key).unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let body = Bytes::from(vec![b'x'; BODY]);
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(acceptor.clone(), tcp, body.clone()));
    }
}

async fn connection(acceptor: TlsAcceptor, tcp: TcpStream, body: Bytes) {
    tcp.set_nodelay(true).unwrap();
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let (upgrades, mut upgraded) = mpsc::channel(1);
    let service = service_fn(move |request| answer(request, body.clone(), upgrades.clone()));
    // How a proxy ends its connections is its own affair.
    let _ = if h2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(STREAMS).serve_connection(TokioIo::new(tls), service).await
    } else {
        http1::Builder::new().serve_connection(TokioIo::new(tls), service).with_upgrades().await
    };
    if let Some(upgraded) = upgraded.recv().await {
        stream(upgraded).await;
    }
}

async fn answer(
    mut request: Request<Incoming>,
    body: Bytes,
    upgrades: mpsc::Sender<OnUpgrade>,
) -> Result<Response<Answer>, Infallible> {
    if request.headers().contains_key(UPGRADE) {
        upgrades.try_send(hyper::upgrade::on(&mut request)).unwrap();
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let response = response.header("sec-websocket-accept", ACCEPTED).header("sec-websocket-protocol", CHANNEL);
        return Ok(response.body(Either::Left(Full::default())).unwrap());
    }
    let (parts, mut incoming) = request.into_parts();
    while let Some(Ok(_)) = incoming.frame().await {}
    let asks = |what: &str| parts.uri.query().is_some_and(|query| query.contains(what));
    let mut response = Response::new(if asks("bulk") {
        let piece = Bytes::from(vec![b'x'; PIECE]);
        let all = stream::repeat_with(move || Ok(Frame::data(piece.clone()))).take(BULK / PIECE);
        Either::Right(StreamBody::new(all.boxed()))
    } else if asks("watch=true") {
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"type\":\"BOOKMARK\"}\n")))]);
        Either::Right(StreamBody::new(if asks("endless") {
            first.chain(stream::repeat_with(move || Ok(Frame::data(body.clone())))).boxed()
        } else {
            first.chain(stream::pending()).boxed()
        }))
    } else {
        Either::Left(Full::new(body))
    });
    if parts.method != Method::GET {
        *response.status_mut() = StatusCode::CREATED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    for name in ["x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid", "audit-id"] {
        let value = HeaderValue::from_static("0d0b4a1c-6f4e-4a0e-9a35-0d5f6e9d5a11");
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// A hundred megabytes of standard output, in binary frames of a WebSocket.
async fn stream(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut io = TokioIo::new(upgraded);
    let length = u16::try_from(PIECE).unwrap().to_be_bytes();
    let frame = [&[0x82, 126][..], &length, &[1], &vec![b'x'; PIECE - 1]].concat();
    // Whoever has enough goes.
    for _ in 0..BULK / PIECE {
        if io.write_all(&frame).await.is_err() {
            return;
        }
    }
    let _ = io.shutdown().await;
}

use super::Recorded;
use super::tap::Tape;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{CONNECTION, HOST, LOCATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::task::TaskTracker;

pub(super) type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

pub(super) struct Shared {
    pub(super) requests: Mutex<Vec<Recorded>>,
    pub(super) seen: watch::Sender<usize>,
    pub(super) open: watch::Sender<usize>,
    pub(super) events: broadcast::Sender<Bytes>,
    pub(super) tunnels: TaskTracker,
    pub(super) tapes: Mutex<Vec<Tape>>,
    pub(super) produced: AtomicUsize,
    pub(super) through: Notify,
}

/// Counts an open stream until dropped.
struct Open(Arc<Shared>);

// === impl Shared ===

impl Shared {
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: Option<String>,
    ) -> Result<Response<Body>, Infallible> {
        let at = self.record(&request, client);
        let path = request.uri().path().to_owned();
        if request.headers().contains_key(UPGRADE) {
            return Ok(self.upgrade(request, &path).await);
        }
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        Ok(match path.as_str() {
            _ if watch => self.watch(),
            "/stuck" => {
                let _open = Open::new(self);
                std::future::pending().await
            }
            "/redirect" => redirect(),
            "/full" => whole(StatusCode::PAYLOAD_TOO_LARGE, r#"{"kind":"Status","code":413}"#),
            "/list" => list(),
            "/echo" => {
                let collected = request.into_body().collect().await;
                let Ok(collected) = collected else {
                    return Ok(whole(StatusCode::BAD_REQUEST, "body"));
                };
                self.requests.lock().unwrap()[at].trailers = collected.trailers().is_some();
                whole(StatusCode::OK, collected.to_bytes())
            }
            path if path.starts_with("/big/") => self.big(path["/big/".len()..].parse().unwrap()),
            _ => whole(StatusCode::OK, r#"{"kind":"Answer"}"#),
        })
    }

    fn record(&self, request: &Request<Incoming>, client: Option<String>) -> usize {
        let header = |(name, value): (&http::HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
        let host = request.headers().get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        let recorded = Recorded {
            method: request.method().to_string(),
            target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            version: request.version(),
            authority: request.uri().authority().map(ToString::to_string).or(host).unwrap_or_default(),
            headers: request.headers().iter().map(header).collect(),
            client,
            trailers: false,
        };
        let mut requests = self.requests.lock().unwrap();
        requests.push(recorded);
        self.seen.send_replace(requests.len());
        requests.len() - 1
    }

    fn watch(self: Arc<Self>) -> Response<Body> {
        let (events, open) = (self.events.subscribe(), Open::new(self));
        let first = stream::iter([Bytes::from_static(b"{\"type\":\"BOOKMARK\"}\n")]);
        let rest = stream::unfold((events, open), |(mut events, open)| async {
            let line = events.recv().await.ok()?;
            Some((line, (events, open)))
        });
        Response::new(StreamBody::new(first.chain(rest).map(|line| Ok(Frame::data(line))).boxed()))
    }

    fn big(self: Arc<Self>, size: usize) -> Response<Body> {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let open = Open::new(self);
        let chunks = stream::unfold((size, open), move |(left, open)| {
            let chunk = chunk.slice(..left.min(chunk.len()));
            open.0.produced.fetch_add(chunk.len(), Ordering::Relaxed);
            async move { (!chunk.is_empty()).then(|| (Ok(Frame::data(chunk.clone())), (left - chunk.len(), open))) }
        });
        Response::new(StreamBody::new(chunks.boxed()))
    }

    async fn upgrade(self: Arc<Self>, mut request: Request<Incoming>, path: &str) -> Response<Body> {
        match path {
            "/refused" => return whole(StatusCode::FORBIDDEN, r#"{"kind":"Status","reason":"Forbidden"}"#),
            "/ordinary" => return whole(StatusCode::OK, "no tunnel"),
            "/redirect" => return redirect(),
            "/held" => self.through.notified().await,
            _ => {}
        }
        let first: &'static [u8] = if path == "/eager" { b"first" } else { b"" };
        let asked = request.headers()[UPGRADE].clone();
        let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
        let open = Open::new(self.clone());
        self.tunnels.spawn(async move {
            let tunnel = hyper::upgrade::on(&mut request).await;
            if let Ok(tunnel) = tunnel {
                echo(TokioIo::new(tunnel), first).await;
            }
            drop(open);
        });
        let mut response = whole(StatusCode::SWITCHING_PROTOCOLS, "");
        if let Some(protocols) = offered {
            // It takes the first, as Kubernetes does.
            let first = protocols.to_str().unwrap_or_default().split(',').next().unwrap_or_default().trim();
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(first).unwrap());
        }
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let agreed = if path == "/other" { HeaderValue::from_static("h2c") } else { asked };
        response.headers_mut().insert(UPGRADE, agreed);
        response
    }
}

// === impl Open ===

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// Sends everything back; says `bye` when the other side has closed its half.
async fn echo(mut tunnel: TokioIo<hyper::upgrade::Upgraded>, first: &[u8]) {
    if tunnel.write_all(first).await.is_err() {
        return;
    }
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match tunnel.read(&mut buffer).await {
            Ok(0) => break,
            Ok(n) => {
                if tunnel.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
    let _ = tunnel.write_all(b"bye").await;
    let _ = tunnel.shutdown().await;
}

fn redirect() -> Response<Body> {
    let mut response = whole(StatusCode::FOUND, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("https://127.0.0.1:1/elsewhere"));
    response
}

/// Bytes that are nothing if they are touched, and every header that a cache or a decompressor would act on.
fn list() -> Response<Body> {
    let mut response = whole(StatusCode::OK, Bytes::from_static(b"\x1f\x8b\x08\x00not gzip\xff\x00"));
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "application/json;as=Table;v=v1;g=meta.k8s.io"),
        ("etag", "\"ABC\""),
        ("vary", "Accept-Encoding"),
        ("vary", "Accept"),
        ("warning", "299 - \"deprecated\""),
        ("audit-id", "6f6d9b6a"),
        ("retry-after", "7"),
        ("x-kubernetes-pf-flowschema-uid", "1"),
        ("cache-control", "no-cache, private"),
    ] {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let frames = stream::iter((!body.is_empty()).then(|| Ok(Frame::data(body))));
    let mut response = Response::new(StreamBody::new(frames.boxed()));
    *response.status_mut() = status;
    response
}

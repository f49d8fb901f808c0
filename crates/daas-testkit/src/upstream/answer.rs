use super::Recorded;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{CONNECTION, HOST, LOCATION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{broadcast, watch};
use tokio_util::task::TaskTracker;

pub(super) type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

pub(super) struct Shared {
    pub(super) requests: Mutex<Vec<Recorded>>,
    pub(super) seen: watch::Sender<usize>,
    pub(super) open: watch::Sender<usize>,
    pub(super) events: broadcast::Sender<Bytes>,
    pub(super) tunnels: TaskTracker,
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
            return Ok(self.upgrade(request, &path));
        }
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        Ok(match path.as_str() {
            _ if watch => self.watch(),
            "/stuck" => {
                let _open = Open::new(self);
                std::future::pending().await
            }
            "/redirect" => {
                let mut response = whole(StatusCode::FOUND, "");
                response.headers_mut().insert(LOCATION, HeaderValue::from_static("https://127.0.0.1:1/elsewhere"));
                response
            }
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
            async move { (!chunk.is_empty()).then(|| (Ok(Frame::data(chunk.clone())), (left - chunk.len(), open))) }
        });
        Response::new(StreamBody::new(chunks.boxed()))
    }

    fn upgrade(self: Arc<Self>, mut request: Request<Incoming>, path: &str) -> Response<Body> {
        if path == "/refused" {
            return whole(StatusCode::FORBIDDEN, r#"{"kind":"Status","reason":"Forbidden"}"#);
        }
        let asked = request.headers()[UPGRADE].clone();
        let open = Open::new(self.clone());
        self.tunnels.spawn(async move {
            let tunnel = hyper::upgrade::on(&mut request).await;
            if let Ok(tunnel) = tunnel {
                echo(TokioIo::new(tunnel)).await;
            }
            drop(open);
        });
        let mut response = whole(StatusCode::SWITCHING_PROTOCOLS, "");
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
async fn echo(mut tunnel: TokioIo<hyper::upgrade::Upgraded>) {
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

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let frames = stream::iter((!body.is_empty()).then(|| Ok(Frame::data(body))));
    let mut response = Response::new(StreamBody::new(frames.boxed()));
    *response.status_mut() = status;
    response
}

//! HTTP/1.1 to a master, and what its refusals say.

use bytes::Bytes;
use daas_types::{ErrorCode, Problem};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

const REQUEST: Duration = Duration::from_secs(15);
/// Our answers are a few KiB; a server that sends more is not ours.
const MAX_ANSWER: usize = 256 << 10;

pub(crate) struct Connection {
    endpoint: String,
    host: String,
    send: SendRequest<Full<Bytes>>,
    /// Owns the connection's driver: dropping the connection ends it.
    _driver: JoinSet<()>,
}

/// The parts of a `metav1.Status` that tell why.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    message: String,
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn new(endpoint: &str, tls: TlsStream<TcpStream>) -> Result<Self, Problem> {
        let (send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(Problem::of(ErrorCode::MasterUnreachable))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the master ended");
            }
        });
        let host = endpoint.trim_start_matches("https://").trim_end_matches('/').to_owned();
        Ok(Self { endpoint: endpoint.to_owned(), host, send, _driver: driver })
    }

    /// Sends a request with a JSON body (or none) and reads a JSON answer.
    pub(crate) async fn call<A: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&impl Serialize>,
    ) -> Result<A, Problem> {
        let unreachable = |cause: &dyn std::fmt::Display| {
            Problem::new(ErrorCode::MasterUnreachable, format!("{}{path}: {cause}", self.endpoint))
        };
        let bytes = body.map(serde_json::to_vec).transpose().map_err(Problem::of(ErrorCode::Internal))?;
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        if bytes.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(bytes.unwrap_or_default())))
            .map_err(Problem::of(ErrorCode::Internal))?;
        let exchange = async {
            self.send.ready().await.map_err(|e| unreachable(&e))?;
            let response = self.send.send_request(request).await.map_err(|e| unreachable(&e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok::<_, Problem>((status, body.map_err(|e| unreachable(&e))?.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(REQUEST, exchange).await.map_err(|_| unreachable(&"no answer within 15 s"))??;
        answer(status, &body)
    }
}

/// Sends one request on a connection of its own, which ends with it, and reads the answer up to `largest` bytes. The
/// deadline is the caller's.
pub async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    largest: usize,
) -> Result<(StatusCode, Bytes), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let request = async {
        let response = send.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), largest).collect().await;
        Ok((status, body.map_err(|e| e.to_string())?.to_bytes()))
    };
    tokio::pin!(request);
    tokio::select! {
        answer = &mut request => answer,
        // A connection may end, in good order, before its last answer is read.
        ended = connection => match ended {
            Ok(()) => request.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

/// What a `metav1.Status` refuses. A master's own name their entry of the catalogue, which says the rest; those of others
/// become `otherwise`.
pub fn refusal(status: StatusCode, body: &[u8], otherwise: ErrorCode) -> Problem {
    let Status { reason, message, details } = serde_json::from_slice(body).unwrap_or_default();
    match ErrorCode::from_name(&reason) {
        Some(code) => Problem::new(code, details.causes.into_iter().next().map_or(message, |cause| cause.message)),
        None => Problem::new(otherwise, format!("HTTP {}: {message}", status.as_u16())),
    }
}

fn answer<A: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<A, Problem> {
    if !status.is_success() {
        return Err(refusal(status, body, ErrorCode::MasterUnreachable));
    }
    serde_json::from_slice(body)
        .map_err(|e| Problem::new(ErrorCode::MasterUnreachable, format!("the answer is not what it should be: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once() {
        // As the gateway writes it.
        let ours = br#"{"kind":"Status","reason":"ChainStale","code":503,
            "message":"The master has seen no verified checkpoint for too long. (31 s old) Fix: Wait",
            "details":{"causes":[{"reason":"D201","message":"31 s old"},{"reason":"ko","message":"..."}]}}"#;
        let problem = refusal(StatusCode::SERVICE_UNAVAILABLE, ours, ErrorCode::Internal);
        assert_eq!((problem.code, problem.cause.as_str()), (ErrorCode::ChainStale, "31 s old"));
        assert_eq!(problem.render().matches(ErrorCode::ChainStale.english()).count(), 1);

        let theirs = br#"{"reason":"Forbidden","message":"pods is forbidden","details":{"causes":[]}}"#;
        let problem = refusal(StatusCode::FORBIDDEN, theirs, ErrorCode::ApiServerUnavailable);
        assert_eq!(problem.code, ErrorCode::ApiServerUnavailable);
        assert_eq!(problem.cause, "HTTP 403: pods is forbidden");
        let problem = refusal(StatusCode::BAD_GATEWAY, b"<html>", ErrorCode::MasterUnreachable);
        assert_eq!((problem.code, problem.cause.as_str()), (ErrorCode::MasterUnreachable, "HTTP 502: "));
    }

    #[tokio::test]
    async fn one_exchange_on_one_stream() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (near, mut far) = tokio::io::duplex(4096);
        let request = Request::get("/x").header(header::HOST, "h").body(Full::default()).unwrap();
        let server = async {
            let mut head = [0; 5];
            far.read_exact(&mut head).await.unwrap();
            far.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone").await.unwrap();
            head
        };
        let (answer, head) = tokio::join!(exchange(near, request, 4), server);
        assert_eq!((answer, &head), (Ok((StatusCode::NOT_FOUND, Bytes::from_static(b"none"))), b"GET /"));

        let (near, mut far) = tokio::io::duplex(4096);
        let request = Request::get("/x").header(header::HOST, "h").body(Full::default()).unwrap();
        let server = async {
            far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlarge").await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = exchange(near, request, 4) => assert!(answer.is_err()),
            () = server => unreachable!(),
        }
    }
}

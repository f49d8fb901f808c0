//! One HTTP/1.1 connection for our own few JSON endpoints.

use bytes::Bytes;
use daas_types::{ErrorCode, Problem};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
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

/// The part of a `metav1.Status` that names a refusal.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    reason: String,
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

fn answer<A: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<A, Problem> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|e| {
            Problem::new(ErrorCode::MasterUnreachable, format!("the answer is not what it should be: {e}"))
        });
    }
    let refusal: Option<Status> = serde_json::from_slice(body).ok();
    let (reason, message) = refusal.map_or((String::new(), String::new()), |s| (s.reason, s.message));
    let code = ErrorCode::from_name(&reason).unwrap_or(ErrorCode::MasterUnreachable);
    Err(Problem::new(code, format!("HTTP {}: {message}", status.as_u16())))
}

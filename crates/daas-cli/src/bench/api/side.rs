//! One way to the API server: a connection that is kept.

use super::Question;
use crate::gateway::connect;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

const LIMIT: Duration = Duration::from_secs(10);
/// What is changed, each time.
const PATCH: &str = r#"{"metadata":{"labels":{"daas-bench":"N"}}}"#;

/// A connection, and as whom is asked on it.
pub(super) struct Side {
    send: SendRequest<Full<Bytes>>,
    host: String,
    token: Zeroizing<String>,
    /// Of all its patches.
    patched: u32,
    /// Owns the connection.
    _driver: JoinSet<()>,
}

// === impl Side ===

impl Side {
    pub(super) async fn open(endpoint: &str, ca: &str, token: Zeroizing<String>) -> anyhow::Result<Self> {
        let opening = async {
            let (stream, host) = connect(endpoint, ca).await.map_err(anyhow::Error::msg)?;
            let (send, connection) = handshake(TokioIo::new(stream)).await?;
            let mut driver = JoinSet::new();
            driver.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "the connection ended");
                }
            });
            Ok(Self { send, host, token, patched: 0, _driver: driver })
        };
        timeout(LIMIT, opening).await.context("no answer")?
    }

    /// Milliseconds of each, to the last byte of the answer.
    pub(super) async fn ask(&mut self, question: &Question) -> anyhow::Result<Vec<f64>> {
        let mut took = Vec::new();
        for _ in 0..question.times {
            let begun = Instant::now();
            timeout(LIMIT, self.once(question)).await.context("no answer")??;
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(took)
    }

    async fn once(&mut self, question: &Question) -> anyhow::Result<()> {
        let mut request = Request::builder()
            .method(question.method.clone())
            .uri(question.path)
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.as_str()));
        let mut body = Bytes::new();
        if question.method == Method::PATCH {
            // What changes nothing is not written.
            self.patched += 1;
            request = request.header(header::CONTENT_TYPE, "application/merge-patch+json");
            body = PATCH.replace('N', &self.patched.to_string()).into();
        }
        self.send.ready().await?;
        let response = self.send.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "HTTP {}: {}", status.as_u16(), String::from_utf8_lossy(&answer));
        Ok(())
    }
}

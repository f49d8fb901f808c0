//! One Kubernetes watch on a connection of its own, as the client sees it. No retries: the end is what is measured.

use crate::gateway::connect;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const OPENING: Duration = Duration::from_secs(10);
/// A refusal is a short `metav1.Status`.
const MAX_REFUSAL: usize = 64 << 10;

/// Who is asked, and as whom.
pub(super) struct Caller<'a> {
    pub(super) endpoint: &'a str,
    /// The only CA that is trusted (PEM).
    pub(super) ca: &'a str,
    pub(super) token: &'a str,
}

/// An open watch.
pub(super) struct Watch {
    body: Incoming,
    /// Owns the connection: dropping the watch ends it.
    _driver: JoinSet<()>,
}

// === impl Watch ===

impl Watch {
    /// Opens a watch; open means that the server has answered 200.
    pub(super) async fn open(caller: &Caller<'_>, path: &str) -> anyhow::Result<Self> {
        let opening = async {
            let (stream, host) = connect(caller.endpoint, caller.ca).await.map_err(anyhow::Error::msg)?;
            let (mut send, connection) = handshake(TokioIo::new(stream)).await?;
            let mut driver = JoinSet::new();
            driver.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection of a watch ended");
                }
            });
            let request = Request::get(path)
                .header(header::HOST, host)
                .header(header::AUTHORIZATION, format!("Bearer {}", caller.token))
                .body(Empty::<Bytes>::new())?;
            let response = send.send_request(request).await?;
            let (status, body) = (response.status(), response.into_body());
            if !status.is_success() {
                let words =
                    Limited::new(body, MAX_REFUSAL).collect().await.map(Collected::to_bytes).unwrap_or_default();
                bail!("HTTP {}: {}", status.as_u16(), String::from_utf8_lossy(&words));
            }
            Ok(Self { body, _driver: driver })
        };
        timeout(OPENING, opening).await.context("no answer")?
    }

    /// The next piece, or `None` at the end, orderly or not.
    pub(super) async fn piece(&mut self) -> Option<Bytes> {
        loop {
            // Trailers are no data and not the end.
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                return Some(data);
            }
        }
    }

    /// When it ended.
    pub(super) async fn closed(&mut self) -> Instant {
        while self.piece().await.is_some() {}
        Instant::now()
    }
}

//! The admin listener: `/health`, `/ready`, `/metrics`, and what a process adds. On loopback, apart from the port that serves others.

use crate::Readiness;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often what histograms were told is summed up. Until then each value is kept, so a master that nobody asks for its
/// metrics would grow with every request.
const UPKEEP: Duration = Duration::from_secs(5);

/// A bound admin listener.
pub struct Admin {
    listener: TcpListener,
    readiness: Readiness,
    metrics: PrometheusHandle,
    more: Router,
}

// === impl Admin ===

impl Admin {
    /// Binds the listener and installs the process's metrics recorder.
    pub async fn bind(addr: SocketAddr, readiness: Readiness) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Self { listener, readiness, metrics: metrics_handle(), more: Router::new() })
    }

    /// Also answers `GET path` with what `answer` gives at the time.
    #[must_use]
    pub fn with_json(mut self, path: &str, answer: impl Fn() -> Value + Clone + Send + Sync + 'static) -> Self {
        self.more = self.more.route(path, get(move || core::future::ready(Json(answer()))));
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stopped`. From `stopping` on the process is ready no more, so that whoever sends requests to it looks
    /// elsewhere while those that have come are still answered.
    pub async fn run(self, stopping: CancellationToken, stopped: CancellationToken) -> anyhow::Result<()> {
        let metrics = self.metrics.clone();
        let upkeep = async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                metrics.run_upkeep();
            }
        };
        let readiness = self.readiness.clone();
        let end = async move {
            stopping.cancelled().await;
            let _ready = readiness.awaits("its end");
            stopped.cancelled().await;
        };
        let app = Router::new()
            .route("/health", get(|| async { "ok\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(|State((_, metrics)): State<Shared>| async move { metrics.render() }))
            .with_state((self.readiness, self.metrics))
            .merge(self.more);
        let serve = axum::serve(self.listener, app).with_graceful_shutdown(end);
        tokio::select! {
            served = serve.into_future() => Ok(served?),
            () = upkeep => Ok(()),
        }
    }
}

type Shared = (Readiness, PrometheusHandle);

async fn ready(State((readiness, _)): State<Shared>) -> (StatusCode, String) {
    let awaited = readiness.awaited();
    if awaited.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", awaited.join(", ")))
    }
}

/// The recorder is one per process; tests that start several programs share it.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            drop(metrics::set_global_recorder(recorder));
            handle
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::task::JoinSet;

    async fn ask(addr: SocketAddr) -> String {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        tcp.write_all(b"GET /ready HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_stops_is_ready_no_more_and_says_so_to_the_end() {
        let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), Readiness::default()).await.unwrap();
        let (addr, stopping, stopped) =
            (admin.local_addr().unwrap(), CancellationToken::new(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(admin.run(stopping.clone(), stopped.clone()));
        assert!(ask(addr).await.starts_with("HTTP/1.0 200 "));
        stopping.cancel();
        let refused = async {
            loop {
                let answer = ask(addr).await;
                if !answer.starts_with("HTTP/1.0 200 ") {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 503 ") && answer.ends_with("waiting for its end\n"), "{answer}");
        stopped.cancel();
        running.join_next().await.unwrap().unwrap().unwrap();
    }
}

//! Kubernetes without the gateway: the API server itself, on loopback.

use super::NAMESPACE;
use super::POD;
use crate::bench::account::Account;
use crate::bench::watch::{Caller, Watch};
use crate::stage::{Detail, Stage, eventually};
use anyhow::{Context as _, ensure};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

const WATCHED: &str = "/api/v1/namespaces/bench/pods?watch=true";
const LIMIT: Duration = Duration::from_secs(10);
/// How long the watch is looked at after its right is gone.
const LOOKED: Duration = Duration::from_secs(5);

/// What became of the watch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// It was still open after this, and still delivered.
    Open(Duration),
    /// It ended after this.
    Closed(Duration),
}

// === impl Peer ===

impl Detail for Peer {
    fn detail(&self) -> String {
        match self {
            Self::Open(after) => format!("still open after {} s, and delivering", after.as_secs()),
            Self::Closed(after) => format!("closed after {} ms", after.as_millis()),
        }
    }
}

/// Opens a watch with a service account's right, takes the right away, and looks.
pub(super) async fn measure(stage: &Stage) -> anyhow::Result<Peer> {
    let operator = &stage.operator;
    let account = Account::make(stage, "view").await?;
    let caller = Caller { endpoint: &account.endpoint, ca: &account.ca, token: &account.token };
    let mut watch = eventually(LIMIT, async || Watch::open(&caller, WATCHED).await).await?;
    delivered(&mut watch, "ADDED").await?;

    operator.get(&["-n", NAMESPACE, "delete", "rolebinding", "peer"]).await?;
    // From here on nobody new gets in: the right is gone.
    eventually(LIMIT, async || match Watch::open(&caller, WATCHED).await {
        Ok(_) => anyhow::bail!("the right is still there"),
        Err(refusal) => {
            ensure!(format!("{refusal}").starts_with("HTTP 403"), "{refusal}");
            Ok(())
        }
    })
    .await?;
    let gone = Instant::now();
    if let Ok(ended) = timeout_at(gone + LOOKED, watch.closed()).await {
        return Ok(Peer::Closed(ended.saturating_duration_since(gone)));
    }
    operator.get(&["-n", NAMESPACE, "annotate", "--overwrite", "pod", POD, "daas-bench/peer=1"]).await?;
    delivered(&mut watch, "MODIFIED").await?;
    Ok(Peer::Open(LOOKED))
}

/// Waits for an event of this kind.
async fn delivered(watch: &mut Watch, kind: &str) -> anyhow::Result<()> {
    let found = async {
        // An event may come in several pieces.
        let mut text = String::new();
        while let Some(piece) = watch.piece().await {
            text.push_str(&String::from_utf8_lossy(&piece));
            if text.contains(kind) {
                return Ok(());
            }
        }
        anyhow::bail!("the watch ended before {kind}")
    };
    timeout(LIMIT, found).await.with_context(|| format!("no {kind}"))?
}

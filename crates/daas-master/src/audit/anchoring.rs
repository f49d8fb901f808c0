use super::{Auditing, LAST_ANCHOR, Sender, on_chain};
use daas_audit::{Anchor, AnchorError, Anchors, Folder, Log};
use daas_types::{ErrorCode, Problem};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A root is on chain within a minute of its records, its transaction's time included.
const EVERY: Duration = Duration::from_secs(50);
/// What was not sent, or not seen to be on chain, is sent again after this; and so often one looks whether the master counts.
const AGAIN: Duration = Duration::from_secs(5);

/// Sends the log's roots to the chain, one under each sequence number.
pub(super) struct Anchoring {
    pub(super) sender: Sender,
    pub(super) log: Log,
    /// Reads and writes a file, so it goes to a blocking thread and back.
    pub(super) anchors: Arc<Mutex<Anchors<Folder>>>,
    pub(super) auditing: Auditing,
}

// === impl Anchoring ===

impl Anchoring {
    /// Until the log is `written`, and once more then. Ends the process if somebody else anchors under the same key.
    pub(super) async fn run(self, written: CancellationToken) -> anyhow::Result<()> {
        while !written.is_cancelled() {
            let wait = self.round().await?;
            let _ = tokio::time::timeout(wait, written.cancelled()).await;
        }
        match tokio::time::timeout(LAST_ANCHOR, self.round()).await {
            Ok(last) => last.map(drop).map_err(Into::into),
            // It may be on chain all the same; the next start finds out.
            Err(_) => Err(anyhow::anyhow!("the last root was not seen on chain within {} s", LAST_ANCHOR.as_secs())),
        }
    }

    /// Sends what is new, or again what may not have arrived, and says when there is more to do.
    async fn round(&self) -> Result<Duration, Problem> {
        match self.anchor().await {
            Ok(wait) => {
                self.auditing.sent(self.last(), None);
                Ok(wait)
            }
            Err(problem) if matches!(problem.code, ErrorCode::AuditForked | ErrorCode::AuditDamaged) => Err(problem),
            Err(problem) => {
                tracing::warn!(error = %problem.cause, retry.s = AGAIN.as_secs(), "the audit log's root is not anchored");
                self.auditing.sent(self.last(), Some(problem.cause));
                Ok(AGAIN)
            }
        }
    }

    async fn anchor(&self) -> Result<Duration, Problem> {
        let Sender { ops, ids, index, log } = &self.sender;
        let snapshot = index.snapshot();
        let (Some(cluster), Some(nautilus)) = (snapshot.cluster(), snapshot.nautilus()) else { return Ok(AGAIN) };
        // The chain takes roots of registered masters alone.
        if !nautilus.masters.iter().any(|master| master.signing_key == log.key.0) {
            return Ok(AGAIN);
        }
        let head = self.log.progress().head;
        let Some(anchor) = self.kept(move |anchors| anchors.next(&head)).await? else { return Ok(EVERY) };
        let Anchor { sequence, records, root } = anchor;
        let sent = ops.anchor_root(ids, cluster.anchors, sequence, &root.0, records).await;
        let Err(error) = sent else {
            self.kept(move |anchors| anchors.settle(anchor)).await?;
            return Ok(EVERY);
        };
        // It may be on chain all the same. If it is not, the next round sends the same under the same number.
        if let Some(chain) = on_chain(ops.client(), ids, log).await? {
            self.kept(move |anchors| anchors.settle(chain)).await?;
            if chain == anchor {
                return Ok(EVERY);
            }
        }
        Err(error.into())
    }

    fn last(&self) -> Option<Anchor> {
        self.anchors.lock().unwrap_or_else(PoisonError::into_inner).state().last()
    }

    async fn kept<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Anchors<Folder>) -> Result<T, AnchorError> + Send + 'static,
    ) -> Result<T, Problem> {
        let anchors = self.anchors.clone();
        // What a panic left undone is on disk as it was.
        let changed = tokio::task::spawn_blocking(move || {
            change(&mut anchors.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|error| error.problem())
        });
        changed.await.map_err(Problem::of(ErrorCode::Internal))?
    }
}

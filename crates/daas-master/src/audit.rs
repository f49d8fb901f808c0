//! The master's audit log: taken up before anyone is let in, written until the last request has ended, anchored on chain
//! each minute and once more at the end.

mod anchoring;
mod standing;

pub(crate) use standing::Auditing;

use crate::config::{Config, WhenFull};
use anchoring::Anchoring;
use daas_audit::{Anchor, Anchors, Folder, Log, LogConfig, LogId, Writer};
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::index::{Index, IndexIds};
use daas_chain::ops::Ops;
use daas_daemon::Tasks;
use daas_types::{ErrorCode, Problem};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The last anchor, at an orderly end, has this long.
pub(crate) const LAST_ANCHOR: Duration = Duration::from_secs(10);

/// The log, taken up and not yet written.
pub(crate) struct Audit {
    log: Log,
    writer: Writer<Folder>,
    anchors: Anchors<Folder>,
}

/// With what roots are sent.
pub(crate) struct Sender {
    /// The enclave's transactions.
    pub(crate) ops: Ops,
    /// The cluster.
    pub(crate) ids: IndexIds,
    /// What the chain says of it.
    pub(crate) index: Index,
    /// Which log.
    pub(crate) log: LogId,
}

// === impl Audit ===

impl Audit {
    /// Takes up the log below the master's state folder, or begins it. Refuses one that lacks what the chain has.
    pub(crate) async fn open(
        config: &Config,
        id: LogId,
        client: &ChainClient,
        ids: &IndexIds,
    ) -> Result<Self, Problem> {
        let on_chain = on_chain(client, ids, &id).await?;
        let path = config.k3s.data_dir.join("audit").join(id.folder());
        let when_full = match config.audit.when_full {
            WhenFull::RefuseChanges => daas_audit::WhenFull::RefuseMutations,
            WhenFull::RefuseAll => daas_audit::WhenFull::RefuseAll,
        };
        let config = LogConfig { when_full, ..LogConfig::new(id, env!("CARGO_PKG_VERSION")) };
        let opened = tokio::task::spawn_blocking(move || take_up(&path, config, on_chain)).await;
        opened.map_err(Problem::of(ErrorCode::Internal))?
    }

    /// Writes and anchors, as tasks. The log is written until the guard is dropped: by the gateway, when it has ended.
    pub(crate) fn start(self, sender: Sender, auditing: &Auditing, tasks: &mut Tasks) -> (Log, DropGuard) {
        let Self { log, writer, anchors } = self;
        auditing.opened(log.clone(), anchors.state().last());
        let (stop, written) = (CancellationToken::new(), CancellationToken::new());
        let ended = written.clone().drop_guard();
        let stopped = stop.clone();
        tasks.spawn("audit log", async move {
            let end = writer.run_apart(stopped).await;
            drop(ended);
            end.map_err(|error| Problem::new(ErrorCode::AuditFailed, error).into())
        });
        let anchors = Arc::new(Mutex::new(anchors));
        let anchoring = Anchoring { sender, log: log.clone(), anchors, auditing: auditing.clone() };
        tasks.spawn("audit anchors", anchoring.run(written));
        (log, stop.drop_guard())
    }
}

fn take_up(path: &Path, config: LogConfig, on_chain: Option<Anchor>) -> Result<Audit, Problem> {
    let disk = Folder::lock(path).map_err(|error| unusable(path, &error))?;
    let (disk, id) = (Arc::new(disk), config.id);
    let anchors = Anchors::open(disk.clone(), id, on_chain).map_err(|error| error.problem())?;
    let opened = Log::open(config, disk, Arc::new(clock::now), &anchors.expected());
    let (log, writer, found) = opened.map_err(|error| error.problem())?;
    if let Some(torn) = found.torn {
        tracing::warn!(bytes = torn.bytes, digest = %torn.digest, "the audit log's unfinished end is cut");
    }
    tracing::info!(audit.records = found.records, folder = %path.display(), "audit log taken up");
    Ok(Audit { log, writer, anchors })
}

/// What the chain has of this log.
async fn on_chain(client: &ChainClient, ids: &IndexIds, id: &LogId) -> Result<Option<Anchor>, Problem> {
    let anchor = client.anchor(ids, &id.key.0).await?;
    let not_ours = |length| Problem::new(ErrorCode::AuditForked, format!("the chain has a root of {length} bytes"));
    anchor.map(|anchor| Anchor::try_from(&anchor).map_err(not_ours)).transpose()
}

fn unusable(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::new(ErrorCode::AuditFull, format!("{path}: {error}"))
        }
        io::ErrorKind::ResourceBusy => {
            Problem::new(ErrorCode::AuditFailed, format!("{path}: another master writes there"))
        }
        _ => Problem::new(ErrorCode::AuditFailed, format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_audit::{Digest, EnclaveKey};
    use daas_types::ClusterId;

    fn id() -> LogId {
        LogId { cluster: ClusterId([1; 32].into()), key: EnclaveKey([2; 32]) }
    }

    fn refused(path: &Path, on_chain: Option<Anchor>) -> ErrorCode {
        take_up(path, LogConfig::new(id(), "test"), on_chain).map(drop).unwrap_err().code
    }

    #[test]
    fn a_log_is_taken_up_by_one_and_only_with_what_the_chain_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit").join(id().folder());
        let audit = take_up(&path, LogConfig::new(id(), "test"), None).unwrap();
        assert_eq!(audit.log.progress().head.records, 0);
        assert_eq!(refused(&path, None), ErrorCode::AuditFailed, "two write one log");
        drop(audit);
        let anchor = Anchor { sequence: 3, records: 7, root: Digest([5; 32]) };
        assert_eq!(refused(&path, Some(anchor)), ErrorCode::AuditLacksAnchor);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(refused(&file, None), ErrorCode::AuditFailed);
    }
}

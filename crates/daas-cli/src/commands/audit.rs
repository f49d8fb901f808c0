//! The audit log of a master, read from its folder or a copy, and compared with what the chain has of it.

mod prove;
mod show;
#[cfg(test)]
mod tests;
mod verify;

use crate::cli::audit::{AnchorFlags, AuditCommand, LogFlags};
use crate::context::Context;
use crate::paths::StateDir;
use daas_audit::{Anchor, EnclaveKey, Folder, LogId};
use daas_client::ClusterInfo;
use daas_types::{ErrorCode, Problem};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Longest file of anchors or proof that is read.
const LONGEST: u64 = 1 << 20;

pub(crate) async fn run(context: &Context, command: &AuditCommand) -> Result<(), Problem> {
    match command {
        AuditCommand::Verify(args) => verify::run(context, args).await,
        AuditCommand::Show(args) => show::run(context, args),
        AuditCommand::Prove(args) => prove::run(context, args).await,
    }
}

/// A log in a folder.
struct Place {
    cluster: ClusterInfo,
    path: PathBuf,
    id: LogId,
}

/// Anchors, and on whose word.
struct Known {
    anchors: Vec<Anchor>,
    from: String,
}

/// A file of one anchor or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    One(Anchor),
    Several(Vec<Anchor>),
}

// === impl Place ===

impl Place {
    fn find(context: &Context, flags: &LogFlags) -> Result<Self, Problem> {
        let cluster = context.cluster()?;
        let path = match &flags.log {
            Some(path) => std::path::absolute(path).map_err(Problem::of(ErrorCode::StateUnreadable))?,
            None => here(&context.state)?,
        };
        if !path.is_dir() {
            return Err(Problem::new(ErrorCode::StateUnreadable, format!("{} is no folder", path.display())));
        }
        let named = || path.file_name()?.to_str()?.parse().ok();
        let key = flags.key.map(EnclaveKey).or_else(named);
        let key = key.ok_or_else(|| {
            let cause = format!("{} is not called after the enclave's key: name it with --key", path.display());
            Problem::new(ErrorCode::ConfigInvalid, cause)
        })?;
        let id = LogId { cluster: cluster.join.cluster, key };
        Ok(Self { cluster, path, id })
    }

    fn disk(&self) -> Folder {
        Folder::read_only(&self.path)
    }
}

// === impl Known ===

impl Known {
    /// Those of the file that was named; without one, what the chain has of the log now.
    async fn find(flags: &AnchorFlags, cluster: &ClusterInfo, id: &LogId) -> Result<Self, Problem> {
        if let Some(path) = &flags.anchors {
            let bad = |cause: String| Problem::new(ErrorCode::ConfigInvalid, format!("{}: {cause}", path.display()));
            let file: File = serde_json::from_slice(&read(path)?).map_err(|error| bad(error.to_string()))?;
            let anchors = match file {
                File::One(anchor) => vec![anchor],
                File::Several(anchors) => anchors,
            };
            return Ok(Self { anchors, from: path.display().to_string() });
        }
        let anchor = cluster.chain().await?.anchor(&cluster.ids(), &id.key.0).await?;
        let anchor = anchor.as_ref().map(Anchor::try_from).transpose();
        let bad = |length| Problem::new(ErrorCode::ChainUnproven, format!("a root of {length} bytes"));
        Ok(Self { anchors: anchor.map_err(bad)?.into_iter().collect(), from: "the chain".to_owned() })
    }

    fn last(&self) -> Option<Anchor> {
        self.anchors.iter().copied().max_by_key(|anchor| anchor.sequence)
    }
}

/// The log of the master that runs here, or the only one there is.
fn here(state: &StateDir) -> Result<PathBuf, Problem> {
    #[derive(Deserialize)]
    struct Identity {
        signing_key: String,
    }
    let folder = state.audit();
    let identity = std::fs::read(state.master_identity()).ok();
    let identity = identity.and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
    let key = identity.and_then(|identity| identity.signing_key.parse::<EnclaveKey>().ok());
    key.map(|key| folder.join(key.to_string())).ok_or_else(|| {
        let cause = format!("no master has run below {}: name its log's folder with --log", state.path().display());
        Problem::new(ErrorCode::NotRunning, cause)
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.map_err(|error| Problem::new(ErrorCode::ConfigInvalid, format!("{}: {error}", path.display())))?;
    Ok(bytes)
}

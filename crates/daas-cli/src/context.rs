//! What most commands need: the caller's files, found by the same rules everywhere.

use crate::cli::Global;
use crate::output::Output;
use crate::paths::{StateDir, cluster_dir, config_dir};
use daas_client::{ClusterInfo, SealFile};
use daas_types::{ErrorCode, Problem};
use std::path::{Path, PathBuf};

/// The global flags, understood.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) state: StateDir,
    cluster: Option<PathBuf>,
    wallet: Option<PathBuf>,
    from: Option<String>,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, Problem> {
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(Problem::of(ErrorCode::StateUnreadable));
        Ok(Self {
            output: Output::new(global.json),
            state: StateDir::new(&global.state_dir)?,
            cluster: global.cluster.as_ref().map(absolute).transpose()?,
            wallet: global.wallet.as_ref().map(absolute).transpose()?,
            from: global.from.clone(),
        })
    }

    /// The trust anchor's file: the one named, else the one of the cluster on this machine.
    pub(crate) fn cluster_path(&self) -> PathBuf {
        self.cluster.clone().unwrap_or_else(|| self.state.join())
    }

    pub(crate) fn cluster(&self) -> Result<ClusterInfo, Problem> {
        ClusterInfo::load(&self.cluster_path()).map_err(|problem| match problem.code {
            // Whoever named a file is not helped by being told to name one.
            ErrorCode::ClusterFileMissing if self.cluster.is_some() => {
                Problem::new(ErrorCode::ClusterFileBad, problem.cause)
            }
            _ => problem,
        })
    }

    /// Whether the trust anchor was named.
    pub(crate) fn names_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// The flag that names it, to be typed again.
    pub(crate) fn typed(&self) -> String {
        if self.names_cluster() { format!(" --cluster {}", self.cluster_path().display()) } else { String::new() }
    }

    /// Whether the wallet's file was named.
    pub(crate) fn names_wallet(&self) -> bool {
        self.wallet.is_some()
    }

    /// The key of the Sui CLI's that was named.
    pub(crate) fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    pub(crate) fn wallet_path(&self) -> Result<PathBuf, Problem> {
        match &self.wallet {
            Some(path) => Ok(path.clone()),
            None => Ok(config_dir()?.join("wallet.key")),
        }
    }

    /// The Seal's file: the one named, else the caller's own for this cluster.
    pub(crate) fn seal_path(named: Option<&Path>, cluster: &ClusterInfo) -> Result<PathBuf, Problem> {
        match named {
            Some(path) => std::path::absolute(path).map_err(Problem::of(ErrorCode::StateUnreadable)),
            None => Ok(cluster_dir(&config_dir()?, cluster.join.cluster).join("seal.json")),
        }
    }

    /// The Seal, of this cluster.
    pub(crate) fn seal(named: Option<&Path>, cluster: &ClusterInfo) -> Result<(PathBuf, SealFile), Problem> {
        let path = Self::seal_path(named, cluster)?;
        let seal = SealFile::load(&path)?;
        if seal.cluster != cluster.join.cluster {
            let cause = format!("{} is of cluster {}, this is {}", path.display(), seal.cluster, cluster.join.cluster);
            return Err(Problem::new(ErrorCode::TokenForeign, cause));
        }
        Ok((path, seal))
    }
}

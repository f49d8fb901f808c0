//! Where everything lies. Names here are known to the other programs and to people.

use daas_types::{ClusterId, ErrorCode, NodeId, Problem};
use std::path::{Path, PathBuf};

/// The state folder of a cluster on this machine.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

/// Who acts for a cluster that `up` founded: each with a wallet of its own, as the contract wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Office {
    /// Administers it, and stakes for its own node.
    Operator,
    /// Proposes slashes.
    Proposer,
    /// Judges them.
    Judge,
    /// Gets slashed money.
    Treasury,
}

// === impl Office ===

impl Office {
    pub(crate) const ALL: [Self; 4] = [Self::Operator, Self::Proposer, Self::Judge, Self::Treasury];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Proposer => "proposer",
            Self::Judge => "judge",
            Self::Treasury => "treasury",
        }
    }
}

// === impl StateDir ===

impl StateDir {
    /// The folder, as an absolute path: children run elsewhere.
    pub(crate) fn new(path: &Path) -> Result<Self, Problem> {
        std::path::absolute(path).map(Self).map_err(Problem::of(ErrorCode::StateUnreadable))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Who supervises: pid and start time.
    pub(crate) fn supervisor(&self) -> PathBuf {
        self.0.join("supervisor.json")
    }

    /// Held by the supervisor as long as it lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("supervisor.lock")
    }

    pub(crate) fn supervisor_log(&self) -> PathBuf {
        self.0.join("supervisor.log")
    }

    /// What `up` and `status` show.
    pub(crate) fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    pub(crate) fn join(&self) -> PathBuf {
        self.0.join("join.json")
    }

    /// Package and shared objects of the cluster made here.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.0.join("cluster.json")
    }

    /// What the master is pinned to.
    pub(crate) fn pins(&self) -> PathBuf {
        self.0.join("pins.json")
    }

    /// The engine's programs by hash: measured with the master.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.0.join("engine.manifest")
    }

    /// The master's configuration; the operator may edit it.
    pub(crate) fn master_config(&self) -> PathBuf {
        self.0.join("nautilus-config.yaml")
    }

    pub(crate) fn wallets(&self) -> PathBuf {
        self.0.join("wallets")
    }

    /// The key of one of the cluster's offices.
    pub(crate) fn wallet(&self, office: Office) -> PathBuf {
        self.wallets().join(office.as_str()).with_extension("key")
    }

    pub(crate) fn operator_seal(&self) -> PathBuf {
        self.0.join("operator-seal.json")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    pub(crate) fn devnet(&self) -> PathBuf {
        self.0.join("devnet")
    }

    /// The simulated TEE's device.
    pub(crate) fn nsm_socket(&self) -> PathBuf {
        self.0.join("run/nsm.sock")
    }

    /// Records of the supervisor's own children.
    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run/processes")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub(crate) fn master(&self) -> PathBuf {
        self.0.join("master")
    }

    /// The audit logs of the master here, one folder for each enclave's key.
    pub(crate) fn audit(&self) -> PathBuf {
        self.0.join("master/audit")
    }

    /// What a started master says about itself.
    pub(crate) fn master_identity(&self) -> PathBuf {
        self.0.join("master/identity.json")
    }

    /// The join file of a started master: the pins with its endpoint and CA.
    pub(crate) fn master_join(&self) -> PathBuf {
        self.0.join("master/join.json")
    }

    pub(crate) fn nodes(&self) -> PathBuf {
        self.0.join("nodes")
    }

    /// Of the worker that is a service of this machine.
    pub(crate) fn service_worker(&self) -> PathBuf {
        self.0.join("worker")
    }

    pub(crate) fn node(&self, node: &NodeId) -> PathBuf {
        self.nodes().join(node.as_str())
    }
}

/// The caller's own files: `$XDG_CONFIG_HOME/k3s-daas`, else `~/.config/k3s-daas`.
pub(crate) fn config_dir() -> Result<PathBuf, Problem> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("k3s-daas"))
        .ok_or_else(|| Problem::new(ErrorCode::WalletMissing, "neither XDG_CONFIG_HOME nor HOME is set"))
}

/// The folder of one cluster's Seal: short, because people read it, and of the id, because names are not unique.
pub(crate) fn cluster_dir(config: &Path, cluster: ClusterId) -> PathBuf {
    let id = cluster.to_string();
    config.join(id.trim_start_matches("0x").chars().take(12).collect::<String>())
}

/// Who runs a joined node from its folder: pid and start time.
pub(crate) fn worker_record(node: &Path) -> PathBuf {
    node.join("worker.json")
}

/// Where its processes keep their data.
pub(crate) fn node_data(node: &Path) -> PathBuf {
    node.join("node")
}

/// A program that is installed beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, Problem> {
    let own = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Problem::new(
        ErrorCode::ToolMissing,
        format!("{} is not there; the programs are installed together", path.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::Address;

    #[test]
    fn a_clusters_folder_is_its_ids_start() {
        let id = ClusterId(Address::from_static("0xabcdef0123456789000000000000000000000000000000000000000000000001"));
        assert_eq!(cluster_dir(Path::new("/c"), id), Path::new("/c/abcdef012345"));
    }
}

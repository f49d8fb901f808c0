//! The exec plugin of kubelet and kube-proxy.

use crate::config::{cluster_path, seal_path};
use crate::host::verdict_dir;
use daas_client::{ClusterInfo, SealFile, exec};
use daas_types::Problem;
use daas_types::pop::Usage;
use std::path::Path;

/// The `ExecCredential` for a node's component, after the master has been verified.
pub async fn credential(exec_info: Option<&str>, usage: Usage, state_dir: &Path) -> Result<String, Problem> {
    let cluster = ClusterInfo::load(&cluster_path(state_dir))?;
    let seal = SealFile::load(&seal_path(state_dir))?;
    exec::credential(exec_info, &cluster, &seal, usage, &verdict_dir(state_dir)).await
}

//! What the chain last said of a cluster's masters, for a node while the chain cannot be reached.
//!
//! A gateway that lost the chain keeps its nodes for a grace; a node that lost it keeps its gateway for as long. The master
//! proves itself as ever, and is compared with what the chain said last. The price is the same on both sides: whoever cuts
//! a node off from the chain keeps it from learning for at most this long that a master counts no more.

use crate::{ClusterInfo, Masters, write_private};
use daas_types::{ErrorCode, UnixMs};
use std::path::Path;
use std::time::Duration;

/// As long as gateways keep nodes without the chain (`gateway.node_stale_grace`).
const GRACE: Duration = Duration::from_mins(15);
/// How far the chain's clock may be ahead of this machine's.
const AHEAD: Duration = Duration::from_mins(1);
const FILE: &str = "masters.json";

// === impl Masters ===

impl Masters {
    /// Whether a node may still go by this where the chain cannot be asked.
    pub fn within_grace(&self, now: UnixMs) -> bool {
        self.at <= now.plus(AHEAD) && now.since(self.at) <= GRACE
    }

    /// Keeps it for the node's other processes.
    pub fn remember(&self, folder: &Path) -> std::io::Result<()> {
        write_private(&folder.join(FILE), &serde_json::to_vec(self)?)
    }

    /// What was kept of this cluster, while it is within the grace.
    pub(crate) fn known(cluster: &ClusterInfo, folder: &Path, now: UnixMs) -> Option<Self> {
        let known: Self = serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()?;
        let same = (known.nautilus.cluster, known.nautilus.id) == (cluster.join.cluster, cluster.join.nautilus);
        (same && known.within_grace(now)).then_some(known)
    }
}

/// Whether it is the chain that is missing, and not an answer of it that is disliked.
pub fn is_outage(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ChainUnreachable | ErrorCode::ChainUnproven | ErrorCode::ChainStale)
}

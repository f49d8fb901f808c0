//! What the chain last said of a cluster's masters, for a node while the chain cannot be reached.
//!
//! A gateway that lost the chain keeps its nodes for a grace; a node that lost it keeps its gateway for as long. The master
//! proves itself as ever, and is compared with what the chain said last. The price is the same on both sides: whoever cuts
//! a node off from the chain keeps it from learning for at most this long that a master counts no more; a minute longer where
//! this machine's clock is behind the chain's, and another where it is set back by no more than that. A clock that is set back
//! further behind the last time at which this was gone by ends it.

use crate::{ClusterInfo, Masters, write_private};
use daas_types::{ErrorCode, UnixMs};
use std::path::Path;
use std::time::Duration;

/// As long as gateways keep nodes without the chain (`gateway.node_stale_grace`).
const GRACE: Duration = Duration::from_mins(15);
/// How far the chain's clock, or this machine's own of before, may be ahead of this machine's.
const AHEAD: Duration = Duration::from_mins(1);
const FILE: &str = "masters.json";
/// The latest time, by this machine's clock, at which it was gone by.
const LATEST: &str = "masters.latest";

// === impl Masters ===

impl Masters {
    /// Whether what the chain said is young enough to go by where it cannot be asked.
    pub fn within_grace(&self, now: UnixMs) -> bool {
        self.at <= now.plus(AHEAD) && now.since(self.at) <= GRACE
    }

    /// Whether a node goes by this now. Of a clock that is set back nobody can say how long it has been; who cannot write
    /// down what time it is now, could not tell later.
    pub fn is_usable(&self, folder: &Path, now: UnixMs) -> bool {
        let path = folder.join(LATEST);
        let latest = std::fs::read_to_string(&path).ok().and_then(|text| text.parse().ok()).map_or(UnixMs(0), UnixMs);
        // The node's processes ask at one time, and each has waited for the chain as long as it takes.
        if latest > now.plus(AHEAD) || !self.within_grace(now) {
            return false;
        }
        let written = write_private(&path, latest.max(now).0.to_string().as_bytes());
        written.inspect_err(|error| tracing::warn!(%error, "what time it is is not kept")).is_ok()
    }

    /// Keeps it for the node's other processes. The chain has just been heard: what this machine's clock was before does not
    /// matter any more.
    pub fn remember(&self, folder: &Path) -> std::io::Result<()> {
        write_private(&folder.join(FILE), &serde_json::to_vec(self)?)?;
        match std::fs::remove_file(folder.join(LATEST)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What was kept of this cluster, while it is within the grace.
    pub(crate) fn known(cluster: &ClusterInfo, folder: &Path, now: UnixMs) -> Option<Self> {
        let known: Self = serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()?;
        let same = (known.nautilus.cluster, known.nautilus.id) == (cluster.join.cluster, cluster.join.nautilus);
        (same && known.is_usable(folder, now)).then_some(known)
    }
}

/// Whether it is the chain that is missing, and not an answer of it that is disliked.
pub fn is_outage(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ChainUnreachable | ErrorCode::ChainUnproven | ErrorCode::ChainStale)
}

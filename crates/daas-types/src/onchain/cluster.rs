use super::{Announcement, Policy, bytes};
use crate::{AnchorsId, CapId, ClusterId, Mist, NautilusId, PositionId, RegistryId};
use serde::{Deserialize, Serialize};

/// `k3s_daas::cluster::Cluster`, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Object id.
    pub id: ClusterId,
    /// Package version that may touch it.
    pub version: u64,
    /// The operator's name for it.
    pub name: String,
    /// Full digest of the network's genesis checkpoint, 32 bytes.
    #[serde(with = "bytes")]
    pub genesis: Vec<u8>,
    /// +1 with each change of anything but the treasury.
    pub generation: u64,
    /// Its registry.
    pub registry: RegistryId,
    /// Its measurements and masters.
    pub nautilus: NautilusId,
    /// Its anchored audit roots.
    pub anchors: AnchorsId,
    /// The rules.
    pub policy: Policy,
    /// The rules to come.
    pub announced: Option<Announcement>,
    /// Whether new stake is refused.
    pub paused: bool,
    /// Positions whose nodes are the operator's pool, and which may answer for masters.
    pub operator_positions: Vec<PositionId>,
    /// The `ProposerCap` that counts.
    pub proposer_cap: CapId,
    /// The `JudgeCap` that counts.
    pub judge_cap: CapId,
    /// Slashed money.
    pub treasury: Mist,
}

/// `k3s_daas::cluster::ClusterState`: a [`Cluster`] as its events carry it, the same bytes up to the treasury.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Cluster")]
pub struct ClusterState {
    pub cluster: ClusterId,
    pub version: u64,
    pub name: String,
    #[serde(with = "bytes")]
    pub genesis: Vec<u8>,
    pub generation: u64,
    pub registry: RegistryId,
    pub nautilus: NautilusId,
    pub anchors: AnchorsId,
    pub policy: Policy,
    pub announced: Option<Announcement>,
    pub paused: bool,
    pub operator_positions: Vec<PositionId>,
    pub proposer_cap: CapId,
    pub judge_cap: CapId,
}

// === impl Cluster ===

impl Cluster {
    /// What its events say of it.
    pub fn state(&self) -> ClusterState {
        ClusterState {
            cluster: self.id,
            version: self.version,
            name: self.name.clone(),
            genesis: self.genesis.clone(),
            generation: self.generation,
            registry: self.registry,
            nautilus: self.nautilus,
            anchors: self.anchors,
            policy: self.policy.clone(),
            announced: self.announced.clone(),
            paused: self.paused,
            operator_positions: self.operator_positions.clone(),
            proposer_cap: self.proposer_cap,
            judge_cap: self.judge_cap,
        }
    }

    /// Whether the position's nodes are the operator's pool.
    pub fn is_operator(&self, position: PositionId) -> bool {
        self.operator_positions.contains(&position)
    }
}

// === impl ClusterState ===

impl ClusterState {
    /// Whether the position's nodes are the operator's pool.
    pub fn is_operator(&self, position: PositionId) -> bool {
        self.operator_positions.contains(&position)
    }
}

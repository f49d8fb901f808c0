use super::{LivePosition, LiveSeal, namespace_of};
use daas_types::onchain::{NautilusState, Policy, PositionState, Status};
use daas_types::{Locator, Mist, NodeId, PositionId, SealId, Thresholds, UnixMs};
use rpds::{HashTrieMapSync, HashTrieSetSync};
use std::sync::Arc;
use tokio::time::Instant;

/// The cluster as of one checkpoint. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) policy: Arc<Policy>,
    pub(super) policy_generation: u64,
    pub(super) nautilus: Option<Arc<NautilusState>>,
    pub(super) checkpoint: u64,
    /// The checkpoint to apply next: after the last one, or where a base was read.
    pub(super) next: u64,
    pub(super) timestamp: Option<UnixMs>,
    /// When that checkpoint came, by a clock that nobody can set back.
    pub(super) seen: Option<Instant>,
    positions: HashTrieMapSync<PositionId, Arc<LivePosition>>,
    seals: HashTrieMapSync<SealId, PositionId>,
    locators: HashTrieMapSync<Locator, HashTrieSetSync<SealId>>,
    nodes: HashTrieMapSync<NodeId, PositionId>,
    namespaces: HashTrieMapSync<String, PositionId>,
}

// === impl Snapshot ===

impl Snapshot {
    /// The cluster's rules. Before they are known: rules under which nobody may anything.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Measurements and masters, once known.
    pub fn nautilus(&self) -> Option<&NautilusState> {
        self.nautilus.as_deref()
    }

    /// The last verified checkpoint in it.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// That checkpoint's time, once there is one.
    pub fn timestamp(&self) -> Option<UnixMs> {
        self.timestamp
    }

    /// A position.
    pub fn position(&self, id: PositionId) -> Option<&Arc<LivePosition>> {
        self.positions.get(&id)
    }

    /// A Seal and its position. Expiry is the caller's to check.
    pub fn seal(&self, id: SealId) -> Option<(&Arc<LivePosition>, &LiveSeal)> {
        let position = self.position(*self.seals.get(&id)?)?;
        Some((position, position.seals.iter().find(|seal| seal.record.id == id)?))
    }

    /// Every Seal with this locator. Anyone can copy a locator; the commitment decides.
    pub fn by_locator(&self, locator: Locator) -> impl Iterator<Item = (&Arc<LivePosition>, &LiveSeal)> {
        self.locators.get(&locator).into_iter().flatten().filter_map(|seal| self.seal(*seal))
    }

    /// The position that holds a node id.
    pub fn by_node(&self, node: &NodeId) -> Option<&Arc<LivePosition>> {
        self.position(*self.nodes.get(node)?)
    }

    /// The position whose tenant namespace this is.
    pub fn by_namespace(&self, namespace: &str) -> Option<&Arc<LivePosition>> {
        self.position(*self.namespaces.get(namespace)?)
    }

    /// All positions, in no order.
    pub fn positions(&self) -> impl Iterator<Item = &Arc<LivePosition>> {
        self.positions.values()
    }

    /// Positions with a gap, to be read again.
    pub(crate) fn gaps(&self) -> Vec<PositionId> {
        self.positions().filter(|live| live.gap).map(|live| live.state.position).collect()
    }

    /// The checkpoint to apply next.
    pub(crate) fn next_checkpoint(&self) -> u64 {
        self.next
    }

    /// Whether it has a cluster's objects in it.
    pub(crate) fn is_based(&self) -> bool {
        self.nautilus.is_some()
    }

    pub(crate) fn policy_generation(&self) -> u64 {
        self.policy_generation
    }

    /// Nothing known yet.
    pub(super) fn empty() -> Self {
        Self {
            policy: Arc::new(nobody()),
            policy_generation: 0,
            nautilus: None,
            checkpoint: 0,
            next: 0,
            timestamp: None,
            seen: None,
            positions: HashTrieMapSync::new_sync(),
            seals: HashTrieMapSync::new_sync(),
            locators: HashTrieMapSync::new_sync(),
            nodes: HashTrieMapSync::new_sync(),
            namespaces: HashTrieMapSync::new_sync(),
        }
    }

    /// What was saved.
    pub(crate) fn of_saved(
        (checkpoint, timestamp): (u64, UnixMs),
        (policy_generation, policy): (u64, Policy),
        nautilus: Option<NautilusState>,
        positions: impl IntoIterator<Item = (PositionState, bool)>,
    ) -> Self {
        let next = checkpoint.saturating_add(1);
        let mut snapshot = Self { checkpoint, next, timestamp: Some(timestamp), policy_generation, ..Self::empty() };
        for (state, gap) in positions {
            let (live, _) = LivePosition::after(None, state, gap, &policy);
            snapshot.place(live);
        }
        snapshot.policy = Arc::new(policy);
        snapshot.nautilus = nautilus.map(Arc::new);
        snapshot
    }

    /// Puts a position in the place of its former state.
    pub(super) fn place(&mut self, live: LivePosition) {
        let id = live.state.position;
        if let Some(old) = self.positions.get(&id).cloned() {
            self.forget_keys(&old);
        }
        for seal in &live.seals {
            self.seals.insert_mut(seal.record.id, id);
            if let Some(locator) = seal.record.locator() {
                let same = self.locators.get(&locator).cloned().unwrap_or_else(HashTrieSetSync::new_sync);
                self.locators.insert_mut(locator, same.insert(seal.record.id));
            }
        }
        if let Some(node) = live.node()
            && holds_node(&live.state)
        {
            self.nodes.insert_mut(node, id);
        }
        self.namespaces.insert_mut(namespace_of(id), id);
        self.positions.insert_mut(id, Arc::new(live));
    }

    fn forget_keys(&mut self, old: &LivePosition) {
        for seal in &old.seals {
            self.seals.remove_mut(&seal.record.id);
            let Some(locator) = seal.record.locator() else {
                continue;
            };
            let Some(others) = self.locators.get(&locator).map(|same| same.remove(&seal.record.id)) else {
                continue;
            };
            if others.is_empty() {
                self.locators.remove_mut(&locator);
            } else {
                self.locators.insert_mut(locator, others);
            }
        }
        // Another position may have taken the name since.
        if let Some(node) = old.node()
            && self.nodes.get(&node) == Some(&old.state.position)
        {
            self.nodes.remove_mut(&node);
        }
    }
}

/// A closed position gives its node id up when the last of its money is withdrawn.
fn holds_node(state: &PositionState) -> bool {
    state.status != Status::Closed || state.unbonding > Mist(0) || state.frozen > Mist(0)
}

fn nobody() -> Policy {
    let never = Mist(u64::MAX);
    Policy {
        thresholds: Thresholds { viewer: never, developer: never, admin: never, super_user: never },
        min_stake: never,
        node_minimum: never,
        slash_bps: 0,
        appeal_window_ms: 0,
        unbonding_ms: 0,
        max_seal_lifetime_ms: 0,
        evidence_max_age_ms: 0,
        super_is_masters: false,
        operator_positions: Vec::new(),
    }
}

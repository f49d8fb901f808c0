use super::Index;
use daas_types::onchain::{Policy, PositionState, SealRecord};
use daas_types::{NodeId, PositionId, Rights, UnixMs};
use std::sync::{Arc, LazyLock, OnceLock};
use tokio_util::sync::CancellationToken;

/// A position as of one snapshot.
#[derive(Debug)]
pub struct LivePosition {
    /// Its state on chain. A slash that lapsed by the time of the snapshot is released in it.
    pub state: PositionState,
    /// What it may do: by stake and policy, and nothing while `gap` is set.
    pub rights: Rights,
    /// Events of it are missing. It has no rights until it has been read again.
    pub gap: bool,
    losses: Losses,
    /// Cancelled when the next state is there. Most positions change without anyone waiting for it.
    superseded: OnceLock<CancellationToken>,
}

/// How often a position lost each kind of right. Whoever was let in before a loss is out, even if the right is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Losses {
    people: u32,
    node: u32,
}

/// The kinds of right. They are lost apart: a jailed node leaves its owner's tier alone, a lower tier leaves the node alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// That of its tier.
    People,
    /// That of its node to be in the cluster.
    Node,
}

/// What somebody was let in by: a position's right, and the Seal that was shown.
#[derive(Clone, Debug)]
pub struct Hold {
    index: Index,
    position: Arc<LivePosition>,
    right: Right,
    seal: Option<SealRecord>,
}

/// The Kubernetes namespace of a position's tenant.
pub fn namespace_of(position: PositionId) -> String {
    format!("t-{}", &hex::encode(position.0.as_bytes())[..32])
}

// === impl LivePosition ===

impl LivePosition {
    /// Its node, if it has a valid one.
    pub fn node(&self) -> Option<NodeId> {
        self.state.node()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        namespace_of(self.state.position)
    }

    /// The state that follows `old`, at a time when `state` has no slash that lapsed.
    pub(super) fn after(old: Option<&Self>, state: PositionState, gap: bool, policy: &Policy) -> Self {
        // No time: what lapses becomes another state when it does.
        let rights = if gap { Rights::default() } else { state.rights(policy, UnixMs(0)) };
        let losses = old.map_or_else(Losses::default, |old| old.losses.after(old.rights, rights));
        Self { state, rights, gap, losses, superseded: OnceLock::new() }
    }

    /// Wakes whoever holds this state. To be called once the next one is published.
    pub(super) fn supersede(&self) {
        static DONE: LazyLock<CancellationToken> = LazyLock::new(|| {
            let done = CancellationToken::new();
            done.cancel();
            done
        });
        // If nobody waits yet, whoever comes late finds it cancelled.
        self.superseded.get_or_init(|| DONE.clone()).cancel();
    }

    fn superseded(&self) -> &CancellationToken {
        self.superseded.get_or_init(CancellationToken::new)
    }
}

// === impl Losses ===

impl Losses {
    fn after(self, before: Rights, after: Rights) -> Self {
        Self {
            people: self.people.wrapping_add(u32::from(after.tier < before.tier)),
            node: self.node.wrapping_add(u32::from(before.node && !after.node)),
        }
    }

    fn of(self, right: Right) -> u32 {
        match right {
            Right::People => self.people,
            Right::Node => self.node,
        }
    }
}

// === impl Hold ===

impl Hold {
    pub(super) fn new(index: Index, position: Arc<LivePosition>, right: Right, seal: Option<SealRecord>) -> Self {
        Self { index, position, right, seal }
    }

    /// Resolves once the right is lost or the Seal is gone: at once, if that has happened already.
    pub async fn lost(&self) {
        let mut seen = self.position.clone();
        loop {
            seen.superseded().cancelled().await;
            match self.index.snapshot().position(seen.state.position) {
                Some(now) if self.stands(now) => seen = now.clone(),
                _ => return,
            }
        }
    }

    /// Whether that has happened.
    pub fn is_lost(&self) -> bool {
        self.index.snapshot().position(self.position.state.position).is_none_or(|now| !self.stands(now))
    }

    fn stands(&self, now: &LivePosition) -> bool {
        now.losses.of(self.right) == self.position.losses.of(self.right)
            && self.seal.as_ref().is_none_or(|seal| now.state.seals.contains(seal))
    }
}

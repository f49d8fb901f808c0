use super::{Base, Change, IndexIds, LivePosition, Snapshot};
use crate::verified::VerifiedCheckpoint;
use arc_swap::ArcSwap;
use daas_types::onchain::{ClusterCreated, Event, NautilusState, Policy, PolicyChanged, PositionState};
use daas_types::{PositionId, Rights};
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a checkpoint changed; what has to be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Positions whose state is another now, each once.
    pub positions: Vec<PositionId>,
    /// Whether policy, measurements or masters are others now.
    pub cluster: bool,
}

/// The next snapshot and what follows from it, not yet visible to anyone.
#[derive(Debug)]
pub(super) struct Plan {
    next: Snapshot,
    cuts: Vec<CancellationToken>,
    changes: Vec<Change>,
    applied: Applied,
}

/// How an event's generation relates to the last one known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Known,
    Next,
    Gap,
}

// === impl Plan ===

impl Plan {
    pub(super) fn checkpoint(ids: &IndexIds, current: &Snapshot, checkpoint: &VerifiedCheckpoint) -> Self {
        let mut plan = Self::from(current);
        for event in checkpoint.events() {
            plan.event(ids, event.event());
        }
        if checkpoint.sequence() >= plan.next.next {
            plan.next.checkpoint = checkpoint.sequence();
            plan.next.next = checkpoint.sequence().saturating_add(1);
            // Time does not go back, whatever a checkpoint says.
            plan.next.timestamp = plan.next.timestamp.max(Some(checkpoint.timestamp()));
            plan.next.seen = Some(Instant::now());
        }
        plan
    }

    pub(super) fn bootstrap(ids: &IndexIds, current: &Snapshot, base: Base) -> Self {
        let mut plan = Self::from(current);
        let Base { cluster, nautilus, positions, checkpoint } = base;
        if cluster.id == ids.cluster {
            plan.policy(cluster.generation, &cluster.policy);
        }
        plan.nautilus(ids, &nautilus);
        for state in positions {
            plan.read(ids, state);
        }
        plan.next.next = plan.next.next.max(checkpoint);
        plan
    }

    pub(super) fn reread(ids: &IndexIds, current: &Snapshot, state: PositionState) -> Self {
        let mut plan = Self::from(current);
        plan.read(ids, state);
        plan
    }

    /// How it takes effect, in this order: whoever is cut and looks again must see why.
    pub(super) const STEPS: [fn(&Self, &ArcSwap<Snapshot>); 2] = [Self::publish, Self::cut];

    fn publish(&self, current: &ArcSwap<Snapshot>) {
        current.store(Arc::new(self.next.clone()));
    }

    fn cut(&self, _: &ArcSwap<Snapshot>) {
        self.cuts.iter().for_each(CancellationToken::cancel);
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn into_applied(mut self) -> Applied {
        self.applied.positions.sort_unstable();
        self.applied.positions.dedup();
        self.applied
    }

    fn from(current: &Snapshot) -> Self {
        Self { next: current.clone(), cuts: Vec::new(), changes: Vec::new(), applied: Applied::default() }
    }

    fn event(&mut self, ids: &IndexIds, event: &Event) {
        match event {
            Event::ClusterCreated(ClusterCreated { cluster, policy, .. }) => {
                if *cluster == ids.cluster && self.next.policy_generation == 0 {
                    self.set_policy(0, policy);
                }
            }
            Event::PolicyChanged(PolicyChanged { cluster, generation, policy }) => {
                if *cluster == ids.cluster {
                    self.policy(*generation, policy);
                }
            }
            Event::Nautilus(state) => self.nautilus(ids, state),
            Event::Position { name, state } => {
                if state.cluster != ids.cluster {
                    return;
                }
                let known = self.next.position(state.position);
                let order = Order::of(known.map(|live| live.state.generation), state.generation);
                let gap = order == Order::Gap || known.is_some_and(|live| live.gap);
                if order == Order::Gap {
                    tracing::warn!(position = %state.position, generation = state.generation,
                        known = known.map_or(0, |live| live.state.generation), event = ?name,
                        "events of the position are missing; it has no rights until it is read again");
                }
                if order != Order::Known {
                    self.position(state.clone(), gap);
                }
            }
        }
    }

    /// A position as an object read shows it: complete by itself, so it closes a gap.
    fn read(&mut self, ids: &IndexIds, state: PositionState) {
        if state.cluster != ids.cluster {
            return;
        }
        let news = self.next.position(state.position).is_none_or(|live| {
            state.generation > live.state.generation || (live.gap && state.generation == live.state.generation)
        });
        if news {
            self.position(state, false);
        }
    }

    fn position(&mut self, state: PositionState, gap: bool) {
        let old = self.next.position(state.position).cloned();
        let (live, cuts) = LivePosition::after(old.as_deref(), state, gap, &self.next.policy);
        self.cuts.extend(cuts);
        self.changes.push(Change {
            position: live.state.position,
            generation: live.state.generation,
            before: old.map_or_else(Rights::default, |old| old.rights),
            after: live.rights,
        });
        self.applied.positions.push(live.state.position);
        self.next.place(live);
    }

    fn policy(&mut self, generation: u64, policy: &Policy) {
        if generation > self.next.policy_generation {
            self.set_policy(generation, policy);
        } else if generation == 0 && self.next.policy_generation == 0 {
            self.set_policy(0, policy);
        }
    }

    fn set_policy(&mut self, generation: u64, policy: &Policy) {
        self.next.policy_generation = generation;
        self.applied.cluster = true;
        if *self.next.policy == *policy {
            return;
        }
        self.next.policy = Arc::new(policy.clone());
        let all: Vec<_> = self.next.positions().cloned().collect();
        for old in all {
            let (live, cuts) = LivePosition::after(Some(&old), old.state.clone(), old.gap, policy);
            if live.rights == old.rights {
                continue;
            }
            self.cuts.extend(cuts);
            self.changes.push(Change {
                position: old.state.position,
                generation: old.state.generation,
                before: old.rights,
                after: live.rights,
            });
            self.next.place(live);
        }
    }

    fn nautilus(&mut self, ids: &IndexIds, state: &NautilusState) {
        let ours = state.cluster == ids.cluster && state.id == ids.nautilus;
        if ours && self.next.nautilus().is_none_or(|known| state.generation > known.generation) {
            self.next.nautilus = Some(Arc::new(state.clone()));
            self.applied.cluster = true;
        }
    }
}

// === impl Order ===

impl Order {
    fn of(known: Option<u64>, got: u64) -> Self {
        let known = known.unwrap_or(0);
        if got <= known {
            Self::Known
        } else if got == known.saturating_add(1) {
            Self::Next
        } else {
            Self::Gap
        }
    }
}

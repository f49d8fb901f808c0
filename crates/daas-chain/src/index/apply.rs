use super::snapshot::ChainClock;
use super::{Base, Change, IndexIds, LivePosition, Snapshot};
use crate::verified::VerifiedCheckpoint;
use arc_swap::ArcSwap;
use daas_types::onchain::{ClusterState, Event, NautilusState, PositionState};
use daas_types::{PositionId, Rights};
use std::sync::Arc;

/// What a checkpoint changed; what has to be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Positions whose state is another now, each once.
    pub positions: Vec<PositionId>,
    /// Whether the cluster, its measurements or its masters are others now.
    pub cluster: bool,
}

/// The next snapshot and what follows from it, not yet visible to anyone.
#[derive(Debug)]
pub(super) struct Plan {
    next: Snapshot,
    superseded: Vec<Arc<LivePosition>>,
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
            plan.next.clock = Some(ChainClock::set(plan.next.clock, checkpoint.timestamp()));
        }
        plan.release_lapsed();
        plan
    }

    pub(super) fn bootstrap(ids: &IndexIds, current: &Snapshot, base: Base) -> Self {
        let mut plan = Self::from(current);
        let Base { cluster, nautilus, positions, checkpoint } = base;
        plan.cluster(ids, &cluster);
        plan.nautilus(ids, &nautilus);
        for state in positions {
            plan.read(ids, state);
        }
        plan.next.next = plan.next.next.max(checkpoint);
        plan.release_lapsed();
        plan
    }

    pub(super) fn reread(ids: &IndexIds, current: &Snapshot, state: PositionState) -> Self {
        let mut plan = Self::from(current);
        plan.read(ids, state);
        plan.release_lapsed();
        plan
    }

    /// How it takes effect, in this order: whoever is woken and looks again must see why.
    pub(super) const STEPS: [fn(&Self, &ArcSwap<Snapshot>); 2] = [Self::publish, Self::wake];

    fn publish(&self, current: &ArcSwap<Snapshot>) {
        current.store(Arc::new(self.next.clone()));
    }

    fn wake(&self, _: &ArcSwap<Snapshot>) {
        self.superseded.iter().for_each(|old| old.supersede());
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
        Self { next: current.clone(), superseded: Vec::new(), changes: Vec::new(), applied: Applied::default() }
    }

    fn event(&mut self, ids: &IndexIds, event: &Event) {
        match event {
            Event::Cluster { state, .. } => self.cluster(ids, state),
            Event::Nautilus { state, .. } => self.nautilus(ids, state),
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
            // Nothing that anyone is let in by.
            Event::TreasuryPaid(_) | Event::Request { .. } | Event::RootAnchored(_) => {}
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

    /// A slash that nobody executed in time ends as if an event said so. The time is that of verified checkpoints alone:
    /// this gives rights back, and the machine's clock is in nobody's hands who may do that.
    fn release_lapsed(&mut self) {
        let Some(now) = self.next.timestamp else {
            return;
        };
        for live in self.next.lapsed(now) {
            tracing::info!(position = %live.state.position, "a proposed slash has lapsed");
            self.position(live.state.at(now).into_owned(), live.gap);
        }
    }

    fn position(&mut self, state: PositionState, gap: bool) {
        let (position, generation) = (state.position, state.generation);
        let old = self.next.position(position);
        let before = old.map_or_else(Rights::default, |old| old.rights);
        let live = LivePosition::after(old.map(Arc::as_ref), state, gap, self.next.policy());
        self.changes.push(Change { position, generation, before, after: live.rights });
        self.applied.positions.push(position);
        self.put(live);
    }

    fn put(&mut self, live: LivePosition) {
        // One that nobody else has was made by this plan, and nobody waits for its end.
        let old = self.next.place(live).filter(|old| Arc::strong_count(old) > 1);
        self.superseded.extend(old);
    }

    fn cluster(&mut self, ids: &IndexIds, state: &ClusterState) {
        let known = self.next.cluster();
        if state.cluster != ids.cluster || known.is_some_and(|known| state.generation <= known.generation) {
            return;
        }
        let same_rules = *self.next.policy() == state.policy;
        self.next.cluster = Some(Arc::new(state.clone()));
        self.applied.cluster = true;
        if !same_rules {
            self.judge_anew();
        }
    }

    /// Every position by the rules as they are now.
    fn judge_anew(&mut self) {
        let all: Vec<_> = self.next.positions().cloned().collect();
        for old in all {
            let live = LivePosition::after(Some(&old), old.state.clone(), old.gap, self.next.policy());
            if live.rights == old.rights {
                continue;
            }
            let PositionState { position, generation, .. } = old.state;
            self.changes.push(Change { position, generation, before: old.rights, after: live.rights });
            self.put(live);
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

//! Becoming stale is an event: what was opened while the chain was fresh does not outlive that.

use crate::admit::View;
use crate::namespaces::Namespaces;
use arc_swap::ArcSwapAny;
use core::time::Duration;
use daas_chain::index::{Freshness, Index};
use daas_types::UnixMs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// How often the index is asked how old it is.
const TICK: Duration = Duration::from_millis(250);

/// The index, and the tokens that its growing old cancels.
pub(crate) struct Watch {
    index: Index,
    node_stale_grace: Duration,
    namespaces: Namespaces,
    people: Gate,
    nodes: Gate,
}

/// A token that is cancelled while closed and fresh while open. Every request takes it, and each look at one locks it; so whether it
/// was closed is kept apart.
#[derive(Default)]
struct Gate {
    token: ArcSwapAny<Arc<CancellationToken>>,
    closed: AtomicBool,
    /// Held by whoever opens or closes.
    moving: Mutex<()>,
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(index: Index, node_stale_grace: Duration, namespaces: Namespaces) -> Self {
        Self { index, node_stale_grace, namespaces, people: Gate::default(), nodes: Gate::default() }
    }

    /// What a decision rests on, now.
    pub(crate) fn view(&self) -> View<'_> {
        let snapshot = self.index.snapshot();
        let now = daas_chain::clock::now().max(snapshot.timestamp().unwrap_or_default());
        let freshness = self.index.freshness(now);
        View {
            node_stale_grace: self.node_stale_grace,
            index: &self.index,
            namespaces: &self.namespaces,
            watch: self,
            snapshot,
            freshness,
            now,
        }
    }

    /// Cancelled when the index, now this fresh, becomes too old for people.
    pub(crate) fn people_stale(&self, freshness: Freshness) -> Arc<CancellationToken> {
        self.people.token(people_open(freshness))
    }

    /// The same for nodes.
    pub(crate) fn nodes_stale(&self, freshness: Freshness) -> Arc<CancellationToken> {
        self.nodes.token(self.nodes_open(freshness))
    }

    /// Cancels what staleness ends, until dropped.
    pub(crate) async fn run(&self) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            let freshness = self.index.freshness(self.now());
            self.people.set(people_open(freshness));
            self.nodes.set(self.nodes_open(freshness));
        }
    }

    /// The later of the machine's clock and the last verified checkpoint.
    pub(crate) fn now(&self) -> UnixMs {
        daas_chain::clock::now().max(self.index.snapshot().timestamp().unwrap_or_default())
    }

    /// How long ago the last verified checkpoint was made.
    pub(crate) fn age(&self) -> Duration {
        self.now().since(self.index.snapshot().timestamp().unwrap_or_default())
    }

    fn nodes_open(&self, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Fresh => true,
            Freshness::Stale(age) => age <= self.node_stale_grace,
            Freshness::Unknown => false,
        }
    }
}

// === impl Gate ===

impl Gate {
    /// The token that the next closing cancels. Opens the gate if `open`: the next tick corrects a wrong opening.
    fn token(&self, open: bool) -> Arc<CancellationToken> {
        if open && self.closed.load(Ordering::Acquire) {
            let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
            if self.closed.load(Ordering::Relaxed) {
                self.token.store(Arc::default());
                self.closed.store(false, Ordering::Release);
            }
        }
        self.token.load_full()
    }

    fn set(&self, open: bool) {
        if !open {
            let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
            self.closed.store(true, Ordering::Release);
            self.token.load().cancel();
        }
    }
}

fn people_open(freshness: Freshness) -> bool {
    freshness == Freshness::Fresh
}

//! What the chain says: an index built from nothing, of every checkpoint since genesis.

use daas_chain::client::ChainClient;
use daas_chain::index::{Index, IndexIds, Snapshot};
use daas_chain::verified::Sequence;
use futures::{StreamExt, stream};
use std::collections::BTreeMap;
use std::fmt::Write;
use sui_sdk_types::hash::Hasher;

/// How many checkpoints are asked for at once.
const AT_ONCE: usize = 16;

/// What there was to know at each checkpoint.
pub(crate) struct Truth {
    at: Vec<Known>,
    last: String,
}

pub(crate) struct Known {
    pub(crate) digest: String,
    /// Of each position.
    pub(crate) generations: BTreeMap<String, u64>,
}

// === impl Truth ===

impl Truth {
    /// Up to and with checkpoint `until`.
    pub(crate) async fn replayed(client: &ChainClient, ids: IndexIds, until: u64) -> Self {
        let (index, mut sequence, mut at) = (Index::new(ids), Sequence::default(), Vec::new());
        let all = stream::iter(0..=until).map(|sequence| client.checkpoint(ids.package, sequence)).buffered(AT_ONCE);
        let mut all = Box::pin(all);
        while let Some(checkpoint) = all.next().await {
            let checkpoint = checkpoint.unwrap();
            sequence.extend(&checkpoint).unwrap();
            index.apply(&checkpoint);
            let snapshot = index.snapshot();
            let generations = snapshot.positions().map(|live| (live.state.position.to_string(), live.state.generation));
            at.push(Known { digest: digest(&seen(&snapshot)), generations: generations.collect() });
        }
        Self { at, last: seen(&index.snapshot()) }
    }

    pub(crate) fn at(&self, checkpoint: u64) -> &Known {
        &self.at[usize::try_from(checkpoint).unwrap()]
    }

    /// All of it.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }
}

/// Everything that anyone can learn from an index but how old it is.
pub(crate) fn seen(snapshot: &Snapshot) -> String {
    let mut seen = format!("{:?}\n{:?}\n", snapshot.cluster(), snapshot.nautilus());
    let positions: BTreeMap<_, _> = snapshot.positions().map(|live| (live.state.position, live)).collect();
    assert_eq!(positions.len(), snapshot.positions().count(), "a position is there twice");
    for (id, live) in positions {
        writeln!(seen, "{:?} {:?} {}", live.state, live.rights, live.gap).unwrap();
        let found =
            |other: Option<&_>| assert!(other.is_some_and(|other| std::ptr::eq(other, live)), "{id} is not found");
        found(snapshot.position(id));
        found(snapshot.by_namespace(&live.namespace()));
        if let Some(node) = live.node() {
            found(snapshot.by_node(&node));
        }
        for seal in &live.state.seals {
            found(snapshot.seal(seal.id).map(|(live, _)| live));
            assert!(snapshot.by_locator(seal.locator).any(|(_, other)| other == seal));
        }
    }
    seen
}

pub(crate) fn digest(seen: &str) -> String {
    Hasher::digest(seen).to_string()
}

use super::finder::Finder;
use super::totals::Totals;
use super::{LivePosition, namespace_of};
use daas_types::onchain::{ClusterState, NautilusState, Policy, PositionState, SealRecord};
use daas_types::{Locator, NodeId, PositionId, SealId, UnixMs, WalletAddress};
use imbl::{OrdSet, Vector};
use std::sync::{Arc, LazyLock};
use tokio::time::Instant;

/// Rules under which nobody may anything.
static NOBODY: LazyLock<Policy> = LazyLock::new(|| {
    let numbers = [u64::MAX; daas_types::onchain::NUMBERS];
    Policy::from_numbers(numbers, false, WalletAddress(daas_types::Address::ZERO))
});

/// Bytes of a position's id in its namespace's name.
const SHORT: usize = 16;

/// The cluster as of one checkpoint. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) cluster: Option<Arc<ClusterState>>,
    pub(super) nautilus: Option<Arc<NautilusState>>,
    pub(super) checkpoint: u64,
    /// The checkpoint to apply next: after the last one, or where a base was read.
    pub(super) next: u64,
    pub(super) timestamp: Option<UnixMs>,
    pub(super) clock: Option<ChainClock>,
    /// Each at the place where the finders find it, for ever: positions are never removed.
    positions: Vector<Arc<LivePosition>>,
    /// By the part of their ids that their namespaces have.
    ids: Finder,
    nodes: Finder,
    seals: Finder,
    locators: Finder,
    /// When proposed slashes lapse, and the positions' places.
    lapses: OrdSet<(UnixMs, u32)>,
    gaps: OrdSet<PositionId>,
    totals: Totals,
}

/// The chain's time, carried on by a clock that nobody can set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainClock {
    time: UnixMs,
    at: Instant,
}

// === impl ChainClock ===

impl ChainClock {
    /// After a checkpoint of this time has come. A checkpoint that came late does not set it back.
    pub(super) fn set(clock: Option<Self>, time: UnixMs) -> Self {
        let carried = clock.map_or(time, Self::now);
        Self { time: time.max(carried), at: Instant::now() }
    }

    /// What the time must be by now, at least.
    pub(super) fn now(self) -> UnixMs {
        self.time.plus(self.at.elapsed())
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The cluster, once known.
    pub fn cluster(&self) -> Option<&ClusterState> {
        self.cluster.as_deref()
    }

    /// The cluster's rules. Before they are known: rules under which nobody may anything.
    pub fn policy(&self) -> &Policy {
        self.cluster.as_ref().map_or(&NOBODY, |cluster| &cluster.policy)
    }

    /// Whether the position's nodes are the operator's pool.
    pub fn is_operator(&self, position: PositionId) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.is_operator(position))
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
        self.positions.get(self.place_of(id)?)
    }

    /// A Seal and its position. Expiry is the caller's to check.
    pub fn seal(&self, id: SealId) -> Option<(&Arc<LivePosition>, &SealRecord)> {
        self.seals.places(id.0.as_bytes()).find_map(|place| {
            let position = self.at(place)?;
            Some((position, position.state.seals.iter().find(|seal| seal.id == id)?))
        })
    }

    /// Every Seal with this locator. Anyone can copy a locator; the commitment decides.
    pub fn by_locator(&self, locator: Locator) -> impl Iterator<Item = (&Arc<LivePosition>, &SealRecord)> {
        let places = self.locators.places(&locator.0);
        places.filter_map(|place| self.at(place)).flat_map(move |position| {
            let same = position.state.seals.iter().filter(move |seal| seal.locator == locator);
            same.map(move |seal| (position, seal))
        })
    }

    /// The position that holds a node id. It gives it up with the last of its money.
    pub fn by_node(&self, node: &NodeId) -> Option<&Arc<LivePosition>> {
        let mut holders = self.nodes.places(node.as_str().as_bytes()).filter_map(|place| self.at(place));
        holders.find(|position| position.state.node_id == node.as_str())
    }

    /// The position whose tenant namespace this is.
    pub fn by_namespace(&self, namespace: &str) -> Option<&Arc<LivePosition>> {
        let mut short = [0; SHORT];
        hex::decode_to_slice(namespace.strip_prefix("t-")?, &mut short).ok()?;
        let mut owners = self.ids.places(&short).filter_map(|place| self.at(place));
        owners.find(|position| namespace_of(position.state.position) == namespace)
    }

    /// All positions, in no order.
    pub fn positions(&self) -> impl Iterator<Item = &Arc<LivePosition>> {
        self.positions.iter()
    }

    /// What all active positions come to: known, not counted when asked, because anyone may ask.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Positions with a gap, to be read again.
    pub(crate) fn gaps(&self) -> Vec<PositionId> {
        self.gaps.iter().copied().collect()
    }

    /// The checkpoint to apply next.
    pub(crate) fn next_checkpoint(&self) -> u64 {
        self.next
    }

    /// Whether it has a cluster's objects in it.
    pub(crate) fn is_based(&self) -> bool {
        self.cluster.is_some() && self.nautilus.is_some()
    }

    /// Nothing known yet.
    pub(super) fn empty() -> Self {
        Self {
            cluster: None,
            nautilus: None,
            checkpoint: 0,
            next: 0,
            timestamp: None,
            clock: None,
            positions: Vector::new(),
            ids: Finder::new(),
            nodes: Finder::new(),
            seals: Finder::new(),
            locators: Finder::new(),
            lapses: OrdSet::new(),
            gaps: OrdSet::new(),
            totals: Totals::default(),
        }
    }

    /// What was saved.
    pub(crate) fn of_saved(
        (checkpoint, timestamp): (u64, UnixMs),
        cluster: Option<ClusterState>,
        nautilus: Option<NautilusState>,
        positions: impl IntoIterator<Item = (PositionState, bool)>,
    ) -> Self {
        let next = checkpoint.saturating_add(1);
        let mut snapshot = Self { checkpoint, next, timestamp: Some(timestamp), ..Self::empty() };
        snapshot.cluster = cluster.map(Arc::new);
        snapshot.nautilus = nautilus.map(Arc::new);
        for (state, gap) in positions {
            let state = state.at(timestamp).into_owned();
            let live = LivePosition::after(None, state, gap, snapshot.policy());
            snapshot.place(live);
        }
        snapshot
    }

    /// The positions whose slashes lapsed by `now`.
    pub(super) fn lapsed(&self, now: UnixMs) -> Vec<Arc<LivePosition>> {
        let due = self.lapses.range(..=(now, u32::MAX));
        due.filter_map(|(_, place)| self.at(*place).cloned()).collect()
    }

    /// Puts a position in the place of its former state, which it gives back.
    pub(super) fn place(&mut self, live: LivePosition) -> Option<Arc<LivePosition>> {
        let id = live.state.position;
        let known = self.place_of(id);
        let index = known.unwrap_or(self.positions.len());
        // Four billion positions cost more SUI than there is.
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        let live = Arc::new(live);
        let old = known.and_then(|known| self.positions.get(known)).cloned();
        self.totals = self.totals.after(old.as_deref(), &live);
        self.find(place, old.as_deref(), &live);
        if let Some(known) = known {
            self.positions.set(known, live);
        } else {
            self.ids.insert(short(&id), place);
            self.positions.push_back(live);
        }
        old
    }

    /// Makes it found by what it is known by now.
    fn find(&mut self, place: u32, old: Option<&LivePosition>, new: &LivePosition) {
        let seals = old.map_or([].as_slice(), |old| &old.state.seals);
        let now = || new.state.seals.iter();
        for gone in missing(seals, &new.state.seals) {
            self.seals.remove(gone.id.0.as_bytes(), place, now().map(|seal| seal.id.0.as_bytes()));
            self.locators.remove(&gone.locator.0, place, now().map(|seal| &seal.locator.0[..]));
        }
        for made in missing(&new.state.seals, seals) {
            self.seals.insert(made.id.0.as_bytes(), place);
            self.locators.insert(&made.locator.0, place);
        }
        let (held, holds) = (old.map_or("", |old| &old.state.node_id), new.state.node_id.as_str());
        if held != holds {
            self.nodes.remove(held.as_bytes(), place, [holds.as_bytes()].into_iter());
            self.nodes.insert(holds.as_bytes(), place);
        }
        if let Some(lapse) = old.and_then(|old| old.state.lapses_ms()) {
            self.lapses.remove(&(lapse, place));
        }
        if let Some(lapse) = new.state.lapses_ms() {
            self.lapses.insert((lapse, place));
        }
        match (old.is_some_and(|old| old.gap), new.gap) {
            (false, true) => drop(self.gaps.insert(new.state.position)),
            (true, false) => drop(self.gaps.remove(&new.state.position)),
            (false, false) | (true, true) => {}
        }
    }

    fn place_of(&self, id: PositionId) -> Option<usize> {
        let mut places = self.ids.places(short(&id)).filter_map(|place| usize::try_from(place).ok());
        places.find(|place| self.positions.get(*place).is_some_and(|live| live.state.position == id))
    }

    fn at(&self, place: u32) -> Option<&Arc<LivePosition>> {
        self.positions.get(usize::try_from(place).ok()?)
    }
}

/// The Seals that are not among `others`. Most stay where they were.
fn missing<'a>(seals: &'a [SealRecord], others: &[SealRecord]) -> impl Iterator<Item = &'a SealRecord> {
    let stayed = seals.iter().zip(others).take_while(|(seal, other)| seal == other).count();
    seals[stayed..].iter().filter(move |seal| !others.contains(seal))
}

fn short(id: &PositionId) -> &[u8] {
    &id.0.as_bytes()[..SHORT]
}

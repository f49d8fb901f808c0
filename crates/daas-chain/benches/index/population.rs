//! A million Seals, and the events that made them.

use core::time::Duration;
use daas_chain::index::IndexIds;
use daas_testkit::chain::{Staker, ids};
use daas_types::onchain::{
    ClusterEvent, ClusterState, Event, Policy, PositionEvent, PositionState, SealRecord, Session,
};
use daas_types::{Address, Commitment, Locator, Permissions, UnixMs, WalletAddress};

pub(crate) const EVENTS: u32 = 1_000_000;
/// The most that a position may have.
pub(crate) const SEALS_EACH: u32 = 16;
pub(crate) const POSITIONS: u32 = EVENTS / SEALS_EACH;
/// Events in a checkpoint.
pub(crate) const AT_ONCE: u32 = 250;

/// Positions in a checkpoint when an index sees them whole.
pub(crate) const WHOLE_AT_ONCE: u32 = 25;

/// What a time is counted from.
pub(crate) const T0: UnixMs = UnixMs(1_800_000_000_000);

/// Makes the events, each the same whenever it is asked for.
pub(crate) struct Population {
    template: PositionState,
}

// === impl Population ===

impl Population {
    pub(crate) fn new() -> Self {
        Self { template: Staker::new(1, "2", Permissions::BOTH).state }
    }

    /// The events of one checkpoint, the `checkpoint`th from zero.
    pub(crate) fn events(&self, checkpoint: u32) -> Vec<Event> {
        (checkpoint * AT_ONCE..(checkpoint + 1) * AT_ONCE).map(|n| self.event(n)).collect()
    }

    /// Positions as an index first sees them when it starts, with all their Seals.
    pub(crate) fn whole(&self, checkpoint: u32) -> Vec<Event> {
        let positions = checkpoint * WHOLE_AT_ONCE..(checkpoint + 1) * WHOLE_AT_ONCE;
        positions.map(|position| self.position(PositionEvent::Staked, position, 1, SEALS_EACH)).collect()
    }

    /// First every position is staked with one Seal; then each gets another, round by round.
    fn event(&self, n: u32) -> Event {
        let (position, seals) = (n % POSITIONS, n / POSITIONS + 1);
        let name = if seals == 1 { PositionEvent::Staked } else { PositionEvent::WorkerSealCreated };
        self.position(name, position, seals, seals)
    }

    fn position(&self, name: PositionEvent, position: u32, generation: u32, seals: u32) -> Event {
        let owner = WalletAddress(id(1, position, 0));
        let state = PositionState {
            position: id(0, position, 0).into(),
            generation: u64::from(generation),
            owner,
            operator: owner,
            node_id: format!("worker-{position}"),
            seals: (0..seals).map(|seal| record(position, seal)).collect(),
            ..self.template.clone()
        };
        Event::Position { name, state }
    }
}

/// Under what rules they are judged.
pub(crate) fn rules() -> Event {
    let IndexIds { cluster, registry, nautilus, .. } = ids();
    let state = ClusterState {
        cluster,
        version: 1,
        name: "bench".to_owned(),
        genesis: vec![0; 32],
        generation: 1,
        registry,
        nautilus,
        anchors: id(7, 0, 0).into(),
        policy: Policy::devnet(WalletAddress(id(8, 0, 0))),
        announced: None,
        paused: false,
        operator_positions: Vec::new(),
        proposer_cap: id(9, 0, 0).into(),
        judge_cap: id(9, 1, 0).into(),
    };
    Event::Cluster { name: ClusterEvent::ClusterCreated, state }
}

fn record(position: u32, seal: u32) -> SealRecord {
    let expires_ms = T0.plus(Duration::from_hours(24));
    let mut locator = [0; 16];
    locator.copy_from_slice(&id(3, position, seal).as_bytes()[..16]);
    SealRecord {
        id: id(2, position, seal).into(),
        permissions: Permissions::BOTH,
        locator: Locator(locator),
        commitment: Commitment(id(4, position, seal).into_inner()),
        session: Some(Session { key: WalletAddress(id(5, position, seal)), expires_ms }),
        expires_ms,
    }
}

/// 32 bytes that look random.
fn id(kind: u64, position: u32, seal: u32) -> Address {
    let mut state = (kind << 56) ^ (u64::from(position) << 16) ^ u64::from(seal);
    let mut bytes = [0; 32];
    for part in bytes.chunks_exact_mut(8) {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    Address::new(bytes)
}

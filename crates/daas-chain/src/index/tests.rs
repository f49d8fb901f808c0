use super::*;
use crate::testing::devnet_genesis;
use crate::verified::CheckpointData;
use daas_types::onchain::{ClusterCreated, Event, Policy, PolicyChanged, PositionEvent, SealRecord, Status};
use daas_types::{Address, Locator, Mist, Permissions, SealId, Thresholds, Tier, WalletAddress};
use proptest::prelude::*;

mod cut;
mod random;

const T0: UnixMs = UnixMs(1_700_000_000_000);

fn address(kind: u8, n: u8) -> Address {
    let mut bytes = [0; 32];
    (bytes[0], bytes[31]) = (kind, n);
    Address::new(bytes)
}

fn ids() -> IndexIds {
    IndexIds {
        package: PackageId(address(1, 1)),
        cluster: ClusterId(address(2, 1)),
        registry: RegistryId(address(3, 1)),
        nautilus: NautilusId(address(4, 1)),
    }
}

fn policy() -> Policy {
    Policy {
        thresholds: Thresholds::default(),
        min_stake: Mist(500_000_000),
        node_minimum: Mist(500_000_000),
        slash_bps: 1000,
        appeal_window_ms: 5000,
        unbonding_ms: 60_000,
        max_seal_lifetime_ms: 86_400_000,
        evidence_max_age_ms: 60_000,
        super_is_masters: false,
        operator_positions: vec![],
    }
}

fn seal(n: u8) -> SealRecord {
    SealRecord {
        id: SealId(address(6, n)),
        permissions: Permissions::BOTH,
        locator: vec![n; 16],
        commitment: vec![n; 32],
        session: None,
        expires_ms: T0.plus(Duration::from_hours(1)),
    }
}

fn state(n: u8, generation: u64, status: Status, sui: u64, seals: &[u8]) -> PositionState {
    PositionState {
        position: PositionId(address(5, n)),
        cluster: ids().cluster,
        generation,
        owner: WalletAddress(address(7, n)),
        node_id: format!("node-{n}"),
        status,
        active: Mist::from_sui(sui),
        frozen: Mist(0),
        unbonding: Mist(0),
        unbonding_until_ms: UnixMs(0),
        proposal: None,
        seals: seals.iter().map(|n| seal(*n)).collect(),
    }
}

fn event(state: PositionState) -> Event {
    Event::Position { name: PositionEvent::Restaked, state }
}

fn checkpoint(sequence: u64, events: Vec<Event>) -> VerifiedCheckpoint {
    let timestamp = T0.plus(Duration::from_secs(sequence));
    VerifiedCheckpoint::trusting_devnet(&devnet_genesis(), CheckpointData { sequence, timestamp, events }).unwrap()
}

/// An index that knows the policy, at checkpoint 1.
fn index() -> Index {
    let index = Index::new(ids());
    let IndexIds { cluster, registry, nautilus, .. } = ids();
    let created = ClusterCreated { cluster, registry, nautilus, name: "test".into(), policy: policy() };
    index.apply(&checkpoint(1, vec![Event::ClusterCreated(created)]));
    index
}

fn live(index: &Index, n: u8) -> Arc<LivePosition> {
    index.snapshot().position(PositionId(address(5, n))).unwrap().clone()
}

const DEVELOPER: Rights = Rights { tier: Some(Tier::Developer), node: true };
const ADMIN: Rights = Rights { tier: Some(Tier::Admin), node: true };
const NOTHING: Rights = Rights { tier: None, node: false };

#[test]
fn a_stake_is_found_by_every_key() {
    let index = index();
    index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 5, &[1, 2]))]));
    let snapshot = index.snapshot();
    let position = live(&index, 1);
    assert_eq!(position.rights, ADMIN);
    assert_eq!(snapshot.seal(SealId(address(6, 2))).unwrap().1.record, seal(2));
    assert_eq!(snapshot.by_locator(Locator([1; 16])).count(), 1);
    assert!(Arc::ptr_eq(snapshot.by_node(&"node-1".parse().unwrap()).unwrap(), &position));
    assert!(Arc::ptr_eq(snapshot.by_namespace(&position.namespace()).unwrap(), &position));
    assert_eq!(position.namespace(), "t-05000000000000000000000000000000");
    assert_eq!(snapshot.checkpoint(), 2);
}

#[test]
fn a_copied_locator_finds_both_and_hides_neither() {
    let index = index();
    let mut thief = state(2, 1, Status::Active, 5, &[2]);
    thief.seals[0].locator = vec![1; 16];
    index.apply(&checkpoint(2, vec![event(thief.clone()), event(state(1, 1, Status::Active, 5, &[1]))]));
    assert_eq!(index.snapshot().by_locator(Locator([1; 16])).count(), 2);
    thief.generation = 2;
    thief.seals.clear();
    index.apply(&checkpoint(3, vec![event(thief)]));
    let snapshot = index.snapshot();
    let found: Vec<_> = snapshot.by_locator(Locator([1; 16])).map(|(p, _)| p.state.position).collect();
    assert_eq!(found, [PositionId(address(5, 1))]);
}

#[test]
fn another_clusters_events_are_dropped() {
    let index = index();
    let mut foreign = state(1, 1, Status::Active, 10, &[1]);
    foreign.cluster = ClusterId(address(2, 2));
    let rules = PolicyChanged { cluster: foreign.cluster, generation: 9, policy: Policy { slash_bps: 1, ..policy() } };
    let masters = NautilusState {
        id: ids().nautilus,
        cluster: foreign.cluster,
        generation: 9,
        measurements: vec![],
        masters: vec![],
    };
    let applied =
        index.apply(&checkpoint(2, vec![event(foreign), Event::PolicyChanged(rules), Event::Nautilus(masters)]));
    assert_eq!(applied, Applied::default());
    assert_eq!(index.snapshot().positions().count(), 0);
    assert_eq!(index.snapshot().policy(), &policy());
    assert!(index.snapshot().nautilus().is_none());
}

#[test]
fn delivered_again_is_delivered_once() {
    let index = index();
    let events = vec![event(state(1, 1, Status::Active, 5, &[1])), event(state(1, 2, Status::Active, 6, &[1]))];
    index.apply(&checkpoint(2, events.clone()));
    let held = live(&index, 1);
    let mut changes = index.changes();
    for sequence in [2, 1, 3] {
        assert_eq!(index.apply(&checkpoint(sequence, events.clone())), Applied::default());
    }
    assert!(Arc::ptr_eq(&held, &live(&index, 1)) && !held.cut.is_cancelled());
    assert!(changes.try_recv().is_err());
}

#[test]
fn a_gap_takes_all_rights_until_the_position_is_read_again() {
    let index = index();
    index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 5, &[1]))]));
    let held = live(&index, 1);
    index.apply(&checkpoint(3, vec![event(state(1, 3, Status::Active, 5, &[1]))]));
    assert!(held.cut.is_cancelled());
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (NOTHING, true));
    // Neither a later event in order nor an older read closes it.
    index.apply(&checkpoint(4, vec![event(state(1, 4, Status::Active, 5, &[1]))]));
    index.reread(state(1, 3, Status::Active, 5, &[1]));
    assert!(live(&index, 1).gap);
    assert_eq!(index.snapshot().gaps(), [PositionId(address(5, 1))]);
    index.reread(state(1, 4, Status::Active, 5, &[1]));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (ADMIN, false));
    // A position first seen in the middle of its life has a gap too.
    index.apply(&checkpoint(5, vec![event(state(2, 2, Status::Active, 5, &[2]))]));
    assert_eq!((live(&index, 2).rights, live(&index, 2).gap), (NOTHING, true));
}

#[test]
fn a_policy_change_recomputes_every_right() {
    let index = index();
    let states = [state(1, 1, Status::Active, 2, &[1]), state(2, 1, Status::Active, 10, &[2])];
    index.apply(&checkpoint(2, states.map(event).to_vec()));
    let (poor, rich) = (live(&index, 1), live(&index, 2));
    let stricter =
        Policy { thresholds: Thresholds { developer: Mist::from_sui(3), ..Thresholds::default() }, ..policy() };
    let change =
        |generation, policy| Event::PolicyChanged(PolicyChanged { cluster: ids().cluster, generation, policy });
    assert!(index.apply(&checkpoint(3, vec![change(1, stricter)])).cluster);
    assert!(poor.cut.is_cancelled() && !rich.cut.is_cancelled());
    assert_eq!(live(&index, 1).rights.tier, Some(Tier::Viewer));
    // An older policy does not come back.
    index.apply(&checkpoint(4, vec![change(1, policy())]));
    assert_eq!(live(&index, 1).rights.tier, Some(Tier::Viewer));
    index.apply(&checkpoint(5, vec![change(2, policy())]));
    assert_eq!(live(&index, 1).rights, DEVELOPER);
}

#[test]
fn a_node_id_follows_its_holder() {
    let index = index();
    let node = "node-1".parse().unwrap();
    let mut closing = state(1, 1, Status::Closed, 0, &[]);
    closing.unbonding = Mist(1);
    index.apply(&checkpoint(2, vec![event(closing)]));
    assert!(index.snapshot().by_node(&node).is_some(), "held until its money is withdrawn");
    index.apply(&checkpoint(3, vec![event(state(1, 2, Status::Closed, 0, &[]))]));
    assert!(index.snapshot().by_node(&node).is_none());
    let mut heir = state(2, 1, Status::Active, 5, &[]);
    heir.node_id = "node-1".into();
    index.apply(&checkpoint(4, vec![event(heir)]));
    assert_eq!(index.snapshot().by_node(&node).unwrap().state.position, PositionId(address(5, 2)));
}

#[tokio::test(start_paused = true)]
async fn freshness_ends_after_the_bound() {
    let index = Index::with_bound(ids(), Duration::from_secs(30));
    assert_eq!(index.freshness(T0), Freshness::Unknown);
    index.apply(&checkpoint(0, vec![]));
    assert_eq!(index.freshness(T0.plus(Duration::from_secs(30))), Freshness::Fresh);
    let late = Duration::from_millis(30_001);
    assert_eq!(index.freshness(T0.plus(late)), Freshness::Stale(late));
    // A clock behind the chain, or set back, does not keep it fresh.
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Fresh);
    tokio::time::advance(late).await;
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Stale(late));
    // An old checkpoint again is no news.
    index.apply(&checkpoint(0, vec![]));
    assert_eq!(index.freshness(T0), Freshness::Stale(late));
    index.apply(&checkpoint(31, vec![]));
    assert_eq!(index.freshness(T0), Freshness::Fresh);
}

#[test]
fn a_base_and_the_events_around_it_agree() {
    let index = Index::new(ids());
    let cluster = Cluster {
        id: ids().cluster,
        version: 1,
        name: "test".into(),
        generation: 3,
        registry: ids().registry,
        nautilus: ids().nautilus,
        policy: policy(),
        treasury: Mist(0),
    };
    let nautilus = NautilusState {
        id: ids().nautilus,
        cluster: ids().cluster,
        generation: 0,
        measurements: vec![],
        masters: vec![],
    };
    let positions = vec![state(1, 4, Status::Active, 5, &[1])];
    index.bootstrap(Base { cluster, nautilus, positions, checkpoint: 10 });
    assert_eq!(index.freshness(T0), Freshness::Unknown, "a read is not a verified checkpoint");
    // Events from before the read, then the first after it, and a position the read missed.
    let events = [state(1, 3, Status::Active, 1, &[]), state(1, 4, Status::Active, 5, &[1])];
    index.apply(&checkpoint(11, events.map(event).to_vec()));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (ADMIN, false));
    index.apply(&checkpoint(
        12,
        vec![event(state(1, 5, Status::Active, 2, &[1])), event(state(2, 1, Status::Active, 2, &[]))],
    ));
    assert_eq!((live(&index, 1).rights, live(&index, 2).rights), (DEVELOPER, DEVELOPER));
}

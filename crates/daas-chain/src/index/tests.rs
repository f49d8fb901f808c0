use super::*;
use crate::testing::TestChain;
use daas_types::onchain::{
    ClusterEvent, Event, Maintenance, NautilusEvent, Policy, PositionEvent, Proposal, SealRecord, Stage, Status,
};
use daas_types::{Address, Commitment, Locator, Mist, Permissions, SealId, Thresholds, Tier, WalletAddress};
use futures::FutureExt as _;
use proptest::prelude::*;
use std::sync::LazyLock;

mod cut;
mod lapse;
mod random;
mod totals;
mod unknown;

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
    Policy { max_seal_lifetime_ms: 86_400_000, ..Policy::devnet(WalletAddress(address(8, 1))) }
}

fn cluster(generation: u64, policy: Policy) -> ClusterState {
    ClusterState {
        cluster: ids().cluster,
        version: 1,
        name: "test".into(),
        genesis: vec![9; 32],
        generation,
        registry: ids().registry,
        nautilus: ids().nautilus,
        anchors: address(9, 1).into(),
        policy,
        announced: None,
        paused: false,
        operator_positions: vec![],
        proposer_cap: address(9, 2).into(),
        judge_cap: address(9, 3).into(),
    }
}

fn rules(generation: u64, policy: Policy) -> Event {
    Event::Cluster { name: ClusterEvent::PolicyApplied, state: cluster(generation, policy) }
}

fn nautilus(generation: u64) -> NautilusState {
    NautilusState {
        id: ids().nautilus,
        cluster: ids().cluster,
        generation,
        registrations: 0,
        measurements: vec![],
        masters: vec![],
        endorsements: vec![],
    }
}

fn seal(n: u8) -> SealRecord {
    SealRecord {
        id: SealId(address(6, n)),
        permissions: Permissions::BOTH,
        locator: Locator([n; 16]),
        commitment: Commitment([n; 32]),
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
        next_owner: None,
        operator: WalletAddress(address(7, n)),
        node_id: format!("node-{n}"),
        status,
        active: Mist::from_sui(sui),
        frozen: Mist(0),
        unbonding: Mist(0),
        unbonding_until_ms: UnixMs(0),
        jailed_until_ms: UnixMs(0),
        maintenance: None,
        cooldown_until_ms: UnixMs(0),
        proposal: None,
        trials: vec![],
        seals: seals.iter().map(|n| seal(*n)).collect(),
    }
}

fn event(state: PositionState) -> Event {
    Event::Position { name: PositionEvent::Restaked, state }
}

fn checkpoint(sequence: u64, events: &[Event]) -> VerifiedCheckpoint {
    checkpoint_at(sequence, T0.plus(Duration::from_secs(sequence)), events)
}

fn checkpoint_at(sequence: u64, at: UnixMs, events: &[Event]) -> VerifiedCheckpoint {
    static CHAIN: LazyLock<TestChain> = LazyLock::new(|| TestChain::new(1));
    CHAIN.lone(ids().package, sequence, at, events)
}

/// An index that knows the policy, at checkpoint 1.
fn index() -> Index {
    let index = Index::new(ids());
    let state = cluster(1, policy());
    index.apply(&checkpoint(1, &[Event::Cluster { name: ClusterEvent::ClusterCreated, state }]));
    index
}

fn live(index: &Index, n: u8) -> Arc<LivePosition> {
    index.snapshot().position(PositionId(address(5, n))).unwrap().clone()
}

/// A hold on what the index says of a position now.
fn hold(index: &Index, n: u8, right: Right, seal: Option<u8>) -> Hold {
    let position = live(index, n);
    let seal = seal.map(|n| position.state.seals.iter().find(|s| s.id == SealId(address(6, n))).unwrap().clone());
    index.hold(position, right, seal)
}

fn is_lost(hold: &Hold) -> bool {
    hold.lost().now_or_never().is_some()
}

const DEVELOPER: Rights = Rights { tier: Some(Tier::Developer), node: true };
const ADMIN: Rights = Rights { tier: Some(Tier::Admin), node: true };
const NOTHING: Rights = Rights { tier: None, node: false };

#[test]
fn a_stake_is_found_by_every_key() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1, 2]))]));
    let snapshot = index.snapshot();
    let position = live(&index, 1);
    assert_eq!(position.rights, ADMIN);
    assert_eq!(snapshot.seal(SealId(address(6, 2))).unwrap().1, &seal(2));
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
    thief.seals[0].locator = Locator([1; 16]);
    index.apply(&checkpoint(2, &[event(thief.clone()), event(state(1, 1, Status::Active, 5, &[1]))]));
    assert_eq!(index.snapshot().by_locator(Locator([1; 16])).count(), 2);
    thief.generation = 2;
    thief.seals.clear();
    index.apply(&checkpoint(3, &[event(thief)]));
    let snapshot = index.snapshot();
    let found: Vec<_> = snapshot.by_locator(Locator([1; 16])).map(|(p, _)| p.state.position).collect();
    assert_eq!(found, [PositionId(address(5, 1))]);
}

#[test]
fn another_clusters_events_are_dropped() {
    let index = index();
    let other = ClusterId(address(2, 2));
    let generous = Thresholds { viewer: Mist(0), developer: Mist(1), admin: Mist(2), super_user: Mist(3) };
    let mut state = cluster(9, Policy { thresholds: generous, node_minimum: Mist(0), ..policy() });
    state.cluster = other;
    let mut masters = nautilus(9);
    masters.cluster = other;
    // Another cluster's Nautilus that says that it is of this one, and one of this cluster's under another id.
    let mut stray = nautilus(9);
    stray.id = NautilusId(address(4, 2));
    index.apply(&checkpoint(2, &[event(state_of_other(1, other)), event(self::state(2, 1, Status::Active, 5, &[2]))]));
    let held = hold(&index, 2, Right::People, Some(2));
    let mut events: Vec<_> =
        ClusterEvent::ALL.iter().map(|name| Event::Cluster { name: *name, state: state.clone() }).collect();
    events.extend(NautilusEvent::ALL.iter().map(|name| Event::Nautilus { name: *name, state: masters.clone() }));
    events.push(Event::Nautilus { name: NautilusEvent::MastersChanged, state: stray });
    // The other cluster's own position, and this one's as if it were the other's.
    let mut moved = self::state(2, 2, Status::Suspended, 5, &[]);
    moved.cluster = other;
    events.extend(PositionEvent::ALL.iter().map(|name| Event::Position { name: *name, state: moved.clone() }));
    assert_eq!(index.apply(&checkpoint(3, &events)), Applied::default());
    let snapshot = index.snapshot();
    assert_eq!(snapshot.positions().count(), 1);
    assert!(snapshot.seal(SealId(address(6, 1))).is_none());
    assert_eq!((snapshot.policy(), snapshot.cluster()), (&policy(), Some(&cluster(1, policy()))));
    assert!(snapshot.nautilus().is_none());
    assert_eq!(live(&index, 2).rights, ADMIN);
    assert!(!is_lost(&held));
    // A base of another cluster is none.
    index.bootstrap(Base {
        cluster: state,
        nautilus: masters,
        positions: vec![state_of_other(3, other)],
        checkpoint: 9,
    });
    assert_eq!((index.snapshot().positions().count(), index.snapshot().policy()), (1, &policy()));
}

fn state_of_other(n: u8, cluster: ClusterId) -> PositionState {
    PositionState { cluster, ..state(n, 1, Status::Active, 10, &[n]) }
}

#[test]
fn delivered_again_is_delivered_once() {
    let index = index();
    let events = vec![event(state(1, 1, Status::Active, 5, &[1])), event(state(1, 2, Status::Active, 6, &[1]))];
    index.apply(&checkpoint(2, &events));
    let held = live(&index, 1);
    let mut changes = index.changes();
    for sequence in [2, 1, 3] {
        assert_eq!(index.apply(&checkpoint(sequence, &events)), Applied::default());
    }
    assert!(Arc::ptr_eq(&held, &live(&index, 1)));
    assert!(changes.try_recv().is_err());
}

#[test]
fn a_gap_takes_all_rights_until_the_position_is_read_again() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let holds = [Right::People, Right::Node].map(|right| hold(&index, 1, right, Some(1)));
    index.apply(&checkpoint(3, &[event(state(1, 3, Status::Active, 5, &[1]))]));
    assert!(holds.iter().all(is_lost));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (NOTHING, true));
    // Neither a later event in order nor an older read closes it.
    index.apply(&checkpoint(4, &[event(state(1, 4, Status::Active, 5, &[1]))]));
    index.reread(state(1, 3, Status::Active, 5, &[1]));
    assert!(live(&index, 1).gap);
    assert_eq!(index.snapshot().gaps(), [PositionId(address(5, 1))]);
    index.reread(state(1, 4, Status::Active, 5, &[1]));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (ADMIN, false));
    // A position first seen in the middle of its life has a gap too.
    index.apply(&checkpoint(5, &[event(state(2, 2, Status::Active, 5, &[2]))]));
    assert_eq!((live(&index, 2).rights, live(&index, 2).gap), (NOTHING, true));
}

#[test]
fn a_policy_change_recomputes_every_right() {
    let index = index();
    let states = [state(1, 1, Status::Active, 2, &[1]), state(2, 1, Status::Active, 10, &[2])];
    index.apply(&checkpoint(2, &states.map(event)));
    let poor = hold(&index, 1, Right::People, Some(1));
    let others = [hold(&index, 1, Right::Node, Some(1)), hold(&index, 2, Right::People, Some(2))];
    let stricter =
        Policy { thresholds: Thresholds { developer: Mist::from_sui(3), ..Thresholds::default() }, ..policy() };
    assert!(index.apply(&checkpoint(3, &[rules(2, stricter)])).cluster);
    assert!(is_lost(&poor) && !others.iter().any(is_lost));
    assert_eq!(live(&index, 1).rights.tier, Some(Tier::Viewer));
    // An older policy does not come back.
    index.apply(&checkpoint(4, &[rules(2, policy())]));
    assert_eq!(live(&index, 1).rights.tier, Some(Tier::Viewer));
    index.apply(&checkpoint(5, &[rules(3, policy())]));
    assert_eq!(live(&index, 1).rights, DEVELOPER);
    assert!(is_lost(&poor));
}

#[test]
fn the_cluster_is_what_its_last_event_says() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let held = hold(&index, 1, Right::People, Some(1));
    let position = PositionId(address(5, 1));
    let mut state = cluster(2, policy());
    (state.paused, state.operator_positions) = (true, vec![position]);
    let announced = Policy { thresholds: Thresholds { admin: Mist::from_sui(6), ..policy().thresholds }, ..policy() };
    state.announced = Some(daas_types::onchain::Announcement { policy: announced, effective_ms: T0 });
    let changed = Event::Cluster { name: ClusterEvent::OperatorsChanged, state: state.clone() };
    assert!(index.apply(&checkpoint(3, &[changed])).cluster);
    let snapshot = index.snapshot();
    assert_eq!(snapshot.cluster(), Some(&state));
    assert!(snapshot.is_operator(position) && !snapshot.is_operator(PositionId(address(5, 2))));
    // What is announced does not count, however late it is; nobody lost anything.
    assert_eq!(live(&index, 1).rights, ADMIN);
    assert!(!is_lost(&held));
}

#[test]
fn a_node_id_follows_its_holder() {
    let index = index();
    let node = "node-1".parse().unwrap();
    let mut closing = state(1, 1, Status::Closed, 0, &[]);
    closing.unbonding = Mist(1);
    index.apply(&checkpoint(2, &[event(closing.clone())]));
    assert!(index.snapshot().by_node(&node).is_some(), "held until its money is withdrawn");
    (closing.generation, closing.unbonding) = (2, Mist(0));
    closing.node_id.clear();
    index.apply(&checkpoint(3, &[event(closing)]));
    assert!(index.snapshot().by_node(&node).is_none());
    let mut heir = state(2, 1, Status::Active, 5, &[]);
    heir.node_id = "node-1".into();
    index.apply(&checkpoint(4, &[event(heir)]));
    assert_eq!(index.snapshot().by_node(&node).unwrap().state.position, PositionId(address(5, 2)));
}

#[tokio::test(start_paused = true)]
async fn freshness_ends_after_the_bound() {
    let index = Index::with_bound(ids(), Duration::from_secs(30));
    assert_eq!(index.freshness(T0), Freshness::Unknown);
    index.apply(&checkpoint(0, &[]));
    assert_eq!(index.freshness(T0.plus(Duration::from_secs(30))), Freshness::Fresh);
    let late = Duration::from_millis(30_001);
    assert_eq!(index.freshness(T0.plus(late)), Freshness::Stale(late));
    // A clock behind the chain, or set back, does not keep it fresh.
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Fresh);
    tokio::time::advance(late).await;
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Stale(late));
    // An old checkpoint again is no news.
    index.apply(&checkpoint(0, &[]));
    assert_eq!(index.freshness(T0), Freshness::Stale(late));
    index.apply(&checkpoint(31, &[]));
    assert_eq!(index.freshness(T0), Freshness::Fresh);
}

#[tokio::test(start_paused = true)]
async fn checkpoints_that_come_ever_later_do_not_keep_it_fresh() {
    let index = Index::with_bound(ids(), Duration::from_secs(30));
    // Somebody holds them back, and has set the clock back too.
    for sequence in 0..3 {
        index.apply(&checkpoint(sequence, &[]));
        tokio::time::advance(Duration::from_secs(20)).await;
    }
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Stale(Duration::from_secs(58)));
    let caught_up = T0.plus(Duration::from_mins(1));
    index.apply(&checkpoint_at(3, caught_up, &[]));
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Fresh);
}

#[test]
fn a_jailed_node_is_out_until_it_is_taken_out_of_jail() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let (person, node) = (hold(&index, 1, Right::People, Some(1)), hold(&index, 1, Right::Node, Some(1)));
    let mut jailed = state(1, 2, Status::Active, 5, &[1]);
    jailed.jailed_until_ms = T0.plus(Duration::from_secs(10));
    let jail = Event::Position { name: PositionEvent::Jailed, state: jailed.clone() };
    index.apply(&checkpoint(3, &[jail]));
    let no_node = Rights { node: false, ..ADMIN };
    assert_eq!(live(&index, 1).rights, no_node);
    assert!(is_lost(&node) && !is_lost(&person), "its owner's tier stays");
    // Its time being over changes nothing.
    index.apply(&checkpoint(60, &[]));
    assert_eq!(live(&index, 1).rights, no_node);
    (jailed.generation, jailed.jailed_until_ms) = (3, UnixMs(0));
    jailed.maintenance = Some(Maintenance { from_ms: T0, until_ms: T0 });
    index.apply(&checkpoint(61, &[Event::Position { name: PositionEvent::Unjailed, state: jailed }]));
    assert_eq!(live(&index, 1).rights, ADMIN);
    assert!(is_lost(&node) && !is_lost(&person), "what was cut stays cut");
}

#[test]
fn a_base_and_the_events_around_it_agree() {
    let index = Index::new(ids());
    let (cluster, nautilus) = (cluster(3, policy()), nautilus(1));
    let positions = vec![state(1, 4, Status::Active, 5, &[1])];
    index.bootstrap(Base { cluster, nautilus, positions, checkpoint: 10 });
    assert_eq!(index.freshness(T0), Freshness::Unknown, "a read is not a verified checkpoint");
    // Events from before the read, then the first after it, and a position the read missed.
    let events = [state(1, 3, Status::Active, 1, &[]), state(1, 4, Status::Active, 5, &[1])];
    index.apply(&checkpoint(11, &events.map(event)));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (ADMIN, false));
    index.apply(&checkpoint(
        12,
        &[event(state(1, 5, Status::Active, 2, &[1])), event(state(2, 1, Status::Active, 2, &[]))],
    ));
    assert_eq!((live(&index, 1).rights, live(&index, 2).rights), (DEVELOPER, DEVELOPER));
}

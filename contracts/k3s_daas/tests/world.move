/// One cluster in a test scenario, and what must hold of every change: generation +1, one event, and in it the object's own
/// bytes. The entry points, one transaction each, are in `stakes`, `slashes`, `offices`, `masters` and `requests`.
#[test_only]
module k3s_daas::world;

use k3s_daas::caps::{AdminCap, JudgeCap, ProposerCap};
use k3s_daas::cluster::{Cluster, ClusterCreated};
use k3s_daas::founding;
use k3s_daas::k8s_gateway::AuditAnchors;
use k3s_daas::nautilus::Nautilus;
use k3s_daas::position::StakePosition;
use k3s_daas::registry::Registry;
use k3s_daas::staking::SlashLapsed;
use std::bcs;
use std::unit_test::assert_eq;
use sui::clock::{Self, Clock};
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

public struct World {
    scenario: Scenario,
    clock: Clock,
    cluster: ID,
    registry: ID,
    nautilus: ID,
    anchors: ID,
    /// The one that calls act on: the newest, or what `focus` chose.
    position: ID,
}

// === Names ===

public fun admin(): address { @0xAD }

public fun proposer(): address { @0xBC }

public fun judge(): address { @0xCD }

public fun beneficiary(): address { @0xDE }

public fun owner(): address { @0xA }

public fun stranger(): address { @0xB }

public fun operator(): address { @0xC }

public fun sui(whole: u64): u64 { whole * 1_000_000_000 }

public fun user(): u8 { 1 }

public fun node(): u8 { 2 }

public fun bytes(byte: u8, length: u64): vector<u8> { vector::tabulate!(length, |_| byte) }

public fun genesis(): vector<u8> { bytes(0x6E, 32) }

/// An ID of nothing.
public fun nothing(): ID { @0xDEAD.to_id() }

// === The policy ===

public fun start_ms(): u64 { 1_000_000 }

public fun appeal_ms(): u64 { 5_000 }

public fun judge_ms(): u64 { 40_000 }

public fun unbonding_ms(): u64 { 60_000 }

public fun evidence_age_ms(): u64 { 50_000 }

public fun cooldown_ms(): u64 { 1_500 }

public fun jail_ms(): u64 { 10_000 }

public fun silence_ms(): u64 { 90_000 }

public fun max_lifetime_ms(): u64 { 86_400_000 }

public fun heartbeat_ms(): u64 { 300_000 }

public fun attestation_ms(): u64 { 3_600_000 }

public fun delay_ms(): u64 { 30_000 }

/// A slash takes 10 %. See `policy::new` for the order.
public fun numbers(): vector<u64> {
    vector[
        sui(1) / 2,
        sui(2),
        sui(5),
        sui(10),
        sui(1) / 2,
        sui(1_000),
        sui(1) / 2,
        1_000,
        appeal_ms(),
        judge_ms(),
        unbonding_ms(),
        evidence_age_ms(),
        cooldown_ms(),
        jail_ms(),
        silence_ms(),
        max_lifetime_ms(),
        heartbeat_ms(),
        attestation_ms(),
        delay_ms(),
    ]
}

/// The numbers with another one at `index`.
public fun numbers_with(index: u64, number: u64): vector<u64> {
    let mut numbers = numbers();
    *&mut numbers[index] = number;
    numbers
}

public fun numbers_with_slash(slash_bps: u64): vector<u64> { numbers_with(7, slash_bps) }

// === Beginning and end ===

public fun begin(): World { begin_with(numbers()) }

public fun begin_with(numbers: vector<u64>): World {
    let mut scenario = test_scenario::begin(admin());
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(start_ms());
    let mut world = World {
        scenario,
        clock,
        cluster: nothing(),
        registry: nothing(),
        nautilus: nothing(),
        anchors: nothing(),
        position: nothing(),
    };
    world.create_cluster(admin(), proposer(), judge(), beneficiary(), genesis(), numbers);
    world
}

/// Makes a cluster and turns to it.
public fun create_cluster(
    self: &mut World,
    admin: address,
    proposer: address,
    judge: address,
    beneficiary: address,
    genesis: vector<u8>,
    numbers: vector<u64>,
) {
    self.create_named_cluster(b"demo", admin, proposer, judge, beneficiary, genesis, numbers);
}

public fun create_named_cluster(
    self: &mut World,
    name: vector<u8>,
    admin: address,
    proposer: address,
    judge: address,
    beneficiary: address,
    genesis: vector<u8>,
    numbers: vector<u64>,
) {
    self.scenario.next_tx(admin);
    founding::create_cluster(
        name.to_string(),
        genesis,
        numbers,
        false,
        beneficiary,
        proposer,
        judge,
        self.scenario.ctx(),
    );
    assert_eq!(event::num_events(), 1);
    let created = event::events_by_type<ClusterCreated>();
    self.scenario.next_tx(admin);
    let cluster = self.scenario.take_shared<Cluster>();
    assert_eq!(cluster.generation(), 1);
    assert_eq!(bcs::to_bytes(&created[0]), bcs::to_bytes(&cluster.state()));
    self.cluster = object::id(&cluster);
    self.registry = cluster.registry();
    self.nautilus = cluster.nautilus();
    self.anchors = cluster.anchors();
    test_scenario::return_shared(cluster);
}

/// Makes another cluster, all of whose offices are the stranger's but for the beneficiary's, and turns to it. Returns the
/// one turned to before.
public fun found_foreign(self: &mut World): ID {
    let before = self.cluster;
    let deputy = @0xB2;
    self.create_cluster(stranger(), stranger(), deputy, @0xB3, genesis(), numbers());
    self.scenario.next_tx(deputy);
    let cap = self.scenario.take_from_sender<JudgeCap>();
    transfer::public_transfer(cap, stranger());
    before
}

/// Turns to a cluster and what hangs off it.
public fun turn_to(self: &mut World, cluster: ID) {
    self.scenario.next_tx(admin());
    self.cluster = cluster;
    let cluster = self.take_cluster();
    self.registry = cluster.registry();
    self.nautilus = cluster.nautilus();
    self.anchors = cluster.anchors();
    test_scenario::return_shared(cluster);
}

/// Later calls name this cluster, and the objects of the one turned to before.
public fun name_cluster(self: &mut World, cluster: ID) { self.cluster = cluster }

/// Later calls name this `Nautilus`.
public fun name_nautilus(self: &mut World, nautilus: ID) { self.nautilus = nautilus }

/// Later calls act on this position.
public fun focus(self: &mut World, position: ID) { self.position = position }

public fun end(self: World) {
    let World { scenario, clock, .. } = self;
    clock.destroy_for_testing();
    scenario.end();
}

public fun pass_ms(self: &mut World, ms: u64) { self.clock.increment_for_testing(ms) }

public fun now_ms(self: &World): u64 { self.clock.timestamp_ms() }

/// As if the cluster were of another version of the package.
public fun set_version(self: &mut World, version: u64) {
    self.scenario.next_tx(admin());
    let mut cluster = self.take_cluster();
    cluster.set_version_for_testing(version);
    test_scenario::return_shared(cluster);
}

// === Taking ===

public fun cluster(self: &World): ID { self.cluster }

public fun registry(self: &World): ID { self.registry }

public fun nautilus(self: &World): ID { self.nautilus }

public fun anchors(self: &World): ID { self.anchors }

public fun position(self: &World): ID { self.position }

public fun scenario(self: &mut World): &mut Scenario { &mut self.scenario }

public fun parts(self: &mut World): (&mut Scenario, &Clock) { (&mut self.scenario, &self.clock) }

public fun take_position(self: &World): StakePosition {
    self.scenario.take_shared_by_id<StakePosition>(self.position)
}

public fun take_cluster(self: &World): Cluster {
    self.scenario.take_shared_by_id<Cluster>(self.cluster)
}

public fun take_registry(self: &World): Registry {
    self.scenario.take_shared_by_id<Registry>(self.registry)
}

public fun take_nautilus(self: &World): Nautilus {
    self.scenario.take_shared_by_id<Nautilus>(self.nautilus)
}

public fun take_anchors(self: &World): AuditAnchors {
    self.scenario.take_shared_by_id<AuditAnchors>(self.anchors)
}

public fun hand_over_proposer(self: &mut World, from: address, to: address) {
    self.scenario.next_tx(from);
    transfer::public_transfer(self.scenario.take_from_sender<ProposerCap>(), to);
}

public fun hand_over_judge(self: &mut World, from: address, to: address) {
    self.scenario.next_tx(from);
    transfer::public_transfer(self.scenario.take_from_sender<JudgeCap>(), to);
}

public fun hand_over_admin(self: &mut World, from: address, to: address) {
    self.scenario.next_tx(from);
    transfer::public_transfer(self.scenario.take_from_sender<AdminCap>(), to);
}

// === Looking ===

/// What `$look` sees in the position.
public macro fun look<$T>($world: &mut World, $look: |&StakePosition| -> $T): $T {
    let world = $world;
    world.scenario().next_tx(admin());
    let position = world.take_position();
    let seen = $look(&position);
    test_scenario::return_shared(position);
    seen
}

/// What `$look` sees in the cluster.
public macro fun look_at_cluster<$T>($world: &mut World, $look: |&Cluster| -> $T): $T {
    let world = $world;
    world.scenario().next_tx(admin());
    let cluster = world.take_cluster();
    let seen = $look(&cluster);
    test_scenario::return_shared(cluster);
    seen
}

/// (active, frozen, unbonding) of the position.
public fun assert_money(self: &mut World, active: u64, frozen: u64, unbonding: u64) {
    let held = self.look!(|it| vector[it.active(), it.frozen(), it.unbonding()]);
    assert_eq!(held, vector[active, frozen, unbonding]);
}

public fun treasury(self: &mut World): u64 {
    self.look_at_cluster!(|cluster| cluster.treasury())
}

/// All that an address was paid.
public fun purse(self: &mut World, holder: address): u64 {
    self.scenario.next_tx(holder);
    self.scenario.ids_for_sender<Coin<SUI>>().fold!(0, |sum, id| {
        let coin = self.scenario.take_from_sender_by_id<Coin<SUI>>(id);
        let value = coin.value();
        self.scenario.return_to_sender(coin);
        sum + value
    })
}

public fun node_holder(self: &mut World, node_id: vector<u8>): Option<ID> {
    self.scenario.next_tx(admin());
    let registry = self.take_registry();
    let holder = registry.position_of_node(node_id.to_string());
    test_scenario::return_shared(registry);
    holder
}

// === Every change ===

/// One transaction of `$sender` on the position. `$change` returns what the event carries after the state.
public macro fun act<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&mut Cluster, &mut StakePosition, &Clock, &mut TxContext| -> vector<u8>,
) {
    let world = $world;
    world.scenario().next_tx($sender);
    let mut cluster = world.take_cluster();
    let mut position = world.take_position();
    let before = position.generation();
    let lapses = world.lapses(&position);
    let (scenario, clock) = world.parts();
    let extra = $change(&mut cluster, &mut position, clock, scenario.ctx());
    assert_changed<$Event>(&position, before + lapses, extra);
    assert_eq!(event::num_events(), 1 + (lapses as u32));
    assert_lapses(before, lapses);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(position);
}

/// So many slashes lapsed in this transaction, each a change of its own after `before`.
public fun assert_lapses(before: u64, lapses: u64) {
    let events = event::events_by_type<SlashLapsed>();
    assert_eq!(events.length(), lapses);
    if (lapses == 1) {
        // After the ids of position and cluster.
        let bytes = bcs::to_bytes(&events[0]).skip(64).take(8);
        assert_eq!(bytes, bcs::to_bytes(&(before + 1)));
    }
}

/// One more change than `before`, and its event.
public fun assert_changed<Event: copy + drop>(
    position: &StakePosition,
    before: u64,
    extra: vector<u8>,
) {
    assert_eq!(position.generation(), before + 1);
    let mut expected = bcs::to_bytes(position);
    assert_eq!(bcs::to_bytes(&position.state()), expected);
    expected.append(extra);
    let events = event::events_by_type<Event>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), expected);
}

/// How many lapsed slashes the next change clears away before it: 0 or 1.
public fun lapses(self: &World, position: &StakePosition): u64 {
    if (position.proposal().is_some_and!(|slash| slash.has_lapsed(self.now_ms()))) 1 else 0
}

/// One cluster in a test scenario, and each entry point as one transaction. Every successful change is checked here for
/// what must always hold: generation +1, exactly one event, and in it the object's own bytes.
#[test_only]
module k3s_daas::world;

use k3s_daas::caps::{AdminCap, JudgeCap, ProposerCap};
use k3s_daas::cluster::{Self, Cluster, Registry};
use k3s_daas::nautilus::{Self, Nautilus};
use k3s_daas::staking::{Self, StakePosition};
use std::bcs;
use std::string::String;
use std::unit_test::assert_eq;
use sui::clock::{Self, Clock};
use sui::coin::{Self, Coin};
use sui::event;
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

public struct World {
    scenario: Scenario,
    clock: Clock,
    cluster: ID,
    registry: ID,
    nautilus: ID,
    /// The one that calls act on: the newest, or what `focus` chose.
    position: ID,
}

// === Names ===

public fun admin(): address { @0xAD }

public fun owner(): address { @0xA }

public fun stranger(): address { @0xB }

public fun sui(whole: u64): u64 { whole * 1_000_000_000 }

public fun start_ms(): u64 { 1_000_000 }

public fun appeal_ms(): u64 { 5_000 }

public fun unbonding_ms(): u64 { 60_000 }

public fun max_lifetime_ms(): u64 { 86_400_000 }

public fun evidence_age_ms(): u64 { 50_000 }

public fun user(): u8 { 1 }

public fun node(): u8 { 2 }

public fun bytes(byte: u8, length: u64): vector<u8> { vector::tabulate!(length, |_| byte) }

// === Beginning and end ===

/// A cluster with the default tiers and a slash of 10 %.
public fun begin(): World { begin_with_slash(1_000) }

public fun begin_with_slash(slash_bps: u64): World {
    let mut scenario = test_scenario::begin(admin());
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(start_ms());
    let none = object::id_from_address(@0x0);
    let mut world = World {
        scenario,
        clock,
        cluster: none,
        registry: none,
        nautilus: none,
        position: none,
    };
    world.create_cluster_as(admin(), slash_bps);
    world
}

/// Makes a cluster and turns to it.
public fun create_cluster_as(self: &mut World, sender: address, slash_bps: u64) {
    self.create_cluster(
        sender,
        vector[sui(1) / 2, sui(2), sui(5), sui(10)],
        slash_bps,
        max_lifetime_ms(),
        evidence_age_ms(),
    );
}

public fun create_cluster(
    self: &mut World,
    sender: address,
    thresholds: vector<u64>,
    slash_bps: u64,
    max_lifetime_ms: u64,
    evidence_age_ms: u64,
) {
    self.scenario.next_tx(sender);
    cluster::create_cluster(
        b"demo".to_string(),
        thresholds,
        sui(1) / 2,
        sui(1) / 2,
        slash_bps,
        appeal_ms(),
        unbonding_ms(),
        max_lifetime_ms,
        evidence_age_ms,
        self.scenario.ctx(),
    );
    assert_eq!(event::events_by_type<cluster::ClusterCreated>().length(), 1);
    self.scenario.next_tx(sender);
    let cluster = self.scenario.take_shared<Cluster>();
    self.cluster = object::id(&cluster);
    self.registry = cluster.registry();
    self.nautilus = cluster.nautilus();
    test_scenario::return_shared(cluster);
}

/// Makes another cluster whose capabilities `sender` holds, and turns back to this one.
public fun foreign_admin(self: &mut World, sender: address) {
    let (cluster, registry, nautilus) = (self.cluster, self.registry, self.nautilus);
    self.create_cluster_as(sender, 1_000);
    self.cluster = cluster;
    self.registry = registry;
    self.nautilus = nautilus;
}

public fun end(self: World) {
    let World { scenario, clock, .. } = self;
    clock.destroy_for_testing();
    scenario.end();
}

public fun pass_ms(self: &mut World, ms: u64) { self.clock.increment_for_testing(ms) }

public fun cluster(self: &World): ID { self.cluster }

public fun registry(self: &World): ID { self.registry }

public fun position(self: &World): ID { self.position }

/// Later calls act on this position.
public fun focus(self: &mut World, position: ID) { self.position = position }

/// Later calls go through this cluster.
public fun turn_to(self: &mut World, cluster: ID) { self.cluster = cluster }

public fun scenario(self: &mut World): &mut Scenario { &mut self.scenario }

// === Looking ===

/// Calls `$look` with the position.
public macro fun look($world: &mut World, $look: |&StakePosition| -> _): _ {
    let world = $world;
    world.scenario().next_tx(admin());
    let position = world.take_position();
    let seen = $look(&position);
    test_scenario::return_shared(position);
    seen
}

public fun take_position(self: &mut World): StakePosition {
    self.scenario.take_shared_by_id<StakePosition>(self.position)
}

public fun take_cluster(self: &mut World): Cluster {
    self.scenario.take_shared_by_id<Cluster>(self.cluster)
}

public fun take_registry(self: &mut World): Registry {
    self.scenario.take_shared_by_id<Registry>(self.registry)
}

public fun take_nautilus(self: &mut World): Nautilus {
    self.scenario.take_shared_by_id<Nautilus>(self.nautilus)
}

/// (active, frozen, unbonding) of the position.
public fun assert_money(self: &mut World, active: u64, frozen: u64, unbonding: u64) {
    self.scenario.next_tx(admin());
    let position = self.take_position();
    assert_eq!(position.active(), active);
    assert_eq!(position.frozen(), frozen);
    assert_eq!(position.unbonding(), unbonding);
    test_scenario::return_shared(position);
}

public fun assert_position(self: &mut World, expected: vector<u8>) {
    self.scenario.next_tx(owner());
    let position = self.take_position();
    assert_eq!(bcs::to_bytes(&position), expected);
    test_scenario::return_shared(position);
}

public fun treasury(self: &mut World): u64 {
    self.scenario.next_tx(admin());
    let cluster = self.take_cluster();
    let treasury = cluster.treasury();
    test_scenario::return_shared(cluster);
    treasury
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

// === Entry points ===

/// As if the cluster had been migrated by a later package.
public fun set_version(self: &mut World, version: u64) {
    self.scenario.next_tx(admin());
    let mut cluster = self.take_cluster();
    cluster.set_version_for_testing(version);
    test_scenario::return_shared(cluster);
}

public fun set_operator_positions(self: &mut World, sender: address, positions: vector<ID>) {
    self.scenario.next_tx(sender);
    let cap = self.scenario.take_from_sender<AdminCap>();
    let mut cluster = self.take_cluster();
    let before = cluster.generation();
    cluster::set_operator_positions(&cap, &mut cluster, positions);
    assert_eq!(cluster.generation(), before + 1);
    assert_eq!(event::num_events(), 1);
    let events = event::events_by_type<cluster::PolicyChanged>();
    let mut expected = bcs::to_bytes(&object::id(&cluster));
    expected.append(bcs::to_bytes(&cluster.generation()));
    expected.append(bcs::to_bytes(cluster.policy()));
    assert_eq!(bcs::to_bytes(&events[0]), expected);
    test_scenario::return_shared(cluster);
    self.scenario.return_to_sender(cap);
}

/// Stakes with salt 0 and a user Seal (and a node's, if there is a node id).
public fun stake(self: &mut World, amount: u64, node_id: vector<u8>) {
    let permissions = if (node_id.is_empty()) user() else user() | node();
    self.stake_with(owner(), amount, 0, node_id, permissions, 16, 32, option::none(), 3_600_000)
}

public fun stake_with(
    self: &mut World,
    sender: address,
    amount: u64,
    salt: u64,
    node_id: vector<u8>,
    permissions: u8,
    locator_length: u64,
    commitment_length: u64,
    session: Option<address>,
    lifetime_ms: u64,
) {
    self.scenario.next_tx(sender);
    let cluster = self.take_cluster();
    let mut registry = self.take_registry();
    let payment = coin::mint_for_testing<SUI>(amount, self.scenario.ctx());
    staking::stake_and_mint_seal(
        &cluster,
        &mut registry,
        payment,
        salt,
        node_id.to_string(),
        permissions,
        bytes(0x11, locator_length),
        bytes(0x22, commitment_length),
        session,
        lifetime_ms,
        &self.clock,
        self.scenario.ctx(),
    );
    self.position = registry.position_at(registry.position_count() - 1);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(registry);
    assert_eq!(event::num_events(), 1);
    let events = event::events_by_type<staking::Staked>();
    self.scenario.next_tx(sender);
    let position = self.take_position();
    assert_eq!(position.generation(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), bcs::to_bytes(&position));
    test_scenario::return_shared(position);
}

public fun restake(self: &mut World, sender: address, amount: u64) {
    let payment = coin::mint_for_testing<SUI>(amount, self.scenario.ctx());
    self.act!<staking::Restaked>(sender, |cluster, position, _clock, ctx| {
        staking::restake(cluster, position, payment, ctx);
        vector[]
    });
}

/// Adds a user Seal.
public fun refresh(self: &mut World, sender: address, replaces: Option<ID>) {
    self.refresh_with(sender, replaces, user(), option::none(), 3_600_000)
}

public fun refresh_with(
    self: &mut World,
    sender: address,
    replaces: Option<ID>,
    permissions: u8,
    session: Option<address>,
    lifetime_ms: u64,
) {
    self.act!<staking::SealRefreshed>(sender, |cluster, position, clock, ctx| {
        staking::refresh_seal_token(
            cluster,
            position,
            replaces,
            permissions,
            bytes(0x33, 16),
            bytes(0x44, 32),
            session,
            lifetime_ms,
            clock,
            ctx,
        );
        let newest = position.seals()[position.seals().length() - 1].id();
        bcs::to_bytes(&newest)
    });
}

public fun unstake(self: &mut World, sender: address, amount: u64) {
    self.act!<staking::Unstaked>(sender, |cluster, position, clock, ctx| {
        staking::unstake(cluster, position, amount, clock, ctx);
        bcs::to_bytes(&amount)
    });
}

public fun withdraw(self: &mut World, sender: address) {
    self.scenario.next_tx(sender);
    let mut registry = self.take_registry();
    self.act!<staking::Withdrawn>(sender, |cluster, position, clock, ctx| {
        let amount = position.unbonding();
        staking::withdraw(cluster, &mut registry, position, clock, ctx);
        bcs::to_bytes(&amount)
    });
    test_scenario::return_shared(registry);
}

/// Proposes a slash for reason 1, with evidence of now.
public fun propose(self: &mut World, sender: address) {
    let now_ms = self.clock.timestamp_ms();
    self.propose_with(sender, 1, 32, now_ms)
}

public fun propose_with(
    self: &mut World,
    sender: address,
    reason: u8,
    hash_length: u64,
    evidence_ms: u64,
) {
    self.scenario.next_tx(sender);
    let cap = self.scenario.take_from_sender<ProposerCap>();
    self.act!<staking::SlashProposed>(sender, |cluster, position, clock, _ctx| {
        staking::propose_slash(
            &cap,
            cluster,
            position,
            reason,
            bytes(0x55, hash_length),
            evidence_ms,
            b"https://evidence.example/1".to_string(),
            clock,
        );
        vector[]
    });
    self.scenario.return_to_sender(cap);
}

public fun appeal(self: &mut World, sender: address, statement: String) {
    self.act!<staking::SlashAppealed>(sender, |cluster, position, clock, ctx| {
        staking::appeal_slash(cluster, position, statement, clock, ctx);
        bcs::to_bytes(&statement)
    });
}

public fun uphold(self: &mut World, sender: address) {
    self.scenario.next_tx(sender);
    let cap = self.scenario.take_from_sender<JudgeCap>();
    self.act!<staking::SlashUpheld>(sender, |cluster, position, _clock, _ctx| {
        staking::uphold_slash(&cap, cluster, position);
        vector[]
    });
    self.scenario.return_to_sender(cap);
}

public fun cancel(self: &mut World, sender: address) {
    self.scenario.next_tx(sender);
    let cap = self.scenario.take_from_sender<JudgeCap>();
    self.act!<staking::SlashCancelled>(sender, |cluster, position, _clock, _ctx| {
        staking::cancel_slash(&cap, cluster, position);
        vector[]
    });
    self.scenario.return_to_sender(cap);
}

public fun execute(self: &mut World, sender: address) {
    self.act!<staking::SlashExecuted>(sender, |cluster, position, clock, _ctx| {
        let amount = position.frozen();
        staking::execute_slash(cluster, position, clock);
        bcs::to_bytes(&amount)
    });
}

public fun allow(self: &mut World, sender: address, pcr0: vector<u8>, pcr1: vector<u8>) {
    self.administer!<nautilus::MeasurementsChanged>(sender, |cap, nautilus, _clock| {
        nautilus::allow_measurement(cap, nautilus, pcr0, pcr1, bytes(3, 48))
    });
}

public fun revoke(self: &mut World, sender: address, pcr0: vector<u8>) {
    self.administer!<nautilus::MeasurementsChanged>(sender, |cap, nautilus, _clock| {
        nautilus::revoke_measurement(cap, nautilus, pcr0)
    });
}

public fun register_master(
    self: &mut World,
    sender: address,
    endpoint: vector<u8>,
    signing_key: vector<u8>,
) {
    self.administer!<nautilus::MastersChanged>(sender, |cap, nautilus, clock| {
        nautilus::register_master(
            cap,
            nautilus,
            endpoint.to_string(),
            bytes(0x66, 32),
            signing_key,
            bytes(0x88, 32),
            clock,
        )
    });
}

public fun remove_master(self: &mut World, sender: address, signing_key: vector<u8>) {
    self.administer!<nautilus::MastersChanged>(sender, |cap, nautilus, _clock| {
        nautilus::remove_master(cap, nautilus, signing_key)
    });
}

// === Every change ===

/// One transaction of `$sender` on the position. `$change` returns what the event carries after the state.
macro fun act<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&mut Cluster, &mut StakePosition, &Clock, &mut TxContext| -> vector<u8>,
) {
    let world = $world;
    world.scenario.next_tx($sender);
    let mut cluster = world.take_cluster();
    let mut position = world.take_position();
    let before = position.generation();
    let extra = $change(&mut cluster, &mut position, &world.clock, world.scenario.ctx());
    assert_eq!(position.generation(), before + 1);
    assert_eq!(event::num_events(), 1);
    let mut expected = bcs::to_bytes(&position);
    assert_eq!(bcs::to_bytes(&position.state()), expected);
    expected.append(extra);
    assert_eq!(bcs::to_bytes(&event::events_by_type<$Event>()[0]), expected);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(position);
}

/// One transaction of `$sender` on the cluster's `Nautilus`.
macro fun administer<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&AdminCap, &mut Nautilus, &Clock|,
) {
    let world = $world;
    world.scenario.next_tx($sender);
    let cap = world.scenario.take_from_sender<AdminCap>();
    let mut nautilus = world.take_nautilus();
    let before = nautilus.generation();
    $change(&cap, &mut nautilus, &world.clock);
    assert_eq!(nautilus.generation(), before + 1);
    assert_eq!(event::num_events(), 1);
    let expected = bcs::to_bytes(&nautilus);
    assert_eq!(bcs::to_bytes(&nautilus.state()), expected);
    assert_eq!(bcs::to_bytes(&event::events_by_type<$Event>()[0]), expected);
    test_scenario::return_shared(nautilus);
    world.scenario.return_to_sender(cap);
}

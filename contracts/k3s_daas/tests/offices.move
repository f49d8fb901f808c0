/// The entry points of a cluster's admin, and those that anyone may call on the cluster, one transaction each.
#[test_only]
module k3s_daas::offices;

use k3s_daas::caps::AdminCap;
use k3s_daas::cluster::{Self, Cluster};
use k3s_daas::world::{World, admin, beneficiary};
use std::bcs;
use std::unit_test::assert_eq;
use sui::clock::Clock;
use sui::event;
use sui::test_scenario;

/// Bytes of the treasury, the last field of a `Cluster` and no part of its state.
const TREASURY_LENGTH: u64 = 8;

// === The admin's ===

public fun announce_policy(w: &mut World, numbers: vector<u64>) {
    announce_policy_as(w, admin(), numbers, false, beneficiary())
}

public fun announce_policy_as(
    w: &mut World,
    sender: address,
    numbers: vector<u64>,
    super_is_masters: bool,
    beneficiary: address,
) {
    w.govern!<cluster::PolicyAnnounced>(
        sender,
        |cap, cluster, clock, _ctx| cluster::announce_policy(
            cap,
            cluster,
            numbers,
            super_is_masters,
            beneficiary,
            clock,
        ),
    );
}

public fun recall_policy(w: &mut World, sender: address) {
    w.govern!<cluster::PolicyRecalled>(sender, |cap, cluster, _clock, _ctx| {
        cluster::recall_policy(cap, cluster)
    });
}

public fun set_paused(w: &mut World, sender: address, paused: bool) {
    w.govern!<cluster::PauseChanged>(sender, |cap, cluster, _clock, _ctx| {
        cluster::set_paused(cap, cluster, paused)
    });
}

public fun set_operators(w: &mut World, positions: vector<ID>) {
    set_operators_as(w, admin(), positions)
}

public fun set_operators_as(w: &mut World, sender: address, positions: vector<ID>) {
    w.govern!<cluster::OperatorsChanged>(sender, |cap, cluster, _clock, _ctx| {
        cluster::set_operator_positions(cap, cluster, positions)
    });
}

public fun appoint_proposer(w: &mut World, sender: address, holder: address) {
    w.govern!<cluster::OfficesChanged>(sender, |cap, cluster, _clock, ctx| {
        cluster::appoint_proposer(cap, cluster, holder, ctx)
    });
}

public fun appoint_judge(w: &mut World, sender: address, holder: address) {
    w.govern!<cluster::OfficesChanged>(sender, |cap, cluster, _clock, ctx| {
        cluster::appoint_judge(cap, cluster, holder, ctx)
    });
}

public fun migrate(w: &mut World, sender: address) {
    w.govern!<cluster::ClusterMigrated>(sender, |cap, cluster, _clock, _ctx| {
        cluster::migrate(cap, cluster)
    });
}

// === Anyone's ===

public fun apply_policy(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let mut cluster = w.take_cluster();
    let before = cluster.generation();
    let (_, clock) = w.parts();
    cluster::apply_policy(&mut cluster, clock);
    assert_governed<cluster::PolicyApplied>(&cluster, before);
    test_scenario::return_shared(cluster);
}

public fun pay_treasury(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let mut cluster = w.take_cluster();
    let (before, amount) = (bcs::to_bytes(&cluster.state()), cluster.treasury());
    let beneficiary = cluster.policy().beneficiary();
    cluster::pay_treasury(&mut cluster, w.scenario().ctx());
    assert_eq!(bcs::to_bytes(&cluster.state()), before);
    assert_eq!(cluster.treasury(), 0);
    let mut expected = bcs::to_bytes(&object::id(&cluster));
    expected.append(bcs::to_bytes(&amount));
    expected.append(bcs::to_bytes(&beneficiary));
    assert_eq!(event::num_events(), 1);
    let paid = event::events_by_type<cluster::TreasuryPaid>();
    assert_eq!(bcs::to_bytes(&paid[0]), expected);
    test_scenario::return_shared(cluster);
}

// === Every change ===

/// One transaction of `$sender` on the cluster.
macro fun govern<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&AdminCap, &mut Cluster, &Clock, &mut TxContext|,
) {
    let world = $world;
    world.scenario().next_tx($sender);
    let cap = world.scenario().take_from_sender<AdminCap>();
    let mut cluster = world.take_cluster();
    let before = cluster.generation();
    let (scenario, clock) = world.parts();
    $change(&cap, &mut cluster, clock, scenario.ctx());
    assert_governed<$Event>(&cluster, before);
    test_scenario::return_shared(cluster);
    world.scenario().return_to_sender(cap);
}

use fun govern as World.govern;

/// One more change than `before`, and its event, with the object's own bytes up to the treasury.
fun assert_governed<Event: copy + drop>(cluster: &Cluster, before: u64) {
    assert_eq!(cluster.generation(), before + 1);
    let state = bcs::to_bytes(&cluster.state());
    let object = bcs::to_bytes(cluster);
    assert_eq!(object.length(), state.length() + TREASURY_LENGTH);
    assert_eq!(object.take(state.length()), state);
    assert_eq!(event::num_events(), 1);
    assert_eq!(bcs::to_bytes(&event::events_by_type<Event>()[0]), state);
}

#[test_only]
module k3s_daas::cluster_tests;

use k3s_daas::caps::{Self, AdminCap, JudgeCap, ProposerCap};
use k3s_daas::cluster;
use k3s_daas::world::{Self, admin, owner, stranger, sui};
use std::unit_test::assert_eq;
use sui::event;
use sui::test_scenario;

#[test]
fun a_new_cluster_is_empty_and_its_caps_are_the_senders() {
    let mut w = world::begin();
    w.scenario().next_tx(admin());
    let (cluster, registry) = (w.take_cluster(), w.take_registry());
    let nautilus = w.take_nautilus();
    assert_eq!(cluster.version(), 1);
    assert_eq!(cluster.generation(), 1);
    assert_eq!(cluster.name(), b"demo".to_string());
    assert_eq!(cluster.treasury(), 0);
    assert_eq!(cluster.nautilus(), object::id(&nautilus));
    assert_eq!(registry.position_count(), 0);
    assert_eq!(nautilus.generation(), 1);
    assert!(nautilus.measurements().is_empty() && nautilus.masters().is_empty());
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(registry);
    test_scenario::return_shared(nautilus);
    assert!(w.scenario().has_most_recent_for_sender<AdminCap>());
    assert!(w.scenario().has_most_recent_for_sender<ProposerCap>());
    assert!(w.scenario().has_most_recent_for_sender<JudgeCap>());
    w.end();
}

#[test]
fun operator_positions_are_replaced() {
    let mut w = world::begin();
    w.stake(sui(5), b"operator");
    let position = w.position();
    w.set_operator_positions(admin(), vector[position]);
    w.set_operator_positions(admin(), vector[]);
    w.set_operator_positions(admin(), vector[position]);
    w.scenario().next_tx(admin());
    let cluster = w.take_cluster();
    assert_eq!(cluster.policy().operator_positions(), vector[position]);
    assert_eq!(cluster.generation(), 4);
    test_scenario::return_shared(cluster);
    w.end();
}

#[test]
fun the_registry_lists_every_position_in_order() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    let first = w.position();
    w.stake_with(stranger(), sui(5), 0, b"worker-2", 3, 16, 32, option::none(), 1);
    let second = w.position();
    w.stake_with(stranger(), sui(5), 1, b"", 1, 16, 32, option::none(), 1);
    assert!(first != second);
    assert_eq!(w.node_holder(b"worker-1"), option::some(first));
    assert_eq!(w.node_holder(b"worker-2"), option::some(second));
    assert_eq!(w.node_holder(b""), option::none());
    w.scenario().next_tx(admin());
    let registry = w.take_registry();
    assert_eq!(registry.position_count(), 3);
    assert_eq!(registry.position_at(0), first);
    assert_eq!(registry.position_at(1), second);
    test_scenario::return_shared(registry);
    w.end();
}

#[test]
fun policy_limits_are_inclusive() {
    let mut w = world::begin_with_slash(10_000);
    w.create_cluster(admin(), vector[0, 1, 2, 3], 0, 2_592_000_000, world::unbonding_ms());
    assert_eq!(event::num_events(), 0);
    w.end();
}

#[test, expected_failure(abort_code = cluster::EThresholdCount)]
fun three_thresholds_are_refused() {
    let mut w = world::begin();
    w.create_cluster(admin(), vector[1, 2, 3], 0, 1, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::EThresholdOrder)]
fun equal_thresholds_are_refused() {
    let mut w = world::begin();
    w.create_cluster(admin(), vector[1, 2, 2, 3], 0, 1, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::ESlashShare)]
fun slashing_more_than_all_is_refused() {
    let mut w = world::begin();
    w.create_cluster_as(admin(), 10_001);
    abort
}

#[test, expected_failure(abort_code = cluster::ESealLifetime)]
fun seals_of_more_than_thirty_days_are_refused() {
    let mut w = world::begin();
    w.create_cluster(admin(), vector[1, 2, 3, 4], 0, 2_592_000_001, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::ESealLifetime)]
fun seals_without_life_are_refused() {
    let mut w = world::begin();
    w.create_cluster(admin(), vector[1, 2, 3, 4], 0, 0, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::EEvidenceAge)]
fun evidence_may_not_outlive_unbonding() {
    let mut w = world::begin();
    w.create_cluster(admin(), vector[1, 2, 3, 4], 0, 1, world::unbonding_ms() + 1);
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_sets_no_policy() {
    let mut w = world::begin();
    let first = w.cluster();
    w.create_cluster_as(stranger(), 0);
    w.turn_to(first);
    w.set_operator_positions(stranger(), vector[]);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun policy_needs_the_right_version() {
    let mut w = world::begin();
    w.set_version(2);
    w.set_operator_positions(admin(), vector[]);
    abort
}

#[test, expected_failure(abort_code = cluster::EForeignRegistry)]
fun another_clusters_registry_takes_no_stake() {
    let mut w = world::begin();
    let first = w.cluster();
    w.create_cluster_as(stranger(), 0);
    w.turn_to(first);
    w.stake(sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = cluster::EForeignRegistry)]
fun another_clusters_registry_frees_no_node_id() {
    let mut w = world::begin();
    let first = w.cluster();
    w.stake(sui(5), b"worker-1");
    w.unstake(owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    w.create_cluster_as(stranger(), 0);
    w.turn_to(first);
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = cluster::EPositionExists)]
fun a_salt_serves_once() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.stake(sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = cluster::ENodeIdTaken)]
fun a_node_id_has_one_position() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.stake_with(stranger(), sui(5), 0, b"worker-1", 2, 16, 32, option::none(), 1);
    abort
}

#[test]
fun dns_labels_are_node_ids() {
    let mut w = world::begin();
    let labels = vector[b"a", b"0", b"worker-001", b"a--b", world::bytes(0x7A, 63)];
    labels.length().do!(|i| {
        w.stake_with(owner(), sui(5), i, labels[i], 2, 16, 32, option::none(), 1);
    });
    w.end();
}

#[test, expected_failure(abort_code = cluster::EBadNodeId)]
fun a_node_id_of_64_characters_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), world::bytes(0x61, 64));
    abort
}

#[test, expected_failure(abort_code = cluster::EBadNodeId)]
fun a_node_id_may_not_start_with_a_dash() {
    let mut w = world::begin();
    w.stake(sui(5), b"-a");
    abort
}

#[test, expected_failure(abort_code = cluster::EBadNodeId)]
fun a_node_id_may_not_end_with_a_dash() {
    let mut w = world::begin();
    w.stake(sui(5), b"a-");
    abort
}

#[test, expected_failure(abort_code = cluster::EBadNodeId)]
fun a_node_id_has_no_capitals() {
    let mut w = world::begin();
    w.stake(sui(5), b"Worker");
    abort
}

#[test, expected_failure(abort_code = cluster::EBadNodeId)]
fun a_node_id_cannot_break_out_of_a_header() {
    let mut w = world::begin();
    w.stake(sui(5), b"a\r\nx-remote-user: y");
    abort
}

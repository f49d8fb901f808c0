/// A cluster's founding, its policy's announce, delay and apply, its pause, its offices, its treasury and its version.
#[test_only]
module k3s_daas::cluster_tests;

use k3s_daas::caps;
use k3s_daas::caps::{AdminCap, JudgeCap, ProposerCap};
use k3s_daas::cluster;
use k3s_daas::offices;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{
    Self,
    World,
    admin,
    beneficiary,
    bytes,
    genesis,
    judge,
    numbers,
    numbers_with_slash,
    owner,
    proposer,
    stranger,
    sui
};
use std::unit_test::assert_eq;
use sui::test_scenario;

// === Founding ===

#[test]
fun a_founded_cluster_is_whole() {
    let mut w = world::begin();
    w.scenario().next_tx(admin());
    let cluster = w.take_cluster();
    assert_eq!(cluster.version(), 1);
    assert_eq!(cluster.name(), b"demo".to_string());
    assert_eq!(cluster.genesis(), genesis());
    assert!(!cluster.is_paused());
    assert_eq!(cluster.treasury(), 0);
    test_scenario::return_shared(cluster);
    // What it names is there, and belongs to it.
    test_scenario::return_shared(w.take_registry());
    test_scenario::return_shared(w.take_nautilus());
    test_scenario::return_shared(w.take_anchors());
    assert!(w.scenario().has_most_recent_for_sender<AdminCap>());
    assert!(test_scenario::has_most_recent_for_address<ProposerCap>(proposer()));
    assert!(test_scenario::has_most_recent_for_address<JudgeCap>(judge()));
    w.end();
}

#[test]
fun a_name_of_128_bytes_is_enough() {
    let mut w = world::begin();
    let name = bytes(0x61, 128);
    w.create_named_cluster(name, admin(), @0x1, @0x2, @0x3, genesis(), numbers());
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENameTooLong)]
fun a_longer_name_is_refused() {
    let mut w = world::begin();
    let name = bytes(0x61, 129);
    w.create_named_cluster(name, admin(), @0x1, @0x2, @0x3, genesis(), numbers());
    abort
}

#[test, expected_failure(abort_code = cluster::EBadGenesis)]
fun a_short_genesis_is_refused() {
    let mut w = world::begin();
    w.create_cluster(admin(), proposer(), judge(), beneficiary(), bytes(1, 31), numbers());
    abort
}

fun found_with(proposer: address, judge: address, beneficiary: address) {
    let mut w = world::begin();
    w.create_cluster(admin(), proposer, judge, beneficiary, genesis(), numbers());
    w.end();
}

#[test]
fun the_admin_may_hold_one_office() { found_with(admin(), @0x2, @0x3) }

#[test, expected_failure(abort_code = cluster::EOfficesNotApart)]
fun proposer_and_judge_are_two() { found_with(@0x1, @0x1, @0x3) }

#[test, expected_failure(abort_code = cluster::EOfficesNotApart)]
fun proposer_and_beneficiary_are_two() { found_with(@0x1, @0x2, @0x1) }

#[test, expected_failure(abort_code = cluster::EOfficesNotApart)]
fun judge_and_beneficiary_are_two() { found_with(@0x1, @0x2, @0x2) }

// === Policy ===

fun slash_bps(w: &mut World): u64 { w.look_at_cluster!(|cluster| cluster.policy().slash_bps()) }

#[test]
fun a_policy_is_announced_waits_and_is_applied_by_anyone() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, numbers_with_slash(500));
    assert_eq!(slash_bps(&mut w), 1_000);
    w.pass_ms(world::delay_ms());
    assert_eq!(slash_bps(&mut w), 1_000);
    offices::apply_policy(&mut w, stranger());
    assert_eq!(slash_bps(&mut w), 500);
    w.end();
}

#[test, expected_failure(abort_code = cluster::ETooEarly)]
fun a_policy_waits_for_its_delay() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, numbers_with_slash(500));
    w.pass_ms(world::delay_ms() - 1);
    offices::apply_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ETooEarly)]
fun announcing_again_starts_the_delay_again() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, numbers_with_slash(500));
    w.pass_ms(world::delay_ms());
    offices::announce_policy(&mut w, numbers_with_slash(10_000));
    offices::apply_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ETooEarly)]
fun a_shorter_delay_does_not_shorten_its_own() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, world::numbers_with(18, 0));
    offices::apply_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ENothingAnnounced)]
fun a_policy_is_applied_once() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, numbers_with_slash(500));
    w.pass_ms(world::delay_ms());
    offices::apply_policy(&mut w, admin());
    offices::apply_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ENothingAnnounced)]
fun a_recalled_policy_is_not_applied() {
    let mut w = world::begin();
    offices::announce_policy(&mut w, numbers_with_slash(500));
    offices::recall_policy(&mut w, admin());
    w.pass_ms(world::delay_ms());
    offices::apply_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ENothingAnnounced)]
fun nothing_is_recalled_without_an_announcement() {
    let mut w = world::begin();
    offices::recall_policy(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_announces_nothing() {
    let mut w = world::begin();
    let ours = w.found_foreign();
    w.turn_to(ours);
    offices::announce_policy_as(&mut w, stranger(), numbers(), false, stranger());
    abort
}

// === Pause ===

#[test]
fun a_pause_stops_no_one_from_leaving() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(1));
    offices::set_paused(&mut w, admin(), true);
    assert!(w.look_at_cluster!(|cluster| cluster.is_paused()));
    stakes::refresh(&mut w, owner());
    stakes::unstake(&mut w, owner(), sui(4));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    assert_eq!(w.purse(owner()), sui(5));
    assert_eq!(w.node_holder(b"worker-1"), option::none());
    w.end();
}

#[test, expected_failure(abort_code = cluster::EPaused)]
fun a_paused_cluster_takes_no_stake() {
    let mut w = world::begin();
    offices::set_paused(&mut w, admin(), true);
    stakes::stake(&mut w, sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = cluster::EPaused)]
fun a_paused_cluster_takes_no_stake_for_a_node() {
    let mut w = world::begin();
    offices::set_paused(&mut w, admin(), true);
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    abort
}

#[test, expected_failure(abort_code = cluster::EPaused)]
fun a_paused_cluster_takes_no_more_stake() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    offices::set_paused(&mut w, admin(), true);
    stakes::restake(&mut w, owner(), sui(1));
    abort
}

#[test]
fun a_pause_ends() {
    let mut w = world::begin();
    offices::set_paused(&mut w, admin(), true);
    offices::set_paused(&mut w, admin(), false);
    stakes::stake(&mut w, sui(5), b"");
    w.end();
}

// === Operators ===

#[test]
fun sixty_four_operators_fit() {
    let mut w = world::begin();
    offices::set_operators(&mut w, vector::tabulate!(64, |_| @0x1.to_id()));
    assert!(w.look_at_cluster!(|cluster| cluster.is_operator(@0x1.to_id())));
    w.end();
}

#[test, expected_failure(abort_code = cluster::ETooManyOperators)]
fun a_sixty_fifth_operator_is_refused() {
    let mut w = world::begin();
    offices::set_operators(&mut w, vector::tabulate!(65, |_| @0x1.to_id()));
    abort
}

// === Treasury ===

/// A staker of 5 SUI was slashed by 10 %.
fun slashed(w: &mut World) {
    stakes::stake(w, sui(5), b"");
    slashes::propose(w);
    w.pass_ms(world::appeal_ms() + 1);
    slashes::execute(w, stranger());
}

#[test]
fun the_treasury_is_paid_to_the_beneficiary_by_anyone() {
    let mut w = world::begin();
    slashed(&mut w);
    offices::pay_treasury(&mut w, stranger());
    assert_eq!(w.purse(beneficiary()), sui(1) / 2);
    assert_eq!(w.purse(stranger()), 0);
    w.end();
}

#[test, expected_failure(abort_code = cluster::ETreasuryEmpty)]
fun the_treasury_is_paid_once() {
    let mut w = world::begin();
    slashed(&mut w);
    offices::pay_treasury(&mut w, stranger());
    offices::pay_treasury(&mut w, stranger());
    abort
}

// === Version ===

#[test]
fun an_older_cluster_is_migrated() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    w.set_version(0);
    offices::migrate(&mut w, admin());
    assert_eq!(w.look_at_cluster!(|cluster| cluster.version()), 1);
    stakes::unstake(&mut w, owner(), sui(5));
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENotOlder)]
fun a_cluster_of_this_version_is_not_migrated() {
    let mut w = world::begin();
    offices::migrate(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = cluster::ENotOlder)]
fun a_cluster_does_not_go_back() {
    let mut w = world::begin();
    w.set_version(2);
    offices::migrate(&mut w, admin());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_migrates_nothing() {
    let mut w = world::begin();
    let ours = w.found_foreign();
    w.turn_to(ours);
    w.set_version(0);
    offices::migrate(&mut w, stranger());
    abort
}

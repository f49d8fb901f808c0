/// Jail for silent nodes, the way out of it, and announced maintenance.
#[test_only]
module k3s_daas::node_tests;

use k3s_daas::masters::{Self, enclave};
use k3s_daas::nautilus;
use k3s_daas::node;
use k3s_daas::position;
use k3s_daas::signatures;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{
    Self,
    World,
    jail_ms,
    operator,
    owner,
    silence_ms,
    stranger,
    sui
};
use std::unit_test::assert_eq;

const DAY_MS: u64 = 86_400_000;
const WEEK_MS: u64 = 604_800_000;

/// A current master, and a worker's position that has an operator.
fun worker(): World { worker_with(b"worker-1") }

fun worker_with(node_id: vector<u8>): World {
    let mut w = world::begin();
    masters::master(&mut w);
    stakes::stake_as(&mut w, stranger(), sui(5), 0, node_id, stakes::seal(1));
    stakes::set_operator(&mut w, stranger(), operator());
    w
}

fun jail(w: &mut World, silent_ms: u64) {
    let silent_since_ms = w.now_ms() - silent_ms;
    slashes::jail(w, enclave(signatures::key()), silent_since_ms)
}

fun announce(w: &mut World, from_ms: u64, takes_ms: u64) {
    slashes::announce_maintenance(w, operator(), from_ms, from_ms + takes_ms)
}

// === Jail ===

#[test]
fun a_silent_node_is_jailed_until_its_keeper_takes_it_out() {
    let mut w = worker();
    jail(&mut w, silence_ms());
    let until_ms = w.now_ms() + jail_ms();
    assert_eq!(w.look!(|position| position.jailed_until_ms()), until_ms);
    // Only the node is held: the position's standing is as before.
    assert!(w.look!(|position| position.is_active() && !position.seals().is_empty()));
    w.pass_ms(jail_ms());
    assert_eq!(w.look!(|position| position.jailed_until_ms()), until_ms);
    slashes::unjail(&mut w, operator());
    assert_eq!(w.look!(|position| position.jailed_until_ms()), 0);
    jail(&mut w, silence_ms());
    w.pass_ms(jail_ms());
    slashes::unjail(&mut w, stranger());
    w.end();
}

/// A slash of the worker's position, over without anyone's doing.
fun let_a_slash_lapse(w: &mut World) {
    slashes::propose(w);
    w.pass_ms(world::appeal_ms() + world::judge_ms());
}

#[test]
fun jailing_clears_a_lapsed_slash() {
    let mut w = worker();
    let_a_slash_lapse(&mut w);
    jail(&mut w, silence_ms());
    assert!(w.look!(|position| position.is_active() && position.proposal().is_none()));
    w.end();
}

#[test]
fun unjailing_clears_a_lapsed_slash() {
    let mut w = worker();
    jail(&mut w, silence_ms());
    let_a_slash_lapse(&mut w);
    slashes::unjail(&mut w, operator());
    assert!(w.look!(|position| position.is_active() && position.proposal().is_none()));
    w.end();
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun another_clusters_node_is_not_jailed() {
    let mut w = worker();
    w.found_foreign();
    jail(&mut w, silence_ms());
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun only_a_master_jails() {
    let mut w = worker();
    let silent_since_ms = w.now_ms() - silence_ms();
    slashes::jail(&mut w, stranger(), silent_since_ms);
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotMaster)]
fun a_master_that_is_silent_itself_does_not_jail() {
    let mut w = worker();
    w.pass_ms(world::heartbeat_ms() + 1);
    jail(&mut w, silence_ms());
    abort
}

#[test, expected_failure(abort_code = node::ENotSilent)]
fun a_node_silent_for_too_short_is_not_jailed() {
    let mut w = worker();
    jail(&mut w, silence_ms() - 1);
    abort
}

#[test, expected_failure(abort_code = node::ENotSilent)]
fun a_node_silent_from_tomorrow_is_not_jailed() {
    let mut w = worker();
    let silent_since_ms = w.now_ms() + DAY_MS;
    slashes::jail(&mut w, enclave(signatures::key()), silent_since_ms);
    abort
}

#[test, expected_failure(abort_code = node::ENoNode)]
fun a_position_without_a_node_is_not_jailed() {
    let mut w = worker_with(b"");
    jail(&mut w, silence_ms());
    abort
}

#[test, expected_failure(abort_code = position::EClosed)]
fun a_closed_position_is_not_jailed() {
    let mut w = worker();
    stakes::unstake(&mut w, stranger(), sui(5));
    jail(&mut w, silence_ms());
    abort
}

#[test, expected_failure(abort_code = node::EAlreadyJailed)]
fun a_jailed_node_is_not_jailed() {
    let mut w = worker();
    jail(&mut w, silence_ms());
    w.pass_ms(jail_ms());
    jail(&mut w, silence_ms());
    abort
}

#[test, expected_failure(abort_code = node::EStillJailed)]
fun time_in_jail_is_served() {
    let mut w = worker();
    jail(&mut w, silence_ms());
    w.pass_ms(jail_ms() - 1);
    slashes::unjail(&mut w, operator());
    abort
}

#[test, expected_failure(abort_code = node::ENotJailed)]
fun a_free_node_is_not_taken_out_of_jail() {
    let mut w = worker();
    slashes::unjail(&mut w, operator());
    abort
}

#[test, expected_failure(abort_code = position::ENotKeeper)]
fun an_outsider_takes_no_node_out_of_jail() {
    let mut w = worker();
    jail(&mut w, silence_ms());
    w.pass_ms(jail_ms());
    slashes::unjail(&mut w, owner());
    abort
}

// === Maintenance ===

#[test, expected_failure(abort_code = node::EInMaintenance)]
fun a_node_in_maintenance_is_not_jailed() {
    let mut w = worker();
    let from_ms = w.now_ms() + 1_000;
    announce(&mut w, from_ms, 10_000);
    w.pass_ms(1_000);
    jail(&mut w, silence_ms());
    abort
}

#[test]
fun before_and_after_maintenance_a_node_is_jailed() {
    let mut w = worker();
    let from_ms = w.now_ms() + jail_ms() + 1_000;
    announce(&mut w, from_ms, 10_000);
    jail(&mut w, silence_ms());
    w.pass_ms(jail_ms());
    slashes::unjail(&mut w, operator());
    w.pass_ms(11_000);
    jail(&mut w, silence_ms());
    w.end();
}

#[test]
fun the_next_maintenance_is_a_week_after_the_last_ones_end() {
    let mut w = worker();
    let from_ms = w.now_ms() + 1;
    announce(&mut w, from_ms, WEEK_MS);
    w.pass_ms(1);
    announce(&mut w, from_ms + 2 * WEEK_MS, 1);
    w.end();
}

#[test, expected_failure(abort_code = node::EMaintenanceTooSoon)]
fun maintenance_sooner_than_that_is_refused() {
    let mut w = worker();
    let from_ms = w.now_ms() + 1;
    announce(&mut w, from_ms, WEEK_MS);
    w.pass_ms(1);
    announce(&mut w, from_ms + 2 * WEEK_MS - 1, 1);
    abort
}

#[test]
fun maintenance_that_has_not_begun_is_put_off_and_changed() {
    let mut w = worker();
    let from_ms = w.now_ms() + DAY_MS;
    announce(&mut w, from_ms, WEEK_MS);
    announce(&mut w, from_ms, 1);
    announce(&mut w, from_ms + DAY_MS, DAY_MS);
    let maintenance = w.look!(|position| position.maintenance().destroy_some());
    assert_eq!(maintenance.from_ms(), from_ms + DAY_MS);
    assert_eq!(maintenance.until_ms(), from_ms + 2 * DAY_MS);
    w.end();
}

/// Announced for later, then brought forward, it would follow the last one at once, for ever.
#[test, expected_failure(abort_code = node::EMaintenanceTooSoon)]
fun maintenance_is_not_brought_forward() {
    let mut w = worker();
    let from_ms = w.now_ms() + 1;
    announce(&mut w, from_ms, WEEK_MS);
    w.pass_ms(WEEK_MS);
    announce(&mut w, from_ms + 2 * WEEK_MS, WEEK_MS);
    let now_ms = w.now_ms();
    announce(&mut w, now_ms + 1, WEEK_MS);
    abort
}

#[test, expected_failure(abort_code = node::EBadMaintenance)]
fun maintenance_begins_after_now() {
    let mut w = worker();
    let now_ms = w.now_ms();
    announce(&mut w, now_ms, 1);
    abort
}

#[test]
fun maintenance_may_begin_in_90_days() {
    let mut w = worker();
    let now_ms = w.now_ms();
    announce(&mut w, now_ms + 90 * DAY_MS, 1);
    w.end();
}

#[test, expected_failure(abort_code = node::EBadMaintenance)]
fun maintenance_begins_within_90_days() {
    let mut w = worker();
    let now_ms = w.now_ms();
    announce(&mut w, now_ms + 90 * DAY_MS + 1, 1);
    abort
}

#[test, expected_failure(abort_code = node::EBadMaintenance)]
fun maintenance_ends_after_it_begins() {
    let mut w = worker();
    let now_ms = w.now_ms();
    announce(&mut w, now_ms + 1, 0);
    abort
}

#[test, expected_failure(abort_code = node::EBadMaintenance)]
fun maintenance_takes_at_most_a_week() {
    let mut w = worker();
    let now_ms = w.now_ms();
    announce(&mut w, now_ms + 1, WEEK_MS + 1);
    abort
}

#[test, expected_failure(abort_code = position::ENotKeeper)]
fun an_outsider_announces_no_maintenance() {
    let mut w = worker();
    let now_ms = w.now_ms();
    slashes::announce_maintenance(&mut w, owner(), now_ms + 1, now_ms + 2);
    abort
}

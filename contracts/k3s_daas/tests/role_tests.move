/// Roles are kept apart: owner, operator, proposer, judge, beneficiary, admin, and those of other clusters.
#[test_only]
module k3s_daas::role_tests;

use k3s_daas::caps;
use k3s_daas::cluster;
use k3s_daas::nautilus;
use k3s_daas::masters;
use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::signatures;
use k3s_daas::slashes;
use k3s_daas::slashing;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{
    Self,
    World,
    admin,
    beneficiary,
    bytes,
    judge,
    owner,
    proposer,
    stranger,
    sui
};

fun staked(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    w
}

fun appealed(): World {
    let mut w = staked();
    slashes::propose(&mut w);
    slashes::appeal(&mut w, owner());
    w
}

fun propose_as(w: &mut World, sender: address) {
    let now_ms = w.now_ms();
    slashes::propose_as(w, sender, 3, bytes(0x55, 32), now_ms, b"")
}

// === Owner ===

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_stranger_does_not_restake() {
    let mut w = staked();
    stakes::restake(&mut w, stranger(), 1);
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_stranger_does_not_unstake() {
    let mut w = staked();
    stakes::unstake(&mut w, stranger(), sui(5));
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_stranger_does_not_withdraw() {
    let mut w = staked();
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_stranger_gets_no_seal() {
    let mut w = staked();
    stakes::refresh(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_stranger_does_not_appeal() {
    let mut w = staked();
    slashes::propose(&mut w);
    slashes::appeal(&mut w, stranger());
    abort
}

// === Proposer ===

#[test]
fun whoever_holds_the_office_proposes() {
    let mut w = staked();
    w.hand_over_proposer(proposer(), stranger());
    propose_as(&mut w, stranger());
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENotProposer)]
fun a_replaced_proposer_does_not_propose() {
    let mut w = staked();
    offices::appoint_proposer(&mut w, admin(), stranger());
    propose_as(&mut w, proposer());
    abort
}

#[test]
fun an_appointed_proposer_proposes() {
    let mut w = staked();
    offices::appoint_proposer(&mut w, admin(), stranger());
    propose_as(&mut w, stranger());
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENotProposer)]
fun another_clusters_proposer_does_not_propose() {
    let mut w = staked();
    let position = w.position();
    let ours = w.found_foreign();
    w.turn_to(ours);
    w.focus(position);
    propose_as(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = staking::EBeneficiary)]
fun the_beneficiary_does_not_propose() {
    let mut w = staked();
    w.hand_over_proposer(proposer(), beneficiary());
    propose_as(&mut w, beneficiary());
    abort
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun another_clusters_position_is_not_slashed() {
    let mut w = staked();
    w.found_foreign();
    propose_as(&mut w, stranger());
    abort
}

// === Judge ===

#[test, expected_failure(abort_code = slashing::EOwnCase)]
fun who_proposed_does_not_uphold() {
    let mut w = appealed();
    w.hand_over_judge(judge(), proposer());
    slashes::uphold_as(&mut w, proposer());
    abort
}

#[test, expected_failure(abort_code = slashing::EOwnCase)]
fun who_proposed_does_not_reduce() {
    let mut w = appealed();
    w.hand_over_judge(judge(), proposer());
    slashes::reduce_as(&mut w, proposer(), 1);
    abort
}

#[test, expected_failure(abort_code = slashing::EOwnCase)]
fun who_proposed_does_not_cancel() {
    let mut w = appealed();
    w.hand_over_judge(judge(), proposer());
    slashes::cancel_as(&mut w, proposer());
    abort
}

#[test, expected_failure(abort_code = staking::EBeneficiary)]
fun the_beneficiary_does_not_judge() {
    let mut w = appealed();
    w.hand_over_judge(judge(), beneficiary());
    slashes::uphold_as(&mut w, beneficiary());
    abort
}

#[test, expected_failure(abort_code = staking::EOwnPosition)]
fun the_owner_does_not_judge_its_own_case() {
    let mut w = appealed();
    w.hand_over_judge(judge(), owner());
    slashes::cancel_as(&mut w, owner());
    abort
}

#[test]
fun the_owner_judges_another_ones_case() {
    let mut w = appealed();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    slashes::propose(&mut w);
    w.hand_over_judge(judge(), owner());
    slashes::cancel_as(&mut w, owner());
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENotJudge)]
fun a_replaced_judge_does_not_uphold() {
    let mut w = appealed();
    offices::appoint_judge(&mut w, admin(), stranger());
    slashes::uphold(&mut w);
    abort
}

#[test]
fun an_appointed_judge_upholds() {
    let mut w = appealed();
    offices::appoint_judge(&mut w, admin(), stranger());
    slashes::uphold_as(&mut w, stranger());
    w.end();
}

#[test, expected_failure(abort_code = cluster::ENotJudge)]
fun another_clusters_judge_does_not_reduce() {
    let mut w = appealed();
    let position = w.position();
    let ours = w.found_foreign();
    w.turn_to(ours);
    w.focus(position);
    slashes::reduce_as(&mut w, stranger(), 1);
    abort
}

#[test, expected_failure(abort_code = cluster::ENotJudge)]
fun another_clusters_judge_does_not_cancel() {
    let mut w = appealed();
    let position = w.position();
    let ours = w.found_foreign();
    w.turn_to(ours);
    w.focus(position);
    slashes::cancel_as(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun a_judge_has_no_say_on_another_clusters_position() {
    let mut w = appealed();
    w.found_foreign();
    slashes::cancel_as(&mut w, stranger());
    abort
}

// === Admin ===

#[test]
fun whoever_holds_the_admins_capability_is_admin() {
    let mut w = staked();
    w.hand_over_admin(admin(), stranger());
    offices::set_paused(&mut w, stranger(), true);
    w.end();
}

/// Another cluster's admin, turned to ours.
fun foreign_admin(): World {
    let mut w = staked();
    let position = w.position();
    let ours = w.found_foreign();
    w.turn_to(ours);
    w.focus(position);
    w
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_recalls_nothing() {
    let mut w = foreign_admin();
    offices::recall_policy(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_pauses_nothing() {
    let mut w = foreign_admin();
    offices::set_paused(&mut w, stranger(), true);
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_names_no_operators() {
    let mut w = foreign_admin();
    let position = w.position();
    offices::set_operators_as(&mut w, stranger(), vector[position]);
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_appoints_no_proposer() {
    let mut w = foreign_admin();
    offices::appoint_proposer(&mut w, stranger(), stranger());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_appoints_no_judge() {
    let mut w = foreign_admin();
    offices::appoint_judge(&mut w, stranger(), stranger());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_announces_no_measurement() {
    let mut w = foreign_admin();
    masters::announce_as(
        &mut w,
        stranger(),
        masters::pcr(0),
        masters::pcr(1),
        masters::pcr(2),
    );
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_retires_no_measurement() {
    let mut w = foreign_admin();
    masters::retire(&mut w, stranger(), masters::pcr(0));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_revokes_no_measurement() {
    let mut w = foreign_admin();
    masters::revoke_image(&mut w, stranger(), masters::pcr(0));
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun another_clusters_admin_removes_no_master() {
    let mut w = foreign_admin();
    masters::remove(&mut w, stranger(), signatures::key());
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun an_admin_has_no_say_in_another_clusters_nautilus() {
    let mut w = staked();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    masters::announce(&mut w, masters::pcr(0));
    abort
}

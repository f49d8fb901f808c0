#[test_only]
module k3s_daas::slash_tests;

use k3s_daas::staking;
use k3s_daas::world::{Self, admin, bytes, owner, stranger, sui};
use std::unit_test::assert_eq;

// === The ways through ===

#[test]
fun ten_percent_of_five_leaves_four_and_a_half() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.propose(admin());
    assert!(w.look!(|position| position.is_suspended() && position.seals().length() == 1));
    w.assert_money(4_500_000_000, 500_000_000, 0);
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(stranger());
    assert!(w.look!(|position| position.is_slashed() && position.seals().is_empty()));
    w.assert_money(4_500_000_000, 0, 0);
    assert_eq!(w.treasury(), 500_000_000);
    w.restake(owner(), sui(1));
    assert!(w.look!(|position| position.is_recovering() && position.seals().is_empty()));
    w.restake(owner(), 1);
    assert!(w.look!(|position| position.is_recovering()));
    w.refresh(owner(), option::none());
    assert!(w.look!(|position| position.is_active() && position.seals().length() == 1));
    w.assert_money(5_500_000_001, 0, 0);
    w.end();
}

#[test]
fun an_upheld_appeal_is_executed() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms());
    w.appeal(owner(), bytes(0x61, 1_024).to_string());
    w.uphold(admin());
    w.pass_ms(1);
    w.execute(owner());
    assert!(w.look!(|position| position.is_slashed() && position.seals().is_empty()));
    w.end();
}

#[test]
fun a_cancelled_slash_restores_money_status_and_seals() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(1));
    let seals = w.look!(|position| *position.seals());
    w.propose(admin());
    w.assert_money(3_500_000_000, 500_000_000, sui(1));
    w.appeal(owner(), b"it was not me".to_string());
    w.cancel(admin());
    w.assert_money(sui(4), 0, sui(1));
    assert!(w.look!(|position| position.is_active() && position.seals() == &seals));
    assert_eq!(w.treasury(), 0);
    w.end();
}

#[test]
fun a_cancellation_needs_no_appeal_and_may_be_late() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.cancel(admin());
    assert!(w.look!(|position| position.is_active()));
    w.end();
}

#[test]
fun unbonding_stake_is_slashed_after_active_stake() {
    let mut w = world::begin_with_slash(5_000);
    w.stake(sui(10), b"");
    w.unstake(owner(), sui(9));
    w.propose(admin());
    w.assert_money(0, sui(5), sui(5));
    w.cancel(admin());
    w.assert_money(sui(1), 0, sui(9));
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.assert_money(0, 0, sui(5));
    assert_eq!(w.treasury(), sui(5));
    w.end();
}

#[test]
fun a_closed_position_is_slashed_and_stays_closed() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.unstake(owner(), sui(5));
    w.propose(admin());
    assert!(w.look!(|position| position.is_suspended()));
    w.pass_ms(world::unbonding_ms());
    w.execute(owner());
    assert!(w.look!(|position| position.is_closed()));
    w.withdraw(owner());
    assert_eq!(w.purse(owner()), 4_500_000_000);
    assert_eq!(w.node_holder(b"worker-1"), option::none());
    w.end();
}

#[test]
fun a_cancelled_slash_leaves_a_closed_position_closed() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5));
    w.propose(admin());
    w.cancel(admin());
    assert!(w.look!(|position| position.is_closed()));
    w.assert_money(0, 0, sui(5));
    w.end();
}

#[test]
fun a_slashed_position_is_slashed_again_and_may_leave() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.propose(admin());
    w.assert_money(4_050_000_000, 450_000_000, 0);
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    assert!(w.look!(|position| position.is_slashed()));
    w.unstake(owner(), 4_050_000_000);
    assert!(w.look!(|position| position.is_closed()));
    w.end();
}

#[test]
fun slashing_all_leaves_nothing() {
    let mut w = world::begin_with_slash(10_000);
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(2));
    w.propose(admin());
    w.assert_money(0, sui(5), 0);
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.assert_money(0, 0, 0);
    assert_eq!(w.treasury(), sui(5));
    w.end();
}

#[test]
fun evidence_of_the_greatest_age_is_taken() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 5, 32, world::start_ms() - world::evidence_age_ms());
    w.end();
}

#[test]
fun slashing_one_leaves_the_other_untouched() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    let first = w.position();
    w.stake_with(stranger(), sui(5), 0, b"worker-2", 3, 16, 32, option::none(), 1);
    let other = w.look!(|position| position.state());
    let second = w.position();
    w.focus(first);
    w.propose(admin());
    w.focus(second);
    assert!(w.look!(|position| position.is_active()));
    assert_eq!(w.look!(|position| position.state()), other);
    w.end();
}

// === What is refused ===

#[test, expected_failure(abort_code = staking::ESlashPending)]
fun one_slash_at_a_time() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.propose(admin());
    abort
}

#[test, expected_failure(abort_code = staking::EBadReason)]
fun reason_zero_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 0, 32, 0);
    abort
}

#[test, expected_failure(abort_code = staking::EBadReason)]
fun reason_six_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 6, 32, 0);
    abort
}

#[test, expected_failure(abort_code = staking::EBadEvidenceHash)]
fun a_short_evidence_hash_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 1, 31, world::start_ms());
    abort
}

#[test, expected_failure(abort_code = staking::EEvidenceInFuture)]
fun evidence_of_tomorrow_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 1, 32, world::start_ms() + 1);
    abort
}

#[test, expected_failure(abort_code = staking::EEvidenceTooOld)]
fun old_evidence_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose_with(admin(), 1, 32, world::start_ms() - world::evidence_age_ms() - 1);
    abort
}

#[test, expected_failure(abort_code = staking::ENothingToSlash)]
fun a_slash_of_nothing_is_refused() {
    let mut w = world::begin_with_slash(0);
    w.stake(sui(5), b"");
    w.propose(admin());
    abort
}

#[test, expected_failure(abort_code = staking::EAppealOver)]
fun a_late_appeal_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.appeal(owner(), b"late".to_string());
    abort
}

#[test, expected_failure(abort_code = staking::EAlreadyAppealed)]
fun a_second_appeal_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.appeal(owner(), b"once".to_string());
    w.appeal(owner(), b"twice".to_string());
    abort
}

#[test, expected_failure(abort_code = staking::EStatementTooLong)]
fun a_long_statement_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.appeal(owner(), bytes(0x61, 1_025).to_string());
    abort
}

#[test, expected_failure(abort_code = staking::ENoSlashPending)]
fun no_slash_no_appeal() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.appeal(owner(), b"".to_string());
    abort
}

#[test, expected_failure(abort_code = staking::ENoSlashPending)]
fun no_slash_no_uphold() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.uphold(admin());
    abort
}

#[test, expected_failure(abort_code = staking::ENoSlashPending)]
fun a_slash_is_cancelled_once() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.cancel(admin());
    w.cancel(admin());
    abort
}

#[test, expected_failure(abort_code = staking::ENoSlashPending)]
fun a_slash_is_executed_once() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.execute(owner());
    abort
}

#[test, expected_failure(abort_code = staking::ENotAppealed)]
fun what_is_not_appealed_is_not_judged() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.uphold(admin());
    abort
}

#[test, expected_failure(abort_code = staking::EAlreadyUpheld)]
fun an_appeal_is_judged_once() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.appeal(owner(), b"".to_string());
    w.uphold(admin());
    w.uphold(admin());
    abort
}

#[test, expected_failure(abort_code = staking::EAppealOpen)]
fun a_slash_waits_for_the_appeal() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms());
    w.execute(admin());
    abort
}

#[test, expected_failure(abort_code = staking::EAwaitingJudge)]
fun an_appealed_slash_waits_for_the_judge() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.appeal(owner(), b"".to_string());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(admin());
    abort
}

#[test, expected_failure(abort_code = staking::ESuspended)]
fun a_suspended_position_takes_no_stake() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.restake(owner(), sui(1));
    abort
}

#[test, expected_failure(abort_code = staking::ESuspended)]
fun a_suspended_position_gets_no_seal() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.refresh(owner(), option::none());
    abort
}

#[test, expected_failure(abort_code = staking::ESuspended)]
fun a_suspended_position_gives_no_stake_back() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.unstake(owner(), sui(5));
    abort
}

#[test, expected_failure(abort_code = staking::ESlashed)]
fun a_slashed_position_gets_no_seal_before_a_restake() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(admin());
    w.refresh(owner(), option::none());
    abort
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun a_restake_reaches_the_minimum() {
    let mut w = world::begin_with_slash(10_000);
    w.stake(sui(5), b"");
    w.propose(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(admin());
    w.restake(owner(), sui(1) / 2 - 1);
    abort
}

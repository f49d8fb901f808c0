/// A slash that is executed, appealed, upheld, reduced or cancelled. `proposal_tests` has its beginning, `trial_tests` its
/// lapse.
#[test_only]
module k3s_daas::slash_tests;

use k3s_daas::position;
use k3s_daas::slashes;
use k3s_daas::slashing;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{Self, World, appeal_ms, bytes, owner, stranger, sui};
use std::unit_test::assert_eq;

fun staked(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    w
}

fun proposed(): World {
    let mut w = staked();
    slashes::propose(&mut w);
    w
}

fun appealed(): World {
    let mut w = proposed();
    slashes::appeal(&mut w, owner());
    w
}

// === Executed ===

#[test]
fun ten_percent_of_five_leaves_four_and_a_half() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    w.assert_money(sui(5) - sui(1) / 2, 0, 0);
    assert_eq!(w.treasury(), sui(1) / 2);
    assert!(w.look!(|position| {
        position.is_slashed() && position.seals().is_empty() && position.proposal().is_none()
    }));
    // The way back has two steps.
    stakes::restake(&mut w, owner(), 1);
    assert!(w.look!(|position| position.is_recovering()));
    stakes::restake(&mut w, owner(), 1);
    assert!(w.look!(|position| position.is_recovering()));
    stakes::refresh(&mut w, owner());
    assert!(w.look!(|position| position.is_active() && position.seals().length() == 1));
    w.end();
}

#[test, expected_failure(abort_code = slashing::EAppealOpen)]
fun nothing_is_executed_while_the_owner_may_appeal() {
    let mut w = proposed();
    w.pass_ms(appeal_ms());
    slashes::execute(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::ENoSlashPending)]
fun a_slash_is_executed_once() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    slashes::execute(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::ESlashed)]
fun a_slashed_position_gets_no_seal() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    stakes::refresh(&mut w, owner());
    abort
}

#[test]
fun a_slashed_and_a_recovering_position_may_leave() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    stakes::unstake(&mut w, owner(), sui(1));
    assert!(w.look!(|position| position.is_slashed()));
    stakes::restake(&mut w, owner(), 1);
    let rest = w.look!(|position| position.active());
    stakes::unstake(&mut w, owner(), rest);
    assert!(w.look!(|position| position.is_closed()));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    assert_eq!(w.purse(owner()), sui(5) - sui(1) / 2 + 1);
    w.end();
}

#[test]
fun a_recovering_position_is_slashed_again_and_a_cancelled_slash_restores_its_recovery() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    stakes::restake(&mut w, owner(), 1);
    w.pass_ms(world::cooldown_ms());
    slashes::propose(&mut w);
    slashes::cancel(&mut w);
    assert!(w.look!(|position| position.is_recovering()));
    w.end();
}

#[test]
fun unbonding_stake_is_slashed_after_active_stake() {
    let mut w = world::begin_with(world::numbers_with_slash(5_000));
    stakes::stake(&mut w, sui(10), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(9));
    slashes::propose(&mut w);
    w.assert_money(0, sui(5), sui(5));
    assert_eq!(
        w.look!(|position| position.proposal().destroy_some().from_unbonding()),
        sui(4),
    );
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    w.assert_money(0, 0, sui(5));
    assert!(w.look!(|position| position.is_slashed()));
    w.end();
}

#[test]
fun a_closed_position_is_slashed_and_stays_closed() {
    let mut w = staked();
    stakes::unstake(&mut w, owner(), sui(5));
    slashes::propose(&mut w);
    assert!(w.look!(|position| position.is_suspended()));
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    assert!(w.look!(|position| position.is_closed()));
    w.assert_money(0, 0, sui(5) - sui(1) / 2);
    w.end();
}

#[test]
fun slashing_one_leaves_the_other_untouched() {
    let mut w = staked();
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"worker-2", stakes::seal(1));
    let other = w.look!(|position| std::bcs::to_bytes(position));
    let second = w.position();
    w.focus(first);
    slashes::propose(&mut w);
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    w.focus(second);
    assert_eq!(w.look!(|position| std::bcs::to_bytes(position)), other);
    w.end();
}

// === Appealed ===

#[test]
fun the_owner_appeals_until_the_last_moment() {
    let mut w = proposed();
    w.pass_ms(appeal_ms());
    slashes::appeal_saying(&mut w, owner(), bytes(0x61, 1_024).to_string());
    assert!(w.look!(|position| position.proposal().destroy_some().is_appealed()));
    w.end();
}

#[test, expected_failure(abort_code = slashing::EAppealOver)]
fun a_late_appeal_is_refused() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::appeal(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = slashing::EAlreadyAppealed)]
fun a_slash_is_appealed_once() {
    let mut w = appealed();
    slashes::appeal(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = staking::EStatementTooLong)]
fun a_long_statement_is_refused() {
    let mut w = proposed();
    slashes::appeal_saying(&mut w, owner(), bytes(0x61, 1_025).to_string());
    abort
}

#[test, expected_failure(abort_code = position::ENoSlashPending)]
fun nothing_is_appealed_without_a_slash() {
    let mut w = staked();
    slashes::appeal(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = slashing::EAwaitingJudge)]
fun an_appealed_slash_waits_for_the_judge() {
    let mut w = appealed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    abort
}

// === Upheld and reduced ===

#[test]
fun an_upheld_slash_is_executed() {
    let mut w = appealed();
    slashes::uphold(&mut w);
    assert!(w.look!(|position| position.proposal().destroy_some().is_upheld()));
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    assert_eq!(w.treasury(), sui(1) / 2);
    assert!(w.look!(|position| position.is_slashed() && position.seals().is_empty()));
    w.end();
}

#[test, expected_failure(abort_code = slashing::EAppealOpen)]
fun an_upheld_slash_waits_for_the_window_too() {
    let mut w = appealed();
    slashes::uphold(&mut w);
    slashes::execute(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = slashing::ENotAppealed)]
fun nothing_is_upheld_without_an_appeal() {
    let mut w = proposed();
    slashes::uphold(&mut w);
    abort
}

#[test, expected_failure(abort_code = slashing::EAlreadyUpheld)]
fun a_slash_is_upheld_once() {
    let mut w = appealed();
    slashes::uphold(&mut w);
    slashes::uphold(&mut w);
    abort
}

#[test]
fun a_reduced_slash_gives_back_the_rest() {
    let mut w = appealed();
    slashes::reduce(&mut w, sui(1) / 5);
    w.assert_money(sui(5) - sui(1) / 5, sui(1) / 5, 0);
    assert!(w.look!(|position| {
        position.is_suspended() && position.proposal().destroy_some().is_upheld()
    }));
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    assert_eq!(w.treasury(), sui(1) / 5);
    w.end();
}

#[test]
fun what_was_taken_from_unbonding_stake_goes_back_first() {
    let mut w = world::begin_with(world::numbers_with_slash(5_000));
    stakes::stake(&mut w, sui(10), b"");
    stakes::unstake(&mut w, owner(), sui(9));
    slashes::propose(&mut w);
    slashes::appeal(&mut w, owner());
    // Of 5 SUI 1 came from active stake and 4 from unbonding stake; 4.5 go back.
    slashes::reduce(&mut w, sui(1) / 2);
    w.assert_money(sui(1) / 2, sui(1) / 2, sui(9));
    slashes::cancel(&mut w);
    w.assert_money(sui(1), 0, sui(9));
    w.end();
}

#[test, expected_failure(abort_code = slashing::EBadReduction)]
fun a_slash_is_not_reduced_to_nothing() {
    let mut w = appealed();
    slashes::reduce(&mut w, 0);
    abort
}

#[test, expected_failure(abort_code = slashing::EBadReduction)]
fun a_slash_is_not_reduced_to_itself() {
    let mut w = appealed();
    slashes::reduce(&mut w, sui(1) / 2);
    abort
}

#[test, expected_failure(abort_code = slashing::ENotAppealed)]
fun nothing_is_reduced_without_an_appeal() {
    let mut w = proposed();
    slashes::reduce(&mut w, 1);
    abort
}

#[test, expected_failure(abort_code = slashing::EAlreadyUpheld)]
fun an_upheld_slash_is_not_reduced() {
    let mut w = appealed();
    slashes::uphold(&mut w);
    slashes::reduce(&mut w, 1);
    abort
}

// === Cancelled ===

#[test]
fun a_cancelled_slash_restores_money_status_and_seals() {
    let mut w = staked();
    let seals = w.look!(|position| *position.seals());
    slashes::propose(&mut w);
    slashes::cancel(&mut w);
    w.assert_money(sui(5), 0, 0);
    assert!(w.look!(|position| position.is_active() && position.seals() == &seals));
    w.end();
}

#[test]
fun an_appealed_and_an_upheld_slash_may_still_be_cancelled() {
    let mut w = appealed();
    slashes::cancel(&mut w);
    w.pass_ms(world::cooldown_ms());
    slashes::propose(&mut w);
    slashes::appeal(&mut w, owner());
    slashes::uphold(&mut w);
    slashes::cancel(&mut w);
    w.assert_money(sui(5), 0, 0);
    assert_eq!(w.treasury(), 0);
    w.end();
}

#[test, expected_failure(abort_code = position::ENoSlashPending)]
fun a_slash_is_cancelled_once() {
    let mut w = proposed();
    slashes::cancel(&mut w);
    slashes::cancel(&mut w);
    abort
}

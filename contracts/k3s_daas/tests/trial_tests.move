/// A slash that lapses, the time between two slashes, and evidence that was tried before.
#[test_only]
module k3s_daas::trial_tests;

use k3s_daas::position;
use k3s_daas::requests;
use k3s_daas::slashes;
use k3s_daas::slashing;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{
    Self,
    World,
    appeal_ms,
    bytes,
    cooldown_ms,
    evidence_age_ms,
    judge_ms,
    owner,
    proposer,
    stranger,
    sui
};
use std::bcs;
use std::unit_test::assert_eq;

/// From a proposal to its lapse.
fun life_ms(): u64 { appeal_ms() + judge_ms() }

fun proposed(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    slashes::propose(&mut w);
    w
}

/// Proposed, and over without anyone's doing.
fun lapsed(): World {
    let mut w = proposed();
    w.pass_ms(life_ms());
    w
}

// === Lapse ===

#[test]
fun anyone_releases_a_lapsed_slash() {
    let mut w = lapsed();
    slashes::release_lapsed(&mut w, stranger());
    w.assert_money(sui(5), 0, 0);
    assert!(w.look!(|position| {
        position.is_active() && position.proposal().is_none() && position.seals().length() == 1
    }));
    w.end();
}

#[test, expected_failure(abort_code = slashing::ENotLapsed)]
fun a_slash_does_not_lapse_early() {
    let mut w = proposed();
    w.pass_ms(life_ms() - 1);
    slashes::release_lapsed(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun a_lapsed_slash_is_released_with_its_own_cluster() {
    let mut w = lapsed();
    w.found_foreign();
    slashes::release_lapsed(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = position::ENoSlashPending)]
fun nothing_lapses_without_a_slash() {
    let mut w = lapsed();
    slashes::release_lapsed(&mut w, owner());
    slashes::release_lapsed(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = slashing::ELapsed)]
fun a_lapsed_slash_is_not_executed() {
    let mut w = lapsed();
    slashes::execute(&mut w, stranger());
    abort
}

#[test]
fun a_slash_is_executed_until_the_last_moment() {
    let mut w = proposed();
    w.pass_ms(life_ms() - 1);
    slashes::execute(&mut w, stranger());
    w.end();
}

#[test, expected_failure(abort_code = slashing::ELapsed)]
fun a_lapsed_slash_is_not_upheld() {
    let mut w = proposed();
    slashes::appeal(&mut w, owner());
    w.pass_ms(life_ms());
    slashes::uphold(&mut w);
    abort
}

#[test, expected_failure(abort_code = slashing::ELapsed)]
fun a_lapsed_slash_is_not_cancelled() {
    let mut w = lapsed();
    slashes::cancel(&mut w);
    abort
}

#[test]
fun an_appeal_that_nobody_judges_lapses() {
    let mut w = proposed();
    slashes::appeal(&mut w, owner());
    w.pass_ms(life_ms());
    slashes::release_lapsed(&mut w, owner());
    w.assert_money(sui(5), 0, 0);
    w.end();
}

#[test]
fun an_upheld_slash_has_a_whole_window_again_and_lapses_after_it() {
    let mut w = proposed();
    slashes::appeal(&mut w, owner());
    w.pass_ms(life_ms() - 1);
    slashes::uphold(&mut w);
    w.pass_ms(judge_ms() - 1);
    assert!(w.look!(|position| !position.proposal().destroy_some().has_lapsed(w.now_ms())));
    w.pass_ms(1);
    slashes::release_lapsed(&mut w, owner());
    w.assert_money(sui(5), 0, 0);
    w.end();
}

#[test]
fun a_slash_upheld_at_once_has_the_window_after_the_appeals_time() {
    let mut w = proposed();
    slashes::appeal(&mut w, owner());
    slashes::uphold(&mut w);
    let expires_ms = w.look!(|position| position.proposal().destroy_some().expires_ms());
    assert_eq!(expires_ms, w.now_ms() + life_ms());
    w.end();
}

#[test]
fun a_closed_position_is_closed_again_after_a_lapse() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(5));
    slashes::propose(&mut w);
    w.pass_ms(world::unbonding_ms());
    // The withdrawal clears the slash away and pays everything.
    stakes::withdraw(&mut w, owner());
    assert!(w.look!(|position| position.is_closed()));
    assert_eq!(w.purse(owner()), sui(5));
    w.end();
}

// === Whoever touches the position clears a lapsed slash away ===
// `act!` sees that `SlashLapsed` comes first, with a generation of its own.

fun is_clear(w: World) {
    let mut w = w;
    assert!(w.look!(|position| {
        position.proposal().is_none() && position.frozen() == 0 && !position.is_suspended()
    }));
    w.end();
}

#[test]
fun restaking_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::restake(&mut w, owner(), 1);
    is_clear(w)
}

#[test]
fun refreshing_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::refresh(&mut w, owner());
    is_clear(w)
}

#[test]
fun a_node_seal_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::create_worker_seal(&mut w, owner(), stakes::seal(0));
    is_clear(w)
}

#[test]
fun revoking_clears_a_lapsed_slash() {
    let mut w = lapsed();
    let seal = w.look!(|position| position.seals()[0u64].id());
    stakes::revoke(&mut w, owner(), seal);
    is_clear(w)
}

#[test]
fun revoking_all_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::revoke_all(&mut w, owner());
    is_clear(w)
}

#[test]
fun unstaking_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::unstake(&mut w, owner(), sui(5));
    is_clear(w)
}

#[test]
fun another_operator_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::set_operator(&mut w, owner(), stranger());
    is_clear(w)
}

#[test]
fun offering_clears_a_lapsed_slash() {
    let mut w = lapsed();
    stakes::offer(&mut w, owner(), option::some(stranger()));
    is_clear(w)
}

#[test]
fun accepting_clears_a_lapsed_slash() {
    let mut w = proposed();
    stakes::offer(&mut w, owner(), option::some(stranger()));
    w.pass_ms(life_ms());
    stakes::accept(&mut w, stranger());
    is_clear(w)
}

#[test]
fun maintenance_clears_a_lapsed_slash() {
    let mut w = lapsed();
    let now_ms = w.now_ms();
    slashes::announce_maintenance(&mut w, owner(), now_ms + 1, now_ms + 2);
    is_clear(w)
}

#[test]
fun a_request_clears_a_lapsed_slash() {
    let mut w = lapsed();
    requests::submit(&mut w);
    is_clear(w)
}

#[test]
fun a_new_proposal_clears_a_lapsed_slash() {
    let mut w = lapsed();
    w.pass_ms(cooldown_ms());
    slashes::propose(&mut w);
    w.assert_money(sui(5) - sui(1) / 2, sui(1) / 2, 0);
    slashes::cancel(&mut w);
    is_clear(w)
}

// === The time between two slashes ===

#[test, expected_failure(abort_code = staking::ECoolingDown)]
fun after_a_cancelled_slash_there_is_a_cooldown() {
    let mut w = proposed();
    slashes::cancel(&mut w);
    w.pass_ms(cooldown_ms() - 1);
    slashes::propose(&mut w);
    abort
}

#[test, expected_failure(abort_code = staking::ECoolingDown)]
fun after_an_executed_slash_there_is_a_cooldown() {
    let mut w = proposed();
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    w.pass_ms(cooldown_ms() - 1);
    slashes::propose(&mut w);
    abort
}

#[test, expected_failure(abort_code = staking::ECoolingDown)]
fun after_a_lapsed_slash_there_is_a_cooldown() {
    let mut w = lapsed();
    w.pass_ms(cooldown_ms() - 1);
    slashes::propose(&mut w);
    abort
}

#[test]
fun the_cooldown_after_a_lapse_runs_from_the_lapse() {
    let mut w = proposed();
    let expires_ms = w.look!(|position| position.proposal().destroy_some().expires_ms());
    w.pass_ms(life_ms() + 10_000);
    stakes::revoke_all(&mut w, owner());
    assert_eq!(w.look!(|position| position.cooldown_until_ms()), expires_ms + cooldown_ms());
    slashes::propose(&mut w);
    w.end();
}

// === Evidence is judged once ===

#[test, expected_failure(abort_code = position::EAlreadyTried)]
fun nobody_is_tried_twice_on_one_piece_of_evidence() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    slashes::propose_on(&mut w, bytes(0x55, 32));
    slashes::cancel(&mut w);
    w.pass_ms(cooldown_ms());
    slashes::propose_on(&mut w, bytes(0x55, 32));
    abort
}

#[test]
fun two_positions_are_tried_on_one_piece_of_evidence() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    slashes::propose_on(&mut w, bytes(0x55, 32));
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    slashes::propose_on(&mut w, bytes(0x55, 32));
    w.end();
}

#[test, expected_failure(abort_code = slashing::EEvidenceTooOld)]
fun forgotten_evidence_is_too_old_to_be_tried_again() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    slashes::propose_on(&mut w, bytes(0x55, 32));
    slashes::cancel(&mut w);
    let made_ms = w.now_ms();
    w.pass_ms(evidence_age_ms() + 1);
    slashes::propose_as(&mut w, proposer(), 1, bytes(0x55, 32), made_ms, b"");
    abort
}

fun numbered_hash(number: u64): vector<u8> {
    let mut hash = bcs::to_bytes(&number);
    hash.append(bytes(0, 24));
    hash
}

/// Proposed and cancelled `count` times within one life of evidence.
fun tried(count: u64): World {
    let mut w = world::begin_with(world::numbers_with(12, 0));
    stakes::stake(&mut w, sui(5), b"");
    count.do!(|number| {
        slashes::propose_on(&mut w, numbered_hash(number));
        slashes::cancel(&mut w);
    });
    w
}

#[test]
fun thirty_two_trials_fit_and_are_forgotten_with_their_evidence() {
    let mut w = tried(32);
    w.pass_ms(evidence_age_ms() + 1);
    slashes::propose_on(&mut w, numbered_hash(33));
    w.end();
}

#[test, expected_failure(abort_code = position::ETooManyTrials)]
fun a_thirty_third_trial_is_refused() {
    let mut w = tried(32);
    w.pass_ms(evidence_age_ms());
    slashes::propose_on(&mut w, numbered_hash(33));
    abort
}

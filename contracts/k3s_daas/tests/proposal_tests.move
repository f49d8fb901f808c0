/// A proposed slash: what it needs, what it freezes, and what a suspended position may not do.
#[test_only]
module k3s_daas::proposal_tests;

use k3s_daas::position;
use k3s_daas::slashes;
use k3s_daas::slashing;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{Self, World, appeal_ms, bytes, judge_ms, owner, proposer, sui};
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

// === Proposed ===

#[test]
fun a_proposal_suspends_at_once_and_freezes_the_share() {
    let mut w = proposed();
    w.assert_money(sui(5) - sui(1) / 2, sui(1) / 2, 0);
    let slash = w.look!(|position| {
        assert!(position.is_suspended());
        // They come back should it be cancelled; off chain nothing of a suspended position counts.
        assert_eq!(position.seals().length(), 1);
        position.proposal().destroy_some()
    });
    assert!(!slash.is_appealed() && !slash.is_upheld());
    assert_eq!(slash.amount(), sui(1) / 2);
    assert_eq!(slash.from_unbonding(), 0);
    assert_eq!(slash.expires_ms(), w.now_ms() + appeal_ms() + judge_ms());
    w.end();
}

#[test, expected_failure(abort_code = staking::ESlashPending)]
fun one_slash_is_proposed_at_a_time() {
    let mut w = proposed();
    slashes::propose(&mut w);
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_takes_no_stake() {
    let mut w = proposed();
    stakes::restake(&mut w, owner(), sui(1));
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_gives_no_stake() {
    let mut w = proposed();
    stakes::unstake(&mut w, owner(), sui(1));
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_gets_no_seal() {
    let mut w = proposed();
    stakes::refresh(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_gets_no_node_seal() {
    let mut w = proposed();
    stakes::create_worker_seal(&mut w, owner(), stakes::seal(0));
    abort
}

#[test, expected_failure(abort_code = staking::ESlashPending)]
fun a_proposed_slash_stops_a_withdrawal() {
    let mut w = staked();
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    slashes::propose(&mut w);
    stakes::withdraw(&mut w, owner());
    abort
}

// === Grounds ===

fun propose_for(reason: u8, hash_length: u64, evidence_ms: u64, uri_length: u64) {
    let mut w = staked();
    slashes::propose_as(
        &mut w,
        proposer(),
        reason,
        bytes(0x55, hash_length),
        evidence_ms,
        bytes(0x61, uri_length),
    );
    w.end();
}

#[test]
fun the_first_reason_the_oldest_evidence_and_the_longest_uri_do() {
    propose_for(1, 32, world::start_ms() - world::evidence_age_ms(), 512)
}

#[test]
fun the_last_reason_and_the_newest_evidence_do() { propose_for(5, 32, world::start_ms(), 0) }

#[test, expected_failure(abort_code = slashing::EBadReason)]
fun reason_zero_is_refused() { propose_for(0, 32, world::start_ms(), 0) }

#[test, expected_failure(abort_code = slashing::EBadReason)]
fun reason_six_is_refused() { propose_for(6, 32, world::start_ms(), 0) }

#[test, expected_failure(abort_code = slashing::EBadEvidenceHash)]
fun a_short_hash_is_refused() { propose_for(1, 31, world::start_ms(), 0) }

#[test, expected_failure(abort_code = slashing::EEvidenceInFuture)]
fun evidence_of_tomorrow_is_refused() { propose_for(1, 32, world::start_ms() + 1, 0) }

#[test, expected_failure(abort_code = slashing::EEvidenceTooOld)]
fun old_evidence_is_refused() {
    propose_for(1, 32, world::start_ms() - world::evidence_age_ms() - 1, 0)
}

#[test, expected_failure(abort_code = slashing::EUriTooLong)]
fun a_long_uri_is_refused() { propose_for(1, 32, world::start_ms(), 513) }

#[test, expected_failure(abort_code = position::ENothingToSlash)]
fun nothing_is_taken_from_nothing() {
    let mut w = world::begin_with(world::numbers_with(4, 1));
    // A tenth of 9 MIST is none.
    stakes::stake(&mut w, 9, b"");
    slashes::propose(&mut w);
    abort
}

/// The proof lane: an enclave's key that signed two audit roots under one sequence number.
#[test_only]
module k3s_daas::proof_tests;

use k3s_daas::cluster;
use k3s_daas::enclave;
use k3s_daas::masters;
use k3s_daas::nautilus;
use k3s_daas::position;
use k3s_daas::signatures::{
    Self,
    key,
    of_other_root,
    of_root,
    other_key,
    other_root,
    root
};
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{
    Self,
    World,
    appeal_ms,
    beneficiary,
    bytes,
    evidence_age_ms,
    owner,
    stranger,
    sui
};
use std::unit_test::assert_eq;

/// A current master, for which the owner's position of 10 SUI answers.
fun answering(): World { answering_with(world::numbers()) }

fun answering_with(numbers: vector<u64>): World {
    let mut w = world::begin_with(numbers);
    assert_eq!(w.cluster(), signatures::cluster().to_id());
    masters::master(&mut w);
    w
}

/// Anyone shows that the first key signed twice under a sequence number.
fun prove(w: &mut World, sequence: u64, expels: bool) {
    slashes::prove(
        w,
        stranger(),
        key(),
        sequence,
        root(),
        of_root(sequence),
        other_root(),
        of_other_root(sequence),
        expels,
    )
}

/// The same under 7, with something wrong.
fun show(
    w: &mut World,
    signing_key: vector<u8>,
    first: vector<u8>,
    signature: vector<u8>,
    second: vector<u8>,
    other_signature: vector<u8>,
) {
    slashes::prove(
        w,
        stranger(),
        signing_key,
        7,
        first,
        signature,
        second,
        other_signature,
        true,
    )
}

// === What a proof does ===

#[test]
fun a_proof_is_executed_at_once_and_the_key_is_no_masters() {
    let mut w = answering();
    stakes::create_worker_seal(&mut w, owner(), stakes::seal(0));
    prove(&mut w, 7, true);
    w.assert_money(sui(9), 0, 0);
    assert_eq!(w.treasury(), sui(1));
    assert!(w.look!(|position| {
        position.is_slashed() && position.seals().is_empty() && position.proposal().is_none()
    }));
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}

#[test]
fun a_proof_needs_no_freshness() {
    let mut w = answering();
    w.pass_ms(100 * evidence_age_ms());
    prove(&mut w, 7, true);
    w.end();
}

#[test]
fun each_sequence_number_is_an_offence() {
    let mut w = answering();
    prove(&mut w, 7, true);
    prove(&mut w, 8, false);
    // 10 % of 10, then 10 % of 9.
    w.assert_money(sui(81) / 10, 0, 0);
    w.end();
}

#[test, expected_failure(abort_code = position::EAlreadyTried)]
fun one_offence_is_proven_once() {
    let mut w = answering();
    prove(&mut w, 7, true);
    prove(&mut w, 7, false);
    abort
}

#[test, expected_failure(abort_code = position::EAlreadyTried)]
fun the_same_roots_the_other_way_round_are_the_same_offence() {
    let mut w = answering();
    prove(&mut w, 7, true);
    show(&mut w, key(), other_root(), of_other_root(7), root(), of_root(7));
    abort
}

#[test, expected_failure(abort_code = position::EAlreadyTried)]
fun a_proof_never_ages_out() {
    let mut w = answering();
    prove(&mut w, 7, true);
    w.pass_ms(100 * evidence_age_ms());
    // A proposal forgets old trials, but not this one.
    slashes::propose(&mut w);
    prove(&mut w, 7, false);
    abort
}

#[test]
fun an_accusation_under_its_hash_does_not_keep_a_proof_away() {
    let mut w = answering();
    let offence = enclave::offence(w.cluster(), key(), 7);
    slashes::propose_on(&mut w, offence);
    slashes::cancel(&mut w);
    prove(&mut w, 7, true);
    w.assert_money(sui(9), 0, 0);
    w.end();
}

#[test]
fun thirty_two_trials_do_not_keep_a_proof_away() {
    let mut w = answering_with(world::numbers_with(12, 0));
    32u64.do!(|_| {
        slashes::propose(&mut w);
        slashes::cancel(&mut w);
    });
    prove(&mut w, 7, true);
    w.end();
}

#[test, expected_failure(abort_code = position::EAlreadyTried)]
fun what_is_proven_is_no_evidence_for_a_proposal() {
    let mut w = answering();
    prove(&mut w, 7, true);
    let offence = enclave::offence(w.cluster(), key(), 7);
    slashes::propose_on(&mut w, offence);
    abort
}

#[test]
fun an_expelled_master_registers_only_after_a_new_endorsement() {
    let mut w = answering();
    prove(&mut w, 7, true);
    stakes::restake(&mut w, owner(), 1);
    stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal(2));
    masters::endorse(&mut w, owner(), key());
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

#[test, expected_failure(abort_code = nautilus::ENotEndorsed)]
fun an_expelled_master_does_not_come_back_by_itself() {
    let mut w = answering();
    prove(&mut w, 7, true);
    stakes::restake(&mut w, owner(), 1);
    stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal(2));
    masters::register(&mut w, key());
    abort
}

// === While something else is going on ===

#[test]
fun a_proof_takes_of_what_a_proposal_left_and_a_cancelled_proposal_gives_back_to_a_slashed_position() {
    let mut w = answering();
    slashes::propose(&mut w);
    w.assert_money(sui(9), sui(1), 0);
    prove(&mut w, 7, true);
    w.assert_money(sui(9) - sui(9) / 10, sui(1), 0);
    assert!(w.look!(|position| position.is_suspended() && position.seals().is_empty()));
    slashes::cancel(&mut w);
    w.assert_money(sui(10) - sui(9) / 10, 0, 0);
    assert!(w.look!(|position| position.is_slashed()));
    w.end();
}

#[test]
fun a_proposal_is_executed_after_a_proof() {
    let mut w = answering();
    slashes::propose(&mut w);
    prove(&mut w, 7, true);
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    assert_eq!(w.treasury(), sui(1) + sui(9) / 10);
    assert!(w.look!(|position| position.is_slashed()));
    w.end();
}

#[test]
fun a_proof_clears_a_lapsed_slash_first() {
    let mut w = answering();
    slashes::propose(&mut w);
    w.pass_ms(appeal_ms() + world::judge_ms());
    prove(&mut w, 7, true);
    // Of all 10 SUI again.
    w.assert_money(sui(9), 0, 0);
    assert!(w.look!(|position| position.is_slashed()));
    w.end();
}

#[test]
fun unbonding_stake_of_a_closed_position_is_slashed_and_it_stays_closed() {
    let mut w = answering();
    stakes::unstake(&mut w, owner(), sui(10));
    prove(&mut w, 7, true);
    w.assert_money(0, 0, sui(9));
    assert!(w.look!(|position| position.is_closed()));
    w.end();
}

#[test]
fun a_suspended_closed_position_stays_closed_after_a_proof_and_a_cancelled_slash() {
    let mut w = answering();
    stakes::unstake(&mut w, owner(), sui(10));
    slashes::propose(&mut w);
    prove(&mut w, 7, true);
    slashes::cancel(&mut w);
    w.assert_money(0, 0, sui(10) - sui(9) / 10);
    assert!(w.look!(|position| position.is_closed()));
    w.end();
}

#[test, expected_failure(abort_code = position::ENothingToSlash)]
fun a_proof_takes_nothing_from_nothing() {
    let mut w = answering();
    stakes::unstake(&mut w, owner(), sui(10));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    prove(&mut w, 7, true);
    abort
}

#[test]
fun the_beneficiary_may_show_a_proof() {
    let mut w = answering();
    slashes::prove(
        &mut w,
        beneficiary(),
        key(),
        7,
        root(),
        of_root(7),
        other_root(),
        of_other_root(7),
        true,
    );
    w.end();
}

#[test]
fun a_key_that_is_no_masters_any_more_is_still_answered_for() {
    let mut w = answering();
    masters::remove(&mut w, world::admin(), key());
    prove(&mut w, 7, false);
    w.end();
}

// === What is no proof ===

#[test, expected_failure(abort_code = staking::ESameRoot)]
fun one_root_signed_twice_is_no_offence() {
    let mut w = answering();
    show(&mut w, key(), root(), of_root(7), root(), of_root(7));
    abort
}

#[test, expected_failure(abort_code = staking::EBadSignature)]
fun the_first_signature_must_be_good() {
    let mut w = answering();
    show(&mut w, key(), root(), of_root(8), other_root(), of_other_root(7));
    abort
}

#[test, expected_failure(abort_code = staking::EBadSignature)]
fun the_second_signature_must_be_good() {
    let mut w = answering();
    show(&mut w, key(), root(), of_root(7), other_root(), of_other_root(8));
    abort
}

#[test, expected_failure(abort_code = staking::EBadSignature)]
fun another_keys_signature_is_none() {
    let mut w = answering();
    let signature = signatures::of_other_root_by_other_key();
    show(&mut w, key(), root(), of_root(7), other_root(), signature);
    abort
}

#[test, expected_failure(abort_code = staking::EBadSignature)]
fun a_root_signed_for_another_cluster_is_none() {
    let mut w = answering();
    let signature = signatures::of_other_root_for_another_cluster();
    show(&mut w, key(), root(), of_root(7), other_root(), signature);
    abort
}

#[test, expected_failure(abort_code = staking::EBadSignature)]
fun a_signature_that_is_no_signature_is_none() {
    let mut w = answering();
    show(&mut w, key(), root(), of_root(7), other_root(), bytes(0, 63));
    abort
}

#[test, expected_failure(abort_code = staking::EForeignKey)]
fun a_key_that_never_registered_is_nobodys() {
    let mut w = answering();
    show(&mut w, other_key(), root(), of_root(7), other_root(), of_other_root(7));
    abort
}

#[test, expected_failure(abort_code = staking::EForeignKey)]
fun a_position_answers_only_for_its_own_key() {
    let mut w = answering();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    prove(&mut w, 7, true);
    abort
}

#[test, expected_failure(abort_code = position::EForeignPosition)]
fun another_clusters_position_is_not_slashed() {
    let mut w = answering();
    w.found_foreign();
    prove(&mut w, 7, true);
    abort
}

#[test, expected_failure(abort_code = nautilus::EForeignNautilus)]
fun another_clusters_nautilus_is_no_witness() {
    let mut w = answering();
    let position = w.position();
    let ours = w.found_foreign();
    w.focus(position);
    w.name_cluster(ours);
    prove(&mut w, 7, true);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun a_cluster_of_a_later_version_takes_no_proof() {
    let mut w = answering();
    w.set_version(2);
    prove(&mut w, 7, true);
    abort
}

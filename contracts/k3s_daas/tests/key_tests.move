/// Whose key may do what with a position, and how ownership changes hands.
#[test_only]
module k3s_daas::key_tests;

use k3s_daas::position;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{Self, World, operator, owner, stranger, sui};
use std::unit_test::assert_eq;

/// The owner's position with an operator.
fun kept(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::set_operator(&mut w, owner(), operator());
    w
}

// === The operator's key moves no money ===

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_does_not_unstake() {
    let mut w = kept();
    stakes::unstake(&mut w, operator(), sui(5));
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_does_not_withdraw() {
    let mut w = kept();
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, operator());
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_does_not_restake() {
    let mut w = kept();
    stakes::restake(&mut w, operator(), 1);
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_makes_no_user_seal() {
    let mut w = kept();
    stakes::refresh(&mut w, operator());
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_names_no_operator() {
    let mut w = kept();
    stakes::set_operator(&mut w, operator(), stranger());
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_offers_nothing() {
    let mut w = kept();
    stakes::offer(&mut w, operator(), option::some(operator()));
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun an_operator_does_not_appeal() {
    let mut w = kept();
    slashes::propose(&mut w);
    slashes::appeal(&mut w, operator());
    abort
}

// === Rotation of the operator's key ===

#[test, expected_failure(abort_code = position::ENotKeeper)]
fun a_replaced_operator_may_nothing() {
    let mut w = kept();
    stakes::set_operator(&mut w, owner(), @0xC2);
    stakes::revoke_all(&mut w, operator());
    abort
}

#[test, expected_failure(abort_code = position::ENotKeeper)]
fun a_stranger_revokes_no_seal() {
    let mut w = kept();
    let seal = w.look!(|position| position.seals()[0u64].id());
    stakes::revoke(&mut w, stranger(), seal);
    abort
}

// === Ownership ===

#[test]
fun an_offered_position_is_taken_over_with_its_money_and_no_seals() {
    let mut w = kept();
    stakes::unstake(&mut w, owner(), sui(1));
    stakes::offer(&mut w, owner(), option::some(stranger()));
    assert_eq!(w.look!(|position| position.next_owner()), option::some(stranger()));
    // Nothing changes before it is accepted.
    assert!(w.look!(|position| position.owner() == owner() && !position.seals().is_empty()));
    stakes::accept(&mut w, stranger());
    assert!(w.look!(|position| {
        position.owner() == stranger()
            && position.operator() == stranger()
            && position.next_owner().is_none()
            && position.seals().is_empty()
            && position.is_active()
    }));
    w.assert_money(sui(4), 0, sui(1));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, stranger());
    assert_eq!(w.purse(stranger()), sui(1));
    assert_eq!(w.purse(owner()), 0);
    w.end();
}

#[test]
fun debts_are_taken_over() {
    let mut w = kept();
    slashes::propose(&mut w);
    stakes::offer(&mut w, owner(), option::some(stranger()));
    stakes::accept(&mut w, stranger());
    assert!(w.look!(|position| position.is_suspended()));
    w.assert_money(sui(5) - sui(1) / 2, sui(1) / 2, 0);
    slashes::appeal(&mut w, stranger());
    w.end();
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun a_former_owner_may_nothing() {
    let mut w = kept();
    stakes::offer(&mut w, owner(), option::some(stranger()));
    stakes::accept(&mut w, stranger());
    stakes::unstake(&mut w, owner(), sui(5));
    abort
}

#[test, expected_failure(abort_code = staking::ENotNextOwner)]
fun only_whom_it_is_offered_accepts() {
    let mut w = kept();
    stakes::offer(&mut w, owner(), option::some(@0xF));
    stakes::accept(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = staking::ENotNextOwner)]
fun an_offer_taken_back_is_not_accepted() {
    let mut w = kept();
    stakes::offer(&mut w, owner(), option::some(stranger()));
    stakes::offer(&mut w, owner(), option::none());
    stakes::accept(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = staking::ENotNextOwner)]
fun what_is_not_offered_is_not_accepted() {
    let mut w = kept();
    stakes::accept(&mut w, owner());
    abort
}

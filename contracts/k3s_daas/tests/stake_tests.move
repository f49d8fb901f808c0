#[test_only]
module k3s_daas::stake_tests;

use k3s_daas::seal_token::{Self, SealToken};
use k3s_daas::staking;
use k3s_daas::world::{Self, World, admin, node, owner, sui, user};
use std::unit_test::assert_eq;

use fun seal as World.seal;

/// A stake of 5 SUI whose Seal has these properties.
fun seal(w: &mut World, node_id: vector<u8>, permissions: u8, locator: u64, commitment: u64, life: u64) {
    w.stake_with(owner(), sui(5), 0, node_id, permissions, locator, commitment, option::none(), life);
}

// === Staking ===

#[test]
fun a_stake_is_active_and_its_seal_is_the_owners() {
    let mut w = world::begin();
    w.stake_with(
        owner(),
        sui(5),
        7,
        b"worker-1",
        user() | node(),
        16,
        32,
        option::some(@0x5E),
        world::max_lifetime_ms(),
    );
    w.assert_money(sui(5), 0, 0);
    let seal = w.look!(|position| {
        assert!(position.is_active());
        assert_eq!(position.owner(), owner());
        assert_eq!(position.node_id(), b"worker-1".to_string());
        assert_eq!(position.seals().length(), 1);
        position.seals()[0]
    });
    assert_eq!(seal.permissions(), 3);
    assert_eq!(seal.session(), option::some(@0x5E));
    assert_eq!(seal.expires_ms(), world::start_ms() + world::max_lifetime_ms());
    w.scenario().next_tx(owner());
    let token = w.scenario().take_from_sender<SealToken>();
    assert_eq!(object::id(&token), seal.id());
    assert_eq!(token.position(), w.position());
    w.scenario().return_to_sender(token);
    w.end();
}

#[test]
fun the_minimum_stake_is_enough() {
    let mut w = world::begin();
    w.stake(sui(1) / 2, b"");
    w.assert_money(sui(1) / 2, 0, 0);
    w.end();
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun less_than_the_minimum_stake_is_refused() {
    let mut w = world::begin();
    w.stake(sui(1) / 2 - 1, b"");
    abort
}

// === Seals ===

#[test, expected_failure(abort_code = seal_token::EBadPermissions)]
fun a_seal_permits_something() {
    let mut w = world::begin();
    w.seal(b"worker-1", 0, 16, 32, 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadPermissions)]
fun a_seal_permits_nothing_unknown() {
    let mut w = world::begin();
    w.seal(b"worker-1", 4, 16, 32, 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::ENodeIdMissing)]
fun a_node_seal_needs_a_node_id() {
    let mut w = world::begin();
    w.seal(b"", node(), 16, 32, 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::ENodeIdMissing)]
fun a_refreshed_node_seal_needs_a_node_id() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.refresh_with(owner(), option::none(), user() | node(), option::none(), 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadLocator)]
fun a_short_locator_is_refused() {
    let mut w = world::begin();
    w.seal(b"", user(), 15, 32, 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadCommitment)]
fun a_long_commitment_is_refused() {
    let mut w = world::begin();
    w.seal(b"", user(), 16, 33, 1);
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadLifetime)]
fun a_seal_lives() {
    let mut w = world::begin();
    w.seal(b"", user(), 16, 32, 0);
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadLifetime)]
fun a_seal_lives_no_longer_than_the_policy_allows() {
    let mut w = world::begin();
    w.seal(b"", user(), 16, 32, world::max_lifetime_ms() + 1);
    abort
}

#[test]
fun a_refresh_replaces_one_seal_and_drops_the_expired() {
    let mut w = world::begin();
    w.seal(b"", user(), 16, 32, 1_000);
    w.refresh_with(owner(), option::none(), user(), option::none(), 1_001);
    w.refresh_with(owner(), option::none(), user(), option::none(), 9_000);
    let before = w.look!(|position| *position.seals());
    assert_eq!(before.length(), 3);
    w.pass_ms(1_000);
    // The first has ended by now; the second is replaced, the third stays.
    w.refresh(owner(), option::some(before[1].id()));
    let after = w.look!(|position| *position.seals());
    assert_eq!(after.length(), 2);
    assert_eq!(after[0], before[2]);
    w.end();
}

#[test]
fun replacing_a_seal_that_is_gone_adds_one() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.refresh(owner(), option::some(object::id_from_address(@0xDEAD)));
    assert_eq!(w.look!(|position| position.seals().length()), 2);
    w.end();
}

#[test]
fun sixteen_seals_live_and_a_full_position_can_replace_one() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    15u64.do!(|_| w.refresh(owner(), option::none()));
    let oldest = w.look!(|position| position.seals()[0].id());
    w.refresh(owner(), option::some(oldest));
    assert_eq!(w.look!(|position| position.seals().length()), 16);
    w.end();
}

#[test, expected_failure(abort_code = staking::ETooManySeals)]
fun a_seventeenth_seal_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    16u64.do!(|_| w.refresh(owner(), option::none()));
    abort
}

#[test, expected_failure(abort_code = staking::EClosed)]
fun a_closed_position_gets_no_seal() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5));
    w.refresh(owner(), option::none());
    abort
}

// === Restaking ===

#[test]
fun restaking_an_active_position_keeps_it_active() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.restake(owner(), sui(2));
    w.assert_money(sui(7), 0, 0);
    assert!(w.look!(|position| position.is_active() && position.seals().length() == 1));
    w.end();
}

#[test, expected_failure(abort_code = staking::EClosed)]
fun a_closed_position_takes_no_stake() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5));
    w.restake(owner(), sui(5));
    abort
}

// === Unstaking and withdrawing ===

#[test]
fun unstaking_a_part_keeps_the_rest_and_its_seals() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.unstake(owner(), sui(3));
    w.assert_money(sui(2), 0, sui(3));
    let until = w.look!(|position| {
        assert!(position.is_active() && position.seals().length() == 1);
        position.unbonding_until_ms()
    });
    assert_eq!(until, world::start_ms() + world::unbonding_ms());
    w.pass_ms(world::unbonding_ms());
    w.withdraw(owner());
    w.assert_money(sui(2), 0, 0);
    assert_eq!(w.purse(owner()), sui(3));
    assert!(w.node_holder(b"worker-1").is_some());
    w.end();
}

#[test]
fun unstaking_again_starts_the_wait_again_for_all() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(1));
    w.pass_ms(world::unbonding_ms() - 1);
    w.unstake(owner(), sui(1));
    w.assert_money(sui(3), 0, sui(2));
    let until = w.look!(|position| position.unbonding_until_ms());
    assert_eq!(until, world::start_ms() + 2 * world::unbonding_ms() - 1);
    w.end();
}

#[test]
fun unstaking_all_closes_and_withdrawing_frees_the_node_id() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    let closed = w.position();
    w.unstake(owner(), sui(5));
    assert!(w.look!(|position| position.is_closed() && position.seals().is_empty()));
    assert_eq!(w.node_holder(b"worker-1"), option::some(closed));
    w.pass_ms(world::unbonding_ms());
    w.withdraw(owner());
    assert_eq!(w.purse(owner()), sui(5));
    assert_eq!(w.node_holder(b"worker-1"), option::none());
    w.stake_with(owner(), sui(5), 1, b"worker-1", node(), 16, 32, option::none(), 1);
    let next = w.position();
    assert_eq!(w.node_holder(b"worker-1"), option::some(next));
    w.end();
}

#[test, expected_failure(abort_code = staking::EBadAmount)]
fun unstaking_nothing_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), 0);
    abort
}

#[test, expected_failure(abort_code = staking::EBadAmount)]
fun unstaking_more_than_all_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5) + 1);
    abort
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun unstaking_leaves_the_minimum_or_nothing() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5) - sui(1) / 2 + 1);
    abort
}

#[test, expected_failure(abort_code = staking::EStillUnbonding)]
fun withdrawing_early_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5));
    w.pass_ms(world::unbonding_ms() - 1);
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = staking::ENothingUnbonding)]
fun withdrawing_nothing_is_refused() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = staking::ENothingUnbonding)]
fun a_withdrawal_pays_once() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.unstake(owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    w.withdraw(owner());
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = staking::ESlashPending)]
fun a_proposed_slash_stops_a_withdrawal() {
    let mut w = world::begin();
    w.stake(sui(5), b"");
    w.unstake(owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    w.propose(admin());
    w.withdraw(owner());
    abort
}

/// Staking, restaking, unstaking and withdrawing; the registry of positions and node ids.
#[test_only]
module k3s_daas::stake_tests;

use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::registry;
use k3s_daas::seal_token::SealToken;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::world::{Self, World, admin, bytes, node, operator, owner, stranger, sui, user};
use std::unit_test::assert_eq;
use sui::test_scenario;

// === Staking ===

#[test]
fun a_stake_is_active_and_its_seal_is_the_owners() {
    let mut w = world::begin();
    stakes::stake_as(&mut w, owner(), sui(5), 7, b"worker-1", stakes::seal(user() | node()));
    w.assert_money(sui(5), 0, 0);
    let seal = w.look!(|position| {
        assert!(position.is_active());
        assert_eq!(position.owner(), owner());
        assert_eq!(position.operator(), owner());
        assert_eq!(position.next_owner(), option::none());
        assert_eq!(position.node_id(), b"worker-1".to_string());
        assert_eq!(position.seals().length(), 1);
        position.seals()[0u64]
    });
    assert_eq!(seal.permissions(), 3);
    assert_eq!(seal.expires_ms(), world::start_ms() + 3_600_000);
    w.scenario().next_tx(owner());
    let token = w.scenario().take_from_sender<SealToken>();
    assert_eq!(object::id(&token), seal.id());
    assert_eq!(token.position(), w.position());
    w.scenario().return_to_sender(token);
    w.end();
}

#[test]
fun a_stake_for_a_node_has_an_operator_and_no_seal() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    w.assert_money(sui(5), 0, 0);
    assert!(w.look!(|position| {
        position.is_active()
            && position.owner() == owner()
            && position.operator() == operator()
            && position.seals().is_empty()
    }));
    w.end();
}

#[test, expected_failure(abort_code = staking::ENodeIdMissing)]
fun a_stake_for_a_node_names_it() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"");
    abort
}

#[test]
fun the_minimum_and_the_maximum_are_stakes() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1) / 2, b"");
    w.assert_money(sui(1) / 2, 0, 0);
    stakes::stake_as(&mut w, owner(), sui(1_000), 1, b"", stakes::seal(1));
    w.assert_money(sui(1_000), 0, 0);
    w.end();
}

#[test, expected_failure(abort_code = position::EBelowMinimum)]
fun less_than_the_minimum_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1) / 2 - 1, b"");
    abort
}

#[test, expected_failure(abort_code = position::EAboveMaximum)]
fun more_than_the_maximum_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1_000) + 1, b"");
    abort
}

// === The registry ===

#[test]
fun every_position_is_enumerated() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"worker-2", stakes::seal(1));
    let second = w.position();
    w.scenario().next_tx(admin());
    let registry = w.take_registry();
    assert_eq!(registry.position_count(), 2);
    assert_eq!(vector[registry.position_at(0), registry.position_at(1)], vector[first, second]);
    assert_eq!(registry.position_of_node(b"worker-2".to_string()), option::some(second));
    test_scenario::return_shared(registry);
    w.end();
}

#[test, expected_failure(abort_code = registry::EPositionExists)]
fun a_salt_serves_once() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::stake(&mut w, sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = registry::EPositionExists)]
fun a_salt_serves_once_even_after_all_is_withdrawn() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    stakes::stake(&mut w, sui(5), b"");
    abort
}

#[test]
fun two_owners_may_use_one_salt() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    assert!(w.position() != first);
    w.end();
}

#[test, expected_failure(abort_code = registry::EForeignRegistry)]
fun another_clusters_registry_is_refused() {
    let mut w = world::begin();
    let ours = w.found_foreign();
    w.name_cluster(ours);
    stakes::stake(&mut w, sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = registry::ENodeIdTaken)]
fun a_node_id_has_one_position() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"worker-1", stakes::seal(1));
    abort
}

#[test, expected_failure(abort_code = registry::ENodeIdTaken)]
fun a_node_id_stays_taken_while_its_stake_unbonds() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    stakes::stake_for_node_as(&mut w, stranger(), sui(5), 0, b"worker-1");
    abort
}

#[test]
fun two_clusters_may_have_one_node_id() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    w.found_foreign();
    stakes::stake(&mut w, sui(5), b"worker-1");
    w.end();
}

#[test]
fun dns_labels_are_node_ids() {
    let good = vector[b"a", b"0", b"a-b", b"a--0", bytes(0x61, 63)];
    good.do!(|label| assert!(registry::is_dns_label(&label.to_string())));
    let bad = vector[
        b"",
        b"-a",
        b"a-",
        b"A",
        b"a.b",
        b"a_b",
        b"a b",
        b"a:b",
        b"a\n",
        b"caf\xc3\xa9",
        bytes(0x61, 64),
    ];
    bad.do!(|label| assert!(!registry::is_dns_label(&label.to_string())));
}

#[test, expected_failure(abort_code = registry::EBadNodeId)]
fun a_node_id_is_a_dns_label() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"Worker.1");
    abort
}

// === Restaking ===

#[test]
fun restaking_an_active_position_keeps_it_active() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::restake(&mut w, owner(), sui(2));
    w.assert_money(sui(7), 0, 0);
    assert!(w.look!(|position| position.is_active() && position.seals().length() == 1));
    w.end();
}

#[test, expected_failure(abort_code = staking::EBadAmount)]
fun restaking_nothing_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::restake(&mut w, owner(), 0);
    abort
}

#[test, expected_failure(abort_code = position::EAboveMaximum)]
fun restaking_above_the_maximum_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1_000), b"");
    stakes::restake(&mut w, owner(), 1);
    abort
}

#[test, expected_failure(abort_code = position::EClosed)]
fun a_closed_position_takes_no_stake() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5));
    stakes::restake(&mut w, owner(), sui(5));
    abort
}

// === Unstaking and withdrawing ===

#[test]
fun unstaking_a_part_keeps_the_rest_and_its_seals() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(3));
    w.assert_money(sui(2), 0, sui(3));
    let until_ms = w.look!(|position| {
        assert!(position.is_active() && position.seals().length() == 1);
        position.unbonding_until_ms()
    });
    assert_eq!(until_ms, world::start_ms() + world::unbonding_ms());
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    w.assert_money(sui(2), 0, 0);
    assert_eq!(w.purse(owner()), sui(3));
    assert!(w.node_holder(b"worker-1").is_some());
    w.end();
}

#[test]
fun unstaking_again_starts_the_wait_again_for_all() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(1));
    w.pass_ms(world::unbonding_ms() - 1);
    stakes::unstake(&mut w, owner(), sui(1));
    w.assert_money(sui(3), 0, sui(2));
    let until_ms = w.look!(|position| position.unbonding_until_ms());
    assert_eq!(until_ms, world::start_ms() + 2 * world::unbonding_ms() - 1);
    w.end();
}

#[test]
fun unstaking_all_closes_and_withdrawing_frees_the_node_id() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    let closed = w.position();
    stakes::unstake(&mut w, owner(), sui(5));
    assert!(w.look!(|position| position.is_closed() && position.seals().is_empty()));
    assert_eq!(w.node_holder(b"worker-1"), option::some(closed));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    assert_eq!(w.purse(owner()), sui(5));
    assert!(w.look!(|position| position.node_id().is_empty()));
    stakes::stake_as(&mut w, owner(), sui(5), 1, b"worker-1", stakes::seal(node()));
    let next = w.position();
    assert_eq!(w.node_holder(b"worker-1"), option::some(next));
    w.end();
}

/// All was slashed: nothing is left to pay, but the node id is given up.
#[test]
fun a_closed_position_gives_up_its_node_id_without_money() {
    let mut w = world::begin_with(world::numbers_with_slash(10_000));
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(5));
    slashes::propose(&mut w);
    w.pass_ms(world::unbonding_ms() - 1);
    // It lapsed; proposed again, it is executed.
    slashes::propose(&mut w);
    w.pass_ms(world::appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    w.assert_money(0, 0, 0);
    stakes::withdraw(&mut w, owner());
    assert_eq!(w.node_holder(b"worker-1"), option::none());
    assert_eq!(w.purse(owner()), 0);
    w.end();
}

#[test, expected_failure(abort_code = staking::EBadAmount)]
fun unstaking_nothing_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), 0);
    abort
}

#[test, expected_failure(abort_code = staking::EBadAmount)]
fun unstaking_more_than_all_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5) + 1);
    abort
}

#[test, expected_failure(abort_code = position::EBelowMinimum)]
fun unstaking_leaves_the_minimum_or_nothing() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5) - sui(1) / 2 + 1);
    abort
}

#[test, expected_failure(abort_code = staking::EStillUnbonding)]
fun withdrawing_early_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms() - 1);
    stakes::withdraw(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = staking::ENothingToWithdraw)]
fun withdrawing_nothing_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::withdraw(&mut w, owner());
    abort
}

/// A position withdrawn from after it closed.
fun withdrawn(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    w
}

#[test, expected_failure(abort_code = staking::ENothingToWithdraw)]
fun a_withdrawal_pays_once() {
    let mut w = withdrawn();
    stakes::withdraw(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = registry::EForeignRegistry)]
fun a_withdrawal_needs_its_own_registry() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    let position = w.position();
    stakes::unstake(&mut w, owner(), sui(5));
    w.pass_ms(world::unbonding_ms());
    let ours = w.found_foreign();
    w.focus(position);
    w.name_cluster(ours);
    stakes::withdraw(&mut w, owner());
    abort
}

#[test]
fun a_policy_that_asks_for_more_lets_everyone_leave() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1), b"");
    offices::announce_policy(&mut w, world::numbers_with(4, sui(2)));
    w.pass_ms(world::delay_ms());
    offices::apply_policy(&mut w, stranger());
    stakes::unstake(&mut w, owner(), sui(1));
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    assert_eq!(w.purse(owner()), sui(1));
    w.end();
}

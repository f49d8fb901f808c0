/// Seals: what may be asked of one, how they are replaced and revoked, and when a position may have one.
#[test_only]
module k3s_daas::seal_tests;

use k3s_daas::k8s_gateway;
use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::seal_token::{Self, SealToken};
use k3s_daas::slashes;
use k3s_daas::stakes::{Self, Ask};
use k3s_daas::world::{Self, World, bytes, node, nothing, operator, owner, stranger, sui, user};
use std::unit_test::assert_eq;
use sui::display_registry::{Self, Display, DisplayCap, DisplayRegistry};
use sui::test_scenario;

/// A position with such a Seal.
fun sealed(node_id: vector<u8>, ask: Ask) {
    let mut w = world::begin();
    stakes::stake_as(&mut w, owner(), sui(5), 0, node_id, ask);
    w.end();
}

// === What may be asked ===

#[test]
fun a_seal_may_be_for_a_user_a_node_or_both() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    vector[user(), node(), user() | node()].do!(|permissions| {
        stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal(permissions));
        let seals = w.look!(|position| *position.seals());
        assert_eq!(seals[seals.length() - 1].permissions(), permissions);
    });
    w.end();
}

#[test, expected_failure(abort_code = seal_token::EBadPermissions)]
fun a_seal_permits_something() { sealed(b"worker-1", stakes::seal(0)) }

#[test, expected_failure(abort_code = seal_token::EBadPermissions)]
fun a_seal_permits_nothing_unknown() { sealed(b"worker-1", stakes::seal(4)) }

#[test, expected_failure(abort_code = seal_token::ENodeIdMissing)]
fun a_node_seal_needs_a_node_id() { sealed(b"", stakes::seal(node())) }

#[test, expected_failure(abort_code = seal_token::ENodeIdMissing)]
fun a_refreshed_node_seal_needs_a_node_id() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal(user() | node()));
    abort
}

#[test, expected_failure(abort_code = seal_token::EBadLocator)]
fun a_short_locator_is_refused() {
    sealed(b"", stakes::seal_with(user(), bytes(1, 15), bytes(2, 32), 1))
}

#[test, expected_failure(abort_code = seal_token::EBadCommitment)]
fun a_long_commitment_is_refused() {
    sealed(b"", stakes::seal_with(user(), bytes(1, 16), bytes(2, 33), 1))
}

#[test, expected_failure(abort_code = seal_token::EBadLifetime)]
fun a_seal_lives() { sealed(b"", stakes::seal_for(user(), 0)) }

#[test]
fun a_seal_lives_as_long_as_the_policy_allows() {
    sealed(b"", stakes::seal_for(user(), world::max_lifetime_ms()))
}

#[test, expected_failure(abort_code = seal_token::EBadLifetime)]
fun a_seal_lives_no_longer_than_the_policy_allows() {
    sealed(b"", stakes::seal_for(user(), world::max_lifetime_ms() + 1))
}

// === Session keys ===

fun sessioned(session: Option<address>, expires_ms: u64) {
    sealed(b"", stakes::with_session(stakes::seal_for(user(), 1_000), session, expires_ms))
}

#[test]
fun a_session_key_ends_with_its_seal_at_the_latest() {
    let mut w = world::begin();
    let ends_ms = world::start_ms() + 1_000;
    let ask = stakes::with_session(
        stakes::seal_for(user(), 1_000),
        option::some(@0x5E),
        ends_ms,
    );
    stakes::stake_as(&mut w, owner(), sui(5), 0, b"", ask);
    let session = w.look!(|position| position.seals()[0u64].session().destroy_some());
    assert_eq!(session.key(), @0x5E);
    assert_eq!(session.session_expires_ms(), ends_ms);
    w.end();
}

#[test, expected_failure(abort_code = seal_token::EBadSession)]
fun a_session_key_ends_no_later_than_its_seal() {
    sessioned(option::some(@0x5E), world::start_ms() + 1_001)
}

#[test, expected_failure(abort_code = seal_token::EBadSession)]
fun a_session_key_ends_after_now() { sessioned(option::some(@0x5E), world::start_ms()) }

#[test, expected_failure(abort_code = seal_token::EBadSession)]
fun no_session_key_has_no_end() { sessioned(option::none(), world::start_ms() + 1) }

// === Refreshing ===

#[test]
fun a_refresh_replaces_one_seal_and_drops_the_expired() {
    let mut w = world::begin();
    stakes::stake_as(&mut w, owner(), sui(5), 0, b"", stakes::seal_for(user(), 1_000));
    stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal_for(user(), 1_001));
    stakes::refresh_with(&mut w, owner(), option::none(), stakes::seal_for(user(), 9_000));
    let before = w.look!(|position| *position.seals());
    assert_eq!(before.length(), 3);
    w.pass_ms(1_000);
    // The first has ended by now; the second is replaced, the third stays.
    stakes::refresh_with(
        &mut w,
        owner(),
        option::some(before[1].id()),
        stakes::seal(user()),
    );
    let after = w.look!(|position| *position.seals());
    assert_eq!(after.length(), 2);
    assert_eq!(after[0], before[2]);
    w.end();
}

#[test]
fun replacing_a_seal_that_is_gone_adds_one() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::refresh_with(&mut w, owner(), option::some(nothing()), stakes::seal(user()));
    assert_eq!(w.look!(|position| position.seals().length()), 2);
    w.end();
}

#[test]
fun sixteen_seals_live_and_a_full_position_can_replace_one() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    15u64.do!(|_| stakes::refresh(&mut w, owner()));
    let oldest = w.look!(|position| position.seals()[0u64].id());
    stakes::refresh_with(&mut w, owner(), option::some(oldest), stakes::seal(user()));
    assert_eq!(w.look!(|position| position.seals().length()), 16);
    w.end();
}

#[test, expected_failure(abort_code = position::ETooManySeals)]
fun a_seventeenth_seal_is_refused() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    16u64.do!(|_| stakes::refresh(&mut w, owner()));
    abort
}

#[test, expected_failure(abort_code = position::EClosed)]
fun a_closed_position_gets_no_seal() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::unstake(&mut w, owner(), sui(5));
    stakes::refresh(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = position::EBelowMinimum)]
fun a_position_below_a_raised_minimum_gets_no_seal() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(1), b"");
    offices::announce_policy(&mut w, world::numbers_with(4, sui(1) + 1));
    w.pass_ms(world::delay_ms());
    offices::apply_policy(&mut w, stranger());
    stakes::refresh(&mut w, owner());
    abort
}

// === Revoking ===

#[test]
fun one_seal_is_revoked_by_owner_or_operator() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::refresh(&mut w, owner());
    stakes::refresh(&mut w, owner());
    stakes::set_operator(&mut w, owner(), operator());
    let seals = w.look!(|position| *position.seals());
    stakes::revoke(&mut w, owner(), seals[0].id());
    stakes::revoke(&mut w, operator(), seals[2].id());
    assert_eq!(w.look!(|position| *position.seals()), vector[seals[1]]);
    w.end();
}

#[test]
fun all_seals_are_revoked_by_owner_or_operator() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    stakes::set_operator(&mut w, owner(), operator());
    stakes::revoke_all(&mut w, operator());
    stakes::refresh(&mut w, owner());
    stakes::revoke_all(&mut w, owner());
    assert!(w.look!(|position| position.seals().is_empty() && position.is_active()));
    w.end();
}

#[test, expected_failure(abort_code = position::ENoSuchSeal)]
fun a_seal_is_revoked_once() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    let seal = w.look!(|position| position.seals()[0u64].id());
    stakes::revoke(&mut w, owner(), seal);
    stakes::revoke(&mut w, owner(), seal);
    abort
}

// === A node's Seal ===

#[test]
fun an_operator_makes_node_seals_and_the_owner_holds_them() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    stakes::create_worker_seal(&mut w, operator(), stakes::seal(0));
    stakes::create_worker_seal(&mut w, owner(), stakes::seal(0));
    let seals = w.look!(|position| *position.seals());
    assert_eq!(seals.length(), 2);
    w.scenario().next_tx(owner());
    seals.do!(|seal| {
        let token = w.scenario().take_from_sender_by_id<SealToken>(seal.id());
        w.scenario().return_to_sender(token);
    });
    assert!(!test_scenario::has_most_recent_for_address<SealToken>(operator()));
    w.end();
}

#[test, expected_failure(abort_code = position::ENotKeeper)]
fun a_stranger_makes_no_node_seal() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    stakes::create_worker_seal(&mut w, stranger(), stakes::seal(0));
    abort
}

#[test, expected_failure(abort_code = k8s_gateway::EBelowNodeMinimum)]
fun a_node_seal_needs_the_nodes_minimum() {
    let mut w = world::begin_with(world::numbers_with(6, sui(5) + 1));
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    stakes::create_worker_seal(&mut w, operator(), stakes::seal(0));
    abort
}

#[test, expected_failure(abort_code = position::EClosed)]
fun a_closed_position_gets_no_node_seal() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(5));
    stakes::create_worker_seal(&mut w, operator(), stakes::seal(0));
    abort
}

#[test, expected_failure(abort_code = position::ERecovering)]
fun an_operator_does_not_end_a_recovery() {
    let mut w = world::begin();
    stakes::stake_for_node(&mut w, sui(5), b"worker-1");
    slashes::propose(&mut w);
    w.pass_ms(world::appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    stakes::restake(&mut w, owner(), 1);
    stakes::create_worker_seal(&mut w, operator(), stakes::seal(0));
    abort
}

// === Display ===

#[test]
fun wallets_know_how_to_show_a_seal_and_nobody_can_change_it() {
    let mut w: World = world::begin();
    w.scenario().next_tx(stranger());
    display_registry::share_for_testing(w.scenario().ctx());
    w.scenario().next_tx(stranger());
    let mut registry = w.scenario().take_shared<DisplayRegistry>();
    seal_token::create_display(&mut registry, w.scenario().ctx());
    test_scenario::return_shared(registry);
    w.scenario().next_tx(stranger());
    let display = w.scenario().take_shared<Display<SealToken>>();
    assert_eq!(display.fields()[&b"name".to_string()], b"K3s-DaaS Seal".to_string());
    assert!(display.fields().contains(&b"description".to_string()));
    test_scenario::return_shared(display);
    assert!(test_scenario::has_most_recent_for_address<DisplayCap<SealToken>>(@0x0));
    w.end();
}

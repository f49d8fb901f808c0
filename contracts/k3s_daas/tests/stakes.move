/// The entry points with which people stake, and keep Seals and keys, one transaction each.
#[test_only]
module k3s_daas::stakes;

use k3s_daas::k8s_gateway::{Self, WorkerSealCreated};
use k3s_daas::staking;
use k3s_daas::world::{World, bytes, node, operator, owner, user};
use std::bcs;
use std::unit_test::assert_eq;
use sui::coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario;

/// What is asked of a Seal.
public struct Ask has copy, drop {
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    session_expires_ms: u64,
    lifetime_ms: u64,
}

// === Seals to ask for ===

/// A Seal of an hour.
public fun seal(permissions: u8): Ask { seal_for(permissions, 3_600_000) }

public fun seal_for(permissions: u8, lifetime_ms: u64): Ask {
    seal_with(permissions, bytes(0x11, 16), bytes(0x22, 32), lifetime_ms)
}

public fun seal_with(
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    lifetime_ms: u64,
): Ask {
    Ask {
        permissions,
        locator,
        commitment,
        session: option::none(),
        session_expires_ms: 0,
        lifetime_ms,
    }
}

public fun with_session(mut ask: Ask, session: Option<address>, session_expires_ms: u64): Ask {
    ask.session = session;
    ask.session_expires_ms = session_expires_ms;
    ask
}

// === Entry points: stake ===

/// The owner's stake with salt 0 and a user Seal (and a node's, if there is a node id).
public fun stake(w: &mut World, amount: u64, node_id: vector<u8>) {
    let permissions = if (node_id.is_empty()) user() else user() | node();
    stake_as(w, owner(), amount, 0, node_id, seal(permissions));
}

public fun stake_as(
    w: &mut World,
    sender: address,
    amount: u64,
    salt: u64,
    node_id: vector<u8>,
    ask: Ask,
) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let mut registry = w.take_registry();
    let (scenario, clock) = w.parts();
    let payment = coin::mint_for_testing<SUI>(amount, scenario.ctx());
    staking::stake_and_mint_seal(
        &cluster,
        &mut registry,
        payment,
        salt,
        node_id.to_string(),
        ask.permissions,
        ask.locator,
        ask.commitment,
        ask.session,
        ask.session_expires_ms,
        ask.lifetime_ms,
        clock,
        scenario.ctx(),
    );
    w.focus(registry.position_at(registry.position_count() - 1));
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(registry);
    assert_staked(w, sender);
}

/// The owner's stake with salt 0 for a node that `operator` keeps.
public fun stake_for_node(w: &mut World, amount: u64, node_id: vector<u8>) {
    stake_for_node_as(w, owner(), amount, 0, node_id)
}

public fun stake_for_node_as(
    w: &mut World,
    sender: address,
    amount: u64,
    salt: u64,
    node_id: vector<u8>,
) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let mut registry = w.take_registry();
    let (scenario, _) = w.parts();
    let payment = coin::mint_for_testing<SUI>(amount, scenario.ctx());
    staking::stake_for_node(
        &cluster,
        &mut registry,
        payment,
        salt,
        node_id.to_string(),
        operator(),
        scenario.ctx(),
    );
    w.focus(registry.position_at(registry.position_count() - 1));
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(registry);
    assert_staked(w, sender);
}

public fun restake(w: &mut World, sender: address, amount: u64) {
    let payment = coin::mint_for_testing<SUI>(amount, w.scenario().ctx());
    w.act!<staking::Restaked>(sender, |cluster, position, clock, ctx| {
        staking::restake(cluster, position, payment, clock, ctx);
        vector[]
    });
}

public fun unstake(w: &mut World, sender: address, amount: u64) {
    w.act!<staking::Unstaked>(sender, |cluster, position, clock, ctx| {
        staking::unstake(cluster, position, amount, clock, ctx);
        bcs::to_bytes(&amount)
    });
}

public fun withdraw(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let mut registry = w.take_registry();
    w.act!<staking::Withdrawn>(sender, |cluster, position, clock, ctx| {
        let held = position.active() + position.frozen() + position.unbonding();
        staking::withdraw(cluster, &mut registry, position, clock, ctx);
        let amount = held - position.active() - position.frozen() - position.unbonding();
        bcs::to_bytes(&amount)
    });
    test_scenario::return_shared(registry);
}

// === Entry points: Seals ===

/// Adds a user Seal.
public fun refresh(w: &mut World, sender: address) {
    refresh_with(w, sender, option::none(), seal(user()))
}

public fun refresh_with(w: &mut World, sender: address, replaces: Option<ID>, ask: Ask) {
    w.act!<staking::SealRefreshed>(sender, |cluster, position, clock, ctx| {
        staking::refresh_seal_token(
            cluster,
            position,
            replaces,
            ask.permissions,
            ask.locator,
            ask.commitment,
            ask.session,
            ask.session_expires_ms,
            ask.lifetime_ms,
            clock,
            ctx,
        );
        bcs::to_bytes(&position.seals()[position.seals().length() - 1].id())
    });
}

public fun create_worker_seal(w: &mut World, sender: address, ask: Ask) {
    w.act!<WorkerSealCreated>(sender, |cluster, position, clock, ctx| {
        k8s_gateway::create_worker_seal_token(
            cluster,
            position,
            option::none(),
            ask.locator,
            ask.commitment,
            ask.session,
            ask.session_expires_ms,
            ask.lifetime_ms,
            clock,
            ctx,
        );
        let seal = position.seals()[position.seals().length() - 1];
        assert_eq!(seal.permissions(), node());
        bcs::to_bytes(&seal.id())
    });
}

public fun revoke(w: &mut World, sender: address, seal: ID) {
    w.act!<staking::SealRevoked>(sender, |cluster, position, clock, ctx| {
        staking::revoke_seal(cluster, position, seal, clock, ctx);
        bcs::to_bytes(&seal)
    });
}

public fun revoke_all(w: &mut World, sender: address) {
    w.act!<staking::AllSealsRevoked>(sender, |cluster, position, clock, ctx| {
        staking::revoke_all_seals(cluster, position, clock, ctx);
        vector[]
    });
}

// === Entry points: keys ===

public fun set_operator(w: &mut World, sender: address, operator: address) {
    w.act!<staking::OperatorChanged>(sender, |cluster, position, clock, ctx| {
        staking::set_operator(cluster, position, operator, clock, ctx);
        vector[]
    });
}

public fun offer(w: &mut World, sender: address, next_owner: Option<address>) {
    w.act!<staking::OwnershipOffered>(sender, |cluster, position, clock, ctx| {
        staking::offer_ownership(cluster, position, next_owner, clock, ctx);
        vector[]
    });
}

public fun accept(w: &mut World, sender: address) {
    w.act!<staking::OwnershipAccepted>(sender, |cluster, position, clock, ctx| {
        staking::accept_ownership(cluster, position, clock, ctx);
        vector[]
    });
}

// === Private Functions ===

/// The position made in this transaction, and its event.
fun assert_staked(w: &mut World, sender: address) {
    assert_eq!(event::num_events(), 1);
    let staked = event::events_by_type<staking::Staked>();
    w.scenario().next_tx(sender);
    let position = w.take_position();
    assert_eq!(position.generation(), 1);
    assert_eq!(bcs::to_bytes(&staked[0]), bcs::to_bytes(&position));
    test_scenario::return_shared(position);
}

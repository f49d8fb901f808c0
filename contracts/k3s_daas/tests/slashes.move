/// The entry points of slashes, jail and maintenance, one transaction each.
#[test_only]
module k3s_daas::slashes;

use k3s_daas::caps::{JudgeCap, ProposerCap};
use k3s_daas::nautilus::MastersChanged;
use k3s_daas::node;
use k3s_daas::staking;
use k3s_daas::world::{World, assert_changed, bytes, judge, proposer};
use std::bcs;
use std::string::String;
use std::unit_test::assert_eq;
use sui::event;
use sui::test_scenario;

// === Entry points: a slash ===

/// The proposer's, for reason 3, with new evidence of now.
public fun propose(w: &mut World) {
    let hash = fresh_hash(w);
    propose_on(w, hash)
}

/// With given evidence of now.
public fun propose_on(w: &mut World, evidence_hash: vector<u8>) {
    let now_ms = w.now_ms();
    propose_as(w, proposer(), 3, evidence_hash, now_ms, b"https://evidence.example/1")
}

public fun propose_as(
    w: &mut World,
    sender: address,
    reason: u8,
    evidence_hash: vector<u8>,
    evidence_ms: u64,
    uri: vector<u8>,
) {
    w.scenario().next_tx(sender);
    let cap = w.scenario().take_from_sender<ProposerCap>();
    w.act!<staking::SlashProposed>(sender, |cluster, position, clock, ctx| {
        staking::propose_slash(
            &cap,
            cluster,
            position,
            reason,
            evidence_hash,
            evidence_ms,
            uri.to_string(),
            clock,
            ctx,
        );
        vector[]
    });
    w.scenario().return_to_sender(cap);
}

public fun appeal(w: &mut World, sender: address) { appeal_saying(w, sender, b"no".to_string()) }

public fun appeal_saying(w: &mut World, sender: address, statement: String) {
    w.act!<staking::SlashAppealed>(sender, |cluster, position, clock, ctx| {
        staking::appeal_slash(cluster, position, statement, clock, ctx);
        bcs::to_bytes(&statement)
    });
}

public fun uphold(w: &mut World) { uphold_as(w, judge()) }

public fun uphold_as(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let cap = w.scenario().take_from_sender<JudgeCap>();
    w.act!<staking::SlashUpheld>(sender, |cluster, position, clock, ctx| {
        staking::uphold_slash(&cap, cluster, position, clock, ctx);
        vector[]
    });
    w.scenario().return_to_sender(cap);
}

public fun reduce(w: &mut World, amount: u64) { reduce_as(w, judge(), amount) }

public fun reduce_as(w: &mut World, sender: address, amount: u64) {
    w.scenario().next_tx(sender);
    let cap = w.scenario().take_from_sender<JudgeCap>();
    w.act!<staking::SlashReduced>(sender, |cluster, position, clock, ctx| {
        staking::reduce_slash(&cap, cluster, position, amount, clock, ctx);
        vector[]
    });
    w.scenario().return_to_sender(cap);
}

public fun cancel(w: &mut World) { cancel_as(w, judge()) }

public fun cancel_as(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let cap = w.scenario().take_from_sender<JudgeCap>();
    w.act!<staking::SlashCancelled>(sender, |cluster, position, clock, ctx| {
        staking::cancel_slash(&cap, cluster, position, clock, ctx);
        vector[]
    });
    w.scenario().return_to_sender(cap);
}

/// Anyone may.
public fun execute(w: &mut World, sender: address) {
    w.act!<staking::SlashExecuted>(sender, |cluster, position, clock, _ctx| {
        let (frozen, treasury) = (position.frozen(), cluster.treasury());
        staking::execute_slash(cluster, position, clock);
        assert_eq!(cluster.treasury(), treasury + frozen);
        bcs::to_bytes(&frozen)
    });
}

/// Anyone may. Its one event is the lapse's.
public fun release_lapsed(w: &mut World, sender: address) {
    w.scenario().next_tx(sender);
    let cluster = w.take_cluster();
    let mut position = w.take_position();
    let before = position.generation();
    let (_, clock) = w.parts();
    staking::release_lapsed_slash(&cluster, &mut position, clock);
    assert_changed<staking::SlashLapsed>(&position, before, vector[]);
    assert_eq!(event::num_events(), 1);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(position);
}

/// Shows that one key signed two roots under one sequence number. Whoever knew the key forgets it: `expels` says whether it
/// was a master's or endorsed.
public fun prove(
    w: &mut World,
    sender: address,
    signing_key: vector<u8>,
    sequence: u64,
    root: vector<u8>,
    signature: vector<u8>,
    other_root: vector<u8>,
    other_signature: vector<u8>,
    expels: bool,
) {
    w.scenario().next_tx(sender);
    let mut nautilus = w.take_nautilus();
    let mut cluster = w.take_cluster();
    let mut position = w.take_position();
    let before = position.generation() + w.lapses(&position);
    let mut events = 1 + (w.lapses(&position) as u32);
    let (generation, treasury) = (nautilus.generation(), cluster.treasury());
    let (_, clock) = w.parts();
    staking::slash_double_signed(
        &mut cluster,
        &mut nautilus,
        &mut position,
        signing_key,
        sequence,
        root,
        signature,
        other_root,
        other_signature,
        clock,
    );
    let amount = cluster.treasury() - treasury;
    assert_changed<staking::SlashExecuted>(&position, before, bcs::to_bytes(&amount));
    if (expels) {
        events = events + 1;
        assert_eq!(nautilus.generation(), generation + 1);
        let changed = event::events_by_type<MastersChanged>();
        assert_eq!(bcs::to_bytes(&changed[0]), bcs::to_bytes(&nautilus.state()));
    } else assert_eq!(nautilus.generation(), generation);
    assert_eq!(event::num_events(), events);
    assert!(!nautilus.masters().any!(|master| master.signing_key() == signing_key));
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(position);
}

// === Entry points: the node ===

public fun jail(w: &mut World, sender: address, silent_since_ms: u64) {
    w.scenario().next_tx(sender);
    let nautilus = w.take_nautilus();
    w.act!<node::Jailed>(sender, |cluster, position, clock, ctx| {
        node::jail(cluster, &nautilus, position, silent_since_ms, clock, ctx);
        bcs::to_bytes(&silent_since_ms)
    });
    test_scenario::return_shared(nautilus);
}

public fun unjail(w: &mut World, sender: address) {
    w.act!<node::Unjailed>(sender, |cluster, position, clock, ctx| {
        node::unjail(cluster, position, clock, ctx);
        vector[]
    });
}

public fun announce_maintenance(w: &mut World, sender: address, from_ms: u64, until_ms: u64) {
    w.act!<node::MaintenanceAnnounced>(sender, |cluster, position, clock, ctx| {
        node::announce_maintenance(cluster, position, from_ms, until_ms, clock, ctx);
        vector[]
    });
}

// === Evidence ===

/// A hash that the position was not tried on: of its generation.
public fun fresh_hash(w: &mut World): vector<u8> {
    let generation = w.look!(|position| position.generation());
    let mut hash = bcs::to_bytes(&generation);
    hash.append(bytes(0x55, 24));
    hash
}

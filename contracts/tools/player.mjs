// The Move module that plays sequences: each function of the package that changes something, as one transaction of a test
// scenario, made from interface.json; and what is looked at after it.

const CONTEXT = /^&(mut )?0x2::tx_context::TxContext$/;
const CLOCK = '&0x2::clock::Clock';
const COIN = '0x2::coin::Coin<0x2::sui::SUI>';
const DOCUMENT = '0x2::nitro_attestation::NitroAttestationDocument';
const OPTION = /^0x1::option::Option<(.+)>$/;
/** Needs an object that only real networks have. */
const NOT_PLAYED = ['seal_token::create_display'];

/** `called` as the player's function: `staking::restake` is `staking_restake`. */
export function playerFunction(called) {
    return called.replace('::', '_');
}

/** The player's source; `events` and `kinds` are types that `saw` is told by their places in these lists. */
export function playerSource(described, events, kinds) {
    const functions = Object.entries(described).flatMap(([module, { functions }]) =>
        Object.entries(functions)
            .filter(([name, it]) => changes(it) && !NOT_PLAYED.includes(`${module}::${name}`))
            .map(([name, it]) => transaction(module, name, it.parameters)),
    );
    return [HEAD, ...functions, telling(events), showing(kinds), '']
        .join('\n')
        .replaceAll('0x0::', 'k3s_daas::')
        .replaceAll('0x1::', 'std::')
        .replaceAll('0x2::', 'sui::');
}

function changes({ entry, returns, visibility }) {
    return entry || (visibility === 'public' && returns.length === 0);
}

/** One transaction: takes the objects, calls, shows them, gives them back. */
function transaction(module, name, parameters) {
    const given = parameters.filter((type) => !CONTEXT.test(type)).map((type, index) => argument(type, `a${index}`));
    const context = parameters.some((type) => CONTEXT.test(type)) ? ['p.scenario.ctx()'] : [];
    const lines = (part) => given.flatMap((it) => it[part] ?? []).map((line) => `    ${line}`);
    return [
        `public fun ${module}_${name}(${['p: &mut Player', 'sender: address', ...given.flatMap((it) => it.takes)].join(', ')}) {`,
        '    p.scenario.next_tx(sender);',
        ...lines('before'),
        `    0x0::${module}::${name}(${[...given.map((it) => it.passes), ...context].join(', ')});`,
        '    let mut seen = vector[];',
        ...lines('shows'),
        '    p.seen = digest(seen);',
        ...lines('after'),
        '}',
    ].join('\n');
}

function argument(type, name) {
    if (type === CLOCK) return { takes: [], passes: '&p.clock' };
    if (type === COIN) return { takes: [`${name}: u64`], before: [`let ${name} = 0x2::coin::mint_for_testing<0x2::sui::SUI>(${name}, p.scenario.ctx());`], passes: name };
    if (type === DOCUMENT) return document(name);
    if (type.startsWith('&')) return object(type, name);
    if (type === '0x1::string::String') return { takes: [`${name}: vector<u8>`], passes: `${name}.to_string()` };
    if (type === '0x2::object::ID') return { takes: [`${name}: address`], passes: `${name}.to_id()` };
    if (type === 'vector<0x2::object::ID>') return { takes: [`${name}: vector<address>`], passes: `${name}.map!(|it| it.to_id())` };
    const optional = OPTION.exec(type)?.[1];
    if (optional === 'address') return { takes: [`${name}: vector<address>`], passes: `maybe(${name})` };
    if (optional === '0x2::object::ID') return { takes: [`${name}: vector<address>`], passes: `maybe(${name}).map!(|it| it.to_id())` };
    return { takes: [`${name}: ${type}`], passes: name };
}

function object(type, name) {
    const mutable = type.startsWith('&mut ');
    const inner = type.replace(/^&(mut )?/, '');
    const owned = inner.startsWith('0x0::caps::');
    const take = owned ? `take_from_sender_by_id<${inner}>` : `take_shared_by_id<${inner}>`;
    const back = owned ? `test_scenario::return_to_address(sender, ${name});` : `test_scenario::return_shared(${name});`;
    return {
        takes: [`${name}: address`],
        before: [`let ${mutable ? 'mut ' : ''}${name} = p.scenario.${take}(${name}.to_id());`],
        passes: `${mutable ? '&mut ' : '&'}${name}`,
        shows: [`seen.push_back(bcs::to_bytes(&${name}));`],
        after: [back],
    };
}

function document(name) {
    const types = { timestamp: 'u64', indices: 'vector<u8>', values: 'vector<vector<u8>>', key: 'vector<vector<u8>>', data: 'vector<vector<u8>>', nonce: 'vector<vector<u8>>' };
    const part = (key) => (['key', 'data', 'nonce'].includes(key) ? `maybe(${name}_${key})` : `${name}_${key}`);
    return {
        takes: Object.entries(types).map(([key, type]) => `${name}_${key}: ${type}`),
        passes: `0x2::nitro_attestation::document_for_testing(${Object.keys(types).map(part).join(', ')})`,
    };
}

/** The events of a type. */
function telling(events) {
    const branch = (type, index) => `    if (kind == ${index}) return bcs::to_bytes(&event::events_by_type<0x0::${type}>());`;
    return `fun events_of(kind: u8): vector<u8> {\n${events.map(branch).join('\n')}\n    abort EUnknownKind\n}`;
}

/** A new object, if it is where it should be. */
function showing(kinds) {
    const branch = (type, index) => {
        const inner = type === 'coin::Coin' ? COIN : `0x0::${type}`;
        return `    if (kind == ${index}) return show_of<${inner}>(p, id, owner);`;
    };
    return `fun show(p: &Player, kind: u8, id: ID, owner: address): vector<u8> {\n${kinds.map(branch).join('\n')}\n    abort EUnknownKind\n}`;
}

const HEAD = `#[test_only]
module k3s_daas::player;

use k3s_daas::cluster::Cluster;
use k3s_daas::k8s_gateway::AuditAnchors;
use k3s_daas::nautilus::Nautilus;
use k3s_daas::registry::Registry;
use std::bcs;
use sui::clock::{Self, Clock};
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

const EOtherObjects: u64 = 1;
const EOtherEvents: u64 = 2;
const EOtherMade: u64 = 3;
const EOtherBooks: u64 = 4;
const EOtherPurse: u64 = 5;
const EUnknownKind: u64 = 6;

public struct Player {
    scenario: Scenario,
    clock: Clock,
    /// Of the objects passed in the last transaction.
    seen: vector<u8>,
}

public fun begin(): Player {
    let mut scenario = test_scenario::begin(@0x0);
    let clock = clock::create_for_testing(scenario.ctx());
    Player { scenario, clock, seen: vector[] }
}

public fun end(p: Player) {
    let Player { scenario, clock, seen: _ } = p;
    clock.destroy_for_testing();
    scenario.end();
}

public fun time(p: &mut Player, ms: u64) { p.clock.set_for_testing(ms) }

public fun version(p: &mut Player, cluster: address, version: u64) {
    p.scenario.next_tx(@0x0);
    let mut cluster = p.scenario.take_shared_by_id<Cluster>(cluster.to_id());
    cluster.set_version_for_testing(version);
    test_scenario::return_shared(cluster);
}

public fun run(byte: u8, length: u64): vector<u8> { vector::tabulate!(length, |_| byte) }

/// After a call: the objects passed, and the events, which are of these kinds.
public fun saw(p: &Player, objects: vector<u8>, kinds: vector<u8>, events: vector<u8>) {
    let mut told = vector[bcs::to_bytes(&event::num_events())];
    kinds.do!(|kind| told.push_back(events_of(kind)));
    assert!(p.seen == objects, EOtherObjects);
    assert!(digest(told) == events, EOtherEvents);
}

/// The objects that it made, of these kinds and with these owners (0x0: shared).
public fun made(p: &mut Player, kinds: vector<u8>, made: vector<address>, owners: vector<address>, seen: vector<u8>) {
    p.scenario.next_tx(@0x0);
    let mut shown = vector[];
    made.length().do!(|index| shown.push_back(show(p, kinds[index], made[index].to_id(), owners[index])));
    assert!(digest(shown) == seen, EOtherMade);
}

/// What the tables of a cluster say of these node ids and keys.
public fun books(p: &mut Player, cluster: address, names: vector<vector<u8>>, keys: vector<vector<u8>>, seen: vector<u8>) {
    p.scenario.next_tx(@0x0);
    let cluster = p.scenario.take_shared_by_id<Cluster>(cluster.to_id());
    let registry = p.scenario.take_shared_by_id<Registry>(cluster.registry());
    let nautilus = p.scenario.take_shared_by_id<Nautilus>(cluster.nautilus());
    let anchors = p.scenario.take_shared_by_id<AuditAnchors>(cluster.anchors());
    let mut told = vector[bcs::to_bytes(&registry.position_count())];
    registry.position_count().do!(|index| told.push_back(bcs::to_bytes(&registry.position_at(index))));
    names.do!(|name| told.push_back(bcs::to_bytes(&registry.position_of_node(name.to_string()))));
    keys.do!(|key| {
        told.push_back(bcs::to_bytes(&nautilus.answers_for(&cluster, key)));
        told.push_back(bcs::to_bytes(&anchors.last_anchor(key)));
    });
    assert!(digest(told) == seen, EOtherBooks);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(registry);
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(anchors);
}

/// All that an address was paid.
public fun purse(p: &mut Player, holder: address, amount: u128) {
    p.scenario.next_tx(holder);
    let paid = test_scenario::ids_for_address<Coin<SUI>>(holder).fold!(0u128, |sum, id| {
        let coin = p.scenario.take_from_sender_by_id<Coin<SUI>>(id);
        let value = coin.value();
        test_scenario::return_to_address(holder, coin);
        sum + (value as u128)
    });
    assert!(paid == amount, EOtherPurse);
}

fun digest(parts: vector<vector<u8>>): vector<u8> { std::hash::sha2_256(bcs::to_bytes(&parts)) }

fun maybe<T: drop>(mut values: vector<T>): Option<T> {
    if (values.is_empty()) option::none() else option::some(values.pop_back())
}

fun show_of<T: key>(p: &Player, id: ID, owner: address): vector<u8> {
    if (owner == @0x0) {
        let it = p.scenario.take_shared_by_id<T>(id);
        let bytes = bcs::to_bytes(&it);
        test_scenario::return_shared(it);
        bytes
    } else {
        let it = p.scenario.take_from_address_by_id<T>(owner, id);
        let bytes = bcs::to_bytes(&it);
        test_scenario::return_to_address(owner, it);
        bytes
    }
}
`;

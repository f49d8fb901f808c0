/// The entry points of measurements and masters, one transaction each, and documents for them.
#[test_only]
module k3s_daas::masters;

use k3s_daas::attestation;
use k3s_daas::caps::AdminCap;
use k3s_daas::cluster::Cluster;
use k3s_daas::enclave;
use k3s_daas::nautilus::{Self, Nautilus};
use k3s_daas::offices;
use k3s_daas::signatures;
use k3s_daas::stakes;
use k3s_daas::world::{World, admin, bytes, delay_ms, owner, stranger, sui};
use std::bcs;
use std::unit_test::assert_eq;
use sui::clock::Clock;
use sui::event;
use sui::nitro_attestation::{Self, NitroAttestationDocument};
use sui::test_scenario;

/// Bytes of the table of keys, the last field of a `Nautilus` and no part of its state.
const TABLE_LENGTH: u64 = 40;

/// What a document says. As it should be, unless changed.
public struct Paper has copy, drop {
    made_ms: u64,
    registrations: u64,
    genesis: vector<u8>,
    cluster: ID,
    nautilus: ID,
    indices: vector<u8>,
    pcrs: vector<vector<u8>>,
    key: Option<vector<u8>>,
    config_digest: vector<u8>,
    ca_spki: vector<u8>,
}

// === Values ===

public fun pcr(index: u8): vector<u8> { bytes(index + 1, 48) }

public fun config_digest(): vector<u8> { bytes(0x88, 32) }

public fun ca_spki(): vector<u8> { bytes(0x66, 32) }

public fun endpoint(): vector<u8> { b"https://master.example:6443" }

/// The address of an enclave's key.
public fun enclave(signing_key: vector<u8>): address { enclave::key_address(&signing_key) }

// === Papers ===

/// The document the enclave with this key would have made now for the next registration.
public fun paper(w: &mut World, signing_key: vector<u8>): Paper {
    w.scenario().next_tx(admin());
    let cluster = w.take_cluster();
    let nautilus = w.take_nautilus();
    let paper = Paper {
        made_ms: w.now_ms(),
        registrations: nautilus.registrations(),
        genesis: cluster.genesis(),
        cluster: w.cluster(),
        nautilus: w.nautilus(),
        indices: vector[4, 2, 1, 0],
        pcrs: vector[pcr(4), pcr(2), pcr(1), pcr(0)],
        key: option::some(signing_key),
        config_digest: config_digest(),
        ca_spki: ca_spki(),
    };
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(nautilus);
    paper
}

public fun made_at(mut paper: Paper, made_ms: u64): Paper {
    paper.made_ms = made_ms;
    paper
}

public fun for_registration(mut paper: Paper, registrations: u64): Paper {
    paper.registrations = registrations;
    paper
}

public fun for_nautilus(mut paper: Paper, nautilus: ID): Paper {
    paper.nautilus = nautilus;
    paper
}

public fun for_genesis(mut paper: Paper, genesis: vector<u8>): Paper {
    paper.genesis = genesis;
    paper
}

public fun for_cluster(mut paper: Paper, cluster: ID): Paper {
    paper.cluster = cluster;
    paper
}

public fun with_pcrs(mut paper: Paper, indices: vector<u8>, pcrs: vector<vector<u8>>): Paper {
    paper.indices = indices;
    paper.pcrs = pcrs;
    paper
}

public fun with_key(mut paper: Paper, key: Option<vector<u8>>): Paper {
    paper.key = key;
    paper
}

public fun bound_to(mut paper: Paper, config_digest: vector<u8>, ca_spki: vector<u8>): Paper {
    paper.config_digest = config_digest;
    paper.ca_spki = ca_spki;
    paper
}

public fun binding(paper: &Paper): attestation::Binding {
    let key = paper.key.get_with_default(vector[]);
    attestation::binding_for_testing(
        paper.genesis,
        paper.cluster,
        paper.config_digest,
        paper.ca_spki,
        if (key.length() == 32) key else bytes(0, 32),
    )
}

public fun nonce(paper: &Paper): attestation::RegistrationNonce {
    attestation::nonce_for_testing(paper.nautilus, paper.registrations)
}

public fun document(paper: Paper): NitroAttestationDocument {
    let user_data = std::hash::sha2_256(bcs::to_bytes(&binding(&paper)));
    let nonce = std::hash::sha2_256(bcs::to_bytes(&nonce(&paper)));
    nitro_attestation::document_for_testing(
        paper.made_ms,
        paper.indices,
        paper.pcrs,
        paper.key,
        option::some(user_data),
        option::some(nonce),
    )
}

// === Entry points: measurements ===

public fun announce(w: &mut World, pcr0: vector<u8>) {
    announce_as(w, admin(), pcr0, pcr(1), pcr(2))
}

public fun announce_as(
    w: &mut World,
    sender: address,
    pcr0: vector<u8>,
    pcr1: vector<u8>,
    pcr2: vector<u8>,
) {
    w.administer!<nautilus::MeasurementsChanged>(
        sender,
        |cap, cluster, nautilus, clock| nautilus::announce_measurement(
            cap,
            cluster,
            nautilus,
            pcr0,
            pcr1,
            pcr2,
            clock,
        ),
    );
}

/// Anyone may.
public fun activate(w: &mut World, sender: address, pcr0: vector<u8>) {
    w.tend!<nautilus::MeasurementsChanged>(sender, |cluster, nautilus, clock, _ctx| {
        nautilus::activate_measurement(cluster, nautilus, pcr0, clock)
    });
}

public fun retire(w: &mut World, sender: address, pcr0: vector<u8>) {
    w.administer!<nautilus::MeasurementsChanged>(sender, |cap, cluster, nautilus, _clock| {
        nautilus::retire_measurement(cap, cluster, nautilus, pcr0)
    });
}

public fun revoke_image(w: &mut World, sender: address, pcr0: vector<u8>) {
    w.administer!<nautilus::MeasurementsChanged>(sender, |cap, cluster, nautilus, _clock| {
        nautilus::revoke_measurement(cap, cluster, nautilus, pcr0)
    });
}

// === Entry points: masters ===

public fun endorse(w: &mut World, sender: address, signing_key: vector<u8>) {
    w.scenario().next_tx(sender);
    let position = w.take_position();
    w.tend!<nautilus::MasterEndorsed>(sender, |cluster, nautilus, _clock, ctx| {
        nautilus::endorse_master(cluster, nautilus, &position, signing_key, ctx)
    });
    test_scenario::return_shared(position);
}

/// The enclave with this key registers, with a document as it should be.
public fun register(w: &mut World, signing_key: vector<u8>) {
    register_at(w, signing_key, endpoint())
}

public fun register_at(w: &mut World, signing_key: vector<u8>, endpoint: vector<u8>) {
    let paper = paper(w, signing_key);
    register_as(w, enclave(signing_key), paper.document(), endpoint, ca_spki(), config_digest())
}

public fun register_with(w: &mut World, signing_key: vector<u8>, paper: Paper) {
    let document = paper.document();
    register_as(w, enclave(signing_key), document, endpoint(), ca_spki(), config_digest())
}

public fun register_as(
    w: &mut World,
    sender: address,
    document: NitroAttestationDocument,
    endpoint: vector<u8>,
    ca_spki: vector<u8>,
    config_digest: vector<u8>,
) {
    w.scenario().next_tx(sender);
    let position = w.take_position();
    w.tend!<nautilus::MastersChanged>(
        sender,
        |cluster, nautilus, clock, ctx| nautilus::register_master(
            cluster,
            nautilus,
            &position,
            document,
            endpoint.to_string(),
            ca_spki,
            config_digest,
            clock,
            ctx,
        ),
    );
    test_scenario::return_shared(position);
}

public fun heartbeat(w: &mut World, sender: address) {
    w.tend!<nautilus::MastersChanged>(sender, |cluster, nautilus, clock, ctx| {
        nautilus::heartbeat(cluster, nautilus, clock, ctx)
    });
}

public fun remove(w: &mut World, sender: address, signing_key: vector<u8>) {
    w.administer!<nautilus::MastersChanged>(sender, |cap, cluster, nautilus, _clock| {
        nautilus::remove_master(cap, cluster, nautilus, signing_key)
    });
}

// === Situations ===

/// The image is in force, the owner's position is an operator's and endorses the first key.
public fun endorsed(w: &mut World) {
    announce(w, pcr(0));
    w.pass_ms(delay_ms());
    activate(w, stranger(), pcr(0));
    stakes::stake_for_node(w, sui(10), b"operator-1");
    let position = w.position();
    offices::set_operators(w, vector[position]);
    endorse(w, owner(), signatures::key());
}

/// The first key's enclave is a current master, for which the owner's position answers.
public fun master(w: &mut World) {
    endorsed(w);
    register(w, signatures::key());
}

/// How many masters of the cluster are current.
public fun current(w: &mut World): u64 {
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    let cluster = w.take_cluster();
    let (_, clock) = w.parts();
    let count = nautilus.info(&cluster, clock).length();
    test_scenario::return_shared(nautilus);
    test_scenario::return_shared(cluster);
    count
}

public fun endorsement_count(w: &mut World): u64 {
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    let count = nautilus.endorsement_count_for_testing();
    test_scenario::return_shared(nautilus);
    count
}

// === Every change ===

/// One transaction of `$sender` on the cluster's `Nautilus`.
macro fun tend<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&Cluster, &mut Nautilus, &Clock, &mut TxContext|,
) {
    let world = $world;
    world.scenario().next_tx($sender);
    let cluster = world.take_cluster();
    let mut nautilus = world.take_nautilus();
    let before = nautilus.generation();
    let (scenario, clock) = world.parts();
    $change(&cluster, &mut nautilus, clock, scenario.ctx());
    assert_tended<$Event>(&nautilus, before);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(nautilus);
}

use fun tend as World.tend;

/// The same, with the admin's capability.
macro fun administer<$Event: copy + drop>(
    $world: &mut World,
    $sender: address,
    $change: |&AdminCap, &Cluster, &mut Nautilus, &Clock|,
) {
    let world = $world;
    world.scenario().next_tx($sender);
    let cap = world.scenario().take_from_sender<AdminCap>();
    let cluster = world.take_cluster();
    let mut nautilus = world.take_nautilus();
    let before = nautilus.generation();
    let (_, clock) = world.parts();
    $change(&cap, &cluster, &mut nautilus, clock);
    assert_tended<$Event>(&nautilus, before);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(nautilus);
    world.scenario().return_to_sender(cap);
}

use fun administer as World.administer;

/// One more change than `before`, and its event, with the object's own bytes up to the table of keys.
fun assert_tended<Event: copy + drop>(nautilus: &Nautilus, before: u64) {
    assert_eq!(nautilus.generation(), before + 1);
    let state = bcs::to_bytes(&nautilus.state());
    let object = bcs::to_bytes(nautilus);
    assert_eq!(object.length(), state.length() + TABLE_LENGTH);
    assert_eq!(object.take(state.length()), state);
    assert_eq!(event::num_events(), 1);
    assert_eq!(bcs::to_bytes(&event::events_by_type<Event>()[0]), state);
}

/// The bytes of objects, events and what is signed or hashed, as `vectors.json` holds them for readers in other languages.
/// `vectors` is made of that file; `node contracts/tools/move.mjs vectors` makes both anew of what is said here.
#[test_only]
module k3s_daas::vector_tests;

use k3s_daas::cluster::{Self, Cluster};
use k3s_daas::enclave;
use k3s_daas::k8s_gateway::{Self, AuditAnchors, K8sRequest, RequestKey};
use k3s_daas::masters::{Self, pcr};
use k3s_daas::nautilus::{Self, Nautilus};
use k3s_daas::node;
use k3s_daas::offices;
use k3s_daas::position::StakePosition;
use k3s_daas::registry::{PositionKey, Registry};
use k3s_daas::requests;
use k3s_daas::seal_token::SealToken;
use k3s_daas::signatures;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::staking;
use k3s_daas::vectors;
use k3s_daas::world::{Self, World, admin, bytes, operator, owner, stranger, sui};
use std::bcs;
use std::type_name::{Self, TypeName};
use std::unit_test::assert_eq;
use sui::address;
use sui::event;
use sui::hash;
use sui::test_scenario;

const EVENT: vector<u8> = b"event";
const OBJECT: vector<u8> = b"object";
const PREIMAGE: vector<u8> = b"preimage";

// === Events and objects ===

#[test]
fun the_life_of_a_position() {
    let mut w = world::begin_with(world::numbers_with_slash(9_000));
    let ask = stakes::with_session(stakes::seal(3), option::some(@0x5E), world::start_ms() + 60_000);
    stakes::stake_as(&mut w, owner(), sui(5), 7, b"worker-1", ask);
    // `world` holds the event to be the same.
    let position = w.position();
    object<StakePosition>(&mut w, b"a position", position);
    w.scenario().next_tx(owner());
    let token = w.scenario().take_from_sender<SealToken>();
    known(
        OBJECT,
        b"the token of its Seal",
        type_name::with_defining_ids<SealToken>(),
        bcs::to_bytes(&token),
    );
    w.scenario().return_to_sender(token);
    stakes::set_operator(&mut w, owner(), operator());
    emitted<staking::OperatorChanged>(b"an operator's key");
    stakes::create_worker_seal(&mut w, operator(), stakes::seal_for(2, 7_200_000));
    emitted<k8s_gateway::WorkerSealCreated>(b"a node's Seal");
    let first = w.look!(|position| position.seals()[0].id());
    stakes::refresh_with(&mut w, owner(), option::some(first), stakes::seal(1));
    emitted<staking::SealRefreshed>(b"a Seal in place of another");
    stakes::offer(&mut w, owner(), option::some(stranger()));
    emitted<staking::OwnershipOffered>(b"an offered position");
    let from_ms = w.now_ms() + 1_000;
    slashes::announce_maintenance(&mut w, operator(), from_ms, from_ms + 60_000);
    emitted<node::MaintenanceAnnounced>(b"announced maintenance");
    stakes::unstake(&mut w, owner(), sui(1));
    emitted<staking::Unstaked>(b"unstaking a part");
    w.end();
}

#[test]
fun the_life_of_a_slash() {
    let mut w = world::begin_with(world::numbers_with_slash(9_000));
    stakes::stake(&mut w, sui(5), b"worker-1");
    stakes::unstake(&mut w, owner(), sui(1));
    slashes::propose_on(&mut w, bytes(0x55, 32));
    emitted<staking::SlashProposed>(b"a proposed slash");
    slashes::appeal_saying(&mut w, owner(), b"it was not me".to_string());
    emitted<staking::SlashAppealed>(b"an appealed slash");
    slashes::reduce(&mut w, sui(1));
    emitted<staking::SlashReduced>(b"a reduced slash");
    w.pass_ms(world::appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    emitted<staking::SlashExecuted>(b"an executed slash");
    stakes::restake(&mut w, owner(), sui(1));
    emitted<staking::Restaked>(b"restaking after a slash");
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    emitted<staking::Withdrawn>(b"a withdrawal");
    slashes::propose_on(&mut w, bytes(0x56, 32));
    w.pass_ms(world::appeal_ms() + world::judge_ms());
    slashes::release_lapsed(&mut w, stranger());
    emitted<staking::SlashLapsed>(b"a lapsed slash");
    let registry = w.registry();
    object<Registry>(&mut w, b"a registry", registry);
    w.end();
}

#[test]
fun a_cluster() {
    let mut w = world::begin();
    // `world` holds the event to be the same.
    let created = type_name::with_defining_ids<cluster::ClusterCreated>();
    let state = w.look_at_cluster!(|cluster| bcs::to_bytes(&cluster.state()));
    known(EVENT, b"a new cluster", created, state);
    offices::set_operators(&mut w, vector[@0x1, @0x2].map!(|position| position.to_id()));
    emitted<cluster::OperatorsChanged>(b"operators' positions");
    offices::announce_policy_as(&mut w, admin(), world::numbers_with_slash(500), true, @0xDF);
    emitted<cluster::PolicyAnnounced>(b"an announced policy");
    let cluster = w.cluster();
    object<Cluster>(&mut w, b"a cluster", cluster);
    w.end();
}

#[test]
fun a_paid_treasury() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    slashes::propose(&mut w);
    w.pass_ms(world::appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    offices::pay_treasury(&mut w, stranger());
    emitted<cluster::TreasuryPaid>(b"a paid treasury");
    w.end();
}

#[test]
fun masters_and_what_they_do() {
    let mut w = world::begin();
    masters::announce(&mut w, pcr(0));
    emitted<nautilus::MeasurementsChanged>(b"an announced measurement");
    w.pass_ms(world::delay_ms());
    masters::activate(&mut w, stranger(), pcr(0));
    stakes::stake_for_node(&mut w, sui(10), b"operator-1");
    let position = w.position();
    offices::set_operators(&mut w, vector[position]);
    masters::endorse(&mut w, owner(), signatures::key());
    emitted<nautilus::MasterEndorsed>(b"an endorsed key");
    masters::register(&mut w, signatures::key());
    emitted<nautilus::MastersChanged>(b"a registered master");
    let enclave = masters::enclave(signatures::key());
    slashes::jail(&mut w, enclave, world::start_ms() - world::silence_ms());
    emitted<node::Jailed>(b"a jailed node");
    let request = requests::submit(&mut w);
    requests::record_result(&mut w, enclave, request);
    emitted<k8s_gateway::RequestAnswered>(b"an answered request");
    let call = requests::call().carrying(vector[], bytes(0x44, 32)).keyed(bytes(0x45, 64));
    let request = requests::submit_as(&mut w, owner(), call);
    object<K8sRequest>(&mut w, b"a pending request", request);
    requests::anchor(&mut w, enclave, 7, signatures::root());
    emitted<k8s_gateway::RootAnchored>(b"an anchored root");
    let (nautilus, anchors) = (w.nautilus(), w.anchors());
    object<Nautilus>(&mut w, b"a Nautilus", nautilus);
    object<AuditAnchors>(&mut w, b"audit anchors", anchors);
    w.end();
}

// === Signed and hashed ===

#[test]
fun what_is_hashed() {
    let mut w = world::begin();
    let paper = masters::paper(&mut w, signatures::key());
    preimage(b"the nonce of a registration", &paper.nonce());
    preimage(b"the binding of a document", &paper.binding());
    let offence = enclave::root_for_testing(w.cluster(), 7, signatures::key());
    preimage(b"the offence of signing twice", &offence);
    assert_eq!(
        enclave::offence(w.cluster(), signatures::key(), 7),
        hash::blake2b256(&bcs::to_bytes(&offence)),
    );
    w.end();
}

#[test]
fun what_is_signed() {
    let cluster = signatures::cluster().to_id();
    let root = enclave::root_for_testing(cluster, 7, signatures::root());
    signed(b"a signed audit root", &root, signatures::of_root(7));
    let message = enclave::message_for_testing(3, 1_000_000, b"hello");
    signed(b"a signed message", &message, signatures::of_message());
}

// === Derived ids ===

/// The framework hashes parent, key length, key and key type. It writes the length as its host writes a machine word: 8
/// bytes on a validator, 4 in this WASM runner. So the runner's id shows that parent, key and type are right, and the same
/// hash with 8 bytes is the id on chain.
#[test]
fun derived_ids() {
    let mut w = world::begin();
    stakes::stake_as(&mut w, owner(), sui(5), 7, b"", stakes::seal(1));
    let mut key = bcs::to_bytes(&owner());
    key.append(bcs::to_bytes(&7u64));
    let registry = w.registry();
    assert_eq!(w.position().to_address(), derived(registry, key, b"registry", b"PositionKey", 4));
    let id = derived(registry, key, b"registry", b"PositionKey", 8);
    let of_position = b"a position's id";
    derives<PositionKey, _>(of_position, b"package", &@k3s_daas);
    derives<PositionKey, _>(of_position, b"registry", &registry);
    derives<PositionKey, _>(of_position, b"owner", &owner());
    derives<PositionKey, _>(of_position, b"salt", &7u64);
    derives<PositionKey, _>(of_position, b"position", &id);

    let request = requests::submit(&mut w);
    let (position, name) = (w.position(), b"idempotency-key1");
    let key = bcs::to_bytes(&name);
    assert_eq!(
        request.to_address(),
        derived(position, key, b"k8s_gateway", b"RequestKey", 4),
    );
    let id = derived(position, key, b"k8s_gateway", b"RequestKey", 8);
    let of_request = b"a request's id";
    derives<RequestKey, _>(of_request, b"package", &@k3s_daas);
    derives<RequestKey, _>(of_request, b"position", &position);
    derives<RequestKey, _>(of_request, b"key", &name);
    derives<RequestKey, _>(of_request, b"request", &id);
    w.end();
}

/// `word` bytes of key length.
fun derived(
    parent: ID,
    key: vector<u8>,
    module_name: vector<u8>,
    key_type: vector<u8>,
    word: u64,
): address {
    let mut input = x"f0";
    input.append(parent.to_bytes());
    input.append(bcs::to_bytes(&key.length()).take(word));
    input.append(key);
    // TypeTag of 0x2::derived_object::DerivedObjectKey<the key's type>.
    input.append(struct_tag(@0x2, b"derived_object", b"DerivedObjectKey"));
    input.push_back(1);
    input.append(struct_tag(@k3s_daas, module_name, key_type));
    input.push_back(0);
    address::from_bytes(hash::blake2b256(&input))
}

/// Without its type parameters.
fun struct_tag(package: address, module_name: vector<u8>, name: vector<u8>): vector<u8> {
    let mut tag = x"07";
    tag.append(package.to_bytes());
    tag.append(bcs::to_bytes(&module_name));
    tag.append(bcs::to_bytes(&name));
    tag
}

// === Saying ===

fun known(kind: vector<u8>, name: vector<u8>, type_name: TypeName, bytes: vector<u8>) {
    vectors::assert_known(kind, name, type_name.into_string().into_bytes(), bytes)
}

/// The one `Event` of this transaction.
fun emitted<Event: copy + drop>(name: vector<u8>) {
    let events = event::events_by_type<Event>();
    assert_eq!(events.length(), 1);
    known(EVENT, name, type_name::with_defining_ids<Event>(), bcs::to_bytes(&events[0]))
}

/// A shared object as it is now.
fun object<T: key>(w: &mut World, name: vector<u8>, id: ID) {
    w.scenario().next_tx(admin());
    let shared = w.scenario().take_shared_by_id<T>(id);
    known(OBJECT, name, type_name::with_defining_ids<T>(), bcs::to_bytes(&shared));
    test_scenario::return_shared(shared);
}

/// One of the values from which an id is derived by a `Key`, or the id.
fun derives<Key, T>(name: vector<u8>, field: vector<u8>, value: &T) {
    let mut kind = b"derived ";
    kind.append(field);
    known(kind, name, type_name::with_defining_ids<Key>(), bcs::to_bytes(value))
}

fun preimage<T>(name: vector<u8>, value: &T) {
    let (type_name, bytes) = (type_name::with_defining_ids<T>(), bcs::to_bytes(value));
    known(PREIMAGE, name, type_name, bytes);
    known(b"sha256", name, type_name, std::hash::sha2_256(bytes));
    known(b"blake2b256", name, type_name, hash::blake2b256(&bytes))
}

/// By the first of the test keys.
fun signed<T>(name: vector<u8>, value: &T, signature: vector<u8>) {
    let (type_name, bytes) = (type_name::with_defining_ids<T>(), bcs::to_bytes(value));
    let key = signatures::key();
    assert!(sui::ed25519::ed25519_verify(&signature, &key, &bytes));
    known(PREIMAGE, name, type_name, bytes);
    known(b"signing_key", name, type_name, key);
    known(b"signature", name, type_name, signature)
}

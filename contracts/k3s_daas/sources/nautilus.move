/// What a cluster's masters may measure as, and which masters there are. A master registers itself: the address of its
/// enclave's key sends the transaction, and an AWS Nitro document says what runs there.
module k3s_daas::nautilus;

use k3s_daas::attestation;
use k3s_daas::caps::AdminCap;
use k3s_daas::cluster::Cluster;
use k3s_daas::enclave;
use k3s_daas::position::StakePosition;
use std::string::String;
use sui::clock::Clock;
use sui::event;
use sui::nitro_attestation::NitroAttestationDocument;
use sui::table::{Self, Table};

// === Errors ===

#[error(code = 1)]
const EForeignNautilus: vector<u8> = b"The Nautilus is of another cluster";
#[error(code = 2)]
const EBadPcrLength: vector<u8> = b"A PCR is 48 bytes";
#[error(code = 3)]
const EZeroPcr: vector<u8> = b"A PCR of zeros is a debug enclave's";
#[error(code = 4)]
const EUnknownMeasurement: vector<u8> = b"No measurement has this PCR0";
#[error(code = 5)]
const EMeasurementExists: vector<u8> = b"There is a measurement with this PCR0: revoke it first";
#[error(code = 6)]
const ETooManyMeasurements: vector<u8> = b"A cluster has at most 16 measurements";
#[error(code = 7)]
const ENotAnnounced: vector<u8> = b"The measurement is not waiting for its activation";
#[error(code = 8)]
const ETooEarly: vector<u8> = b"The measurement's delay is not over";
#[error(code = 9)]
const ENotInForce: vector<u8> = b"The measurement is not in force";
#[error(code = 10)]
const ENotOperator: vector<u8> = b"The position is not one of the cluster's operators";
#[error(code = 11)]
const EBadKeyLength: vector<u8> = b"A signing key is 32 bytes";
#[error(code = 12)]
const EBadDigestLength: vector<u8> = b"CA digest and configuration digest are 32 bytes each";
#[error(code = 13)]
const EBadEndpoint: vector<u8> = b"An endpoint begins with https:// and has at most 256 bytes";
#[error(code = 14)]
const ENotEnclave: vector<u8> = b"The sender is not the address of the document's key";
#[error(code = 15)]
const ENotAllowed: vector<u8> = b"No measurement in force has these PCRs";
#[error(code = 16)]
const ENotEndorsed: vector<u8> = b"The position did not endorse this signing key";
#[error(code = 17)]
const EKeyOfAnother: vector<u8> = b"Another position already answers for this signing key";
#[error(code = 18)]
const ETooManyMasters: vector<u8> = b"A cluster has at most 16 masters";
#[error(code = 19)]
const EUnknownMaster: vector<u8> = b"No registered master has this signing key";
#[error(code = 20)]
const ENotMaster: vector<u8> = b"The sender is not a current master";
#[error(code = 21)]
const EEndpointTaken: vector<u8> = b"A current master of another position has this endpoint";

// === Constants ===

const PCR_LENGTH: u64 = 48;
const DIGEST_LENGTH: u64 = 32;
const KEY_LENGTH: u64 = 32;
const MAX_ENDPOINT_LENGTH: u64 = 256;
const MAX_MEASUREMENTS: u64 = 16;
const MAX_MASTERS: u64 = 16;

/// Waits for its delay.
const ANNOUNCED: u8 = 0;
/// Masters may register with it.
const IN_FORCE: u8 = 1;
/// No new masters; those registered stay as long as they last.
const RETIRED: u8 = 2;

// === Structs ===

public struct Nautilus has key {
    id: UID,
    cluster: ID,
    /// +1 with each change.
    generation: u64,
    /// How often a master was registered; part of the nonce of the next.
    registrations: u64,
    measurements: vector<Measurement>,
    masters: vector<MasterRecord>,
    /// Which operator's position answers for which signing key, before it registers. One per position.
    endorsements: vector<Endorsement>,
    /// The same for every key that ever registered, for ever.
    keys: Table<vector<u8>, ID>,
}

/// PCR values of a master image, SHA-384.
public struct Measurement has copy, drop, store {
    pcr0: vector<u8>,
    pcr1: vector<u8>,
    pcr2: vector<u8>,
    status: u8,
    /// When it may come into force.
    active_from_ms: u64,
}

public struct MasterRecord has copy, drop, store {
    /// `https://host:port`.
    endpoint: String,
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo.
    ca_spki: vector<u8>,
    /// The enclave's Ed25519 public key.
    signing_key: vector<u8>,
    /// Its Sui address.
    address: address,
    /// Digest of the measured configuration.
    config_digest: vector<u8>,
    /// The measurement it registered with.
    pcr0: vector<u8>,
    /// The operator's position that answers for it.
    position: ID,
    registered_ms: u64,
    /// When it must have attested anew.
    expires_ms: u64,
    heartbeat_ms: u64,
}

public struct Endorsement has copy, drop, store {
    position: ID,
    signing_key: vector<u8>,
}

/// A `Nautilus` as its events carry it: the same bytes up to the table of keys.
public struct NautilusState has copy, drop, store {
    id: ID,
    cluster: ID,
    generation: u64,
    registrations: u64,
    measurements: vector<Measurement>,
    masters: vector<MasterRecord>,
    endorsements: vector<Endorsement>,
}

/// Where a cluster is to be found: one of its current masters.
public struct NautilusInfo has copy, drop, store {
    cluster: ID,
    endpoint: String,
    ca_spki: vector<u8>,
    signing_key: vector<u8>,
    config_digest: vector<u8>,
    expires_ms: u64,
}

// === Events ===

public struct MeasurementsChanged has copy, drop {
    state: NautilusState,
}

public struct MasterEndorsed has copy, drop {
    state: NautilusState,
}

public struct MastersChanged has copy, drop {
    state: NautilusState,
}

// === Entry Functions: measurements ===

/// Announces an image; it may come into force when the policy's delay is over.
entry fun announce_measurement(
    cap: &AdminCap,
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    pcr0: vector<u8>,
    pcr1: vector<u8>,
    pcr2: vector<u8>,
    clock: &Clock,
) {
    nautilus.assert_admin(cap, cluster);
    let pcrs = vector[pcr0, pcr1, pcr2];
    assert!(pcrs.all!(|pcr| pcr.length() == PCR_LENGTH), EBadPcrLength);
    assert!(!pcrs.any!(|pcr| attestation::is_zero(pcr)), EZeroPcr);
    assert!(nautilus.find_measurement(&pcr0).is_none(), EMeasurementExists);
    assert!(nautilus.measurements.length() < MAX_MEASUREMENTS, ETooManyMeasurements);
    let active_from_ms = clock.timestamp_ms() + cluster.policy().delay_ms();
    nautilus
        .measurements
        .push_back(Measurement { pcr0, pcr1, pcr2, status: ANNOUNCED, active_from_ms });
    event::emit(MeasurementsChanged { state: nautilus.changed() });
}

/// Puts an announced image in force. Anyone may, once its delay is over.
entry fun activate_measurement(
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    pcr0: vector<u8>,
    clock: &Clock,
) {
    nautilus.assert_of(cluster);
    let measurement = nautilus.measurement_mut(&pcr0);
    assert!(measurement.status == ANNOUNCED, ENotAnnounced);
    assert!(clock.timestamp_ms() >= measurement.active_from_ms, ETooEarly);
    measurement.status = IN_FORCE;
    event::emit(MeasurementsChanged { state: nautilus.changed() });
}

/// Lets no more masters register with an image. Those registered stay until their attestation ends.
entry fun retire_measurement(
    cap: &AdminCap,
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    pcr0: vector<u8>,
) {
    nautilus.assert_admin(cap, cluster);
    let measurement = nautilus.measurement_mut(&pcr0);
    assert!(measurement.status == IN_FORCE, ENotInForce);
    measurement.status = RETIRED;
    event::emit(MeasurementsChanged { state: nautilus.changed() });
}

/// The emergency: an image and all masters registered with it are out at once.
entry fun revoke_measurement(
    cap: &AdminCap,
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    pcr0: vector<u8>,
) {
    nautilus.assert_admin(cap, cluster);
    let found = nautilus.find_measurement(&pcr0);
    assert!(found.is_some(), EUnknownMeasurement);
    nautilus.measurements.remove(found.destroy_some());
    nautilus.masters = nautilus.masters.filter!(|master| master.pcr0 != pcr0);
    event::emit(MeasurementsChanged { state: nautilus.changed() });
}

// === Masters ===

/// Says that an operator's position answers for an enclave's signing key, with its stake. The key may then register. What
/// the position said before, and what positions said that are operators' no more, is forgotten.
entry fun endorse_master(
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    position: &StakePosition,
    signing_key: vector<u8>,
    ctx: &TxContext,
) {
    nautilus.assert_of(cluster);
    position.assert_owned(cluster, ctx);
    position.assert_active();
    let position = object::id(position);
    assert!(cluster.is_operator(position), ENotOperator);
    assert!(signing_key.length() == KEY_LENGTH, EBadKeyLength);
    nautilus.endorsements =
        nautilus
            .endorsements
            .filter!(|it| it.position != position && cluster.is_operator(it.position));
    nautilus.endorsements.push_back(Endorsement { position, signing_key });
    event::emit(MasterEndorsed { state: nautilus.changed() });
}

/// Registers the sender, the address of an enclave's key, as a master for which `position` answers. Masters that count no
/// more go, and so do one with the same key and the position's own at the same endpoint.
/// `document` is what `sui::nitro_attestation::load_nitro_attestation` made of the enclave's document: signed by AWS.
public fun register_master(
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    position: &StakePosition,
    document: NitroAttestationDocument,
    endpoint: String,
    ca_spki: vector<u8>,
    config_digest: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    nautilus.assert_of(cluster);
    position.assert_of(cluster);
    position.assert_active();
    assert!(is_endpoint(&endpoint), EBadEndpoint);
    let digests = vector[ca_spki.length(), config_digest.length()];
    assert!(digests.all!(|length| *length == DIGEST_LENGTH), EBadDigestLength);
    let (position, now_ms) = (object::id(position), clock.timestamp_ms());
    attestation::assert_fresh(&document, now_ms);
    attestation::assert_nonce(&document, object::id(nautilus), nautilus.registrations);
    let signing_key = attestation::signing_key(&document);
    assert!(enclave::key_address(&signing_key) == ctx.sender(), ENotEnclave);
    attestation::assert_bound(&document, cluster, config_digest, ca_spki, signing_key);
    let pcr0 = nautilus.assert_allowed(&document);
    nautilus.answer(cluster, position, signing_key);
    nautilus.masters =
        nautilus
            .masters
            .filter!(
                |it| it.is_current(cluster, now_ms)
                    && it.signing_key != signing_key
                    && (it.endpoint != endpoint || it.position != position),
            );
    assert!(!nautilus.masters.any!(|it| it.endpoint == endpoint), EEndpointTaken);
    assert!(nautilus.masters.length() < MAX_MASTERS, ETooManyMasters);
    nautilus
        .masters
        .push_back(MasterRecord {
            endpoint,
            ca_spki,
            signing_key,
            address: ctx.sender(),
            config_digest,
            pcr0,
            position,
            registered_ms: now_ms,
            expires_ms: now_ms + cluster.policy().attestation_ms(),
            heartbeat_ms: now_ms,
        });
    nautilus.registrations = nautilus.registrations + 1;
    event::emit(MastersChanged { state: nautilus.changed() });
}

/// A current master lives.
entry fun heartbeat(cluster: &Cluster, nautilus: &mut Nautilus, clock: &Clock, ctx: &TxContext) {
    let now_ms = clock.timestamp_ms();
    nautilus.assert_master(cluster, ctx.sender(), now_ms);
    let sender = ctx.sender();
    nautilus.masters.do_mut!(|it| if (it.address == sender) it.heartbeat_ms = now_ms);
    event::emit(MastersChanged { state: nautilus.changed() });
}

/// Removes the master that signs with this key. To be one again, its key must be endorsed anew.
entry fun remove_master(
    cap: &AdminCap,
    cluster: &Cluster,
    nautilus: &mut Nautilus,
    signing_key: vector<u8>,
) {
    nautilus.assert_admin(cap, cluster);
    assert!(nautilus.masters.any!(|it| it.signing_key == signing_key), EUnknownMaster);
    nautilus.expel(signing_key);
}

// === View Functions ===

public fun state(self: &Nautilus): NautilusState {
    NautilusState {
        id: object::id(self),
        cluster: self.cluster,
        generation: self.generation,
        registrations: self.registrations,
        measurements: self.measurements,
        masters: self.masters,
        endorsements: self.endorsements,
    }
}

public fun generation(self: &Nautilus): u64 { self.generation }

public fun registrations(self: &Nautilus): u64 { self.registrations }

public fun measurements(self: &Nautilus): &vector<Measurement> { &self.measurements }

public fun masters(self: &Nautilus): &vector<MasterRecord> { &self.masters }

/// The current masters of a cluster.
public fun info(self: &Nautilus, cluster: &Cluster, clock: &Clock): vector<NautilusInfo> {
    self.assert_of(cluster);
    let now_ms = clock.timestamp_ms();
    self
        .masters
        .filter!(|it| it.is_current(cluster, now_ms))
        .map!(|it| NautilusInfo {
            cluster: self.cluster,
            endpoint: it.endpoint,
            ca_spki: it.ca_spki,
            signing_key: it.signing_key,
            config_digest: it.config_digest,
            expires_ms: it.expires_ms,
        })
}

/// Whether a current master signed BCS of `enclave::IntentMessage`. A key that is unknown, revoked, silent or due for attestation
/// signs nothing.
public fun verify_signature(
    self: &Nautilus,
    cluster: &Cluster,
    signing_key: vector<u8>,
    intent: u8,
    timestamp_ms: u64,
    payload: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
): bool {
    self.assert_of(cluster);
    let now_ms = clock.timestamp_ms();
    self.masters.any!(|it| it.signing_key == signing_key && it.is_current(cluster, now_ms))
        && enclave::signed_intent(signing_key, intent, timestamp_ms, payload, signature)
}

public fun endpoint(self: &MasterRecord): String { self.endpoint }

public fun signing_key(self: &MasterRecord): vector<u8> { self.signing_key }

public fun pcr0(self: &Measurement): vector<u8> { self.pcr0 }

public fun is_in_force(self: &Measurement): bool { self.status == IN_FORCE }

/// Whether a master counts: it attested and gave a sign of life recently enough.
public fun is_current(self: &MasterRecord, cluster: &Cluster, now_ms: u64): bool {
    now_ms < self.expires_ms && now_ms <= self.heartbeat_ms + cluster.policy().heartbeat_ms()
}

// === Package Functions ===

/// Shares an empty `Nautilus` and returns its id.
public(package) fun create(cluster: ID, ctx: &mut TxContext): ID {
    let nautilus = Nautilus {
        id: object::new(ctx),
        cluster,
        generation: 1,
        registrations: 0,
        measurements: vector[],
        masters: vector[],
        endorsements: vector[],
        keys: table::new(ctx),
    };
    let id = object::id(&nautilus);
    transfer::share_object(nautilus);
    id
}

/// `address` is a current master's. Returns its signing key.
public(package) fun assert_master(
    self: &Nautilus,
    cluster: &Cluster,
    address: address,
    now_ms: u64,
): vector<u8> {
    self.assert_of(cluster);
    let found = self
        .masters
        .find_index!(|it| it.address == address && it.is_current(cluster, now_ms));
    assert!(found.is_some(), ENotMaster);
    self.masters[found.destroy_some()].signing_key
}

/// The position that answers for a key, if it was ever a master's.
public(package) fun answers_for(
    self: &Nautilus,
    cluster: &Cluster,
    signing_key: vector<u8>,
): Option<ID> {
    self.assert_of(cluster);
    if (self.keys.contains(signing_key)) option::some(self.keys[signing_key]) else option::none()
}

/// A key is no master's any more, and must be endorsed anew before it registers again.
public(package) fun expel(self: &mut Nautilus, signing_key: vector<u8>) {
    let known = self.masters.length() + self.endorsements.length();
    self.masters = self.masters.filter!(|master| master.signing_key != signing_key);
    self.endorsements = self.endorsements.filter!(|it| it.signing_key != signing_key);
    if (self.masters.length() + self.endorsements.length() < known) {
        event::emit(MastersChanged { state: self.changed() });
    }
}

// === Private Functions ===

fun assert_of(self: &Nautilus, cluster: &Cluster) {
    cluster.assert_version();
    assert!(self.cluster == object::id(cluster), EForeignNautilus);
}

fun assert_admin(self: &Nautilus, cap: &AdminCap, cluster: &Cluster) {
    self.assert_of(cluster);
    cluster.assert_admin(cap);
}

/// One change: generation +1. Returns the state after it, for the event.
fun changed(self: &mut Nautilus): NautilusState {
    self.generation = self.generation + 1;
    self.state()
}

fun find_measurement(self: &Nautilus, pcr0: &vector<u8>): Option<u64> {
    self.measurements.find_index!(|measurement| &measurement.pcr0 == pcr0)
}

fun measurement_mut(self: &mut Nautilus, pcr0: &vector<u8>): &mut Measurement {
    let found = self.find_measurement(pcr0);
    assert!(found.is_some(), EUnknownMeasurement);
    &mut self.measurements[found.destroy_some()]
}

/// Returns PCR 0 of the measurement in force that the document shows.
fun assert_allowed(self: &Nautilus, document: &NitroAttestationDocument): vector<u8> {
    let (pcr0, pcr1, pcr2) = attestation::pcrs(document);
    let allowed = self
        .measurements
        .any!(
            |it| it.status == IN_FORCE && it.pcr0 == pcr0 && it.pcr1 == pcr1 && it.pcr2 == pcr2,
        );
    assert!(allowed, ENotAllowed);
    pcr0
}

/// From now on `position`, which endorsed the key and is an operator's, answers for it: always the same one for a key.
fun answer(self: &mut Nautilus, cluster: &Cluster, position: ID, signing_key: vector<u8>) {
    let endorsed = self
        .endorsements
        .any!(|it| it.position == position && it.signing_key == signing_key);
    assert!(endorsed, ENotEndorsed);
    assert!(cluster.is_operator(position), ENotOperator);
    if (self.keys.contains(signing_key)) {
        assert!(self.keys[signing_key] == position, EKeyOfAnother);
    } else {
        self.keys.add(signing_key, position);
    }
}

fun is_endpoint(endpoint: &String): bool {
    let scheme = b"https://".to_string();
    endpoint.length() > scheme.length()
        && endpoint.length() <= MAX_ENDPOINT_LENGTH
        && endpoint.index_of(&scheme) == 0
}

// === Test-Only Functions ===

#[test_only]
public fun endorsement_count_for_testing(self: &Nautilus): u64 { self.endorsements.length() }

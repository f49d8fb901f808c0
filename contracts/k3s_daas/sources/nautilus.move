/// What a cluster's masters may measure as, and which masters there are.
module k3s_daas::nautilus;

use k3s_daas::caps::AdminCap;
use std::string::String;
use sui::clock::Clock;
use sui::event;

// === Errors ===

#[error(code = 1)]
const EBadPcrLength: vector<u8> = b"A PCR is 48 bytes";
#[error(code = 2)]
const EUnknownMeasurement: vector<u8> = b"No allowed measurement has this PCR0";
#[error(code = 3)]
const EBadDigestLength: vector<u8> = b"CA digest, signing key and configuration digest are 32 bytes each";
#[error(code = 4)]
const EUnknownMaster: vector<u8> = b"No registered master has this signing key";

// === Constants ===

const PCR_LENGTH: u64 = 48;
const DIGEST_LENGTH: u64 = 32;

// === Structs ===

public struct Nautilus has key {
    id: UID,
    cluster: ID,
    /// +1 with each change.
    generation: u64,
    measurements: vector<Measurement>,
    masters: vector<MasterRecord>,
}

/// PCR values of an allowed master image, SHA-384.
public struct Measurement has copy, drop, store {
    pcr0: vector<u8>,
    pcr1: vector<u8>,
    pcr2: vector<u8>,
}

public struct MasterRecord has copy, drop, store {
    /// `https://host:port`.
    endpoint: String,
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo.
    ca_spki: vector<u8>,
    /// The enclave's Ed25519 public key.
    signing_key: vector<u8>,
    /// Digest of the measured configuration.
    config_digest: vector<u8>,
    registered_ms: u64,
}

/// A `Nautilus` as its events carry it: the same bytes.
public struct NautilusState has copy, drop, store {
    id: ID,
    cluster: ID,
    generation: u64,
    measurements: vector<Measurement>,
    masters: vector<MasterRecord>,
}

// === Events ===

public struct MeasurementsChanged has copy, drop {
    state: NautilusState,
}

public struct MastersChanged has copy, drop {
    state: NautilusState,
}

// === Entry Functions ===

/// Allows an image. A measurement with the same PCR0 is replaced.
entry fun allow_measurement(
    cap: &AdminCap,
    nautilus: &mut Nautilus,
    pcr0: vector<u8>,
    pcr1: vector<u8>,
    pcr2: vector<u8>,
) {
    cap.assert_admin(nautilus.cluster);
    let lengths = vector[pcr0.length(), pcr1.length(), pcr2.length()];
    assert!(lengths.all!(|length| *length == PCR_LENGTH), EBadPcrLength);
    let old = nautilus.measurements.find_index!(|measurement| measurement.pcr0 == pcr0);
    old.do!(|index| { nautilus.measurements.remove(index); });
    nautilus.measurements.push_back(Measurement { pcr0, pcr1, pcr2 });
    nautilus.bump();
    event::emit(MeasurementsChanged { state: nautilus.state() });
}

/// Forbids the image with this PCR0.
entry fun revoke_measurement(cap: &AdminCap, nautilus: &mut Nautilus, pcr0: vector<u8>) {
    cap.assert_admin(nautilus.cluster);
    let found = nautilus.measurements.find_index!(|measurement| measurement.pcr0 == pcr0);
    assert!(found.is_some(), EUnknownMeasurement);
    nautilus.measurements.remove(found.destroy_some());
    nautilus.bump();
    event::emit(MeasurementsChanged { state: nautilus.state() });
}

/// Registers a master. A record with the same endpoint is replaced.
entry fun register_master(
    cap: &AdminCap,
    nautilus: &mut Nautilus,
    endpoint: String,
    ca_spki: vector<u8>,
    signing_key: vector<u8>,
    config_digest: vector<u8>,
    clock: &Clock,
) {
    cap.assert_admin(nautilus.cluster);
    let lengths = vector[ca_spki.length(), signing_key.length(), config_digest.length()];
    assert!(lengths.all!(|length| *length == DIGEST_LENGTH), EBadDigestLength);
    let old = nautilus.masters.find_index!(|master| master.endpoint == endpoint);
    old.do!(|index| { nautilus.masters.remove(index); });
    nautilus.masters.push_back(MasterRecord {
        endpoint,
        ca_spki,
        signing_key,
        config_digest,
        registered_ms: clock.timestamp_ms(),
    });
    nautilus.bump();
    event::emit(MastersChanged { state: nautilus.state() });
}

/// Removes the master that signs with this key.
entry fun remove_master(cap: &AdminCap, nautilus: &mut Nautilus, signing_key: vector<u8>) {
    cap.assert_admin(nautilus.cluster);
    let found = nautilus.masters.find_index!(|master| master.signing_key == signing_key);
    assert!(found.is_some(), EUnknownMaster);
    nautilus.masters.remove(found.destroy_some());
    nautilus.bump();
    event::emit(MastersChanged { state: nautilus.state() });
}

// === View Functions ===

public fun state(self: &Nautilus): NautilusState {
    NautilusState {
        id: object::id(self),
        cluster: self.cluster,
        generation: self.generation,
        measurements: self.measurements,
        masters: self.masters,
    }
}

public fun generation(self: &Nautilus): u64 { self.generation }

public fun measurements(self: &Nautilus): &vector<Measurement> { &self.measurements }

public fun masters(self: &Nautilus): &vector<MasterRecord> { &self.masters }

public fun pcr0(self: &Measurement): vector<u8> { self.pcr0 }

public fun pcr1(self: &Measurement): vector<u8> { self.pcr1 }

public fun endpoint(self: &MasterRecord): String { self.endpoint }

public fun signing_key(self: &MasterRecord): vector<u8> { self.signing_key }

// === Package Functions ===

/// Shares an empty `Nautilus` and returns its id.
public(package) fun create(cluster: ID, ctx: &mut TxContext): ID {
    let nautilus = Nautilus {
        id: object::new(ctx),
        cluster,
        generation: 1,
        measurements: vector[],
        masters: vector[],
    };
    let id = object::id(&nautilus);
    transfer::share_object(nautilus);
    id
}

// === Private Functions ===

fun bump(self: &mut Nautilus) {
    self.generation = self.generation + 1;
}

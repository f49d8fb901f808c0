//! Endorsed, registered, beating, removed.

use super::super::k8s_gateway::key_type;
use super::super::nitro::Document;
use super::super::{Call, attestation, enclave, position, registry};
use super::{
    BAD_DIGEST_LENGTH, BAD_ENDPOINT, BAD_KEY_LENGTH, ENDPOINT_TAKEN, KEY_OF_ANOTHER, NOT_ALLOWED, NOT_ENCLAVE,
    NOT_ENDORSED, NOT_MASTER, NOT_OPERATOR, TOO_MANY_MASTERS, UNKNOWN_MASTER, administered, assert_of, changed,
    emit_changed,
};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, Endorsement, MasterRecord, MeasurementStatus, Nautilus, Pcrs, PositionState};
use daas_types::{PositionId, UnixMs, WalletAddress};

const KEY_LENGTH: usize = 32;
const SCHEME: &str = "https://";
const MAX_ENDPOINT_LENGTH: usize = 256;
const MAX_MASTERS: usize = 16;

// === Entry functions ===

pub(super) fn endorse_master(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "endorse_master";
    let (cluster, mut nautilus): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    let position: PositionState = call.object(2)?;
    assert_of(call, &nautilus, &cluster)?;
    position::assert_owned(call, &position, &cluster)?;
    position::assert_active(call, &position)?;
    let position = position.position;
    call.ensure(cluster.is_operator(position), NOT_OPERATOR, NAME)?;
    let signing_key = call.bytes(3)?;
    call.ensure(signing_key.len() == KEY_LENGTH, BAD_KEY_LENGTH, NAME)?;
    nautilus.endorsements.retain(|it| it.position != position && cluster.is_operator(it.position));
    nautilus.endorsements.push(Endorsement { position, signing_key });
    changed(call, 1, nautilus, "MasterEndorsed")
}

pub(super) fn register_master(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "register_master";
    let (cluster, mut nautilus): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    let position: PositionState = call.object(2)?;
    assert_of(call, &nautilus, &cluster)?;
    position::assert_of(call, &position, &cluster)?;
    position::assert_active(call, &position)?;
    let endpoint: String = call.pure(4)?;
    call.ensure(is_endpoint(&endpoint), BAD_ENDPOINT, NAME)?;
    let digests = (<[u8; 32]>::try_from(call.bytes(5)?), <[u8; 32]>::try_from(call.bytes(6)?));
    let (Ok(ca_spki), Ok(config_digest)) = digests else {
        return Err(call.abort(BAD_DIGEST_LENGTH, NAME));
    };
    let document: Document = call.pure(3)?;
    attestation::assert_fresh(call, &document)?;
    attestation::assert_nonce(call, &document, nautilus.id, nautilus.registrations)?;
    let signing_key = attestation::signing_key(call, &document)?;
    call.ensure(enclave::key_address(&signing_key) == Some(call.sender), NOT_ENCLAVE, NAME)?;
    attestation::assert_bound(call, &document, &cluster, [config_digest, ca_spki, signing_key])?;
    let pcrs = assert_allowed(call, &nautilus, &document)?;
    let (position, now) = (position.position, UnixMs(call.now_ms));
    answer(call, &mut nautilus, &cluster, position, &signing_key)?;
    nautilus.masters.retain(|it| {
        let other = it.signing_key != signing_key && (it.endpoint != endpoint || it.position != position);
        other && it.is_current(&cluster.policy, now)
    });
    let taken = nautilus.masters.iter().any(|it| it.endpoint == endpoint);
    call.ensure(!taken, ENDPOINT_TAKEN, NAME)?;
    call.ensure(nautilus.masters.len() < MAX_MASTERS, TOO_MANY_MASTERS, NAME)?;
    nautilus.masters.push(MasterRecord {
        endpoint,
        ca_spki: ca_spki.to_vec(),
        signing_key: signing_key.to_vec(),
        address: WalletAddress(call.sender),
        config_digest: config_digest.to_vec(),
        pcr0: pcrs.pcr0,
        position,
        registered_ms: now,
        expires_ms: UnixMs(call.sum(now.0, cluster.policy.attestation_ms)?),
        heartbeat_ms: now,
    });
    nautilus.registrations += 1;
    changed(call, 1, nautilus, "MastersChanged")
}

pub(super) fn heartbeat(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut nautilus): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    assert_master(call, &nautilus, &cluster)?;
    for master in nautilus.masters.iter_mut().filter(|it| it.address.0 == call.sender) {
        master.heartbeat_ms = UnixMs(call.now_ms);
    }
    changed(call, 1, nautilus, "MastersChanged")
}

pub(super) fn remove_master(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut nautilus) = administered(call)?;
    let signing_key = call.bytes(3)?;
    let known = nautilus.masters.iter().any(|it| it.signing_key == signing_key);
    call.ensure(known, UNKNOWN_MASTER, "remove_master")?;
    expel(call, &mut nautilus, &signing_key);
    call.store(2, &nautilus)
}

// === Package functions ===

/// The sender is a current master. Answers its signing key.
pub(in crate::twin) fn assert_master(
    call: &Call<'_, '_>,
    nautilus: &Nautilus,
    cluster: &Cluster,
) -> Result<Vec<u8>, Fault> {
    assert_of(call, nautilus, cluster)?;
    let now = UnixMs(call.now_ms);
    let mut masters = nautilus.masters.iter();
    let found = masters.find(|it| it.address.0 == call.sender && it.is_current(&cluster.policy, now));
    found.map(|master| master.signing_key.clone()).ok_or_else(|| call.abort(NOT_MASTER, "assert_master"))
}

/// The position that answers for a key, if it was ever a master's.
pub(in crate::twin) fn answers_for(
    call: &mut Call<'_, '_>,
    nautilus: &Nautilus,
    cluster: &Cluster,
    signing_key: &[u8],
) -> Result<Option<PositionId>, Fault> {
    assert_of(call, nautilus, cluster)?;
    call.field_value(nautilus.keys.id, &key_type(), &signing_key)
}

/// A key is no master's any more, and must be endorsed anew before it registers again.
pub(in crate::twin) fn expel(call: &mut Call<'_, '_>, nautilus: &mut Nautilus, signing_key: &[u8]) {
    let known = nautilus.masters.len() + nautilus.endorsements.len();
    nautilus.masters.retain(|it| it.signing_key != signing_key);
    nautilus.endorsements.retain(|it| it.signing_key != signing_key);
    if nautilus.masters.len() + nautilus.endorsements.len() < known {
        emit_changed(call, nautilus, "MastersChanged");
    }
}

// === Private functions ===

/// The measurement in force that the document shows.
fn assert_allowed(call: &Call<'_, '_>, nautilus: &Nautilus, document: &Document) -> Result<Pcrs, Fault> {
    let pcrs = attestation::pcrs(call, document)?;
    let in_force = nautilus.measurements.iter().filter(|it| it.status == MeasurementStatus::InForce);
    let allowed = in_force.map(daas_types::onchain::Measurement::pcrs).any(|it| it == pcrs);
    call.ensure(allowed, NOT_ALLOWED, "assert_allowed")?;
    Ok(pcrs)
}

/// From now on `position`, which endorsed the key and is an operator's, answers for it: always the same one for a key.
fn answer(
    call: &mut Call<'_, '_>,
    nautilus: &mut Nautilus,
    cluster: &Cluster,
    position: PositionId,
    signing_key: &[u8],
) -> Result<(), Fault> {
    let endorsed = nautilus.endorsements.iter().any(|it| it.position == position && it.signing_key == signing_key);
    call.ensure(endorsed, NOT_ENDORSED, "answer")?;
    call.ensure(cluster.is_operator(position), NOT_OPERATOR, "answer")?;
    if let Some(answers) = call.field_value::<_, PositionId>(nautilus.keys.id, &key_type(), &signing_key)? {
        return call.ensure(answers == position, KEY_OF_ANOTHER, "answer");
    }
    let entry = (&key_type(), &signing_key);
    call.add_entry(&mut nautilus.keys, entry, (registry::id_type(), &position));
    Ok(())
}

fn is_endpoint(endpoint: &str) -> bool {
    endpoint.len() > SCHEME.len() && endpoint.len() <= MAX_ENDPOINT_LENGTH && endpoint.starts_with(SCHEME)
}

//! `k3s_daas::nautilus`: measurements; `masters` beside it has the masters.

mod masters;

use super::params::{ADMIN, BYTES, CLOCK, CLUSTER, DOCUMENT, NAUTILUS_MUT, POSITION, STRING};
use super::{Call, attestation, cluster, declare_errors, declare_functions};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, Measurement, MeasurementStatus, Nautilus};
use daas_types::{ClusterId, NautilusId, UnixMs};

pub(super) use masters::{answers_for, assert_master, expel};

declare_errors! { "nautilus":
    FOREIGN_NAUTILUS = 1 "EForeignNautilus" "The Nautilus is of another cluster";
    BAD_PCR_LENGTH = 2 "EBadPcrLength" "A PCR is 48 bytes";
    ZERO_PCR = 3 "EZeroPcr" "A PCR of zeros is a debug enclave's";
    UNKNOWN_MEASUREMENT = 4 "EUnknownMeasurement" "No measurement has this PCR0";
    MEASUREMENT_EXISTS = 5 "EMeasurementExists" "There is a measurement with this PCR0: revoke it first";
    TOO_MANY_MEASUREMENTS = 6 "ETooManyMeasurements" "A cluster has at most 16 measurements";
    NOT_ANNOUNCED = 7 "ENotAnnounced" "The measurement is not waiting for its activation";
    TOO_EARLY = 8 "ETooEarly" "The measurement's delay is not over";
    NOT_IN_FORCE = 9 "ENotInForce" "The measurement is not in force";
    NOT_OPERATOR = 10 "ENotOperator" "The position is not one of the cluster's operators";
    BAD_KEY_LENGTH = 11 "EBadKeyLength" "A signing key is 32 bytes";
    BAD_DIGEST_LENGTH = 12 "EBadDigestLength" "CA digest and configuration digest are 32 bytes each";
    BAD_ENDPOINT = 13 "EBadEndpoint" "An endpoint begins with https:// and has at most 256 bytes";
    NOT_ENCLAVE = 14 "ENotEnclave" "The sender is not the address of the document's key";
    NOT_ALLOWED = 15 "ENotAllowed" "No measurement in force has these PCRs";
    NOT_ENDORSED = 16 "ENotEndorsed" "The position did not endorse this signing key";
    KEY_OF_ANOTHER = 17 "EKeyOfAnother" "Another position already answers for this signing key";
    TOO_MANY_MASTERS = 18 "ETooManyMasters" "A cluster has at most 16 masters";
    UNKNOWN_MASTER = 19 "EUnknownMaster" "No registered master has this signing key";
    NOT_MASTER = 20 "ENotMaster" "The sender is not a current master";
    ENDPOINT_TAKEN = 21 "EEndpointTaken" "A current master of another position has this endpoint";
}

declare_functions! { "nautilus":
    announce_measurement(ADMIN, CLUSTER, NAUTILUS_MUT, BYTES, BYTES, BYTES, CLOCK) => announce_measurement;
    activate_measurement(CLUSTER, NAUTILUS_MUT, BYTES, CLOCK) => activate_measurement;
    retire_measurement(ADMIN, CLUSTER, NAUTILUS_MUT, BYTES) => retire_measurement;
    revoke_measurement(ADMIN, CLUSTER, NAUTILUS_MUT, BYTES) => revoke_measurement;
    endorse_master(CLUSTER, NAUTILUS_MUT, POSITION, BYTES) => masters::endorse_master;
    register_master(
        CLUSTER, NAUTILUS_MUT, POSITION, DOCUMENT, STRING, BYTES, BYTES, CLOCK,
    ) => masters::register_master;
    heartbeat(CLUSTER, NAUTILUS_MUT, CLOCK) => masters::heartbeat;
    remove_master(ADMIN, CLUSTER, NAUTILUS_MUT, BYTES) => masters::remove_master;
}

const PCR_LENGTH: usize = 48;
const MAX_MEASUREMENTS: usize = 16;

// === Entry functions ===

fn announce_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "announce_measurement";
    let (cluster, mut nautilus) = administered(call)?;
    let [pcr0, pcr1, pcr2] = [call.bytes(3)?, call.bytes(4)?, call.bytes(5)?];
    let pcrs = [&pcr0, &pcr1, &pcr2];
    call.ensure(pcrs.iter().all(|pcr| pcr.len() == PCR_LENGTH), BAD_PCR_LENGTH, NAME)?;
    call.ensure(!pcrs.iter().any(|pcr| attestation::is_zero(pcr)), ZERO_PCR, NAME)?;
    let known = nautilus.measurements.iter().any(|measurement| measurement.pcr0 == pcr0);
    call.ensure(!known, MEASUREMENT_EXISTS, NAME)?;
    call.ensure(nautilus.measurements.len() < MAX_MEASUREMENTS, TOO_MANY_MEASUREMENTS, NAME)?;
    let active_from_ms = UnixMs(call.sum(call.now_ms, cluster.policy.delay_ms)?);
    let status = MeasurementStatus::Announced;
    nautilus.measurements.push(Measurement { pcr0, pcr1, pcr2, status, active_from_ms });
    changed(call, 2, nautilus, "MeasurementsChanged")
}

fn activate_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "activate_measurement";
    let (cluster, mut nautilus): (Cluster, Nautilus) = (call.object(0)?, call.object(1)?);
    assert_of(call, &nautilus, &cluster)?;
    let measurement = measurement_mut(call, &mut nautilus, 2)?;
    call.ensure(measurement.status == MeasurementStatus::Announced, NOT_ANNOUNCED, NAME)?;
    call.ensure(call.now_ms >= measurement.active_from_ms.0, TOO_EARLY, NAME)?;
    measurement.status = MeasurementStatus::InForce;
    changed(call, 1, nautilus, "MeasurementsChanged")
}

fn retire_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut nautilus) = administered(call)?;
    let measurement = measurement_mut(call, &mut nautilus, 3)?;
    call.ensure(measurement.status == MeasurementStatus::InForce, NOT_IN_FORCE, "retire_measurement")?;
    measurement.status = MeasurementStatus::Retired;
    changed(call, 2, nautilus, "MeasurementsChanged")
}

fn revoke_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut nautilus) = administered(call)?;
    let pcr0 = call.bytes(3)?;
    let found = nautilus.measurements.iter().position(|measurement| measurement.pcr0 == pcr0);
    nautilus.measurements.remove(found.ok_or_else(|| call.abort(UNKNOWN_MEASUREMENT, "revoke_measurement"))?);
    nautilus.masters.retain(|master| master.pcr0 != pcr0);
    changed(call, 2, nautilus, "MeasurementsChanged")
}

// === Package functions ===

pub(super) fn create(call: &mut Call<'_, '_>, cluster: ClusterId) -> NautilusId {
    let id = NautilusId(call.new_id());
    let nautilus = Nautilus {
        id,
        cluster,
        generation: 1,
        registrations: 0,
        measurements: vec![],
        masters: vec![],
        endorsements: vec![],
        keys: call.new_table(),
    };
    call.share(id.0, call.tag("nautilus", "Nautilus"), &nautilus);
    id
}

pub(super) fn assert_of(call: &Call<'_, '_>, nautilus: &Nautilus, cluster: &Cluster) -> Result<(), Fault> {
    cluster::assert_version(call, cluster)?;
    call.ensure(nautilus.cluster == cluster.id, FOREIGN_NAUTILUS, "assert_of")
}

// === Private functions ===

/// The cluster, argument 1, and its `Nautilus`, argument 2, if argument 0 is the admin's capability.
fn administered(call: &Call<'_, '_>) -> Result<(Cluster, Nautilus), Fault> {
    let (cluster, nautilus): (Cluster, Nautilus) = (call.object(1)?, call.object(2)?);
    assert_of(call, &nautilus, &cluster)?;
    cluster::assert_admin(call, &cluster, 0)?;
    Ok((cluster, nautilus))
}

/// The measurement whose PCR 0 is argument `n`.
fn measurement_mut<'m>(
    call: &Call<'_, '_>,
    nautilus: &'m mut Nautilus,
    n: usize,
) -> Result<&'m mut Measurement, Fault> {
    let pcr0 = call.bytes(n)?;
    let found = nautilus.measurements.iter_mut().find(|measurement| measurement.pcr0 == pcr0);
    found.ok_or_else(|| call.abort(UNKNOWN_MEASUREMENT, "measurement_mut"))
}

/// The `Nautilus` at argument `n` has changed.
fn changed(call: &mut Call<'_, '_>, n: usize, mut nautilus: Nautilus, event: &'static str) -> Result<(), Fault> {
    emit_changed(call, &mut nautilus, event);
    call.store(n, &nautilus)
}

/// One change: generation +1, and the event with the state after it.
fn emit_changed(call: &mut Call<'_, '_>, nautilus: &mut Nautilus, event: &'static str) {
    nautilus.generation += 1;
    call.emit("nautilus", event, &nautilus.state());
}

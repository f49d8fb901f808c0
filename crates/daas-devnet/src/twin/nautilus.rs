//! `k3s_daas::nautilus`.

use super::cluster::assert_cap;
use super::{Call, Function, declare_errors};
use crate::execute::Fault;
use daas_types::UnixMs;
use daas_types::onchain::{MasterRecord, Measurement, NautilusState};

declare_errors! { ERRORS, "nautilus":
    BAD_PCR_LENGTH = 1 "EBadPcrLength" "A PCR is 48 bytes";
    UNKNOWN_MEASUREMENT = 2 "EUnknownMeasurement" "No allowed measurement has this PCR0";
    BAD_DIGEST_LENGTH = 3 "EBadDigestLength" "CA digest, signing key and configuration digest are 32 bytes each";
    UNKNOWN_MASTER = 4 "EUnknownMaster" "No registered master has this signing key";
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        module: "nautilus",
        name: "allow_measurement",
        params: &["&0x0::caps::AdminCap", "&mut 0x0::nautilus::Nautilus", "vector<u8>", "vector<u8>", "vector<u8>"],
        run: allow_measurement,
    },
    Function {
        module: "nautilus",
        name: "revoke_measurement",
        params: &["&0x0::caps::AdminCap", "&mut 0x0::nautilus::Nautilus", "vector<u8>"],
        run: revoke_measurement,
    },
    Function {
        module: "nautilus",
        name: "register_master",
        params: &[
            "&0x0::caps::AdminCap",
            "&mut 0x0::nautilus::Nautilus",
            "0x1::string::String",
            "vector<u8>",
            "vector<u8>",
            "vector<u8>",
            "&0x2::clock::Clock",
        ],
        run: register_master,
    },
    Function {
        module: "nautilus",
        name: "remove_master",
        params: &["&0x0::caps::AdminCap", "&mut 0x0::nautilus::Nautilus", "vector<u8>"],
        run: remove_master,
    },
];

const PCR_LENGTH: usize = 48;
const DIGEST_LENGTH: usize = 32;

fn allow_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut state = administered(call)?;
    let new = Measurement { pcr0: call.pure(2)?, pcr1: call.pure(3)?, pcr2: call.pure(4)? };
    let right = [&new.pcr0, &new.pcr1, &new.pcr2].iter().all(|pcr| pcr.len() == PCR_LENGTH);
    call.ensure(right, BAD_PCR_LENGTH, "allow_measurement")?;
    if let Some(old) = state.measurements.iter().position(|m| m.pcr0 == new.pcr0) {
        state.measurements.remove(old);
    }
    state.measurements.push(new);
    finish(call, state, "MeasurementsChanged")
}

fn revoke_measurement(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut state = administered(call)?;
    let pcr0: Vec<u8> = call.pure(2)?;
    let found = state.measurements.iter().position(|m| m.pcr0 == pcr0);
    state.measurements.remove(found.ok_or_else(|| call.abort(UNKNOWN_MEASUREMENT, "revoke_measurement"))?);
    finish(call, state, "MeasurementsChanged")
}

fn register_master(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut state = administered(call)?;
    let new = MasterRecord {
        endpoint: call.pure(2)?,
        ca_spki: call.pure(3)?,
        signing_key: call.pure(4)?,
        config_digest: call.pure(5)?,
        registered_ms: UnixMs(call.now_ms),
    };
    let right = [&new.ca_spki, &new.signing_key, &new.config_digest].iter().all(|d| d.len() == DIGEST_LENGTH);
    call.ensure(right, BAD_DIGEST_LENGTH, "register_master")?;
    if let Some(old) = state.masters.iter().position(|m| m.endpoint == new.endpoint) {
        state.masters.remove(old);
    }
    state.masters.push(new);
    finish(call, state, "MastersChanged")
}

fn remove_master(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut state = administered(call)?;
    let key: Vec<u8> = call.pure(2)?;
    let found = state.masters.iter().position(|m| m.signing_key == key);
    state.masters.remove(found.ok_or_else(|| call.abort(UNKNOWN_MASTER, "remove_master"))?);
    finish(call, state, "MastersChanged")
}

/// The `Nautilus`, if the capability is of its cluster.
fn administered(call: &Call<'_, '_>) -> Result<NautilusState, Fault> {
    let state: NautilusState = call.object(1)?;
    assert_cap(call, 0, state.cluster, "assert_admin")?;
    Ok(state)
}

fn finish(call: &mut Call<'_, '_>, mut state: NautilusState, event: &'static str) -> Result<(), Fault> {
    state.generation += 1;
    call.emit(event, &state);
    call.store(1, &state)
}

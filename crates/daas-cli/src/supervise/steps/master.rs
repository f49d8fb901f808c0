//! The simulated TEE, what it measures, and the master in it, which registers itself on chain.

use super::Start;
use crate::chain::Staker;
use crate::commands::kubeconfig::{with_plugin, write};
use crate::commands::up;
use crate::gateway;
use crate::paths::sibling;
use crate::supervise::children::{Children, Name};
use crate::supervise::report::DATASTORE;
use daas_chain::clock;
use daas_chain::ops::Pcrs;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster, write_private};
use daas_types::onchain::{Endorsement, Measurement, MeasurementStatus};
use daas_types::{ErrorCode, Mist, PositionId, Problem};
use serde::Deserialize;
use sha2::{Digest as _, Sha384};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

const DEVICE_LIMIT: Duration = Duration::from_secs(10);
const IDENTITY_LIMIT: Duration = Duration::from_secs(30);
const ENCLAVE_LIMIT: Duration = Duration::from_secs(15);
/// What an enclave says of itself once it has registered.
const REGISTERED: &str = "registered";
const REGISTERED_LIMIT: Duration = Duration::from_mins(1);
/// Below this a master waits for gas.
const LEAST_GAS: Mist = Mist(200_000_000);
/// Thousands of heartbeats.
const GAS: Mist = Mist::from_sui(1);
/// Above the control plane's own 120 s, so that its own words are heard.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// First lines of a configuration file that the operator may edit.
const CONFIG: &str = "# Keys: `k3s-daas-master --reference`. What `k3s-daas up` sets by its flags wins over this file.\n\
                      logging:\n  level: info\n";

/// What a started master says of itself, in hex.
#[derive(Deserialize)]
pub(super) struct Identity {
    endpoint: String,
    signing_key: String,
}

/// The cluster with the operator's Seal.
pub(super) struct Operated {
    pub(super) info: ClusterInfo,
    pub(super) seal: SealFile,
}

/// Starts the simulated TEE's device, which measures the engine's programs, and says which version of Kubernetes they are.
pub(super) async fn device(start: &Start<'_>, children: &mut Children) -> Result<(String, String), Problem> {
    let programs = up::programs(up::chosen_engine(start.settings.engine)).await?;
    save(&start.state.manifest(), programs.manifest())?;
    let socket = start.state.nsm_socket();
    let args: [OsString; 7] = [
        "nsm".into(),
        "--socket".into(),
        socket.clone().into(),
        "--state-dir".into(),
        start.state.devnet().into(),
        "--manifest".into(),
        start.state.manifest().into(),
    ];
    children.start(Name::Nsm, args.into())?;
    let open = async || UnixStream::connect(&socket).await.map(drop).map_err(|e| e.to_string());
    children.until(Name::Nsm, DEVICE_LIMIT, ErrorCode::EvidenceUnavailable, open).await?;
    Ok((programs.version().to_owned(), format!("simulated, {}", socket.display())))
}

/// Allows the master's measurement when the cluster is new. Later a master that measures otherwise is refused unless the
/// operator says that it was replaced: this step must not bless whatever lies on the disk.
pub(super) async fn measurement(start: &Start<'_>, operator: &Staker) -> Result<((), String), Problem> {
    let program = sibling("k3s-daas-master")?;
    let manifest = start.state.manifest();
    let unreadable =
        |error: io::Error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", program.display()));
    let pcrs = measure(&program, &manifest).map_err(unreadable)?;
    let Staker { ids, ops, .. } = operator;
    let nautilus = ops.client().nautilus(ids).await?;
    let text = hex::encode(pcrs.pcr0);
    let known = nautilus.measurements.iter().find(|m| is(m, &pcrs)).map(|m| m.status);
    if known == Some(MeasurementStatus::InForce) {
        return Ok(((), format!("sha384:{text}")));
    }
    // A cluster that has ever had a master is not new, even if every measurement has been revoked since.
    if nautilus.registrations > 0 && known != Some(MeasurementStatus::Announced) && !start.settings.allow_measurement {
        let cause = format!(
            "{} measures as sha384:{text}, which is not allowed on chain; if you replaced the programs yourself: \
             `k3s-daas up --allow-measurement`",
            program.display()
        );
        return Err(Problem::new(ErrorCode::MasterUnverified, cause));
    }
    // One that was announced by an interrupted start waits for its activation alone. Any other with this PCR0 is in the way.
    if known != Some(MeasurementStatus::Announced) {
        if nautilus.measurements.iter().any(|m| m.pcr0 == pcrs.pcr0) {
            ops.revoke_measurement(ids, &pcrs.pcr0).await?;
        }
        ops.announce_measurement(ids, &pcrs).await?;
    }
    ops.activate_measurement(ids, &pcrs.pcr0).await?;
    // What was replaced is not to be believed any longer.
    let replaced = nautilus.measurements.iter().filter(|m| m.pcr0 != pcrs.pcr0);
    for old in replaced.filter_map(|m| <[u8; 48]>::try_from(m.pcr0.as_slice()).ok()) {
        ops.revoke_measurement(ids, &old).await?;
    }
    Ok(((), format!("sha384:{text}, new")))
}

/// Starts the master, for which `position` answers and no other, and waits until it has said who it is.
pub(super) async fn start(
    start: &Start<'_>,
    children: &mut Children,
    position: PositionId,
) -> Result<(Identity, String), Problem> {
    let path = start.state.master_identity();
    // That of an earlier run must not be taken for this one's.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())));
        }
        _ => {}
    }
    children.start(Name::Master, arguments(start, position)?)?;
    let read = async || {
        let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
        serde_json::from_str::<Identity>(&text).map_err(|e| e.to_string())
    };
    let identity = children.until(Name::Master, IDENTITY_LIMIT, ErrorCode::ControlPlaneTimeout, read).await?;
    let detail = format!("{}, key {}", identity.endpoint, identity.signing_key);
    Ok((identity, detail))
}

/// Answers for the master's key with the operator's position, gives it gas, and waits until it has registered itself.
pub(super) async fn register(
    start: &Start<'_>,
    children: &Children,
    operator: &Staker,
    seal: SealFile,
    identity: &Identity,
) -> Result<(Operated, String), Problem> {
    let Staker { ids, ops, .. } = operator;
    let admin = start.settings.admin;
    let ask = async || gateway::enclave(admin).await;
    let enclave = children.until(Name::Master, ENCLAVE_LIMIT, ErrorCode::ControlPlaneTimeout, ask).await?;
    if enclave.signing_key != identity.signing_key {
        let cause =
            format!("{admin} answers for key {}, the master's is {}", enclave.signing_key, identity.signing_key);
        return Err(Problem::new(ErrorCode::MasterUnverified, cause));
    }
    let key = bytes(&enclave.signing_key)?;
    let endorsed = Endorsement { position: seal.position, signing_key: key.to_vec() };
    if !ops.client().nautilus(ids).await?.endorsements.contains(&endorsed) {
        ops.endorse_master(ids, seal.position, &key).await?;
    }
    if ops.client().balance(enclave.address).await? < LEAST_GAS {
        ops.transfer(enclave.address, GAS).await?;
    }
    let registered = async || {
        let said = gateway::enclave(admin).await?.state;
        if said != REGISTERED {
            return Err(said);
        }
        // Its word alone is not enough, nor a record that an earlier run left there.
        let nautilus = ops.client().nautilus(ids).await.map_err(|e| e.to_string())?;
        let mut current = nautilus.current_masters(&operator.policy, clock::now());
        let there = current.any(|master| master.signing_key == key);
        if there { Ok(()) } else { Err("it is not on chain".to_owned()) }
    };
    children.until(Name::Master, REGISTERED_LIMIT, ErrorCode::ControlPlaneTimeout, registered).await?;
    let join = start.state.master_join();
    let text = std::fs::read_to_string(&join)
        .map_err(|error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", join.display())))?;
    let info = ClusterInfo::parse(&text)?;
    save(&start.state.join(), &text)?;
    let detail = format!("{} by itself; trust anchor {}", identity.endpoint, start.state.join().display());
    Ok((Operated { info, seal }, detail))
}

/// Waits until the gateway serves.
pub(super) async fn ready(start: &Start<'_>, children: &Children, version: &str) -> Result<((), String), Problem> {
    let admin = start.settings.admin;
    let ask = async || gateway::ready(admin).await;
    children.until(Name::Master, READY_LIMIT, ErrorCode::ControlPlaneTimeout, ask).await?;
    Ok(((), format!("Kubernetes {version}, datastore: {DATASTORE}")))
}

/// Verifies the master as any client does, and writes the operator's kubeconfig.
pub(super) async fn verify(start: &Start<'_>, cluster: &Operated) -> Result<((), String), Problem> {
    let info = &cluster.info;
    let master = VerifiedMaster::connect(info, &info.masters().await?, clock::now()).await?;
    let level = master.evidence().security_level();
    let yaml = with_plugin(info, &start.state.join(), &start.state.operator_seal(), None)?;
    write(&start.state.kubeconfig(), &yaml)?;
    let detail = format!("{} (level {}); {}", level.tee_type(), level.number(), start.state.kubeconfig().display());
    Ok(((), detail))
}

fn arguments(start: &Start<'_>, position: PositionId) -> Result<Vec<OsString>, Problem> {
    let settings = start.settings;
    let own = start.state.master_config();
    if settings.config.is_none() && !own.exists() {
        save(&own, CONFIG)?;
    }
    let config = settings.config.as_ref().unwrap_or(&own);
    let config = std::path::absolute(config).map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    let set = [
        ("tee.type", "SIMULATED_NITRO".to_owned()),
        ("tee.device", start.state.nsm_socket().display().to_string()),
        ("sui.pins", start.state.pins().display().to_string()),
        // Else whoever endorsed its key first would answer for it.
        ("sui.position", position.to_string()),
        ("k3s.engine", up::chosen_engine(settings.engine).name().to_owned()),
        ("k3s.data_dir", start.state.master().display().to_string()),
        ("api.port", settings.port.to_string()),
        ("api.advertise", start.advertise.to_string()),
        ("admin.listen", settings.admin.to_string()),
    ];
    let set = set.into_iter().flat_map(|(key, value)| ["--set".into(), format!("{key}={value}").into()]);
    Ok(["--config".into(), config.into()].into_iter().chain(set).collect())
}

/// What the simulated TEE will measure: executable and engine manifest in PCR0, a constant in PCR1, the executable in PCR2.
fn measure(program: &Path, manifest: &Path) -> io::Result<Pcrs> {
    const BOOT: &[u8] = b"k3s-daas simulated boot";
    let mut hash = Sha384::new();
    io::copy(&mut File::open(program)?, &mut hash)?;
    let program: [u8; 48] = hash.finalize().into();
    let manifest: [u8; 48] = Sha384::digest(std::fs::read(manifest)?).into();
    Ok(Pcrs {
        pcr0: Sha384::new().chain_update(program).chain_update(manifest).finalize().into(),
        pcr1: Sha384::digest(BOOT).into(),
        pcr2: Sha384::digest(program).into(),
    })
}

fn is(known: &Measurement, pcrs: &Pcrs) -> bool {
    known.pcr0 == pcrs.pcr0 && known.pcr1 == pcrs.pcr1 && known.pcr2 == pcrs.pcr2
}

fn bytes(text: &str) -> Result<[u8; 32], Problem> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(Problem::of(ErrorCode::Internal))?;
    Ok(bytes)
}

fn save(path: &Path, text: &str) -> Result<(), Problem> {
    write_private(path, text.as_bytes())
        .map_err(|error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_is_another_measurement() {
        let dir = tempfile::tempdir().unwrap();
        let (program, manifest) = (dir.path().join("master"), dir.path().join("manifest"));
        std::fs::write(&program, "a").unwrap();
        std::fs::write(&manifest, "m").unwrap();
        let first = measure(&program, &manifest).unwrap();
        std::fs::write(&manifest, "n").unwrap();
        let engine = measure(&program, &manifest).unwrap();
        assert!(engine.pcr0 != first.pcr0 && engine.pcr2 == first.pcr2);
        std::fs::write(&program, "b").unwrap();
        let other = measure(&program, &manifest).unwrap();
        assert!(other.pcr0 != engine.pcr0 && other.pcr2 != engine.pcr2 && other.pcr1 == first.pcr1);
    }
}

//! Measurements, endorsements, registrations by document, signs of life; and jail, which masters order.

use super::stakes::is_active;
use super::{Draw, Drawn, bytes, it, op, pure};
use crate::twin::nitro::Document;
use crate::twin::sequences::chain::{Given, Op, PACKAGE};
use crate::twin::sequences::scene::{Enclave, enclave_of};
use daas_attest::Binding;
use daas_types::onchain::{Cluster, Measurement, MeasurementStatus, Nautilus, Pcrs, PositionState, registration_nonce};
use daas_types::{PackageId, UnixMs};
use sui_sdk_types::{Address, Digest};

pub(super) const DRAWN: &[(&str, u64, Drawn)] = &[
    ("nautilus::announce_measurement", 2, announce_measurement),
    ("nautilus::activate_measurement", 4, activate_measurement),
    ("nautilus::retire_measurement", 2, retire_measurement),
    ("nautilus::revoke_measurement", 1, revoke_measurement),
    ("nautilus::endorse_master", 5, endorse_master),
    ("nautilus::register_master", 8, register_master),
    ("nautilus::heartbeat", 5, heartbeat),
    ("nautilus::remove_master", 1, remove_master),
    ("node::jail", 6, jail),
];

const ENDPOINTS: [&str; 2] = ["https://b", "https://master.example:6443"];
const BAD_ENDPOINTS: [&str; 5] = ["", "https://", "http://a", "httpS://a", "a https://a"];
const MAX_AGE_MS: u64 = 300_000;
const SKEW_MS: u64 = 60_000;

fn nautilus(draw: &mut Draw<'_>, cluster: &Cluster) -> Given {
    let scene = draw.scene;
    it(draw.right(cluster.nautilus, scene.nautiluses.iter().map(|it| it.id)))
}

// === Measurements ===

pub(in super::super) fn image(n: u8) -> Pcrs {
    Pcrs { pcr0: vec![n; 48], pcr1: vec![n + 1; 48], pcr2: vec![n + 2; 48] }
}

fn announce_measurement(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let n = draw.random.between(1, 18);
    announce(draw, &cluster, &image(u8::try_from(n).unwrap()))
}

pub(in super::super) fn announce(draw: &mut Draw<'_>, cluster: &Cluster, image: &Pcrs) -> Option<Op> {
    let (cap, holder) = draw.admin(cluster.id)?;
    let (named, nautilus) = (draw.named(cluster.id), nautilus(draw, cluster));
    let mut args = vec![cap, named, nautilus];
    for pcr in [&image.pcr0, &image.pcr1, &image.pcr2] {
        let mut pcr = pcr.clone();
        pcr.resize(draw.exact(48), 9);
        let pcr = if draw.slip() { vec![0; 48] } else { pcr };
        args.push(bytes(&pcr));
    }
    args.push(Given::Clock);
    op("nautilus::announce_measurement", holder, args)
}

/// PCR 0 of a measurement, preferably such a one.
fn measurement(draw: &mut Draw<'_>, cluster: &Cluster, status: impl Fn(MeasurementStatus) -> bool) -> Vec<u8> {
    let all = &draw.scene.nautilus_of(cluster.id).measurements;
    let fit: Vec<Measurement> = all.iter().filter(|it| status(it.status)).cloned().collect();
    let found = if draw.random.chance(10) { draw.random.pick(all) } else { draw.random.pick(&fit) };
    found.map_or_else(|| vec![0x77; 48], |found| found.pcr0)
}

fn activate_measurement(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (sender, named, nautilus) = (draw.wallet(), draw.named(cluster.id), nautilus(draw, &cluster));
    let pcr0 = measurement(draw, &cluster, |it| it == MeasurementStatus::Announced);
    op("nautilus::activate_measurement", sender, vec![named, nautilus, bytes(&pcr0), Given::Clock])
}

fn of_measurement(draw: &mut Draw<'_>, function: &'static str, status: fn(MeasurementStatus) -> bool) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (cap, holder) = draw.admin(cluster.id)?;
    let (named, nautilus) = (draw.named(cluster.id), nautilus(draw, &cluster));
    let pcr0 = measurement(draw, &cluster, status);
    op(function, holder, vec![cap, named, nautilus, bytes(&pcr0)])
}

fn retire_measurement(draw: &mut Draw<'_>) -> Option<Op> {
    of_measurement(draw, "nautilus::retire_measurement", |it| it == MeasurementStatus::InForce)
}

fn revoke_measurement(draw: &mut Draw<'_>) -> Option<Op> {
    of_measurement(draw, "nautilus::revoke_measurement", |_| true)
}

// === Masters ===

fn endorse_master(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let operators = cluster.operator_positions.clone();
    let position = draw.position(&cluster, |it| is_active(it) && operators.contains(&it.position))?;
    let n = u8::try_from(draw.random.below(4)).unwrap();
    endorse(draw, &cluster, &position, &Enclave::new(n))
}

pub(in super::super) fn endorse(
    draw: &mut Draw<'_>,
    cluster: &Cluster,
    position: &PositionState,
    enclave: &Enclave,
) -> Option<Op> {
    let (sender, named, nautilus) = (draw.by(position.owner.0), draw.named(cluster.id), nautilus(draw, cluster));
    let mut key = enclave.signing_key().to_vec();
    key.truncate(if draw.slip() { 31 } else { 32 });
    op("nautilus::endorse_master", sender, vec![named, nautilus, it(position.position), bytes(&key)])
}

fn register_master(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let nautilus = draw.scene.nautilus_of(cluster.id);
    let endorsed = draw.random.pick(&nautilus.endorsements)?;
    let enclave = enclave_of(&endorsed.signing_key).unwrap_or_else(|| Enclave::new(0));
    let right = draw.scene.position(endorsed.position).cloned();
    let position = if draw.slip() || right.is_none() { draw.position(&cluster, is_active)? } else { right? };
    let endpoint = match draw.slip() {
        true if draw.random.chance(30) => "https://".to_owned() + &"x".repeat(249),
        true => draw.random.one_of(BAD_ENDPOINTS).to_owned(),
        false if draw.random.chance(5) => "https://".to_owned() + &"x".repeat(248),
        false => draw.random.one_of(ENDPOINTS).to_owned(),
    };
    register(draw, &cluster, &position, &enclave, &endpoint)
}

pub(in super::super) fn register(
    draw: &mut Draw<'_>,
    cluster: &Cluster,
    position: &PositionState,
    enclave: &Enclave,
    endpoint: &str,
) -> Option<Op> {
    let enclave = if draw.slip() { Enclave::new(1) } else { Enclave::new(number(enclave)) };
    let digests: [u8; 2] = [draw.random.one_of([0xca, 0xcb]), draw.random.one_of([0xcf, 0xce])];
    let document = document(draw, cluster, &enclave, digests);
    let (named, masters) = (draw.named(cluster.id), nautilus(draw, cluster));
    let (ca, config) = (draw.exact(32), draw.exact(32));
    let sender = draw.by(enclave.address());
    let args = vec![
        named,
        masters,
        it(position.position),
        Given::Document(Box::new(document)),
        pure(endpoint),
        bytes(&vec![digests[0]; ca]),
        bytes(&vec![digests[1]; config]),
        Given::Clock,
    ];
    op("nautilus::register_master", sender, args)
}

fn number(enclave: &Enclave) -> u8 {
    let key = enclave.signing_key();
    u8::try_from(crate::twin::sequences::scene::enclaves().position(|it| it.signing_key() == key).unwrap()).unwrap()
}

/// What the enclave's document says now.
fn document(draw: &mut Draw<'_>, cluster: &Cluster, enclave: &Enclave, [ca, config]: [u8; 2]) -> Document {
    let nautilus: &Nautilus = draw.scene.nautilus_of(cluster.id);
    let now_ms = draw.scene.now_ms;
    let in_force: Vec<Measurement> =
        nautilus.measurements.iter().filter(|it| it.status == MeasurementStatus::InForce).cloned().collect();
    let measured = if draw.slip() { draw.random.pick(&nautilus.measurements) } else { draw.random.pick(&in_force) };
    let Pcrs { pcr0, pcr1, pcr2 } = measured.map_or_else(|| image(0x40), |it| it.pcrs());
    let mut pcrs = vec![(4, vec![5; 48]), (2, pcr2), (0, pcr0), (1, pcr1)];
    let changed = 1 + draw.random.index(3);
    let [missing, zero, other] = [(); 3].map(|()| draw.slip());
    if zero {
        pcrs[changed].1 = vec![0; 48];
    }
    pcrs[changed].1[47] ^= u8::from(other);
    if missing {
        pcrs.remove(changed);
    }
    let genesis = <[u8; 32]>::try_from(cluster.genesis.as_slice()).map_or(Digest::ZERO, Digest::new);
    let signing_key = if draw.slip() { [9; 32] } else { enclave.signing_key() };
    let package = PackageId(PACKAGE);
    let binding = Binding {
        genesis: if draw.slip() { Digest::ZERO } else { genesis },
        cluster: cluster.id,
        package,
        config_digest: [config ^ u8::from(draw.slip()); 32],
        ca_spki: [ca; 32],
        signing_key,
    };
    let registrations = nautilus.registrations + u64::from(draw.slip());
    let mut key = enclave.signing_key().to_vec();
    key.truncate(if draw.slip() { 31 } else { 32 });
    let near = [now_ms, now_ms, now_ms + SKEW_MS, now_ms.saturating_sub(MAX_AGE_MS)];
    let far = [now_ms + SKEW_MS + 1, now_ms.saturating_sub(MAX_AGE_MS + 1)];
    Document {
        module_id: b"i-0123456789abcdef0-enc0123456789abcdef".to_vec(),
        timestamp: if draw.slip() { draw.random.one_of(far) } else { draw.random.one_of(near) },
        digest: b"SHA384".to_vec(),
        pcrs,
        public_key: if draw.slip() { None } else { Some(key) },
        user_data: Some(binding.user_data().to_vec()).filter(|_| !draw.slip()),
        nonce: Some(registration_nonce(nautilus.id, registrations).to_vec()).filter(|_| !draw.slip()),
    }
}

/// A master's address, preferably of one that counts.
pub(super) fn master(draw: &mut Draw<'_>, cluster: &Cluster) -> Option<Address> {
    let masters = &draw.scene.nautilus_of(cluster.id).masters;
    let now = UnixMs(draw.scene.now_ms);
    let current: Vec<Address> =
        masters.iter().filter(|it| it.is_current(&cluster.policy, now)).map(|it| it.address.0).collect();
    let all: Vec<Address> = masters.iter().map(|it| it.address.0).collect();
    if draw.random.chance(10) { draw.random.pick(&all) } else { draw.random.pick(&current) }
}

fn heartbeat(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let master = master(draw, &cluster);
    let (sender, named, nautilus) = (draw.by(master), draw.named(cluster.id), nautilus(draw, &cluster));
    op("nautilus::heartbeat", sender, vec![named, nautilus, Given::Clock])
}

fn remove_master(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (cap, holder) = draw.admin(cluster.id)?;
    let (named, nautilus) = (draw.named(cluster.id), nautilus(draw, &cluster));
    let masters = &draw.scene.nautilus_of(cluster.id).masters;
    let keys: Vec<Vec<u8>> = masters.iter().map(|it| it.signing_key.clone()).collect();
    let key = draw.random.pick(&keys).unwrap_or_else(|| vec![1; 32]);
    op("nautilus::remove_master", holder, vec![cap, named, nautilus, bytes(&key)])
}

fn jail(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let master = master(draw, &cluster);
    let position = draw.position(&cluster, |it| !it.node_id.is_empty() && !it.is_jailed())?;
    let latest = draw.scene.now_ms.saturating_sub(cluster.policy.silence_ms);
    let early = draw.random.between(latest.saturating_sub(1000), latest);
    let since = if draw.slip() { draw.random.one_of([latest + 1, draw.scene.now_ms + 1]) } else { early };
    let (sender, named, nautilus) = (draw.by(master), draw.named(cluster.id), nautilus(draw, &cluster));
    op("node::jail", sender, vec![named, nautilus, it(position.position), pure(&since), Given::Clock])
}

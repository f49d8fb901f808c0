//! What chance alone would rarely reach: masters at work, and what there can be only so many of.

use super::chain::{Given, Op};
use super::draw::{
    Draw, Group, announce, bytes, cancel, endorse, image, it, node_stake, op, propose, pure, refresh, register,
};
use super::random::Random;
use super::scene::{Enclave, Scene, wallet};
use daas_types::onchain::{Cluster, MeasurementStatus, PositionState, Status};

/// What a sequence is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Nothing,
    /// So many masters.
    Masters(usize),
    /// As many Seals of a position as there can be.
    Seals,
    /// As many trials of a position as count.
    Trials,
    /// As many measurements as there can be.
    Images,
}

/// One more than there can be: of Seals, of measurements, of masters.
const TOO_MANY: usize = 17;
/// As many trials as count.
const TRIALS: usize = 32;

// === impl Plan ===

impl Plan {
    /// Of some numbers one each has what there can be only so many of.
    pub(super) fn of(number: u64, random: &mut Random, theme: Group) -> Self {
        match (number % 16, theme) {
            (5, _) => Self::Seals,
            (7, _) => Self::Trials,
            (11, _) => Self::Images,
            (13, _) => Self::Masters(TOO_MANY),
            (_, Group::Masters | Group::Requests) => Self::Masters(1),
            _ if random.chance(30) => Self::Masters(1),
            _ => Self::Nothing,
        }
    }

    /// Whether nothing else should happen before it is done.
    pub(super) fn is_steady(self) -> bool {
        !matches!(self, Self::Nothing | Self::Masters(1))
    }

    pub(super) fn is_done(self, scene: &Scene) -> bool {
        let positions = &scene.positions;
        let nautilus = &scene.nautiluses[0];
        match self {
            Self::Nothing | Self::Masters(1) => true,
            Self::Seals => positions.iter().any(|it| it.seals.len() >= TOO_MANY - 1),
            Self::Trials => positions.iter().any(|it| it.trials.len() >= TRIALS && it.proposal.is_none()),
            Self::Images => nautilus.measurements.len() >= TOO_MANY - 1,
            Self::Masters(count) => nautilus.masters.len() >= count - 1,
        }
    }

    pub(super) fn next(self, draw: &mut Draw<'_>) -> Option<Op> {
        let cluster = draw.scene.clusters.first()?.clone();
        let lives = |it: &&PositionState| {
            it.cluster == cluster.id && it.active.0.max(it.frozen.0) > 0 && it.status != Status::Closed
        };
        let living: Vec<&PositionState> = draw.scene.positions.iter().filter(lives).collect();
        let first = living.iter().find(|it| cluster.is_operator(it.position)).or(living.first()).copied();
        let Some(first) = first.cloned() else {
            return if self == Self::Nothing { None } else { node_stake(draw, &cluster, wallet(0)) };
        };
        match self {
            Self::Seals if first.seals.len() < TOO_MANY => refresh(draw, &cluster, &first, (None, 1)),
            Self::Trials if first.proposal.is_some() => cancel(draw, &cluster, &first),
            Self::Trials => propose(draw, &cluster, &first),
            Self::Images => {
                let known = draw.scene.nautilus_of(cluster.id).measurements.len();
                announce(draw, &cluster, &image(u8::try_from(known + 1).unwrap()))
            }
            Self::Masters(count) => master(draw, &cluster, &first, count),
            Self::Seals | Self::Nothing => None,
        }
    }
}

/// The next thing on the way to so many masters.
fn master(draw: &mut Draw<'_>, cluster: &Cluster, first: &PositionState, count: usize) -> Option<Op> {
    let nautilus = draw.scene.nautilus_of(cluster.id);
    let registered = nautilus.masters.len();
    if registered >= count {
        return None;
    }
    let status = nautilus.measurements.iter().map(|it| it.status).min_by_key(|it| *it != MeasurementStatus::InForce);
    match status {
        None => return announce(draw, cluster, &image(1)),
        Some(MeasurementStatus::InForce) => {}
        Some(_) => {
            let pcr0 = bytes(&nautilus.measurements[0].pcr0);
            let args = vec![it(cluster.id), it(cluster.nautilus), pcr0, Given::Clock];
            return op("nautilus::activate_measurement", wallet(0), args);
        }
    }
    if !cluster.is_operator(first.position) {
        let (cap, holder) = draw.admin(cluster.id)?;
        let operators = pure(&vec![first.position]);
        return op("cluster::set_operator_positions", holder, vec![cap, it(cluster.id), operators]);
    }
    let enclave = Enclave::new(u8::try_from(registered).unwrap());
    let key = enclave.signing_key();
    let endorsed = nautilus.endorsements.iter().any(|it| it.position == first.position && it.signing_key == key);
    if !endorsed {
        return endorse(draw, cluster, first, &enclave);
    }
    register(draw, cluster, first, &enclave, &format!("https://m{registered}:6443"))
}

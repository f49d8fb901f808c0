//! Slashes: proposed, appealed, judged, executed, lapsed, proven.

use super::stakes::is_active;
use super::{Draw, Drawn, bytes, it, op, pure};
use crate::twin::sequences::chain::{Given, Op};
use crate::twin::sequences::scene::{Enclave, enclave_of};
use daas_types::onchain::{AuditRoot, Cluster, PositionState, Stage, offence};
use sui_sdk_types::Address;

pub(super) const DRAWN: &[(&str, u64, Drawn)] = &[
    ("staking::propose_slash", 6, propose_slash),
    ("staking::appeal_slash", 9, appeal_slash),
    ("staking::uphold_slash", 5, uphold_slash),
    ("staking::reduce_slash", 8, reduce_slash),
    ("staking::cancel_slash", 3, cancel_slash),
    ("staking::execute_slash", 12, execute_slash),
    ("staking::release_lapsed_slash", 4, release_lapsed_slash),
    ("staking::slash_double_signed", 5, slash_double_signed),
];

fn propose_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| it.proposal.is_none() && it.active.0.max(it.unbonding.0) > 0)?;
    propose(draw, &cluster, &position)
}

pub(in super::super) fn propose(draw: &mut Draw<'_>, cluster: &Cluster, position: &PositionState) -> Option<Op> {
    let (now_ms, age_ms) = (draw.scene.now_ms, cluster.policy.evidence_max_age_ms);
    let proposers = &draw.scene.proposers;
    let (cap, holder) = draw.cap(proposers, |cap| cap.id == cluster.proposer_cap.0)?;
    let named = draw.named(cluster.id);
    let reason = u8::try_from(draw.within(1, 5)).unwrap();
    let evidence_ms = draw.within(now_ms.saturating_sub(age_ms), now_ms);
    let (hash, uri) = (evidence(draw, cluster), draw.at_most(512));
    let uri = draw.text(uri);
    let args = vec![
        cap,
        named,
        it(position.position),
        pure(&reason),
        bytes(&hash),
        pure(&evidence_ms),
        pure(&uri),
        Given::Clock,
    ];
    op("staking::propose_slash", holder, args)
}

/// Something new, something old, or what is a proof's.
fn evidence(draw: &mut Draw<'_>, cluster: &Cluster) -> Vec<u8> {
    let length = draw.exact(32);
    match draw.random.below(10) {
        0 | 1 => draw.random.run(length),
        2 => offence(cluster.id, &Enclave::new(0).signing_key(), 1).to_vec(),
        _ => draw.random.bytes(length),
    }
}

fn appeal_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| stage(it) == Some(Stage::Proposed))?;
    let (sender, named, length) = (draw.by(position.owner.0), draw.named(cluster.id), draw.at_most(1024));
    let statement = draw.text(length);
    op("staking::appeal_slash", sender, vec![named, it(position.position), pure(&statement), Given::Clock])
}

fn stage(position: &PositionState) -> Option<Stage> {
    position.proposal.as_ref().map(|proposal| proposal.stage)
}

/// Capability, cluster, position and judge.
fn judge(draw: &mut Draw<'_>, such: impl Fn(&PositionState) -> bool) -> Option<(Vec<Given>, PositionState, Address)> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, such)?;
    let judges = &draw.scene.judges;
    let (cap, holder) = draw.cap(judges, |cap| cap.id == cluster.judge_cap.0)?;
    let named = draw.named(cluster.id);
    Some((vec![cap, named, it(position.position)], position, holder))
}

fn uphold_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let (mut args, _, judge) = judge(draw, |it| stage(it) == Some(Stage::Appealed))?;
    args.push(Given::Clock);
    op("staking::uphold_slash", judge, args)
}

fn reduce_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let (mut args, position, judge) = judge(draw, |it| stage(it) == Some(Stage::Appealed))?;
    let amount = position.proposal.map_or(1, |proposal| proposal.amount.0);
    args.extend([pure(&draw.within(1, amount.saturating_sub(1))), Given::Clock]);
    op("staking::reduce_slash", judge, args)
}

fn cancel_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let (mut args, _, judge) = judge(draw, |it| stage(it).is_some())?;
    args.push(Given::Clock);
    op("staking::cancel_slash", judge, args)
}

pub(in super::super) fn cancel(draw: &mut Draw<'_>, cluster: &Cluster, position: &PositionState) -> Option<Op> {
    let judges = &draw.scene.judges;
    let (cap, holder) = draw.cap(judges, |cap| cap.id == cluster.judge_cap.0)?;
    op("staking::cancel_slash", holder, vec![cap, it(cluster.id), it(position.position), Given::Clock])
}

fn execute_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| matches!(stage(it), Some(Stage::Proposed | Stage::Upheld)))?;
    let (sender, named) = (draw.wallet(), draw.named(cluster.id));
    op("staking::execute_slash", sender, vec![named, it(position.position), Given::Clock])
}

fn release_lapsed_slash(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let pending: Vec<&PositionState> = draw.scene.positions.iter().filter(|it| it.proposal.is_some()).collect();
    let position =
        if draw.random.chance(10) { draw.position(&cluster, |_| true)? } else { draw.random.pick(&pending)?.clone() };
    let (sender, named) = (draw.wallet(), draw.named(position.cluster));
    op("staking::release_lapsed_slash", sender, vec![named, it(position.position), Given::Clock])
}

fn slash_double_signed(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let nautilus = draw.scene.nautilus_of(cluster.id);
    let master = draw.random.pick(&nautilus.masters);
    let endorsed = draw.random.pick(&nautilus.endorsements);
    let (key, answers) = match (master, endorsed) {
        (Some(master), _) if draw.random.chance(85) => (master.signing_key, Some(master.position)),
        (_, Some(endorsed)) => (endorsed.signing_key, Some(endorsed.position)),
        _ => (Enclave::new(0).signing_key().to_vec(), None),
    };
    let right = answers.and_then(|id| draw.scene.position(id)).cloned();
    let position = if draw.slip() || right.is_none() { draw.position(&cluster, is_active)? } else { right? };
    prove(draw, &cluster, &position, &key)
}

fn prove(draw: &mut Draw<'_>, cluster: &Cluster, position: &PositionState, key: &[u8]) -> Option<Op> {
    let sequence = draw.random.below(3);
    let enclave = enclave_of(key).unwrap_or_else(|| Enclave::new(0));
    let roots = [draw.random.run(32), draw.random.bytes(32)];
    let roots = if draw.slip() { [roots[0].clone(), roots[0].clone()] } else { roots };
    let signed = roots.clone().map(|root| {
        let root = AuditRoot { cluster: cluster.id, sequence: sequence + u64::from(draw.slip()), root: &root };
        let mut signature = enclave.sign(&root.to_signed_bytes());
        signature.truncate(if draw.slip() { draw.random.one_of([0, 63]) } else { 64 });
        signature
    });
    let (sender, named) = (draw.wallet(), draw.named(cluster.id));
    let scene = draw.scene;
    let nautilus = draw.right(cluster.nautilus, scene.nautiluses.iter().map(|it| it.id));
    let mut args = vec![named, it(nautilus), it(position.position), bytes(key), pure(&sequence)];
    for (root, signature) in roots.iter().zip(&signed) {
        args.extend([bytes(root), bytes(signature)]);
    }
    args.push(Given::Clock);
    op("staking::slash_double_signed", sender, args)
}

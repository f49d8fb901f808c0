//! Stakes, Seals, keys; jail's end and maintenance.

use super::{Draw, Drawn, bytes, it, op, pure};
use crate::twin::sequences::chain::{Given, Op};
use daas_types::onchain::{Cluster, PositionState, Status};
use daas_types::{PositionId, SealId, WalletAddress};
use sui_sdk_types::Address;

pub(super) const DRAWN: &[(&str, u64, Drawn)] = &[
    ("staking::stake_and_mint_seal", 5, stake_and_mint_seal),
    ("staking::stake_for_node", 3, stake_for_node),
    ("staking::restake", 4, restake),
    ("staking::refresh_seal_token", 5, refresh_seal_token),
    ("staking::revoke_seal", 2, revoke_seal),
    ("staking::revoke_all_seals", 1, revoke_all_seals),
    ("staking::unstake", 5, unstake),
    ("staking::withdraw", 4, withdraw),
    ("staking::set_operator", 2, set_operator),
    ("staking::offer_ownership", 2, offer_ownership),
    ("staking::accept_ownership", 4, accept_ownership),
    ("k8s_gateway::create_worker_seal_token", 4, create_worker_seal_token),
    ("node::unjail", 8, unjail),
    ("node::announce_maintenance", 3, announce_maintenance),
];

const DAY: u64 = 24 * 3600 * 1000;
const NODES: [&str; 5] = ["a", "node-1", "0", "worker-9", "x-y-z"];
const BAD_NODES: [&str; 6] = ["-a", "a-", "A", "a_b", "a.b", "é"];

pub(super) fn is_whole(position: &PositionState) -> bool {
    matches!(position.status, Status::Active | Status::Recovering)
}

pub(super) fn is_active(position: &PositionState) -> bool {
    position.status == Status::Active
}

/// The names that nodes may have in a sequence.
pub(in super::super) fn node_ids() -> Vec<String> {
    let mut names: Vec<String> = NODES.iter().map(|name| (*name).to_owned()).collect();
    names.push("z".repeat(63));
    names
}

fn node_id(draw: &mut Draw<'_>) -> String {
    if draw.slip() {
        let bad = draw.random.one_of(BAD_NODES).to_owned();
        return if draw.random.chance(30) { "z".repeat(64) } else { bad };
    }
    let free: Vec<String> =
        node_ids().into_iter().filter(|name| draw.scene.positions.iter().all(|it| it.node_id != *name)).collect();
    if draw.slip() || free.is_empty() { draw.random.one_of(NODES).to_owned() } else { draw.random.pick(&free).unwrap() }
}

/// Stake that such a cluster takes.
fn stake(draw: &mut Draw<'_>, cluster: &Cluster) -> u64 {
    let (least, most) = (cluster.policy.min_stake.0, cluster.policy.max_stake.0);
    let some = least.saturating_add(draw.random.between(0, 9).saturating_mul(cluster.policy.thresholds.viewer.0));
    let within = draw.within(least, most);
    if draw.slipped || draw.random.chance(15) { within } else { some.clamp(least, most) }
}

fn registry(draw: &mut Draw<'_>, cluster: &Cluster) -> Given {
    let scene = draw.scene;
    it(draw.right(cluster.registry, scene.registries.iter().map(|it| it.id)))
}

/// Locator, commitment, session, its end and the lifetime.
fn seal(draw: &mut Draw<'_>, cluster: &Cluster) -> Vec<Given> {
    let now_ms = draw.scene.now_ms;
    let (locator, commitment) = (draw.exact(16), draw.exact(32));
    let most = cluster.policy.max_seal_lifetime_ms;
    let short = draw.random.between(1, most.min(40_000));
    let lifetime_ms = if draw.random.chance(30) { draw.within(1, most) } else { short };
    let session = draw.maybe_wallet();
    let session_end_ms = match session {
        None => u64::from(draw.slip()),
        Some(_) => draw.within(now_ms + 1, now_ms + lifetime_ms),
    };
    let (locator, commitment) = (draw.random.bytes(locator), draw.random.run(commitment));
    vec![bytes(&locator), bytes(&commitment), pure(&session), pure(&session_end_ms), pure(&lifetime_ms)]
}

fn salt(draw: &mut Draw<'_>) -> u64 {
    if draw.random.chance(15) { 7 } else { draw.random.below(1_000_000) }
}

fn stake_and_mint_seal(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (named, registry, amount) = (draw.named(cluster.id), registry(draw, &cluster), stake(draw, &cluster));
    let with_node = draw.random.chance(50);
    let node_id = if with_node { node_id(draw) } else { String::new() };
    let permissions = match (draw.slip(), with_node) {
        (true, _) => draw.random.one_of([0_u8, 2, 4, 255]),
        (false, true) => draw.random.one_of([1, 2, 3]),
        (false, false) => 1,
    };
    let mut args = vec![named, registry, Given::Coin(amount), pure(&salt(draw)), pure(&node_id), pure(&permissions)];
    args.extend(seal(draw, &cluster));
    args.push(Given::Clock);
    let sender = draw.wallet();
    op("staking::stake_and_mint_seal", sender, args)
}

fn stake_for_node(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let sender = draw.wallet();
    node_stake(draw, &cluster, sender)
}

pub(in super::super) fn node_stake(draw: &mut Draw<'_>, cluster: &Cluster, sender: Address) -> Option<Op> {
    let (named, registry, amount) = (draw.named(cluster.id), registry(draw, cluster), stake(draw, cluster));
    let node_id = if draw.slip() { String::new() } else { node_id(draw) };
    let operator = WalletAddress(draw.wallet());
    let args = vec![named, registry, Given::Coin(amount), pure(&salt(draw)), pure(&node_id), pure(&operator)];
    op("staking::stake_for_node", sender, args)
}

fn restake(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| is_whole(it) || it.status == Status::Slashed)?;
    let room = cluster.policy.max_stake.0.saturating_sub(position.active.0);
    let short = cluster.policy.min_stake.0.saturating_sub(position.active.0).max(1);
    let edge = draw.within(short, room);
    let some = draw.random.between(short, short.saturating_add(cluster.policy.thresholds.viewer.0)).min(room);
    let amount = if draw.random.chance(25) { edge } else { some };
    let (sender, named) = (draw.by(position.owner.0), draw.named(cluster.id));
    op("staking::restake", sender, vec![named, it(position.position), Given::Coin(amount), Given::Clock])
}

/// A Seal to replace: none, one there is, or one there is not.
fn replaces(draw: &mut Draw<'_>, position: &PositionState) -> Option<SealId> {
    let seals: Vec<SealId> = position.seals.iter().map(|seal| seal.id).collect();
    let full = seals.len() >= 15;
    match draw.random.below(10) {
        0 => Some(SealId(Address::TWO)),
        1 | 2 => draw.random.pick(&seals),
        _ if full && draw.random.chance(50) => draw.random.pick(&seals),
        _ => None,
    }
}

fn refresh_seal_token(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, is_whole)?;
    let permissions = match (draw.slip(), position.node_id.is_empty()) {
        (true, true) => draw.random.one_of([0_u8, 2, 3, 4]),
        (true, false) => draw.random.one_of([0, 4]),
        (false, true) => 1,
        (false, false) => draw.random.one_of([1, 2, 3]),
    };
    let replaces = replaces(draw, &position);
    refresh(draw, &cluster, &position, (replaces, permissions))
}

pub(in super::super) fn refresh(
    draw: &mut Draw<'_>,
    cluster: &Cluster,
    position: &PositionState,
    (replaces, permissions): (Option<SealId>, u8),
) -> Option<Op> {
    let (sender, named) = (draw.by(position.owner.0), draw.named(cluster.id));
    let mut args = vec![named, it(position.position), pure(&replaces), pure(&permissions)];
    args.extend(seal(draw, cluster));
    args.push(Given::Clock);
    op("staking::refresh_seal_token", sender, args)
}

fn create_worker_seal_token(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| is_active(it) && !it.node_id.is_empty())?;
    let keeper = keeper(draw, &position);
    let named = draw.named(cluster.id);
    let mut args = vec![named, it(position.position), pure(&replaces(draw, &position))];
    args.extend(seal(draw, &cluster));
    args.push(Given::Clock);
    op("k8s_gateway::create_worker_seal_token", keeper, args)
}

fn keeper(draw: &mut Draw<'_>, position: &PositionState) -> Address {
    let keeper = draw.random.one_of([position.owner.0, position.operator.0]);
    draw.by(keeper)
}

fn revoke_seal(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| !it.seals.is_empty())?;
    let seals: Vec<SealId> = position.seals.iter().map(|seal| seal.id).collect();
    let seal = if draw.slip() { None } else { draw.random.pick(&seals) };
    let (keeper, named) = (keeper(draw, &position), draw.named(cluster.id));
    let args = vec![named, it(position.position), pure(&seal.unwrap_or(SealId(Address::TWO))), Given::Clock];
    op("staking::revoke_seal", keeper, args)
}

fn revoke_all_seals(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |_| true)?;
    let (keeper, named) = (keeper(draw, &position), draw.named(cluster.id));
    op("staking::revoke_all_seals", keeper, vec![named, it(position.position), Given::Clock])
}

fn unstake(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| it.active.0 > 0 && it.status != Status::Suspended)?;
    let (active, least) = (position.active.0, cluster.policy.min_stake.0);
    let spare = active.saturating_sub(least);
    let part = draw.within(1, spare);
    let amount = if draw.random.chance(20) { active } else { part };
    let amount =
        if draw.slip() { draw.random.one_of([active.saturating_add(1), spare.saturating_add(1), 0]) } else { amount };
    let (sender, named) = (draw.by(position.owner.0), draw.named(cluster.id));
    op("staking::unstake", sender, vec![named, it(position.position), pure(&amount), Given::Clock])
}

fn withdraw(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| it.unbonding.0 > 0 && it.status != Status::Suspended)?;
    let (sender, named, registry) = (draw.by(position.owner.0), draw.named(cluster.id), registry(draw, &cluster));
    op("staking::withdraw", sender, vec![named, registry, it(position.position), Given::Clock])
}

fn any_owned(draw: &mut Draw<'_>) -> Option<(Address, Given, PositionId)> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |_| true)?;
    let (sender, named) = (draw.by(position.owner.0), draw.named(cluster.id));
    Some((sender, named, position.position))
}

fn set_operator(draw: &mut Draw<'_>) -> Option<Op> {
    let (sender, named, position) = any_owned(draw)?;
    let operator = pure(&draw.wallet());
    op("staking::set_operator", sender, vec![named, it(position), operator, Given::Clock])
}

fn offer_ownership(draw: &mut Draw<'_>) -> Option<Op> {
    let (sender, named, position) = any_owned(draw)?;
    let next_owner = pure(&draw.maybe_wallet());
    op("staking::offer_ownership", sender, vec![named, it(position), next_owner, Given::Clock])
}

fn accept_ownership(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |it| it.next_owner.is_some())?;
    let (sender, named) = (draw.by(position.next_owner.map(|owner| owner.0)), draw.named(cluster.id));
    op("staking::accept_ownership", sender, vec![named, it(position.position), Given::Clock])
}

fn unjail(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, PositionState::is_jailed)?;
    let (keeper, named) = (keeper(draw, &position), draw.named(cluster.id));
    op("node::unjail", keeper, vec![named, it(position.position), Given::Clock])
}

fn announce_maintenance(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let position = draw.position(&cluster, |_| true)?;
    let now_ms = draw.scene.now_ms;
    let earliest = position
        .maintenance
        .map_or(now_ms + 1, |last| if last.from_ms.0 <= now_ms { last.until_ms.0 + 7 * DAY } else { last.from_ms.0 });
    let most = if draw.random.chance(70) { earliest + 5_000 } else { now_ms + 90 * DAY };
    let from_ms = draw.within(earliest, most.max(earliest));
    let length = if draw.random.chance(60) { draw.random.between(1, 20_000) } else { draw.within(1, 7 * DAY) };
    let (keeper, named) = (keeper(draw, &position), draw.named(cluster.id));
    let args = vec![named, it(position.position), pure(&from_ms), pure(&from_ms.saturating_add(length)), Given::Clock];
    op("node::announce_maintenance", keeper, args)
}

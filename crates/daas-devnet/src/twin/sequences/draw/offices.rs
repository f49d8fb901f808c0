//! Founding, policy, offices, treasury.

use super::{Draw, Drawn, bytes, op, pure};
use crate::twin::sequences::chain::{Given, Op};
use crate::twin::sequences::scene::wallet;
use daas_types::WalletAddress;
use sui_sdk_types::Address;

pub(super) const DRAWN: &[(&str, u64, Drawn)] = &[
    ("founding::create_cluster", 1, create_cluster),
    ("cluster::announce_policy", 3, announce_policy),
    ("cluster::recall_policy", 1, recall_policy),
    ("cluster::apply_policy", 8, apply_policy),
    ("cluster::set_paused", 1, set_paused),
    ("cluster::set_operator_positions", 3, set_operator_positions),
    ("cluster::appoint_proposer", 1, appoint_proposer),
    ("cluster::appoint_judge", 1, appoint_judge),
    ("cluster::pay_treasury", 10, pay_treasury),
    ("cluster::migrate", 1, migrate),
];

const SECOND: u64 = 1000;
const DAY: u64 = 24 * 3600 * SECOND;

/// The sequence's own cluster. A `steady` one lets nothing wait or end soon.
pub(in super::super) fn first(draw: &mut Draw<'_>, steady: bool) -> Op {
    let mut numbers = numbers(draw);
    if steady {
        for (at, number) in [(7, 10_000), (12, 0), (15, 30 * DAY), (16, DAY), (17, DAY), (18, 0)] {
            numbers[at] = number;
        }
    }
    let (name, super_is_masters) = (draw.text(4), draw.random.chance(50));
    create(draw, wallet(0), &name, 32, (&numbers, super_is_masters), [1, 2, 3].map(wallet)).unwrap()
}

fn create(
    draw: &mut Draw<'_>,
    sender: Address,
    name: &str,
    genesis: usize,
    (numbers, super_is_masters): (&[u64], bool),
    [beneficiary, proposer, judge]: [Address; 3],
) -> Option<Op> {
    let genesis = draw.random.run(genesis);
    let args = vec![
        pure(name),
        bytes(&genesis),
        pure(numbers),
        pure(&super_is_masters),
        pure(&beneficiary),
        pure(&proposer),
        pure(&judge),
    ];
    op("founding::create_cluster", sender, args)
}

fn create_cluster(draw: &mut Draw<'_>) -> Option<Op> {
    let full = draw.scene.clusters.len() >= 2;
    if full && draw.random.chance(95) {
        return None;
    }
    let offices = if draw.slip() {
        draw.random.one_of([[2, 2, 3], [2, 3, 2], [3, 2, 2]])
    } else {
        draw.random.one_of([[5, 2, 4], [1, 2, 3], [6, 4, 5]])
    };
    let (numbers, name, genesis) = (numbers(draw), draw.at_most(128), draw.exact(32));
    let (name, sender) = (draw.text(name), draw.wallet());
    create(draw, sender, &name, genesis, (&numbers, false), offices.map(wallet))
}

/// A policy's numbers. Times are short, so that much happens.
pub(super) fn numbers(draw: &mut Draw<'_>) -> Vec<u64> {
    let unit = draw.random.one_of([1, 1000, 1_000_000_000]);
    let min_stake = draw.random.between(1, 5) * draw.random.one_of([1, unit]);
    let max_stake = match draw.random.below(6) {
        0 => min_stake,
        1 => u64::MAX,
        _ => min_stake.saturating_add(draw.random.between(10, 60) * unit),
    };
    let mut thresholds: Vec<u64> = (1..=4).map(|n| n * unit + draw.random.below(unit)).collect();
    if draw.slip() {
        let at = draw.random.index(3);
        thresholds[at + 1] = thresholds[at];
    }
    let unbonding = draw.random.one_of([0, 20, 60]) * SECOND;
    let evidence_age = if draw.slip() { unbonding + 1 } else { draw.random.between(unbonding / 2, unbonding) };
    let mut numbers = thresholds;
    numbers.extend([
        if draw.slip() { draw.random.one_of([0, max_stake.saturating_add(1)]) } else { min_stake },
        max_stake,
        draw.random.between(0, 3 * unit),
        draw.within(1, 10_000),
        draw.within(1, 10 * SECOND),
        draw.within(1, 60 * SECOND),
        unbonding,
        evidence_age,
        draw.random.one_of([0, 0, 1, 5 * SECOND]),
        draw.random.between(0, 10 * SECOND),
        draw.random.between(0, 90 * SECOND),
        draw.within(1, 30 * DAY),
        draw.within(1, 600 * SECOND),
        draw.within(1, 3600 * SECOND),
        draw.random.one_of([0, 0, 0, 30 * SECOND]),
    ]);
    if draw.random.chance(15) {
        // The longest time.
        let at = 8 + draw.random.index(11);
        let longest = 365 * DAY;
        numbers[at] = if draw.slip() { longest + 1 } else { longest };
    }
    if draw.slip() {
        numbers.truncate(18);
    }
    numbers
}

fn announce_policy(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    let (numbers, super_is_masters, beneficiary) = (numbers(draw), draw.random.chance(50), draw.wallet());
    let args = vec![cap, named, pure(&numbers), pure(&super_is_masters), pure(&beneficiary), Given::Clock];
    op("cluster::announce_policy", holder, args)
}

fn recall_policy(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    op("cluster::recall_policy", holder, vec![cap, named])
}

fn apply_policy(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (sender, named) = (draw.wallet(), draw.named(cluster.id));
    op("cluster::apply_policy", sender, vec![named, Given::Clock])
}

fn set_paused(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    let paused = !cluster.paused && draw.random.chance(50);
    op("cluster::set_paused", holder, vec![cap, named, pure(&paused)])
}

fn set_operator_positions(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    let of = draw.scene.positions.iter().filter(|it| it.cluster == cluster.id);
    let mut positions: Vec<Address> = of.map(|it| it.position.0).collect();
    positions.retain(|_| draw.random.chance(80));
    if draw.random.chance(12) {
        let length = if draw.random.chance(40) { 65 } else { 64 };
        positions.resize(length, Address::TWO);
    }
    op("cluster::set_operator_positions", holder, vec![cap, named, pure(&positions)])
}

fn appoint(draw: &mut Draw<'_>, function: &'static str, usual: u8) -> Option<Op> {
    let cluster = draw.cluster()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    let anyone = draw.wallet();
    let office = draw.random.one_of([wallet(usual), wallet(usual), anyone]);
    op(function, holder, vec![cap, named, pure(&WalletAddress(office))])
}

fn appoint_proposer(draw: &mut Draw<'_>) -> Option<Op> {
    appoint(draw, "cluster::appoint_proposer", 2)
}

fn appoint_judge(draw: &mut Draw<'_>) -> Option<Op> {
    appoint(draw, "cluster::appoint_judge", 3)
}

fn pay_treasury(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let (sender, named) = (draw.wallet(), draw.named(cluster.id));
    op("cluster::pay_treasury", sender, vec![named])
}

fn migrate(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.scene.clusters.first()?;
    let ((cap, holder), named) = (draw.admin(cluster.id)?, draw.named(cluster.id));
    op("cluster::migrate", holder, vec![cap, named])
}

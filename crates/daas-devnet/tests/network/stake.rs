//! Positions: stake, Seals, keys, and money on its way out.

use crate::contract::*;
use crate::support::*;
use daas_types::onchain::{Event, PositionEvent, PositionKey, Registry, SealToken, Status, position_id};
use daas_types::{Mist, Permissions, PositionId, SealId, UnixMs};
use std::time::Duration;
use sui_sdk_types::Address;

const DAY_MS: u64 = 86_400_000;

#[tokio::test]
async fn a_stake_makes_the_position_it_promised() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;

    let state = net.position(position).await;
    assert_eq!((state.position, state.owner, state.active), (position, wallet_of(&ann), Mist(5 * SUI)));
    assert_eq!((state.status, state.generation, state.node_id.as_str()), (Status::Active, 1, "node-1"));
    assert_eq!((state.operator, state.next_owner), (state.owner, None));
    let seal = state.seals[0].id.0;
    let token = net.object(seal).await;
    assert!(token.object_type().ends_with("::seal_token::SealToken") && !token.has_public_transfer());
    let token: SealToken = net.read(seal).await;
    assert_eq!((token.record(), token.position), (state.seals[0].clone(), position));
    let registry: Registry = net.read(made.registry.0).await;
    assert_eq!((registry.positions.size, registry.nodes.size), (1, 1));
    assert_eq!(fields(&net, registry.positions.id).await, [(bcs(&0_u64), bcs(&position))]);
    assert_eq!(fields(&net, registry.nodes.id).await, [(bcs("node-1"), bcs(&position))]);

    // The Seal is bound to its owner, the salt and the node id are used up.
    let sold = net.build(&ann, |b| {
        let token = object(b, seal);
        let to = b.pure(&Address::TWO);
        b.transfer_objects(vec![token], to);
    });
    assert!(sold.await.unwrap_err().to_string().contains("INVALID_TRANSFER_OBJECT"));
    assert_abort(net.build(&ann, |b| stake(b, made, SUI, "")).await, "registry::EPositionExists");
    let bob = net.wallet(2).await;
    assert_abort(net.build(&bob, |b| stake(b, made, SUI, "node-1")).await, "registry::ENodeIdTaken");
    assert_abort(net.build(&bob, |b| stake(b, made, SUI / 4, "")).await, "position::EBelowMinimum");
    assert_abort(net.build(&bob, |b| stake(b, made, SUI, "Node_1")).await, "registry::EBadNodeId");
}

fn for_node(made: Made, amount: u64, node: &str, operator: Address) -> Act {
    let place = vec![Arg::Pay(amount), pure(&7_u64), pure(node), pure(&operator)];
    act("staking::stake_for_node", [vec![it(made.cluster), it(made.registry)], place].concat())
}

/// Without a session key, for an hour.
fn worker_seal(made: Made, position: PositionId, replaces: Option<SealId>) -> Act {
    let seal = [
        pure(&replaces),
        pure(&vec![5_u8; 16]),
        pure(&vec![6_u8; 32]),
        pure(&None::<Address>),
        pure(&0_u64),
        pure(&3_600_000_u64),
    ];
    act(
        "k8s_gateway::create_worker_seal_token",
        [vec![it(made.cluster), it(position)], seal.to_vec(), vec![CLOCK]].concat(),
    )
}

#[tokio::test]
async fn an_operators_key_makes_node_seals_and_moves_no_money() {
    let net = Net::start().await;
    let (ann, bot) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    net.refused(&ann, made, for_node(made, SUI, "", bot.address), "staking::ENodeIdMissing").await;
    let made_state = net.change(&ann, made, for_node(made, 5 * SUI, "node-1", bot.address)).await;
    let position = position_id(made.package, made.registry, PositionKey(wallet_of(&ann), 7));
    assert_eq!((made_state.position, made_state.operator), (position, wallet_of(&bot)));
    assert!(made_state.seals.is_empty());

    let first = net.change(&bot, made, worker_seal(made, position, None)).await;
    assert_eq!((first.seals[0].permissions, first.seals.len()), (Permissions::NODE, 1));
    // The token is the owner's, whoever made it.
    assert_eq!(net.object(first.seals[0].id.0).await.owner().address(), ann.address.to_string());
    let second = net.change(&bot, made, worker_seal(made, position, Some(first.seals[0].id))).await;
    assert!(second.seals.len() == 1 && second.seals[0].id != first.seals[0].id);
    let revoke = |seal: SealId| act("staking::revoke_seal", vec![it(made.cluster), it(position), pure(&seal), CLOCK]);
    net.refused(&bot, made, revoke(first.seals[0].id), "position::ENoSuchSeal").await;
    net.change(&bot, made, revoke(second.seals[0].id)).await;
    net.change(&bot, made, worker_seal(made, position, None)).await;
    let revoke_all = act("staking::revoke_all_seals", vec![it(made.cluster), it(position), CLOCK]);
    assert!(net.change(&bot, made, revoke_all).await.seals.is_empty());
    for money in [unstake(made, position, SUI), restake(made, position, SUI), withdraw(made, position)] {
        net.refused(&bot, made, money, "position::ENotOwner").await;
    }

    let set_operator =
        |to: &Wallet| act("staking::set_operator", vec![it(made.cluster), it(position), pure(&to.address), CLOCK]);
    net.refused(&bot, made, set_operator(&bot), "position::ENotOwner").await;
    net.change(&ann, made, set_operator(&ann)).await;
    net.refused(&bot, made, worker_seal(made, position, None), "position::ENotKeeper").await;
}

#[tokio::test]
async fn a_session_key_ends_no_later_than_its_seal() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    let state = net.change(&ann, made, refresh(made, position, net.now_ms())).await;
    let seal = &state.seals[1];
    let now = UnixMs(net.now_ms());
    assert_eq!(seal.session_key(now), Some(Address::TWO.into()));
    assert_eq!(seal.session_key(seal.expires_ms), None);
    net.refused(&ann, made, refresh(made, position, net.now_ms() + 1), "seal_token::EBadSession").await;
    assert_abort(
        net.build(&net.wallet(2).await, |b| {
            // A node's Seal needs a node.
            let gas = b.gas();
            let amount = b.pure(&SUI);
            let payment = b.split_coins(gas, vec![amount])[0];
            let seal = [
                b.pure(&0_u64),
                b.pure(&""),
                b.pure(&2_u8),
                b.pure(&vec![1_u8; 16]),
                b.pure(&vec![2_u8; 32]),
                b.pure(&None::<Address>),
                b.pure(&0_u64),
                b.pure(&1_u64),
            ];
            let mut args = vec![object(b, made.cluster.0), object(b, made.registry.0), payment];
            args.extend(seal);
            args.push(clock(b));
            call(b, made.package, "staking", "stake_and_mint_seal", args);
        })
        .await,
        "seal_token::ENodeIdMissing",
    );
}

#[tokio::test]
async fn a_position_changes_hands_when_both_say_so() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    let offer =
        |to: Option<Address>| act("staking::offer_ownership", vec![it(made.cluster), it(position), pure(&to), CLOCK]);
    let accept = act("staking::accept_ownership", vec![it(made.cluster), it(position), CLOCK]);
    net.refused(&bob, made, accept.clone(), "staking::ENotNextOwner").await;
    net.change(&ann, made, offer(Some(bob.address))).await;
    net.change(&ann, made, offer(None)).await;
    net.refused(&bob, made, accept.clone(), "staking::ENotNextOwner").await;
    net.change(&ann, made, offer(Some(bob.address))).await;
    let state = net.change(&bob, made, accept).await;
    assert_eq!((state.owner, state.operator, state.next_owner), (wallet_of(&bob), wallet_of(&bob), None));
    assert!(state.seals.is_empty());
    net.refused(&ann, made, unstake(made, position, SUI), "position::ENotOwner").await;
}

#[tokio::test]
async fn unstaked_money_comes_back_after_its_time() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
    net.refused(&ann, made, unstake(made, position, 5 * SUI + 1), "staking::EBadAmount").await;
    net.refused(&ann, made, unstake(made, position, 5 * SUI - 1), "position::EBelowMinimum").await;
    net.refused(&ann, made, withdraw(made, position), "staking::ENothingToWithdraw").await;
    net.change(&ann, made, unstake(made, position, 5 * SUI)).await;
    net.refused(&ann, made, withdraw(made, position), "staking::EStillUnbonding").await;
    net.pass(Duration::from_mins(1));
    let before = net.balance(ann.address).await;
    let state = net.change(&ann, made, withdraw(made, position)).await;
    assert!(net.balance(ann.address).await > before + 4 * SUI);
    assert_eq!((state.status, state.node_id.as_str()), (Status::Closed, ""));
    let registry: Registry = net.read(made.registry.0).await;
    assert_eq!((registry.positions.size, registry.nodes.size), (1, 0));
    assert!(fields(&net, registry.nodes.id).await.is_empty());
    net.refused(&ann, made, withdraw(made, position), "staking::ENothingToWithdraw").await;
    // The node id is free again.
    net.stake(made, &net.wallet(2).await, SUI, "node-1").await;
}

#[tokio::test]
async fn maintenance_is_announced_ahead_and_only_put_off() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
    let announce = |from_ms: u64, length_ms: u64| {
        let times = [pure(&from_ms), pure(&(from_ms + length_ms))];
        act("node::announce_maintenance", [vec![it(made.cluster), it(position)], times.to_vec(), vec![CLOCK]].concat())
    };
    let now = net.now_ms();
    net.refused(&bob, made, announce(now + 10, 1), "position::ENotKeeper").await;
    for (from, length) in [(now, 1), (now + 91 * DAY_MS, 1), (now + 1, 0), (now + 1, 8 * DAY_MS)] {
        net.refused(&ann, made, announce(from, length), "node::EBadMaintenance").await;
    }
    let [Event::Position { name, state }] = &net.act(&ann, made, announce(now + DAY_MS, DAY_MS)).await[..] else {
        panic!()
    };
    assert_eq!(*name, PositionEvent::MaintenanceAnnounced);
    assert!(state.in_maintenance(UnixMs(now + DAY_MS)) && !state.in_maintenance(UnixMs(now + 2 * DAY_MS)));
    net.refused(&ann, made, announce(now + DAY_MS - 1, 1), "node::EMaintenanceTooSoon").await;
    net.change(&ann, made, announce(now + 2 * DAY_MS, DAY_MS)).await;
    net.pass(Duration::from_hours(48));
    net.refused(&ann, made, announce(now + 10 * DAY_MS - 1, 1), "node::EMaintenanceTooSoon").await;
    net.change(&ann, made, announce(now + 10 * DAY_MS, 1)).await;
}

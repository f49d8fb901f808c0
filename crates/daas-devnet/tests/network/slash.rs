//! Slashes, appeals, and money on its way out.

use crate::cluster::*;
use crate::support::*;
use daas_types::Mist;
use daas_types::onchain::{Cluster, Event, PositionState, Registry, Status};
use std::time::Duration;
use sui_transaction_builder::TransactionBuilder;

#[tokio::test]
async fn a_slash_takes_its_share_after_the_appeal_window() {
    let net = Net::start().await;
    let (operator, ann) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&operator).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;

    let proposed = net.run(&operator, |b| propose(b, made, position, net.now_ms())).await;
    let Event::Position { state, .. } = only_event(&proposed) else { panic!() };
    assert_eq!((state.status, state.active, state.frozen), (Status::Suspended, Mist(4_500_000_000), Mist(SUI / 2)));
    assert_eq!(net.read::<PositionState>(position.0).await, state);
    assert_abort(net.build(&ann, |b| restake(b, made, position)).await, "ESuspended", 4);
    assert_abort(net.build(&ann, |b| execute(b, made, position)).await, "EAppealOpen", 23);

    net.pass(Duration::from_millis(5001));
    net.run(&ann, |b| execute(b, made, position)).await;
    let state: PositionState = net.read(position.0).await;
    assert_eq!((state.status, state.active, state.frozen), (Status::Slashed, Mist(4_500_000_000), Mist(0)));
    assert!(state.seals.is_empty());
    assert_eq!(net.read::<Cluster>(made.cluster.0).await.treasury, Mist(SUI / 2));

    assert_abort(net.build(&ann, |b| refresh(b, made, position)).await, "ESlashed", 5);
    net.run(&ann, |b| restake(b, made, position)).await;
    assert_eq!(net.read::<PositionState>(position.0).await.status, Status::Recovering);
    net.run(&ann, |b| refresh(b, made, position)).await;
    let state: PositionState = net.read(position.0).await;
    assert_eq!((state.status, state.seals.len(), state.active), (Status::Active, 1, Mist(5_500_000_000)));
}

#[tokio::test]
async fn an_appeal_waits_for_its_judge() {
    let net = Net::start().await;
    let (operator, ann) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&operator).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    net.run(&operator, |b| propose(b, made, position, net.now_ms())).await;
    net.run(&ann, |b| {
        let args = vec![object(b, made.cluster.0), object(b, position.0), b.pure(&"not me"), clock(b)];
        call(b, made.package, "staking", "appeal_slash", args);
    })
    .await;
    net.pass(Duration::from_millis(5001));
    assert_abort(net.build(&ann, |b| execute(b, made, position)).await, "EAwaitingJudge", 24);
    let judge = |function: &'static str| {
        move |b: &mut TransactionBuilder| {
            let args = vec![object(b, made.judge), object(b, made.cluster.0), object(b, position.0)];
            call(b, made.package, "staking", function, args);
        }
    };
    net.run(&operator, judge("uphold_slash")).await;
    net.run(&operator, judge("cancel_slash")).await;
    let state: PositionState = net.read(position.0).await;
    assert_eq!((state.status, state.active, state.generation), (Status::Active, Mist(5 * SUI), 5));
}

#[tokio::test]
async fn unstaked_money_comes_back_after_its_time() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
    net.run(&ann, |b| {
        let args = vec![object(b, made.cluster.0), object(b, position.0), b.pure(&(5 * SUI)), clock(b)];
        call(b, made.package, "staking", "unstake", args);
    })
    .await;
    let withdraw = |b: &mut TransactionBuilder| {
        let args = vec![object(b, made.cluster.0), object(b, made.registry.0), object(b, position.0), clock(b)];
        call(b, made.package, "staking", "withdraw", args);
    };
    assert_abort(net.build(&ann, withdraw).await, "EStillUnbonding", 10);
    net.pass(Duration::from_mins(1));
    let before = net.balance(ann.address).await;
    net.run(&ann, withdraw).await;
    assert!(net.balance(ann.address).await > before + 4 * SUI);
    assert_eq!(net.read::<PositionState>(position.0).await.status, Status::Closed);
    let registry: Registry = net.read(made.registry.0).await;
    assert_eq!((registry.positions.size, registry.nodes.size), (1, 0));
    assert!(names(&net, registry.nodes.id).await.is_empty());
}

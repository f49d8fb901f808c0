use crate::world::{Following, PATIENCE, World};
use core::time::Duration;
use daas_chain::index::Right;
use daas_chain::ops::{Ops, SlashSpec};
use daas_types::onchain::Status;
use daas_types::{Mist, PositionId, Problem, Rights, SealSecret, Tier};

const NOTHING: Rights = Rights { tier: None, node: false };
const ADMIN: Rights = Rights { tier: Some(Tier::Admin), node: true };

/// Stake, slash, and the way back, each step as the index sees it.
#[tokio::test(flavor = "multi_thread")]
async fn from_stake_over_slash_to_stake() {
    let world = World::start().await;
    let following = world.follow();
    let staker = world.rich(2).await;
    let secret = SealSecret::generate().unwrap();
    let spec = world.stake_spec(&staker, 5, "node-1", &secret);

    let staked = staker.stake_and_mint_seal(&world.ids, &spec).await.unwrap();
    let id = staked.position.position;
    assert_eq!(id, world.position_of(&staker, 0), "the id is known before the stake");
    assert_eq!((staked.position.generation, staked.position.active), (1, Mist::from_sui(5)));
    let held = following.sees(&staked).await;
    assert_eq!(held.rights, ADMIN);
    let snapshot = following.index.snapshot();
    let (_, seal) = snapshot.by_locator(secret.locator()).next().unwrap();
    assert!(secret.commitment(world.ids.cluster, id).matches(&seal.commitment));
    assert_eq!(Some(seal.id), staked.seal());
    assert!(snapshot.by_node(&"node-1".parse().unwrap()).is_some());

    let proposed = world.proposer.propose_slash(&world.ids, id, &world.slash()).await.unwrap();
    let hold = following.index.hold(held, Right::People, Some(seal.clone()));
    tokio::time::timeout(PATIENCE, hold.lost()).await.expect("whoever was let in by it must be out");
    assert_eq!(proposed.position.frozen, "0.5".parse().unwrap());
    assert_eq!(following.sees(&proposed).await.rights, NOTHING);

    settle(&world, &following, &staker, id).await;
    way_back(&world, &following, &staker, id).await;
    assert_eq!(following.index.snapshot().by_locator(secret.locator()).count(), 0, "the old Seal is void");
    following.stop().await;
}

/// Nothing moves until the time to appeal is over; then the slash is executed.
async fn settle(world: &World, following: &Following, staker: &Ops, id: PositionId) {
    refused(staker.restake(&world.ids, id, Mist::from_sui(1)).await, "position", "ESuspended");
    refused(world.operator.execute_slash(&world.ids, id).await, "slashing", "EAppealOpen");
    world.net.advance(Duration::from_secs(6));
    let executed = world.operator.execute_slash(&world.ids, id).await.unwrap();
    assert_eq!((executed.position.status, executed.position.active), (Status::Slashed, "4.5".parse().unwrap()));
    assert_eq!(following.sees(&executed).await.rights, NOTHING);
    assert_eq!(world.client.cluster(&world.ids).await.unwrap().treasury, "0.5".parse().unwrap());
}

/// Restaking, then refreshing the Seal.
async fn way_back(world: &World, following: &Following, staker: &Ops, id: PositionId) {
    let fresh = SealSecret::generate().unwrap();
    let seal = world.seal(&fresh, id);
    refused(staker.refresh_seal_token(&world.ids, id, None, &seal).await, "position", "ESlashed");
    let restaked = staker.restake(&world.ids, id, "0.5".parse().unwrap()).await.unwrap();
    assert_eq!(following.sees(&restaked).await.rights, NOTHING, "restaking alone gives nothing back");
    let refreshed = staker.refresh_seal_token(&world.ids, id, None, &seal).await.unwrap();
    assert_eq!(following.sees(&refreshed).await.rights, ADMIN);
    let snapshot = following.index.snapshot();
    assert_eq!(snapshot.by_locator(fresh.locator()).count(), 1);
}

/// Appeal, upheld and cancelled; the operator's other offices.
#[tokio::test(flavor = "multi_thread")]
async fn an_appeal_is_heard() {
    let world = World::start().await;
    let following = world.follow();
    let staker = world.rich(2).await;
    let id = world.stake(&staker, 5, "node-1").await.unwrap().position.position;

    world.proposer.propose_slash(&world.ids, id, &world.slash()).await.unwrap();
    refused(world.judge.uphold_slash(&world.ids, id).await, "slashing", "ENotAppealed");
    refused(world.operator.appeal_slash(&world.ids, id, "not mine").await, "position", "ENotOwner");
    staker.appeal_slash(&world.ids, id, "the evidence is of another node").await.unwrap();
    world.net.advance(Duration::from_secs(6));
    refused(world.operator.execute_slash(&world.ids, id).await, "slashing", "EAwaitingJudge");
    let cancelled = world.judge.cancel_slash(&world.ids, id).await.unwrap();
    assert_eq!(cancelled.position.active, Mist::from_sui(5));
    assert_eq!(following.sees(&cancelled).await.rights, ADMIN);

    let other = SlashSpec { evidence_hash: [8; 32], ..world.slash() };
    world.proposer.propose_slash(&world.ids, id, &other).await.unwrap();
    staker.appeal_slash(&world.ids, id, "again").await.unwrap();
    world.judge.uphold_slash(&world.ids, id).await.unwrap();
    world.net.advance(Duration::from_secs(6));
    assert_eq!(staker.execute_slash(&world.ids, id).await.unwrap().position.status, Status::Slashed);

    let outcome = world.operator.set_operator_positions(&world.ids, &[id]).await.unwrap();
    following.reaches(outcome.checkpoint).await;
    assert_eq!(following.index.snapshot().cluster().unwrap().operator_positions, [id]);
    following.stop().await;
}

fn refused<T: core::fmt::Debug>(result: Result<T, daas_chain::ops::TxError>, module: &str, name: &str) {
    let error = result.unwrap_err();
    let abort = error.abort().unwrap_or_else(|| panic!("{error} is no abort"));
    assert_eq!((abort.module.as_str(), abort.name), (module, Some(name)));
    let problem = Problem::from(error);
    assert!(problem.cause.contains(name), "{problem}");
}

//! Each epoch has another committee, which the one before it signed for.

use crate::liar::{Liar, Lies};
use crate::log;
use crate::world::{Following, World};
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use daas_chain::store::Store;
use daas_devnet::control::Request;
use sui_rpc::proto::sui::rpc::v2 as proto;

async fn end_epoch(world: &World) {
    world.net.devnet.control.ask(Request::Epoch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_are_reached_step_by_step_and_kept() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let path = world.net.folder.path().join("index.redb");
    let saved = |client| {
        let store = Store::open(&path, world.client.genesis(), world.ids).unwrap();
        Following::of(Follower::new(client, Index::new(world.ids)).with_store(store).unwrap())
    };
    let connect = async |url: &str| ChainClient::connect(url, world.client.genesis()).await.unwrap();
    let honest = world.net.devnet.rpc_url();

    // While following.
    let following = saved(connect(&honest).await);
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();
    following.sees(&staked).await;
    end_epoch(&world).await;
    let (position, amount) = (staked.position.position, staked.position.active);
    let more = staker.restake(&world.ids, position, amount).await.unwrap();
    following.sees(&more).await;
    following.stop().await;

    // From far behind, with objects of every epoch to prove.
    end_epoch(&world).await;
    end_epoch(&world).await;
    let last = staker.restake(&world.ids, position, amount).await.unwrap();
    let late = Following::of(Follower::new(connect(&honest).await, Index::new(world.ids)));
    late.sees(&last).await;
    late.stop().await;
    let following = saved(connect(&honest).await);
    following.sees(&last).await;
    following.stop().await;

    // What was kept is enough: this endpoint does not say how epochs ended.
    let liar = Liar::start(&honest).await;
    let forgetful = || Lies { epoch: Some(Box::new(|epoch| epoch.last_checkpoint = None)), ..Lies::default() };
    liar.says(forgetful());
    let log = log::listen();
    let lost = Following::of(Follower::new(connect(&liar.url).await, Index::new(world.ids)));
    log.says(&[&liar.url, "end of epoch: it does not end epoch 0"]).await;
    lost.stop().await;
    let following = saved(connect(&liar.url).await);
    let more = staker.restake(&world.ids, position, amount).await.unwrap();
    following.sees(&more).await;
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_does_not_name_a_committee() {
    let (world, other) = (World::start().await, World::start().await);
    end_epoch(&other).await;
    let path = other.net.folder.path().join("index.redb");
    let store = Store::open(&path, other.client.genesis(), other.ids).unwrap();
    let following =
        Following::of(Follower::new(other.client.clone(), Index::new(other.ids)).with_store(store).unwrap());
    following.sees(&other.stake(&other.rich(2).await, 5, "node-1").await.unwrap()).await;
    following.stop().await;

    // Somebody puts the other network's file in the place of this one's.
    let log = log::listen();
    let store = Store::open(&path, world.client.genesis(), world.ids).unwrap();
    let follower = Follower::new(world.client.clone(), Index::new(world.ids)).with_store(store).unwrap();
    log.says(&["a saved end of epoch is not taken", "signature: "]).await;
    let following = Following::of(follower);
    end_epoch(&world).await;
    following.sees(&world.stake(&world.rich(2).await, 5, "node-1").await.unwrap()).await;
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_not_named_by_the_next_ones_own_word() {
    let world = World::start().await;
    let end = world.client.heights().await.unwrap().0;
    end_epoch(&world).await;
    world.rich(2).await;
    let liar = Liar::start(&world.net.devnet.rpc_url()).await;
    // Not by that checkpoint.
    let wrong = move |epoch: &mut proto::Epoch| epoch.last_checkpoint = Some(end - 1);
    liar.says(Lies { epoch: Some(Box::new(wrong)), ..Lies::default() });
    let client = ChainClient::connect(&liar.url, world.client.genesis()).await.unwrap();
    let log = log::listen();
    let following = Following::of(Follower::new(client, Index::new(world.ids)));
    log.says(&[&liar.url, "end of epoch: it does not end epoch 0"]).await;
    assert_eq!(following.index.snapshot().timestamp(), None);
    liar.says(Lies::default());
    following.reaches(end).await;
    following.stop().await;
}

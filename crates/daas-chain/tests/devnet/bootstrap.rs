//! Where following starts: no checkpoint proves that an object is still so.

use crate::liar::{Liar, Lies};
use crate::log;
use crate::world::{Following, World};
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use daas_chain::ops::PositionOutcome;
use daas_types::Rights;
use daas_types::genesis::Genesis;
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;

/// A network on which somebody staked and left again.
struct Left {
    world: World,
    gone: PositionOutcome,
    /// The version at which the position had all its rights.
    old: u64,
}

// === impl Left ===

impl Left {
    async fn start() -> Self {
        let world = World::start().await;
        let staker = world.rich(2).await;
        let staked = world.stake(&staker, 5, "node-1").await.unwrap();
        let request = proto::GetObjectRequest::new(&staked.position.position.0);
        let object =
            Client::new(world.net.devnet.rpc_url()).unwrap().ledger_client().get_object(request).await.unwrap();
        let old = object.into_inner().object().version();
        let gone = staker.unstake(&world.ids, staked.position.position, staked.position.active).await.unwrap();
        Self { world, gone, old }
    }

    /// An endpoint that says of the position how it was, proven, and passes everything else on.
    async fn liar(&self) -> Liar {
        let liar = Liar::start(&self.world.net.devnet.rpc_url()).await;
        let (position, old) = (self.gone.position.position.to_string(), self.old);
        let asked_object = move |asked: &mut proto::GetObjectRequest| {
            if asked.object_id() == position {
                asked.version = Some(old);
            }
        };
        liar.says(Lies { asked_object: Some(Box::new(asked_object)), ..Lies::default() });
        liar
    }

    /// The same network, pinned as one that is no devnet.
    fn real(&self) -> Genesis {
        let devnet = &self.world.net.devnet;
        Genesis::of_digest(devnet.genesis.digest()).with_committee(devnet.committee.clone()).unwrap()
    }

    async fn follow(&self, urls: &[&str], genesis: &Genesis) -> Following {
        let client = ChainClient::connect_any(urls.iter().copied(), genesis).await.unwrap();
        let follower = Follower::new(client, Index::new(self.world.ids));
        Following::of(follower.with_idle_limit(Duration::from_secs(1)))
    }

    /// What the position may do, once an index has caught up.
    async fn rights(&self, following: &Following) -> Rights {
        following.reaches(self.gone.outcome.checkpoint).await;
        following.index.snapshot().position(self.gone.position.position).unwrap().rights
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_object_beside_a_newer_one_gives_nobody_a_tier() {
    let net = Left::start().await;
    let (liar, honest) = (net.liar().await, net.world.net.devnet.rpc_url());
    for genesis in [net.world.client.genesis(), &net.real()] {
        for urls in [[&*liar.url, &*honest], [&*honest, &*liar.url]] {
            let following = net.follow(&urls, genesis).await;
            assert_eq!(net.rights(&following).await, Rights::default(), "{urls:?}");
            following.stop().await;
        }
    }
    // What one endpoint alone can do, and why a master takes two.
    let alone = net.follow(&[&liar.url], &net.real()).await;
    assert!(net.rights(&alone).await.tier.is_some());
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_silences_the_honest_endpoint_starts_nobody() {
    let net = Left::start().await;
    let liar = net.liar().await;
    let log = log::listen();
    let following = net.follow(&[&liar.url, "http://127.0.0.1:1"], &net.real()).await;
    log.says(&[&liar.url, "1 of the endpoints answered, 2 have to"]).await;
    assert_eq!(following.index.snapshot().positions().count(), 0);
    following.stop().await;
}

//! Endpoints that forget what is old, as real ones do, beside one that lies.

use crate::liar::{Liar, Lies};
use crate::log;
use crate::world::{Following, World};
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use daas_chain::ops::PositionOutcome;
use daas_types::genesis::Genesis;
use daas_types::{Address, Digest, Mist};
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;

/// A wallet that has taken all its stake out again.
struct Scene {
    world: World,
    /// The transaction that it staked with, and the version of its position then.
    staked: (Digest, u64),
    left: PositionOutcome,
    /// Pinned as a real network's: two endpoints have to answer.
    real: Genesis,
}

// === impl Scene ===

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let staker = world.rich(2).await;
        let staked = world.stake(&staker, 5, "node-1").await.unwrap();
        let position = staked.position.position;
        let request = proto::GetObjectRequest::new(&position.0);
        let object = Client::new(world.net.devnet.rpc_url()).unwrap().ledger_client().get_object(request).await;
        let version = object.unwrap().into_inner().object().version();
        let left = staker.unstake(&world.ids, position, staked.position.active).await.unwrap();
        assert_eq!(left.position.active, Mist(0));
        let real = Genesis::of_digest(world.net.devnet.genesis.digest());
        let real = real.with_committee(world.net.devnet.committee.clone()).unwrap();
        assert!(real.devnet().is_none());
        Self { world, staked: (staked.outcome.digest, version), left, real }
    }

    /// Knows the newest version of everything, and of no transaction any more.
    async fn pruned(&self) -> Liar {
        let pruned = Liar::start(&self.world.net.devnet.rpc_url()).await;
        pruned.says(Lies { forgot_transactions: true, ..Lies::default() });
        pruned
    }

    /// Shows the position as it was, and tells whoever asks how it became what it is something else.
    async fn liar(&self) -> Liar {
        let liar = Liar::start(&self.world.net.devnet.rpc_url()).await;
        let (position, left) = (self.left.position.position.to_string(), self.left.outcome.digest.to_string());
        let (staked, version) = self.staked;
        let before = move |asked: &mut proto::GetObjectRequest| {
            if asked.object_id() == position {
                asked.version = Some(version);
            }
        };
        let elsewhere = move |asked: &mut proto::GetTransactionRequest| {
            if asked.digest() == left {
                asked.digest = Some(staked.to_string());
            }
        };
        let (asked_object, asked_transaction) = (Some(Box::new(before) as _), Some(Box::new(elsewhere) as _));
        liar.says(Lies { asked_object, asked_transaction, ..Lies::default() });
        liar
    }

    async fn follow<const N: usize>(&self, urls: [&str; N]) -> Following {
        let client = ChainClient::connect_any(urls, &self.real).await.unwrap();
        Following::of(Follower::new(client, Index::new(self.world.ids)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_forget_is_not_to_lie_and_a_liar_makes_up_for_nobody_honest() {
    let scene = Scene::start().await;
    for liar_first in [false, true] {
        let (pruned, liar) = (scene.pruned().await, scene.liar().await);
        let urls = if liar_first { [&*liar.url, &*pruned.url] } else { [&*pruned.url, &*liar.url] };
        let log = log::listen();
        let following = scene.follow(urls).await;
        log.says(&[&liar.url, "RPC endpoint passed over", "is not in the checkpoint that is said to have it"]).await;
        log.says(&[urls[0], "chain lost", "1 of the endpoints answered, 2 have to"]).await;
        assert!(following.index.snapshot().timestamp().is_none(), "nothing starts from the liar's word alone");
        // Once it can show what it knows, the newer version counts.
        pruned.says(Lies::default());
        following.sees(&scene.left).await;
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_forgotten_another_one_tells() {
    let scene = Scene::start().await;
    let (pruned, liar, honest) = (scene.pruned().await, scene.liar().await, scene.world.net.devnet.rpc_url());
    for urls in [[&*pruned.url, &*liar.url, &*honest], [&*honest, &*liar.url, &*pruned.url]] {
        let following = scene.follow(urls).await;
        following.sees(&scene.left).await;
        following.stop().await;
    }
    // The only one that knows the transactions is the one that is asked for them.
    let following = scene.follow([&*pruned.url, &*honest]).await;
    following.sees(&scene.left).await;
    following.stop().await;
}

/// Nobody can prove what does not exist, so one made up entry would hold everybody up.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_entry_of_the_list_holds_nobody_up() {
    let scene = Scene::start().await;
    let honest = scene.world.net.devnet.rpc_url();
    let liar = Liar::start(&honest).await;
    let made_up = Address::new([0x77; 32]);
    let entry = move |fields: &mut Vec<proto::DynamicField>| {
        let mut entry = proto::DynamicField::default();
        entry.value = Some(proto::Bcs::serialize(&made_up).unwrap());
        fields.push(entry);
    };
    // It says of it neither that it is nor that it is not.
    let silent = move |asked: &mut proto::GetObjectRequest| {
        if asked.object_id() == made_up.to_string() {
            asked.object_id = Some("none".into());
        }
    };
    for urls in [[&*liar.url, &*honest], [&*honest, &*liar.url]] {
        liar.says(Lies { asked_object: Some(Box::new(silent)), fields: Some(Box::new(entry)), ..Lies::default() });
        let log = log::listen();
        let following = scene.follow(urls).await;
        log.says(&["entries of the list of positions cannot be proven", "left_out=1"]).await;
        following.sees(&scene.left).await;
        following.stop().await;
    }
}

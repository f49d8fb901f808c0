use crate::log;
use crate::world::{Following, PATIENCE, World};
use core::time::Duration;
use daas_chain::clock;
use daas_chain::follow::Follower;
use daas_chain::index::{FRESH_FOR, Freshness, Index, IndexIds, Right};
use daas_chain::store::Store;
use daas_chain::testing::TestChain;
use daas_types::genesis::Genesis;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_network_is_followed_on() {
    let world = World::start().await;
    let following = world.follow();
    let staker = world.rich(2).await;
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();
    let held = following.index.hold(following.sees(&staked).await, Right::People, None);

    let world = World { net: world.net.restart().await, ..world };
    let proposed = world.proposer.propose_slash(&world.ids, staked.position.position, &world.slash()).await.unwrap();
    assert!(following.sees(&proposed).await.rights.tier.is_none());
    tokio::time::timeout(PATIENCE, held.lost()).await.expect("whoever was let in by it must be out");
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_follower_resumes_where_it_stopped() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();
    let path = world.net.folder.path().join("index.redb");
    let open = || Store::open(&path, world.client.genesis(), world.ids).unwrap();
    let index = Index::new(world.ids);
    let follower = Follower::new(world.client.clone(), index.clone()).with_store(open()).unwrap();
    let following = Following::of(follower);
    following.sees(&staked).await;
    let more = staker.restake(&world.ids, staked.position.position, staked.position.active).await.unwrap();
    following.sees(&more).await;
    let last = following.index.snapshot().checkpoint();
    following.stop().await;

    let missed = staker.unstake(&world.ids, staked.position.position, staked.position.active).await.unwrap();
    let index = Index::new(world.ids);
    let follower = Follower::new(world.client.clone(), index.clone()).with_store(open()).unwrap();
    let snapshot = index.snapshot();
    assert!(snapshot.checkpoint() >= last, "{} < {last}", snapshot.checkpoint());
    assert_eq!(snapshot.position(staked.position.position).unwrap().state, more.position);
    assert!(snapshot.position(staked.position.position).unwrap().rights.node);
    assert!(snapshot.nautilus().is_some());
    let late = clock::now().plus(FRESH_FOR + Duration::from_secs(1));
    assert!(matches!(index.freshness(late), Freshness::Stale(_)), "what was saved may be stale");
    let following = Following::of(follower);
    following.sees(&missed).await;
    following.stop().await;
    another_store_is_not_taken(&path, &world);
}

/// The file at `path` is of the world's cluster; nothing else may be started from it.
fn another_store_is_not_taken(path: &Path, world: &World) {
    let taken = |genesis: &Genesis, ids| {
        // A file that is not taken is emptied.
        let copy = path.with_extension("copy");
        std::fs::copy(path, &copy).unwrap();
        let (index, store) = (Index::new(ids), Store::open(&copy, genesis, ids).unwrap());
        drop(Follower::new(world.client.clone(), index.clone()).with_store(store).unwrap());
        index.snapshot().positions().count() > 0
    };
    let genesis = world.client.genesis();
    assert!(taken(genesis, world.ids));
    assert!(!taken(TestChain::new(1).genesis(), world.ids), "another network's index is not taken");
    let real = Genesis::of_digest(genesis.digest());
    assert!(!taken(&real, world.ids), "a disk is not believed about a real network");
    let other = IndexIds { cluster: "0x1".parse().unwrap(), ..world.ids };
    assert!(!taken(genesis, other), "another cluster's index is not taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_index_sees_what_happened_before_it() {
    let world = World::start().await;
    let mut staked = Vec::new();
    for (seed, node) in [(2, "node-2"), (3, "node-3"), (4, "node-4")] {
        staked.push(world.stake(&world.rich(seed).await, 5, node).await.unwrap());
    }
    world.proposer.propose_slash(&world.ids, staked[0].position.position, &world.slash()).await.unwrap();
    let following = world.follow();
    following.reaches(world.client.heights().await.unwrap().0).await;
    let snapshot = following.index.snapshot();
    assert_eq!(snapshot.positions().count(), 3);
    assert!(snapshot.position(staked[0].position.position).unwrap().rights.tier.is_none());
    assert!(snapshot.by_node(&"node-4".parse().unwrap()).unwrap().rights.node);
    assert_eq!(following.index.freshness(clock::now()), Freshness::Fresh);
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_put_in_its_place_is_not_followed() {
    let World { net, client, ids, .. } = World::start().await;
    let following = Following::of(Follower::new(client, Index::new(ids)));
    following.reaches(1).await;
    let log = log::listen();
    let impostor = net.replace().await;
    let serves = format!("the endpoint serves the network with genesis {}", impostor.devnet.genesis.digest());
    log.says(&["the RPC endpoint is not believed", &serves]).await;
    let seen = following.index.snapshot().checkpoint();
    // The impostor grows past what was seen; the follower looks at it at least once in that time.
    let other = impostor.connect().await;
    let mut look = tokio::time::interval(Duration::from_millis(200));
    while other.heights().await.unwrap().0 < seen + 3 {
        impostor.rich(&other, 5).await;
        look.tick().await;
    }
    assert_eq!(following.index.snapshot().checkpoint(), seen);
    let late = clock::now().plus(FRESH_FOR + Duration::from_secs(1));
    assert!(matches!(following.index.freshness(late), Freshness::Stale(_)));
    following.stop().await;
}

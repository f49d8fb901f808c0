mod server;

use self::server::Server;
use super::*;
use crate::client::ChainClient;
use crate::follow::until_fresh;
use crate::index::FRESH_FOR;
use crate::index::{Base, Index, IndexIds};
use crate::testing::{TestChain, TestTransaction, package, unknown};
use crate::verified::prove;
use daas_types::onchain::{ClusterState, NautilusState, Policy};
use daas_types::{Address, ClusterId, NautilusId, PackageId, RegistryId, UnixMs, WalletAddress};
use tokio::time::Instant;

fn ids() -> IndexIds {
    let id = |n: u8| Address::new([n; 32]);
    IndexIds {
        package: PackageId(id(1)),
        cluster: ClusterId(id(2)),
        registry: RegistryId(id(3)),
        nautilus: NautilusId(id(4)),
    }
}

#[tokio::test]
async fn what_events_do_not_tell_is_asked_for_before_anything_else_is_taken() {
    let mut chain = TestChain::new(1);
    // Nobody is there.
    let client = ChainClient::unchecked(["http://127.0.0.1:1"], chain.genesis()).unwrap();
    let mut follower = Follower::new(client, Index::new(ids()));
    let happened = TestTransaction { events: vec![unknown(ids().package.0)], changed: vec![] };
    let claim = chain.append(UnixMs(1), &[happened], false);
    let proven = prove(1, &claim, &chain.committees().of_epoch(0).unwrap()).unwrap();
    let error = follower.take(&proven, &[]).await.unwrap_err();
    assert!(matches!(error, FollowError::Chain(ChainError::Unreachable { .. })), "{error}");
    assert_eq!((follower.index.snapshot().next_checkpoint(), follower.sequence.last()), (0, None));
    follower.index.read_again(base(1));
    follower.take(&proven, &[]).await.unwrap();
    assert_eq!((follower.index.snapshot().next_checkpoint(), follower.sequence.last()), (2, Some(1)));
}

/// Has the cluster's objects, and asks `server` and then, if there are `others`, nobody.
fn follower(chain: &TestChain, server: Server, others: bool) -> Follower {
    let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
    let client = ChainClient::unchecked(urls.into_iter().take(1 + usize::from(others)), chain.genesis()).unwrap();
    let follower = Follower::new(client.through(0, server.serve()), Index::new(ids()));
    follower.index.bootstrap(base(1));
    follower
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hands_over_the_past_no_faster_than_it_grows_is_left_for_another() {
    /// An hour, and as many checkpoints as there is time for in five minutes.
    const PAST: u64 = 3_600_000;
    const UNTIL: u64 = 600;
    let caught_up = async |step: u64, others: bool| {
        let (mut chain, mut server) = (TestChain::new(1), Server::default());
        let begin = clock::now().0 - 2 * PAST;
        for n in 1..=UNTIL {
            server.has(chain.append(UnixMs(begin + n * step), &[], false));
        }
        server.pause = Duration::from_secs(9);
        let begun = Instant::now();
        let mut follower = follower(&chain, server, others);
        let end = follower.catch_up(UNTIL).await;
        (end, follower.index.snapshot().checkpoint(), begun.elapsed())
    };
    let (end, reached, took) = caught_up(0, true).await;
    assert!(matches!(end, Err(FollowError::Chain(ChainError::Lagging { .. }))), "{end:?}");
    // The age is first known after the first checkpoints.
    assert!(took < 3 * FRESH_FOR, "{took:?}");
    assert!(reached > 0, "what it handed over is kept");
    let (end, reached, _) = caught_up(0, false).await;
    assert!(end.is_ok() && reached == UNTIL, "there is no other one: {end:?}");
    let (end, reached, _) = caught_up(PAST / UNTIL, true).await;
    assert!(end.is_ok() && reached == UNTIL, "it comes nearer: {end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_takes_as_long_as_it_comes_forward() {
    const UNTIL: u64 = 400;
    const PATIENCE: Duration = Duration::from_mins(1);
    for served in [UNTIL, 100] {
        let (mut chain, mut server) = (TestChain::new(1), Server::default());
        for n in 1..=served {
            // Only the last one is young, however long this takes.
            let at = if n == UNTIL { clock::now().plus(Duration::from_hours(1)) } else { UnixMs(n) };
            server.has(chain.append(at, &[], false));
        }
        server.pause = Duration::from_secs(9);
        let mut follower = follower(&chain, server, false);
        let (index, client, begun) = (follower.index.clone(), follower.client.clone(), Instant::now());
        let (fresh, _) = tokio::join!(until_fresh(&index, &client, PATIENCE), follower.catch_up(UNTIL));
        let took = begun.elapsed();
        assert_eq!(fresh, served == UNTIL);
        assert!(took > PATIENCE && took < 5 * PATIENCE, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn packages_of_strangers_hold_nobody_up() {
    let (mut chain, mut server) = (TestChain::new(1), Server::default());
    let id = |n: u8| Address::new([n; 32]);
    for checkpoint in 0..16 {
        let upgrade = |n: u8| {
            // One of them is ours.
            let origin = if (checkpoint, n) == (7, 3) { ids().package.0 } else { id(0xee) };
            package(id(16 * checkpoint + n), 2, &[origin])
        };
        let upgrades: Vec<_> = (0..10).map(upgrade).collect();
        let written: Vec<_> = upgrades.iter().map(TestTransaction::writing).collect();
        server.has(chain.append(UnixMs(1), &written, false));
        server.objects.extend(upgrades.iter().map(|package| (package.object_id(), package.clone())));
    }
    server.pause = Duration::from_secs(1);
    let mut follower = follower(&chain, server, false);
    let begun = Instant::now();
    follower.catch_up(16).await.unwrap();
    assert_eq!(follower.index.snapshot().checkpoint(), 16);
    assert!(follower.packages.define(&id(16 * 7 + 3)) && !follower.packages.define(&id(16 * 7 + 4)));
    assert_eq!(begun.elapsed().as_secs(), 2, "one question for all checkpoints, one for all packages");
}

#[tokio::test(start_paused = true)]
async fn long_checkpoints_are_read_one_at_a_time() {
    for compressed in [false, true] {
        let (mut chain, mut server) = (TestChain::new(1), Server::default());
        for _ in 0..8 {
            let mut event = unknown(id_of_a_stranger());
            event.contents = vec![0; 3 << 20];
            let happened = TestTransaction { events: vec![event], changed: vec![] };
            server.has(chain.append(UnixMs(1), &[happened], false));
        }
        (server.pause, server.compressed) = (Duration::from_secs(1), compressed);
        let mut follower = follower(&chain, server, false);
        let begun = Instant::now();
        follower.catch_up(8).await.unwrap();
        assert_eq!(follower.index.snapshot().checkpoint(), 8);
        assert_eq!(begun.elapsed().as_secs(), 1 + 8, "once all, and then one after another");
    }
}

fn id_of_a_stranger() -> Address {
    Address::new([0xee; 32])
}

fn base(checkpoint: u64) -> Base {
    let IndexIds { cluster, registry, nautilus, .. } = ids();
    let state = ClusterState {
        cluster,
        version: 1,
        name: "test".into(),
        genesis: vec![9; 32],
        generation: 1,
        registry,
        nautilus,
        anchors: Address::ZERO.into(),
        policy: Policy::devnet(WalletAddress(Address::ZERO)),
        announced: None,
        paused: false,
        operator_positions: vec![],
        proposer_cap: Address::ZERO.into(),
        judge_cap: Address::ZERO.into(),
    };
    let (measurements, masters, endorsements) = (vec![], vec![], vec![]);
    let nautilus =
        NautilusState { id: nautilus, cluster, generation: 1, registrations: 0, measurements, masters, endorsements };
    Base { cluster: state, nautilus, positions: vec![], checkpoint }
}

use crate::harness::{Options, World, get, reason, user, within};
use daas_testkit::chain::Chain;
use daas_testkit::client::Http2;
use daas_types::pop::Usage;
use daas_types::{Mist, Permissions, UnixMs};
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::Duration;

const WATCH: &str = "/api/v1/pods?watch=true";

/// Reads the first event of a watch.
async fn first(response: &mut Response<Incoming>) {
    assert_eq!(response.status(), 200);
    let frame = within(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(frame.into_data().unwrap().starts_with(b"{\"type\":\"BOOKMARK\"}"));
}

/// Waits for a stream's end and says whether it was an error.
async fn end(mut response: Response<Incoming>) -> bool {
    within(async {
        loop {
            match response.body_mut().frame().await {
                None => return false,
                Some(Err(_)) => return true,
                Some(Ok(_)) => {}
            }
        }
    })
    .await
}

async fn open(client: &Http2, bearer: &str) -> Response<Incoming> {
    let mut response = within(client.send(get(WATCH, bearer))).await.unwrap();
    first(&mut response).await;
    response
}

#[tokio::test]
async fn a_watch_is_cut_at_once_and_only_the_losers() {
    let world = World::new().await;
    let mut loser = world.chain.staker(1, "5", Permissions::BOTH);
    let other = world.chain.staker(2, "5", Permissions::BOTH);
    let (a, b) = (world.http2().await, world.http2().await);
    let mine = open(&a, &user(&loser)).await;
    let kubelet = open(&a, &loser.token(Usage::Kubelet)).await;
    let opaque = open(&b, &loser.opaque()).await;
    let mut theirs = open(&b, &user(&other)).await;
    let mut http1 = world.http1().await;
    let request = http::Request::get(WATCH)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", user(&loser)));
    let mut over_http1 = within(http1.send(request.body(Full::default()).unwrap())).await.unwrap();
    first(&mut over_http1).await;
    world.upstream.until_open(5).await;

    // From here on nothing happens but this; no clock ends anything before the test is given up.
    world.chain.suspend(&mut loser);
    for stream in [mine, kubelet, opaque, over_http1] {
        assert!(end(stream).await, "it ended as if it were complete");
    }
    within(world.upstream.until_open(1)).await;

    world.upstream.emit("still here");
    let frame = within(theirs.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(&frame.into_data().unwrap()[..], b"still here\n");
    let refused = within(a.send(get("/api", &user(&loser)))).await.unwrap();
    assert_eq!((refused.status().as_u16(), reason(refused).await), (403, "PositionSuspended".to_owned()));
}

#[tokio::test]
async fn a_lower_tier_and_a_dropped_seal_cut_and_more_stake_does_not() {
    let world = World::new().await;
    let client = world.http2().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let mut watch = open(&client, &user(&staker)).await;
    world.chain.put(&mut staker, |state| state.active = Mist::from_sui(10));
    world.upstream.emit("more");
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    world.chain.put(&mut staker, |state| state.active = Mist::from_sui(2));
    assert!(end(watch).await);
    let watch = open(&client, &user(&staker)).await;
    let token = user(&staker);
    world.chain.put(&mut staker, |state| {
        state.seals[0].id = daas_types::SealId(daas_types::Address::new([0x77; 32]));
    });
    assert!(end(watch).await);
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 401);
}

#[tokio::test]
async fn jail_cuts_the_node_and_not_its_owner() {
    let world = World::new().await;
    let client = world.http2().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let mut mine = open(&client, &user(&staker)).await;
    let (kubelet, proxy) =
        (open(&client, &staker.token(Usage::Kubelet)).await, open(&client, &staker.token(Usage::KubeProxy)).await);
    world.chain.put(&mut staker, |state| state.jailed_until_ms = UnixMs(1));
    assert!(end(kubelet).await && end(proxy).await);
    world.upstream.emit("still here");
    let frame = within(mine.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(&frame.into_data().unwrap()[..], b"still here\n");
    let refused = within(client.send(get("/api", &staker.token(Usage::Kubelet)))).await.unwrap();
    assert_eq!((refused.status().as_u16(), reason(refused).await), (403, "NodeJailed".to_owned()));
}

#[tokio::test]
async fn all_seals_revoked_cut_everything_shown_and_a_new_one_opens_again() {
    let world = World::new().await;
    let client = world.http2().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let seal = staker.state.seals[0].clone();
    let streams = [
        open(&client, &user(&staker)).await,
        open(&client, &staker.opaque()).await,
        open(&client, &staker.token(Usage::Kubelet)).await,
    ];
    world.chain.put(&mut staker, |state| state.seals.clear());
    for stream in streams {
        assert!(end(stream).await);
    }
    let refused = within(client.send(get("/api", &staker.opaque()))).await.unwrap();
    assert_eq!(refused.status(), 401);
    world.chain.put(&mut staker, |state| state.seals.push(seal));
    let _again = open(&client, &staker.opaque()).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_and_freed() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    let mut http1 = world.http1().await;
    let bearer = user(&staker);
    let stalled = within(client.send(get("/big/1000000000", &bearer))).await.unwrap();
    let request = http::Request::get("/big/1000000000")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {bearer}"));
    let stalled_http1 = within(http1.send(request.body(Full::default()).unwrap())).await.unwrap();
    within(world.upstream.until_open(2)).await;
    world.chain.suspend(&mut staker);
    within(world.upstream.until_open(0)).await;
    assert!(end(stalled).await);
    assert!(end(stalled_http1).await);
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_is_told() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    let bearer = user(&staker);
    let waiting = client.send(get("/stuck", &bearer));
    let revoke = async {
        world.upstream.until_open(1).await;
        world.chain.suspend(&mut staker);
    };
    let (response, ()) = within(async { tokio::join!(waiting, revoke) }).await;
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), reason(response).await), (403, "RightLost".to_owned()));
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn the_end_of_a_seal_cuts_like_an_event() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let soon = daas_chain::clock::now().plus(Duration::from_millis(700));
    world.chain.put(&mut staker, |state| state.seals[0].expires_ms = soon);
    let watch = open(&world.http2().await, &user(&staker)).await;
    assert!(end(watch).await);
    assert!(daas_chain::clock::now() >= soon);
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn when_the_chain_grows_old_people_are_out_and_nodes_have_their_grace() {
    let options = Options {
        chain: Chain::stale_after(Duration::from_millis(800)),
        node_stale_grace: Duration::from_secs(3),
        ..Options::default()
    };
    let world = World::with(options, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let client = world.http2().await;
    let (person, node) = (user(&staker), staker.token(Usage::Kubelet));
    let (mine, kubelet) = (open(&client, &person).await, open(&client, &node).await);
    assert!(end(mine).await);
    let refused = within(client.send(get("/api", &person))).await.unwrap();
    assert_eq!((refused.status().as_u16(), reason(refused).await), (503, "ChainStale".to_owned()));
    assert_eq!(within(client.send(get("/api", &node))).await.unwrap().status(), 200);
    assert!(end(kubelet).await);
    let refused = within(client.send(get("/api", &node))).await.unwrap();
    assert_eq!((refused.status().as_u16(), reason(refused).await), (503, "ChainStale".to_owned()));
    // And back.
    world.chain.checkpoint(&[]);
    let _again = open(&client, &person).await;
    assert_eq!(within(client.send(get("/api", &node))).await.unwrap().status(), 200);
}

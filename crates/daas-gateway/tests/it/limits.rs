use crate::harness::{Options, World, get, reason, user, within};
use daas_gateway::{Limits, Rate, Rates};
use daas_testkit::chain::Staker;
use daas_types::pop::Usage;
use daas_types::{Permissions, SealId};
use http_body_util::BodyExt;
use std::time::Duration;
use sui_crypto::ed25519::Ed25519PrivateKey;

const WATCH: &str = "/api/v1/pods?watch=true";

/// A world with other rates. They fill so slowly that no test lives to see it.
async fn world(change: impl FnOnce(&mut Rates)) -> World {
    let mut rates = Rates::default();
    change(&mut rates);
    let limits = Limits { rates, ..Limits::default() };
    World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await
}

fn burst(burst: u32) -> Rate {
    Rate { per_minute: 1, burst }
}

/// A token for a Seal of somebody else's, each another.
fn bad(staker: &Staker, n: u8) -> String {
    staker.claims(Usage::User).sign(&Ed25519PrivateKey::new([n; 32])).unwrap().to_string()
}

#[tokio::test]
async fn item_11_a_token_invalid_now_is_valid_a_moment_later() {
    let world = world(|_| ()).await;
    let mut staker = Staker::new(1, "5", Permissions::USER);
    let (client, token) = (world.http2().await, user(&staker));
    for _ in 0..3 {
        let refused = within(client.send(get("/api", &token))).await.unwrap();
        assert_eq!((refused.status().as_u16(), reason(refused).await), (401, "TokenUnknown".to_owned()));
    }
    world.chain.put(&mut staker, |_| ());
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    world.chain.put(&mut staker, |state| state.seals[0].id = SealId(daas_types::Address::new([0x77; 32])));
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 401);
}

#[tokio::test]
async fn item_11_bad_tokens_of_one_address_shut_out_no_token_that_was_good() {
    let world = world(|rates| rates.address = burst(31)).await;
    let (staker, other) =
        (world.chain.staker(1, "5", Permissions::BOTH), world.chain.staker(2, "5", Permissions::USER));
    let token = user(&staker);
    let holder = world.http2().await;
    assert_eq!(within(holder.send(get("/api", &token))).await.unwrap().status(), 200);
    let mut answers = Vec::new();
    for n in 10..30 {
        answers.push(world.send(get("/api", &bad(&staker, n))).await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    // A refusal counts for ten.
    assert_eq!(
        (&statuses[..3], statuses[3..].iter().all(|status| *status == 429)),
        (&[401; 3][..], true),
        "{statuses:?}"
    );
    let limited = answers.pop().unwrap();
    assert!(limited.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(reason(limited).await, "AddressLimited");
    assert_eq!(within(holder.send(get("/api", &token))).await.unwrap().status(), 200);
    // On a connection of its own a position's new token is looked at even there: a pod does not shut out its node.
    let renewed = within(holder.send(get("/api", &staker.token(Usage::Kubelet)))).await.unwrap();
    assert_eq!(renewed.status(), 200);
    // Another's is not, not even there; what is nobody's is not; and elsewhere it is.
    for token in [user(&other), bad(&staker, 32)] {
        assert_eq!(world.send(get("/api", &token)).await.status(), 429);
    }
    let others = within(holder.send(get("/api", &user(&other)))).await;
    assert!(others.is_ok_and(|answer| answer.status() == 429));
    let (status, why) = world.refusal(get("/api", &bad(&staker, 30))).await;
    assert_eq!((status.as_u16(), why.as_str()), (429, "AddressLimited"));
    let elsewhere = world.http2_from("127.0.0.2").await;
    assert_eq!(within(elsewhere.send(get("/api", &bad(&staker, 31)))).await.unwrap().status(), 401);
}

#[tokio::test]
async fn item_33_a_burst_is_met_with_429_retry_after_and_a_status() {
    let world = world(|rates| (rates.viewer, rates.developer) = (burst(5), burst(7))).await;
    let (viewer, developer) =
        (world.chain.staker(1, "0.5", Permissions::USER), world.chain.staker(2, "2", Permissions::USER));
    let client = world.http2().await;
    for (staker, most) in [(&viewer, 5), (&developer, 7)] {
        // The bucket is the position's: another token of it changes nothing.
        for n in 0..most {
            let token = if n % 2 == 0 { user(staker) } else { staker.opaque() };
            assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
        }
        let limited = within(client.send(get("/api", &user(staker)))).await.unwrap();
        assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"60".parse().unwrap()));
        assert_eq!(reason(limited).await, "RateLimited");
    }
    assert_eq!(world.upstream.requests().len(), 12);
}

#[tokio::test]
async fn item_33_who_sends_too_much_leaves_their_address_to_others() {
    let world = world(|rates| (rates.viewer, rates.address) = (burst(1), burst(40))).await;
    let (viewer, other) =
        (world.chain.staker(1, "0.5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let (client, token) = (world.http2().await, user(&viewer));
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    for _ in 0..20 {
        let limited = within(client.send(get("/api", &token))).await.unwrap();
        assert_eq!(reason(limited).await, "RateLimited");
    }
    assert_eq!(world.send(get("/api", &user(&other))).await.status(), 200);
}

#[tokio::test]
async fn item_33_a_watch_counts_once_and_goes_on_when_the_bucket_is_empty() {
    let world = world(|rates| rates.viewer = burst(2)).await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let (client, token) = (world.http2().await, user(&staker));
    let mut watch = within(client.send(get(WATCH, &token))).await.unwrap();
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    for n in 0..20 {
        world.upstream.emit(&format!("event {n}"));
        assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    }
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    assert_eq!(within(client.send(get(WATCH, &token))).await.unwrap().status(), 429);
    world.upstream.emit("still here");
    assert_eq!(&within(watch.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap()[..], b"still here\n");
}

#[tokio::test]
async fn item_33_a_node_and_another_position_are_not_held_up() {
    let world = world(|rates| (rates.viewer, rates.node) = (burst(1), burst(3))).await;
    let (busy, other) =
        (world.chain.staker(1, "0.5", Permissions::BOTH), world.chain.staker(2, "0.5", Permissions::USER));
    let client = world.http2().await;
    let status = async |token: &str| within(client.send(get("/api", token))).await.unwrap().status().as_u16();
    assert_eq!((status(&user(&busy)).await, status(&user(&busy)).await), (200, 429));
    assert_eq!(status(&user(&other)).await, 200);
    let kubelet = busy.token(Usage::Kubelet);
    assert_eq!(
        [status(&kubelet).await, status(&kubelet).await, status(&kubelet).await, status(&kubelet).await],
        [200, 200, 200, 429]
    );
}

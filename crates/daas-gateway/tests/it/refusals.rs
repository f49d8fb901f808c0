use crate::harness::{World, get, is, refused, user};
use daas_chain::clock;
use daas_testkit::chain::Staker;
use daas_types::onchain::Status;
use daas_types::pop::Usage;
use daas_types::{Mist, Permissions, SealSecret, UnixMs};

#[tokio::test]
async fn ten_megabytes_of_token_are_not_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    let mut tls = daas_testkit::client::tls(world.addr, &world.ca.roots(), &["http/1.1"]).await.unwrap();
    let head = format!("GET /api HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", "a".repeat(10 << 20));
    let _ = tls.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = crate::harness::within(tls.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn public_things_are_no_credentials() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let id = |text: String| text.trim_start_matches("0x").to_owned();
    for public in [id(staker.state.position.to_string()), id(staker.state.seals[0].id.to_string())] {
        assert_eq!(public.len(), 64);
        assert_eq!(refused(&world, &public).await, is(401, "TokenUnknown"));
    }
    assert_eq!(refused(&world, &hex_of(&staker.state.seals[0].commitment.0)).await, is(401, "TokenUnknown"));
}

#[tokio::test]
async fn a_copied_locator_and_commitment_open_nothing() {
    let world = World::new().await;
    let mut victim = world.chain.staker(1, "10", Permissions::BOTH);
    let mut thief = Staker::new(2, "0.5", Permissions::BOTH);
    let stolen = victim.state.seals[0].clone();
    world.chain.put(&mut thief, |state| {
        state.seals[0].locator = stolen.locator;
        state.seals[0].commitment = stolen.commitment;
    });
    // The victim's secret still means the victim; the thief's own secret means nobody.
    world.send(get("/api", &victim.opaque())).await;
    assert_eq!(world.upstream.last().all("x-remote-user"), [victim.state.owner.to_string()]);
    assert_eq!(refused(&world, &thief.opaque()).await, is(401, "TokenUnknown"));
    assert_eq!(refused(&world, &SealSecret::generate().unwrap().expose_hex()).await, is(401, "TokenUnknown"));
    // Nor does the copy stand in for the original once that is gone.
    world.chain.put(&mut victim, |state| state.seals.clear());
    assert_eq!(refused(&world, &victim.opaque()).await, is(401, "TokenUnknown"));
}

#[tokio::test]
async fn a_token_that_ran_out_is_refused_although_it_is_remembered() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let mut claims = staker.claims(Usage::User);
    claims.issued = UnixMs(clock::now().0 - 298_000);
    claims.expires = UnixMs(claims.issued.0 + 300_000);
    let token = claims.sign(&staker.key).unwrap();
    assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    // The chain's time moves on; the gateway's is never behind it.
    world.chain.checkpoint_at(claims.expires, &[]);
    assert_eq!(refused(&world, &token).await, is(401, "TokenExpired"));
}

#[tokio::test]
async fn what_became_of_the_stake_is_named() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let token = user(&staker);
    for (status, reason) in [
        (Status::Suspended, "PositionSuspended"),
        (Status::Slashed, "PositionSlashed"),
        (Status::Closed, "PositionClosed"),
    ] {
        world.chain.put(&mut staker, |state| state.status = status);
        assert_eq!(refused(&world, &token).await, is(403, reason));
    }
    world.chain.put(&mut staker, |state| {
        state.status = Status::Active;
        state.active = Mist(1);
    });
    assert_eq!(refused(&world, &token).await, is(403, "StakeTooLow"));
    world.chain.put(&mut staker, |state| {
        state.active = Mist::from_sui(5);
        state.seals[0].expires_ms = clock::now();
    });
    assert_eq!(refused(&world, &token).await, is(401, "SealExpired"));
    world.chain.put(&mut staker, |state| state.seals.clear());
    assert_eq!(refused(&world, &token).await, is(401, "TokenUnknown"));
    // Unstaked, the position takes its Seals along; who showed one before is told so.
    world.chain.put(&mut staker, |state| state.status = Status::Closed);
    assert_eq!(refused(&world, &token).await, is(403, "PositionClosed"));
}

fn hex_of(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

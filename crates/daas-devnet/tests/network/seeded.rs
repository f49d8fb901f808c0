//! The same seed and the same requests: the same network, byte for byte.

use crate::money::pay;
use crate::support::*;
use daas_devnet::control::{Answer, ClockStatus, ControlError, Request};
use daas_devnet::{Config, Devnet, DevnetError};
use std::time::Duration;
use sui_rpc::proto::sui::rpc::v2::{Checkpoint, GetServiceInfoRequest, Object};

/// 2026-01-01.
const GENESIS_MS: u64 = 1_767_225_600_000;

/// Everything that can be read back; messages hold the BCS of what they are about.
#[derive(PartialEq)]
struct Life {
    checkpoints: Vec<Checkpoint>,
    position: Object,
    files: Vec<Vec<u8>>,
}

/// Something of everything.
async fn life(seed: u64, restarted: bool) -> Life {
    let mut net = Net::seeded(seed).await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let made = net.cluster(&ann).await;
    net.ask(Request::ClockAdvance { ms: 10_000 }).await;
    net.ask(Request::Checkpoint).await;
    if restarted {
        net = net.restart().await;
    }
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
    net.end_epoch().await;
    net.ask(Request::ClockAdvance { ms: 1 }).await;
    let last = net.run(&ann, |b| pay(b, bob.address, SUI)).await.checkpoint();
    // Genesis, faucet, publish, cluster, checkpoint, stake, epoch, payment: only what was asked for.
    assert_eq!(last, 7);
    let mut checkpoints = vec![];
    for sequence in 0..=last {
        checkpoints.push(net.checkpoint(sequence, "*").await.unwrap());
    }
    let files = ["genesis.json", "validator.key", "faucet.key"].map(|f| std::fs::read(net.dir.path().join(f)).unwrap());
    Life { checkpoints, position: net.object(position.0).await, files: files.to_vec() }
}

#[tokio::test]
async fn the_same_requests_make_the_same_bytes() {
    let first = life(7, false).await;
    assert!(life(7, false).await == first);
    assert!(life(7, true).await == first, "a restart leaves no trace");
    let other = life(8, false).await;
    assert!(other.checkpoints.iter().zip(&first.checkpoints).all(|(a, b)| a != b));
    assert!(other.files.iter().zip(&first.files).all(|(a, b)| a != b));
}

#[tokio::test]
async fn a_still_clock_moves_only_when_told_and_never_back() {
    let net = Net::seeded(1).await;
    let now = async |request| match net.devnet.control.ask(request).await {
        Ok(Answer::Clock(ClockStatus { now_ms, manual: true })) => Ok(now_ms - GENESIS_MS),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(now(Request::Clock).await.unwrap(), 0);
    net.pass(Duration::from_hours(1));
    assert_eq!(now(Request::Clock).await.unwrap(), 0);
    assert_eq!(now(Request::ClockAdvance { ms: 5 }).await.unwrap(), 5);
    assert_eq!(now(Request::ClockSet { ms: GENESIS_MS + 7 }).await.unwrap(), 7);
    let back = now(Request::ClockSet { ms: GENESIS_MS + 6 }).await;
    assert!(matches!(back, Err(ControlError::Past { .. })), "{back:?}");
    let Answer::Made(made) = net.ask(Request::Checkpoint).await else { panic!() };
    assert_eq!((made.checkpoint, made.timestamp_ms), (1, GENESIS_MS + 7));
    net.ask(Request::ClockAdvance { ms: 1 }).await;

    // The restarted network has not forgotten, and makes no checkpoint of its own.
    let net = net.restart().await;
    let Answer::Status(status) = net.ask(Request::Status).await else { panic!() };
    assert_eq!((status.clock.now_ms - GENESIS_MS, status.clock.manual), (8, true));
    assert_eq!((status.checkpoint.checkpoint, status.transactions), (1, 1));
}

#[tokio::test]
async fn a_clock_that_runs_can_be_moved_on_and_stopped() {
    let net = Net::start().await;
    let clock = async |request| match net.ask(request).await {
        Answer::Clock(clock) => (clock.now_ms - START_MS, clock.manual),
        other => panic!("{other:?}"),
    };
    assert_eq!(clock(Request::ClockAdvance { ms: 60_000 }).await, (60_000, false));
    net.pass(Duration::from_secs(1));
    assert_eq!(clock(Request::ClockManual).await, (61_000, true));
    net.pass(Duration::from_secs(1));
    assert_eq!(clock(Request::Clock).await, (61_000, true));
    assert_eq!(clock(Request::ClockReal).await, (61_000, false));
    net.pass(Duration::from_secs(1));
    assert_eq!(clock(Request::Clock).await, (62_000, false));
    // What a transaction is dated is the network's time.
    let ann = net.wallet(1).await;
    let done = net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    assert_eq!(done.timestamp.unwrap().seconds * 1000, i64::try_from(START_MS + 62_000).unwrap());
    let net = net.restart().await;
    let info = net.client.clone().ledger_client().get_service_info(GetServiceInfoRequest::default()).await.unwrap();
    assert_eq!(info.into_inner().timestamp.unwrap().seconds * 1000, i64::try_from(START_MS + 62_000).unwrap());
}

#[tokio::test]
async fn another_seed_is_refused() {
    let net = Net::seeded(1).await;
    let (dir, clock) = (net.dir, net.clock);
    net.devnet.stop().await.unwrap();
    let other = Config { seed: Some(2), ..config(dir.path(), &clock) };
    let error = Devnet::start(other).await.err().unwrap();
    assert!(matches!(&error, DevnetError::ForeignSeed { path } if path.ends_with("validator.key")), "{error}");
}

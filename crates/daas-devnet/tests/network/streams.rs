//! Checkpoints and events, followed and resumed.

use crate::money::pay;
use crate::support::*;
use futures::StreamExt as _;
use std::time::Duration;
use sui_rpc::client::{CheckpointStreamRequest, CheckpointStreamStart, EventStreamRequest, EventStreamStart};
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::filter::event::{emit_module, event_type};
use sui_rpc::proto::sui::rpc::v2::{
    EventFilter, ListCheckpointsRequest, ListEventsRequest, ListTransactionsRequest, Ordering, QueryOptions,
};
use tokio::time::{Instant, timeout};

const EVENT_FIELDS: &str = "checkpoint,transaction_index,event_index,event_type,contents";

#[tokio::test]
async fn checkpoints_are_followed_without_a_gap() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let request = CheckpointStreamRequest::new()
        .with_read_mask(FieldMask::from_str("sequence_number,summary.timestamp,transactions.digest"))
        .with_start(CheckpointStreamStart::Checkpoint(0));
    let mut stream = Box::pin(net.client.stream_checkpoints(request));
    let done = net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    for expected in 0..=done.checkpoint() {
        let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
        let c = frame.checkpoint.unwrap();
        assert_eq!((frame.cursor, c.sequence_number()), (expected, expected));
        if expected == done.checkpoint() {
            assert_eq!(c.transactions[0].digest(), done.digest());
        }
    }
    // The clock moves, and so does the chain, without any transaction.
    net.pass(Duration::from_secs(1));
    let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.cursor, done.checkpoint() + 1);
}

#[tokio::test]
async fn events_resume_where_they_were_left() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    net.stake(made, &ann, SUI, "").await;
    let filter = EventFilter::all([emit_module(format!("{}::staking", made.package))]);
    let request = |start| {
        EventStreamRequest::new()
            .with_read_mask(FieldMask::from_str(EVENT_FIELDS))
            .with_filter(filter.clone())
            .with_start(start)
    };
    let mut stream = Box::pin(net.client.stream_events(request(EventStreamStart::Checkpoint(0))));
    let first = loop {
        let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
        if frame.event.is_some() {
            break frame;
        }
    };
    assert!(first.event.as_ref().unwrap().event_type().ends_with("::staking::Staked"));
    // A frame with an event claims the checkpoints before it, not its own: there may be more events in that.
    let at = first.event.as_ref().unwrap().checkpoint();
    assert_eq!(first.covered_checkpoint, at.checked_sub(1));
    drop(stream);

    net.stake(made, &bob, 2 * SUI, "").await;
    let mut stream = Box::pin(net.client.stream_events(request(EventStreamStart::Resume(first.cursor))));
    let second = next_event(&mut stream).await;
    assert_ne!(second.checkpoint(), first.event.unwrap().checkpoint());
    net.run(&ann, |b| restake(b, made, &ann, SUI)).await;
    let third = next_event(&mut stream).await;
    assert!(third.event_type().ends_with("::staking::Restaked"), "{}", third.event_type());
}

async fn next_event(
    stream: &mut (impl futures::Stream<Item = Result<sui_rpc::client::EventStreamFrame, tonic::Status>> + Unpin),
) -> sui_rpc::proto::sui::rpc::v2::Event {
    loop {
        let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
        if let Some(event) = frame.event {
            return event;
        }
    }
}

fn restake(b: &mut sui_transaction_builder::TransactionBuilder, made: Made, owner: &Wallet, amount: u64) {
    use daas_types::WalletAddress;
    use daas_types::onchain::{PositionKey, position_id};
    let position = position_id(made.package, made.registry, PositionKey(WalletAddress(owner.address), 0));
    let gas = b.gas();
    let amount = b.pure(&amount);
    let payment = b.split_coins(gas, vec![amount])[0];
    let args = vec![object(b, made.cluster.0), object(b, position.0), payment, clock(b)];
    call(b, made.package, "staking", "restake", args);
}

#[tokio::test]
async fn lists_page_filter_and_turn_around() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    for n in 2..5 {
        let wallet = net.wallet(n).await;
        net.stake(made, &wallet, SUI, "").await;
    }
    let staked = format!("{}::staking::Staked", made.package);
    let list = async |limit: u32, ordering: Ordering| {
        let request = ListEventsRequest::default()
            .with_read_mask(FieldMask::from_str(EVENT_FIELDS))
            .with_filter(EventFilter::matching(event_type(staked.clone())))
            .with_options(QueryOptions::default().with_limit(limit).with_ordering(ordering));
        let frames: Vec<_> = net.client.list_events(request).collect().await;
        let found = frames.into_iter().filter_map(|f| f.unwrap().event).map(|e| e.checkpoint());
        found.collect::<Vec<u64>>()
    };
    let up = list(50, Ordering::Ascending).await;
    assert_eq!(up.len(), 3);
    assert_eq!(list(1, Ordering::Ascending).await, up);
    let down: Vec<u64> = up.iter().rev().copied().collect();
    assert_eq!(list(2, Ordering::Descending).await, down);

    let request =
        ListTransactionsRequest::default().with_read_mask(FieldMask::from_str("checkpoint,transaction_index"));
    let transactions: Vec<_> = net.client.list_transactions(request).collect().await;
    // Genesis, four of the faucet, publish, create, three stakes.
    assert_eq!(transactions.into_iter().filter(|f| f.as_ref().unwrap().transaction.is_some()).count(), 10);
    let request = ListCheckpointsRequest::default()
        .with_read_mask(FieldMask::from_str("sequence_number"))
        .with_start_checkpoint(1)
        .with_end_checkpoint(4);
    let checkpoints: Vec<_> = net.client.list_checkpoints(request).collect().await;
    let numbers = checkpoints.into_iter().filter_map(|f| f.unwrap().checkpoint).map(|c| c.sequence_number());
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3]);
}

/// Prints how long a transaction takes from sending it to its checkpoint on a subscription.
#[tokio::test]
async fn a_transaction_is_in_a_checkpoint_at_once() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let request = CheckpointStreamRequest::new()
        .with_read_mask(FieldMask::from_str("sequence_number,transactions.digest"))
        .with_start(CheckpointStreamStart::Tip);
    let mut stream = Box::pin(net.client.stream_checkpoints(request));
    stream.next().await.unwrap().unwrap();
    let mut times = vec![];
    for _ in 0..20 {
        let transaction = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
        let (digest, signature) = (transaction.digest().to_string(), ann.sign(&transaction));
        let sent = Instant::now();
        let seen = async {
            while let Some(frame) = stream.next().await {
                if frame.unwrap().checkpoint.unwrap().transactions.iter().any(|t| t.digest() == digest) {
                    return sent.elapsed();
                }
            }
            panic!("the stream ended");
        };
        let signatures = [signature];
        let (done, seen) = tokio::join!(net.execute(&transaction, &signatures), timeout(DEADLINE, seen));
        done.unwrap();
        times.push(seen.unwrap());
    }
    times.sort();
    println!("execute to subscription: median {:?}, max {:?}", times[times.len() / 2], times[times.len() - 1]);
}

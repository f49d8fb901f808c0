//! A network that fails, and the official client.

use crate::money::pay;
use crate::support::*;
use daas_devnet::Fault;
use daas_devnet::control::{Answer, ControlError, Request};
use futures::{FutureExt as _, StreamExt as _};
use std::pin::pin;
use sui_rpc::client::{CheckpointStreamRequest, CheckpointStreamStart};
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{GetServiceInfoRequest, SubscribeCheckpointsRequest};
use tokio::time::timeout;
use tonic::Code;

#[tokio::test]
async fn a_followed_stream_survives_being_dropped() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let request = CheckpointStreamRequest::new()
        .with_read_mask(FieldMask::from_str("sequence_number"))
        .with_start(CheckpointStreamStart::Checkpoint(0));
    let mut stream = Box::pin(net.client.stream_checkpoints(request));
    let mut expected = 0;
    let mut dropped = 0;
    for _ in 0..5 {
        let paid = net.run(&ann, |b| pay(b, ann.address, SUI)).await.checkpoint();
        while expected <= paid {
            let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(frame.cursor, expected);
            expected += 1;
        }
        let Answer::Dropped { dropped: now } = net.fault(Fault::DropStreams).await else { panic!() };
        dropped += now;
    }
    assert!(dropped > 0);
    let last = net.run(&ann, |b| pay(b, ann.address, SUI)).await.checkpoint();
    for expected in expected..=last {
        let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.cursor, expected);
    }
}

#[tokio::test]
async fn a_subscription_repeats_its_frames_and_then_ends() {
    let net = Net::start().await;
    net.fault(Fault::Duplicates).await;
    let request = SubscribeCheckpointsRequest::default().with_read_mask(FieldMask::from_str("sequence_number"));
    let mut client = net.client.clone();
    let mut stream = client.subscription_client().subscribe_checkpoints(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap(), first);
    net.fault(Fault::DropStreams).await;
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn refused_calls_say_unavailable_and_name_no_other_method() {
    let net = Net::start().await;
    let fault = Fault::Unavailable { calls: Some(2), percent: None, seed: 0 };
    net.ask(Request::FaultAdd { fault, method: Some("GetServiceInfo".to_owned()), for_ms: None }).await;
    net.checkpoint(0, "digest").await.unwrap();
    let mut client = net.client.clone();
    let mut codes = vec![];
    for _ in 0..3 {
        let asked = client.ledger_client().get_service_info(GetServiceInfoRequest::default()).await;
        codes.push(asked.err().map(|s| s.code()));
    }
    assert_eq!(codes, [Some(Code::Unavailable), Some(Code::Unavailable), None]);
}

#[tokio::test]
async fn a_stalled_network_makes_no_checkpoint_and_loses_nothing() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let transaction = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    let Answer::Added { id } = net.fault(Fault::Stall).await else { panic!() };
    let Answer::Status(before) = net.ask(Request::Status).await else { panic!() };
    for request in [Request::Checkpoint, Request::Epoch] {
        assert!(matches!(net.devnet.control.ask(request).await, Err(ControlError::Stalled)));
    }
    let signatures = [ann.sign(&transaction)];
    let mut sent = pin!(net.execute(&transaction, &signatures));
    let cleared = async {
        let now = loop {
            let Answer::Status(now) = net.ask(Request::Status).await else { panic!() };
            if now.waiting == 1 {
                break now;
            }
        };
        // Reads are answered all the while.
        net.checkpoint(before.checkpoint.checkpoint, "digest").await.unwrap();
        assert_eq!((now.checkpoint, now.transactions), (before.checkpoint.clone(), before.transactions));
        net.ask(Request::FaultClear { id: Some(id) }).await;
    };
    tokio::select! {
        biased;
        done = &mut sent => panic!("executed while stalled: {done:?}"),
        () = timeout(DEADLINE, cleared).map(Result::unwrap) => {}
    }
    let done = sent.await.unwrap();
    assert_eq!(done.checkpoint(), before.checkpoint.checkpoint + 1);
}

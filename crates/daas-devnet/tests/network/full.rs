//! A disk without room, and one that fails.

use crate::money::pay;
use crate::process::{send, serve, serve_within};
use crate::support::*;
use daas_devnet::Fault;
use daas_devnet::control::{Answer, Request};
use sui_rpc::Client;
use sui_rpc::faucet::FaucetClient;
use sui_rpc::proto::sui::rpc::v2::GetTransactionRequest;
use tonic::Code;

#[tokio::test]
async fn a_full_disk_stops_the_writing_only_and_only_while_it_is_full() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let transaction = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    let signatures = [ann.sign(&transaction)];
    let Answer::Status(before) = net.ask(Request::Status).await else { panic!() };
    net.fault(Fault::DiskFull).await;
    let refused = net.execute(&transaction, &signatures).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("the disk has less than 16 MiB left"), "{}", refused.message());
    for request in [Request::Checkpoint, Request::Epoch, Request::ClockAdvance { ms: 1 }] {
        let error = net.devnet.control.ask(request).await.unwrap_err().to_string();
        assert!(error.contains("the disk has less than"), "{error}");
    }
    let poor = FaucetClient::new(net.devnet.faucet_url().as_str()).unwrap().request(Wallet::new(2).address).await;
    assert!(poor.unwrap_err().to_string().contains("the disk has less than"));
    // Reads are answered, and building is reading.
    let Answer::Status(now) = net.ask(Request::Status).await else { panic!() };
    assert_eq!((&now.checkpoint, now.transactions), (&before.checkpoint, before.transactions));
    net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    net.checkpoint(now.checkpoint.checkpoint, "digest").await.unwrap();

    net.ask(Request::FaultClear { id: None }).await;
    let done = net.execute(&transaction, &signatures).await.unwrap();
    assert!(done.effects().status().success());
}

/// What the reserve is for happens in spite of it: a write fails in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_ends_the_process_and_costs_nothing_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let ann = Wallet::new(1);
    let process = serve_within(dir.path(), 3 * 1024 * 1024).await;
    let mut client = Client::new(process.rpc.as_str()).unwrap();
    FaucetClient::new(process.faucet.as_str()).unwrap().request(ann.address).await.unwrap();
    let (modules, dependencies) = compiled();
    let mut answered = vec![];
    // Each takes some hundred kilobytes.
    let error = loop {
        let published = send(&mut client, &ann, |b| {
            let cap = b.publish(modules.clone(), dependencies.clone());
            let to = b.pure(&ann.address);
            b.transfer_objects(vec![cap], to);
        });
        match published.await {
            Ok(done) => answered.push(done.digest().to_owned()),
            Err(error) => break error,
        }
        assert!(answered.len() < 100, "the limit does not hold");
    };
    assert!(error.contains("the ledger: I/O error"), "{error}");
    let (well, log) = process.ended().await;
    assert!(!well && log.contains("everything that was answered is in it: start again"), "{log}");

    let process = serve(dir.path()).await;
    let mut client = Client::new(process.rpc.as_str()).unwrap();
    assert!(!answered.is_empty());
    for digest in answered {
        let mut request = GetTransactionRequest::default();
        request.digest = Some(digest);
        client.ledger_client().get_transaction(request).await.unwrap();
    }
    send(&mut client, &ann, |b| pay(b, ann.address, SUI)).await.unwrap();
}

//! The rest of what the official Rust client does: coins, estimates, waiting, following through faults.

use crate::money::pay;
use crate::support::*;
use daas_devnet::control::Request;
use daas_devnet::{Fault, Lie, LieKind};
use futures::StreamExt as _;
use std::time::Duration;
use sui_rpc::client::{EventStreamRequest, EventStreamStart, ExecuteAndWaitError, LedgerStreamConfig};
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::filter::event::emit_module;
use sui_rpc::proto::sui::rpc::v2::{
    EventFilter, ExecuteTransactionRequest, GetCoinInfoRequest, ListBalancesRequest, ListOwnedObjectsRequest, Object,
};
use sui_sdk_types::{Address, StructTag, TypeTag};
use tokio::time::timeout;

fn ids(coins: &[Object]) -> Vec<Address> {
    coins.iter().map(|c| c.object_id().parse().unwrap()).collect()
}

#[tokio::test]
async fn coins_are_selected_counted_and_described() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let sui = TypeTag::from(StructTag::sui());
    let two = ids(&net.client.select_coins(&ann.address, &sui, 300 * SUI, &[]).await.unwrap());
    assert_eq!(two.len(), 2);
    let others = ids(&net.client.select_coins(&ann.address, &sui, 600 * SUI, &two).await.unwrap());
    assert!(others.len() == 3 && others.iter().all(|id| !two.contains(id)));
    assert!(net.client.select_coins(&ann.address, &sui, 601 * SUI, &two).await.is_err());
    net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    let [largest] = &net.client.select_up_to_n_largest_coins(&ann.address, &sui, 1, &[]).await.unwrap()[..] else {
        panic!("one coin")
    };
    assert!(largest.balance() > 990 * SUI);

    let balances: Vec<_> =
        net.client.list_balances(ListBalancesRequest::default().with_owner(ann.address)).collect().await;
    let [Ok(balance)] = &balances[..] else { panic!("{balances:?}") };
    assert_eq!(balance.balance(), net.balance(ann.address).await);
    let request = GetCoinInfoRequest::default().with_coin_type(StructTag::sui().to_string());
    let info = net.client.clone().state_client().get_coin_info(request).await.unwrap().into_inner();
    assert_eq!((info.metadata().symbol(), info.metadata().decimals()), ("SUI", 9));
}

#[tokio::test]
async fn an_estimate_covers_the_cost_and_not_much_more() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let transaction = net
        .build(&ann, |b| {
            let coin = b.coin(StructTag::sui(), 300 * SUI);
            let to = b.pure(&bob.address);
            b.transfer_objects(vec![coin], to);
        })
        .await
        .unwrap();
    let budget = transaction.gas_payment.budget;
    let done = net.execute(&transaction, &[ann.sign(&transaction)]).await.unwrap();
    assert_eq!(net.balance(bob.address).await, 300 * SUI);
    let gas = done.effects().gas_used();
    let needed = gas.computation_cost() + gas.storage_cost();
    assert!((needed..=2 * needed).contains(&budget), "budget {budget} for {needed}");
}

/// Executed is executed, also when no checkpoint is seen of it.
#[tokio::test]
async fn waiting_ends_with_what_was_executed() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let transaction = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    net.fault(Fault::Lie(Lie::new(LieKind::OldTip))).await;
    let request = ExecuteTransactionRequest::default()
        .with_transaction(transaction.clone())
        .with_signatures(vec![ann.sign(&transaction).into()])
        .with_read_mask(FieldMask::from_str("*"));
    let mut client = net.client.clone();
    // No time is long enough for what is hidden.
    let waited = client.execute_transaction_and_wait_for_checkpoint(request.clone(), Duration::from_millis(50)).await;
    let Err(ExecuteAndWaitError::CheckpointTimeout(response)) = waited else { panic!("{waited:?}") };
    assert!(response.into_inner().transaction().effects().status().success());
    net.ask(Request::FaultClear { id: None }).await;
    let again = client.execute_transaction_and_wait_for_checkpoint(request, DEADLINE).await.unwrap();
    assert_eq!(again.into_inner().transaction().digest(), transaction.digest().to_string());
}

#[tokio::test]
async fn no_event_is_lost_or_repeated_whatever_the_network_does() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let config = || {
        let mut config = LedgerStreamConfig::default();
        config.base_retry_delay = Duration::from_millis(1);
        config.max_retry_delay = Duration::from_millis(10);
        config.retry_jitter = Duration::from_millis(1);
        config
    };
    let request = |start| {
        EventStreamRequest::new()
            .with_read_mask(FieldMask::from_str("checkpoint,transaction_index,event_index,transaction_digest"))
            .with_filter(EventFilter::all([emit_module(format!("{}::cluster", made.package))]))
            .with_start(start)
    };
    for (method, seed) in [("ListEvents", 1), ("SubscribeEvents", 2), ("GetServiceInfo", 3)] {
        let fault = Fault::Unavailable { calls: None, percent: Some(40), seed };
        net.ask(Request::FaultAdd { fault, method: Some(method.to_owned()), for_ms: None }).await;
        let fault = Fault::Delay { ms: seed };
        net.ask(Request::FaultAdd { fault, method: Some(method.to_owned()), for_ms: None }).await;
    }
    let (mut sent, mut seen) = (vec![], vec![]);
    let mut start = EventStreamStart::Checkpoint(made_at(&net).await + 1);
    for round in 0..4_u64 {
        let mut stream = Box::pin(net.client.stream_events_with_config(request(start.clone()), config()));
        for n in 0..5_u64 {
            let positions = vec![Address::from_hex(format!("{:064x}", round * 10 + n)).unwrap()];
            let done = net.run(&ann, |b| operators(b, made, &positions)).await;
            sent.push(done.digest().to_owned());
            net.fault(Fault::DropStreams).await;
        }
        // Left in the middle, and taken up again with the last cursor.
        while seen.len() + 2 < sent.len() {
            let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
            seen.extend(frame.event.as_ref().map(|e| e.transaction_digest().to_owned()));
            start = EventStreamStart::Resume(frame.cursor);
        }
    }
    let mut stream = Box::pin(net.client.stream_events_with_config(request(start), config()));
    while seen.len() < sent.len() {
        let frame = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
        seen.extend(frame.event.map(|e| e.transaction_digest().to_owned()));
    }
    assert_eq!(seen, sent);
}

async fn made_at(net: &Net) -> u64 {
    let daas_devnet::control::Answer::Status(status) = net.ask(Request::Status).await else { panic!() };
    status.checkpoint.checkpoint
}

fn operators(b: &mut sui_transaction_builder::TransactionBuilder, made: Made, positions: &Vec<Address>) {
    let args = vec![object(b, made.admin), object(b, made.cluster.0), b.pure(positions)];
    call(b, made.package, "cluster", "set_operator_positions", args);
}

/// As on Sui: by type, the largest coins first; page by page.
#[tokio::test]
async fn owned_objects_are_listed_largest_first() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    net.publish(&ann).await;
    for amount in [3, 1, 7, 5] {
        net.run(&ann, |b| pay(b, bob.address, amount * SUI)).await;
    }
    let listed = async |owner: Address, size: u32| {
        let request = ListOwnedObjectsRequest::default()
            .with_owner(owner)
            .with_page_size(size)
            .with_read_mask(FieldMask::from_str("object_type,balance"));
        let objects: Vec<_> = net.client.list_owned_objects(request).collect().await;
        objects.into_iter().map(|o| o.unwrap()).map(|o| (o.object_type().to_owned(), o.balance)).collect::<Vec<_>>()
    };
    let amounts: Vec<_> = listed(bob.address, 1).await.into_iter().map(|(_, balance)| balance.unwrap() / SUI).collect();
    assert_eq!(amounts, [7, 5, 3, 1]);
    let all = listed(ann.address, 50).await;
    assert_eq!(listed(ann.address, 1).await, all);
    let types: Vec<&str> = all.iter().map(|(of, _)| of.split("::").nth(2).unwrap()).collect();
    assert_eq!(types, ["Coin<0x0000000000000000000000000000000000000000000000000000000000000002", "UpgradeCap"]);
}

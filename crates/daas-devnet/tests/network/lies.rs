//! What a server can lie about, and which check of a reader that believes nobody finds it.

use crate::money::pay;
use crate::support::*;
use daas_devnet::control::Request;
use daas_devnet::{Fault, Fit, Lie, LieKind};
use futures::StreamExt as _;
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{
    self as proto, GetEpochRequest, GetServiceInfoRequest, GetTransactionRequest, ListEventsRequest,
    SubscribeCheckpointsRequest,
};
use sui_sdk_types::*;
use tonic::Code;

/// The first check that fails, as a reader makes them.
async fn verdict(net: &Net, sequence: u64) -> Result<(), &'static str> {
    let c = net.checkpoint(sequence, "*").await.unwrap();
    let verifier = ValidatorCommitteeSignatureVerifier::new(net.devnet.committee.clone()).unwrap();
    let summary: CheckpointSummary = c.summary().bcs().deserialize().unwrap();
    let signature = ValidatorAggregatedSignature::try_from(c.signature()).unwrap();
    verifier.verify_checkpoint_summary(&summary, &signature).map_err(|_| "signature")?;
    let contents: CheckpointContents = c.contents().bcs().deserialize().unwrap();
    ok(contents.digest() == summary.content_digest, "contents")?;
    for (info, transaction) in contents.transactions().iter().zip(&c.transactions) {
        let effects: TransactionEffects = transaction.effects().bcs().deserialize().unwrap();
        ok(effects.digest() == *info.effects(), "effects")?;
        let TransactionEffects::V2(effects) = effects else { panic!("effects are version 2") };
        let events: Option<TransactionEvents> = transaction.events.as_ref().map(|e| e.bcs().deserialize().unwrap());
        ok(events.as_ref().map(TransactionEvents::digest) == effects.events_digest, "events")?;
    }
    Ok(())
}

fn ok(holds: bool, check: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(check) }
}

/// A network and a checkpoint of it with an event.
async fn eventful() -> (Net, Wallet, u64) {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    net.stake(made, &ann, 5 * SUI, "").await;
    let staked = events(&net).await.last().unwrap().checkpoint();
    (net, ann, staked)
}

async fn events(net: &Net) -> Vec<proto::Event> {
    let request = ListEventsRequest::default().with_read_mask(FieldMask::from_str("*"));
    let frames: Vec<_> = net.client.list_events(request).collect().await;
    frames.into_iter().filter_map(|f| f.unwrap().event).collect()
}

#[tokio::test]
async fn each_lie_is_found_by_the_check_it_does_not_fit() {
    let (net, _, at) = eventful().await;
    let lie = |kind, fit| Lie::new(kind).fitting(fit);
    let fits = [
        (Fit::Nothing, "events"),
        (Fit::Effects, "effects"),
        (Fit::Contents, "contents"),
        (Fit::Summary, "signature"),
        (Fit::Signature, "signature"),
    ];
    let mut cases = vec![
        (lie(LieKind::AlteredTimestamp, Fit::Nothing), "signature"),
        (lie(LieKind::AlteredTimestamp, Fit::Signature), "signature"),
        (lie(LieKind::ForeignSignature, Fit::Nothing), "signature"),
        (lie(LieKind::ForgedEpoch, Fit::Nothing).about(at), "signature"),
    ];
    for kind in [LieKind::AlteredEvent, LieKind::HiddenEvent, LieKind::InventedEvent] {
        cases.extend(fits.map(|(fit, check)| (lie(kind, fit), check)));
    }
    for (lie, check) in cases {
        assert_eq!(verdict(&net, at).await, Ok(()));
        net.fault(Fault::Lie(lie.clone())).await;
        assert_eq!(verdict(&net, at).await, Err(check), "{lie:?}");
        net.ask(Request::FaultClear { id: None }).await;
    }
    // The ledger has not heard of any of it.
    for sequence in 0..=at {
        assert_eq!(verdict(&net, sequence).await, Ok(()));
    }
}

#[tokio::test]
async fn a_lie_is_the_same_in_every_answer() {
    let (net, _, at) = eventful().await;
    let truth = events(&net).await;
    let of_transaction = async || {
        let request = GetTransactionRequest::default().with_read_mask(FieldMask::from_str("events.events"));
        let mut request = request;
        request.digest = truth.last().unwrap().transaction_digest.clone();
        let found = net.client.clone().ledger_client().get_transaction(request).await.unwrap().into_inner();
        let events = found.transaction.unwrap().events.unwrap_or_default().events;
        events.into_iter().map(|e| e.contents().value().to_vec()).collect::<Vec<_>>()
    };
    let of_checkpoint = async || {
        let found = net.checkpoint(at, "transactions.events.events").await.unwrap();
        let events = found.transactions[0].events.clone().unwrap_or_default().events;
        events.into_iter().map(|e| e.contents().value().to_vec()).collect::<Vec<_>>()
    };
    let of_list = async || {
        let all = events(&net).await.into_iter().filter(|e| e.checkpoint() == at);
        all.map(|e| e.contents().value().to_vec()).collect::<Vec<_>>()
    };
    let honest = of_list().await;
    assert_eq!(honest.len(), 1);
    for (kind, count) in [(LieKind::AlteredEvent, 1), (LieKind::HiddenEvent, 0), (LieKind::InventedEvent, 2)] {
        net.fault(Fault::Lie(Lie::new(kind).about(at))).await;
        let told = of_list().await;
        assert_eq!((told.len(), told == honest), (count, false), "{kind:?}");
        assert_eq!(of_transaction().await, told, "{kind:?}");
        assert_eq!(of_checkpoint().await, told, "{kind:?}");
        // Only about this checkpoint.
        assert_eq!(events(&net).await[0], truth[0]);
        net.ask(Request::FaultClear { id: None }).await;
    }
}

#[tokio::test]
async fn an_old_tip_hides_what_came_after_until_it_is_cleared() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let first = net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    let request = SubscribeCheckpointsRequest::default().with_read_mask(FieldMask::from_str("sequence_number"));
    let mut ledger = net.client.clone();
    let mut stream = ledger.subscription_client().subscribe_checkpoints(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().cursor(), first.checkpoint());
    let coin: Address = first.effects().gas_object().object_id().parse().unwrap();
    let before = net.object(coin).await;

    net.fault(Fault::Lie(Lie::new(LieKind::OldTip))).await;
    let transaction = net.build(&ann, |b| pay(b, bob.address, SUI)).await.unwrap();
    let request = proto::ExecuteTransactionRequest::default()
        .with_transaction(transaction.clone())
        .with_signatures(vec![ann.sign(&transaction).into()]);
    let done = net.client.clone().execution_client().execute_transaction(request).await.unwrap();
    assert_eq!(done.metadata().get("x-sui-checkpoint-height").unwrap(), first.checkpoint().to_string().as_str());
    let done = done.into_inner().transaction.unwrap();
    assert!(done.effects().status().success() && done.checkpoint.is_none());

    let info = net.client.clone().ledger_client().get_service_info(GetServiceInfoRequest::default()).await;
    assert_eq!(info.unwrap().into_inner().checkpoint_height(), first.checkpoint());
    let hidden = net.checkpoint(first.checkpoint() + 1, "*").await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let request = GetTransactionRequest::new(&transaction.digest());
    let hidden = net.client.clone().ledger_client().get_transaction(request.clone()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert_eq!(net.object(coin).await, before);
    assert_eq!(verdict(&net, first.checkpoint()).await, Ok(()));

    net.ask(Request::FaultClear { id: None }).await;
    assert_eq!(stream.message().await.unwrap().unwrap().cursor(), first.checkpoint() + 1);
    net.client.clone().ledger_client().get_transaction(request).await.unwrap();
    assert!(net.object(coin).await.version() > before.version());
}

#[tokio::test]
async fn a_forged_epoch_is_told_to_the_end() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    net.fault(Fault::Lie(Lie::new(LieKind::ForgedEpoch))).await;
    let forged = net.client.clone().ledger_client().get_service_info(GetServiceInfoRequest::default()).await;
    let end = forged.unwrap().into_inner().checkpoint_height();
    let done = net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    let epoch = async |number: u64| {
        let request = GetEpochRequest::new(number).with_read_mask(FieldMask::from_str("*"));
        net.client.clone().ledger_client().get_epoch(request).await.unwrap().into_inner().epoch.unwrap()
    };
    assert_eq!((epoch(0).await.last_checkpoint, epoch(1).await.last_checkpoint), (Some(end), None));
    let c = net.checkpoint(end, "*").await.unwrap();
    let summary: CheckpointSummary = c.summary().bcs().deserialize().unwrap();
    let next = ValidatorCommittee::try_from(epoch(1).await.committee()).unwrap();
    assert_eq!(summary.end_of_epoch_data.unwrap().next_epoch_committee, next.members);
    // Whoever believed that would believe everything.
    let c = net.checkpoint(done.checkpoint(), "*").await.unwrap();
    let summary: CheckpointSummary = c.summary().bcs().deserialize().unwrap();
    let signature = ValidatorAggregatedSignature::try_from(c.signature()).unwrap();
    let believer = ValidatorCommitteeSignatureVerifier::new(next).unwrap();
    believer.verify_checkpoint_summary(&summary, &signature).unwrap();
    assert_eq!(
        (verdict(&net, end).await, verdict(&net, done.checkpoint()).await),
        (Err("signature"), Err("signature"))
    );
}

//! Epochs: another committee in each, and a client that believes one because the one before it signed for it.

use crate::money::pay;
use crate::support::*;
use futures::StreamExt as _;
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_rpc::client::ResponseExt as _;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{self as proto, Checkpoint, Epoch, GetEpochRequest, ListCheckpointsRequest};
use sui_sdk_types::*;
use tonic::Code;

/// What a client that believes nobody reads.
const PROOF: &str = "sequence_number,summary.bcs,signature,contents.bcs,transactions.transaction.bcs,\
                     transactions.effects.bcs,transactions.events.bcs,objects.objects.bcs";

async fn epoch(net: &Net, number: u64) -> Result<Epoch, tonic::Status> {
    let request = GetEpochRequest::new(number).with_read_mask(FieldMask::from_str("*"));
    Ok(net.client.clone().ledger_client().get_epoch(request).await?.into_inner().epoch.unwrap())
}

fn summary(checkpoint: &Checkpoint) -> CheckpointSummary {
    checkpoint.summary().bcs().deserialize().unwrap()
}

fn verify(committee: &ValidatorCommittee, checkpoint: &Checkpoint) -> bool {
    let verifier = ValidatorCommitteeSignatureVerifier::new(committee.clone()).unwrap();
    let signature = ValidatorAggregatedSignature::try_from(checkpoint.signature()).unwrap();
    verifier.verify_checkpoint_summary(&summary(checkpoint), &signature).is_ok()
}

#[tokio::test]
async fn a_client_goes_from_committee_to_committee() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let first = net.end_epoch().await;
    let paid = net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    let second = net.end_epoch().await;
    // Nothing of it is lost with the process.
    let net = net.restart().await;
    let last = net.run(&ann, |b| pay(b, ann.address, SUI)).await;

    let mut committees = vec![net.devnet.committee.clone()];
    for end in [first, second] {
        let checkpoint = net.checkpoint(end, "summary.bcs,signature").await.unwrap();
        let current = committees.last().unwrap();
        assert!(verify(current, &checkpoint));
        let summary = summary(&checkpoint);
        let data = summary.end_of_epoch_data.unwrap();
        let next = ValidatorCommittee { epoch: summary.epoch + 1, members: data.next_epoch_committee };
        assert_ne!(next.members, current.members);
        committees.push(next);
    }
    for sequence in 0..=last.checkpoint() {
        let checkpoint = net.checkpoint(sequence, "summary.bcs,signature").await.unwrap();
        let number = usize::try_from(summary(&checkpoint).epoch).unwrap();
        assert_eq!(number, usize::from(sequence > first) + usize::from(sequence > second), "{sequence}");
        let believers: Vec<usize> = (0..3).filter(|n| verify(&committees[*n], &checkpoint)).collect();
        assert_eq!(believers, [number], "{sequence}");
    }

    for (number, committee) in (0..).zip(&committees) {
        let epoch = epoch(&net, number).await.unwrap();
        assert_eq!(ValidatorCommittee::try_from(epoch.committee()).unwrap(), *committee);
        let bounds = [(0, Some(first)), (first + 1, Some(second)), (second + 1, None)];
        let at = usize::try_from(number).unwrap();
        assert_eq!((epoch.first_checkpoint(), epoch.last_checkpoint), bounds[at]);
        assert_eq!(epoch.end.is_some(), number < 2);
        assert_eq!(epoch.system_state().epoch(), number);
    }
    assert_eq!(epoch(&net, 3).await.unwrap_err().code(), Code::NotFound);
    let effects = |done: &proto::ExecutedTransaction| done.effects().epoch();
    assert_eq!((effects(&paid), effects(&last)), (1, 2));
}

#[tokio::test]
async fn the_end_of_an_epoch_is_a_transaction_and_counts_gas_anew() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    net.run(&ann, |b| pay(b, ann.address, SUI)).await;
    let before = summary(&net.checkpoint(net.end_epoch().await - 1, "summary.bcs").await.unwrap());
    let end = net.checkpoint(before.sequence_number + 1, "*").await.unwrap();
    assert_eq!(summary(&end).network_total_transactions, before.network_total_transactions + 1);
    let [transaction] = &end.transactions[..] else { panic!("one transaction") };
    let transaction: Transaction = transaction.transaction().bcs().deserialize().unwrap();
    let TransactionKind::EndOfEpoch(kinds) = &transaction.kind else { panic!("{:?}", transaction.kind) };
    let [EndOfEpochTransactionKind::ChangeEpoch(change)] = &kinds[..] else { panic!("{kinds:?}") };
    let gas = &before.epoch_rolling_gas_cost_summary;
    assert_eq!((change.epoch, change.computation_charge), (1, gas.computation_cost));
    assert!(gas.computation_cost > 0);

    let again = net.end_epoch().await;
    let empty = summary(&net.checkpoint(again, "summary.bcs").await.unwrap());
    assert_eq!((empty.epoch, empty.epoch_rolling_gas_cost_summary), (1, GasCostSummary::default()));
}

#[tokio::test]
async fn a_transaction_can_expire_with_its_epoch() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let mut good = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    good.expiration = TransactionExpiration::Epoch(0);
    net.end_epoch().await;
    let late = net.execute(&good, &[ann.sign(&good)]).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late}");
    good.expiration = TransactionExpiration::Epoch(1);
    assert_eq!(net.execute(&good, &[ann.sign(&good)]).await.unwrap().effects().epoch(), 1);
    let info = net.client.clone().ledger_client().get_service_info(proto::GetServiceInfoRequest::default()).await;
    let info = info.unwrap();
    assert_eq!((info.epoch(), info.into_inner().epoch()), (Some(1), 1));
}

/// Whoever reads the chain with this mask can hold every object against a signature.
#[tokio::test]
async fn an_object_is_proven_from_the_signature_down() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    net.end_epoch().await;
    let done = net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    let coin = done.effects().changed_objects.iter().find(|c| c.output_owner().address() == bob.address.to_string());
    let coin: Address = coin.unwrap().object_id().parse().unwrap();

    let mut request = proto::GetObjectRequest::new(&coin);
    request.read_mask = Some(FieldMask::from_str("bcs,previous_transaction"));
    let found = net.client.clone().ledger_client().get_object(request).await.unwrap().into_inner().object.unwrap();
    assert_eq!(found.previous_transaction(), done.digest());
    let object: Object = found.bcs().deserialize().unwrap();

    let request = ListCheckpointsRequest::default()
        .with_read_mask(FieldMask::from_str(PROOF))
        .with_start_checkpoint(done.checkpoint())
        .with_end_checkpoint(done.checkpoint() + 1);
    let frames: Vec<_> = net.client.list_checkpoints(request).collect().await;
    let checkpoint = frames.into_iter().find_map(|f| f.unwrap().checkpoint).unwrap();
    let summary = summary(&checkpoint);
    let contents: CheckpointContents = checkpoint.contents().bcs().deserialize().unwrap();
    assert_eq!(contents.digest(), summary.content_digest);
    let [info] = contents.transactions() else { panic!("one transaction") };
    assert_eq!(*info.transaction(), object.previous_transaction());
    let effects: TransactionEffects = checkpoint.transactions[0].effects().bcs().deserialize().unwrap();
    assert_eq!(effects.digest(), *info.effects());
    let TransactionEffects::V2(effects) = effects else { panic!("effects are version 2") };
    let written = effects.changed_objects.iter().find(|c| c.object_id == coin).unwrap();
    assert_eq!(written.output_state, ObjectOut::ObjectWrite { digest: object.digest(), owner: *object.owner() });
    let listed: Vec<Object> = checkpoint.objects().objects.iter().map(|o| o.bcs().deserialize().unwrap()).collect();
    assert!(listed.contains(&object));
}

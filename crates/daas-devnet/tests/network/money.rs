//! Faucet, balances, transfers, gas, and what is refused.

use crate::support::*;
use futures::StreamExt as _;
use sui_crypto::multisig::MultisigAggregator;
use sui_crypto::simple::SimpleKeypair;
use sui_rpc::client::ResponseExt as _;
use sui_rpc::proto::sui::rpc::v2::{GetServiceInfoRequest, ListOwnedObjectsRequest};
use sui_sdk_types::*;
use sui_transaction_builder::{ObjectInput, TransactionBuilder};
use tonic::Code;

#[tokio::test]
async fn a_transfer_moves_money_and_costs_gas() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let done = net.run(&ann, |b| pay(b, bob.address, SUI)).await;

    assert_eq!(net.balance(bob.address).await, SUI);
    let gas = done.effects().gas_used();
    assert!(gas.computation_cost() > 0 && gas.storage_cost() > 0);
    // Five coins became one: the rebate for four of them is more than the rest costs.
    let spent = SUI + gas.computation_cost() + gas.storage_cost() - gas.storage_rebate();
    assert_eq!(net.balance(ann.address).await, 1000 * SUI - spent);
    let changes: Vec<_> =
        done.balance_changes.iter().map(|c| (c.address().to_owned(), c.amount().to_owned())).collect();
    assert!(changes.contains(&(bob.address.to_string(), SUI.to_string())), "{changes:?}");
    assert!(changes.contains(&(ann.address.to_string(), format!("-{spent}"))), "{changes:?}");
}

#[tokio::test]
async fn objects_carry_their_own_digests_and_versions() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let done = net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    let effects: TransactionEffects = done.effects().bcs().deserialize().unwrap();
    assert_eq!(effects.digest().to_string(), done.effects().digest());
    let TransactionEffects::V2(effects) = effects else { panic!("effects are version 2") };
    let inputs = effects.changed_objects.iter().filter_map(|c| match c.input_state {
        ObjectIn::Exist { version, .. } => Some(version),
        _ => None,
    });
    assert_eq!(Some(effects.lamport_version), inputs.max().map(|v| v + 1));
    for change in &effects.changed_objects {
        let ObjectOut::ObjectWrite { digest, owner } = change.output_state else {
            continue;
        };
        let object: Object = net.object(change.object_id).await.bcs().deserialize().unwrap();
        assert_eq!((object.digest(), *object.owner()), (digest, owner));
        assert_eq!(object.version(), effects.lamport_version);
        assert_eq!(object.previous_transaction(), effects.transaction_digest);
    }
    // Two coins of Bob's are listed one page at a time.
    net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    let request = ListOwnedObjectsRequest::default().with_owner(bob.address).with_page_size(1u32);
    assert_eq!(net.client.list_owned_objects(request).count().await, 2);
}

#[tokio::test]
async fn what_is_not_the_senders_to_do_is_refused() {
    let net = Net::start().await;
    let (ann, eve) = (net.wallet(1).await, net.wallet(2).await);
    let before = net.balance(ann.address).await;

    let transaction = net.build(&ann, |b| pay(b, eve.address, SUI)).await.unwrap();
    let foreign = net.execute(&transaction, &[eve.sign(&transaction)]).await.unwrap_err();
    assert_eq!(foreign.code(), Code::InvalidArgument, "{foreign}");
    let missing = net.execute(&transaction, &[]).await.unwrap_err();
    assert!(missing.message().contains("expected 1 signatures, got 0"), "{missing}");
    let mut altered = transaction.clone();
    altered.gas_payment.budget += 1;
    let forged = net.execute(&altered, &[ann.sign(&transaction)]).await.unwrap_err();
    assert!(forged.message().contains("does not verify"), "{forged}");

    // Eve spends Ann's coins as gas, and as input.
    let mut stolen = transaction.clone();
    (stolen.sender, stolen.gas_payment.owner) = (eve.address, eve.address);
    let stolen = net.execute(&stolen, &[eve.sign(&stolen)]).await.unwrap_err();
    assert!(stolen.message().contains("is not owned by"), "{stolen}");
    let coin = *transaction.gas_payment.objects[0].object_id();
    let taken = net.build(&eve, |b| {
        let coin = object(b, coin);
        let to = b.pure(&eve.address);
        b.transfer_objects(vec![coin], to);
    });
    assert!(taken.await.unwrap_err().to_string().contains("not owned by the sender"));
    assert_eq!(net.balance(ann.address).await, before);
}

#[tokio::test]
async fn a_version_is_spent_once() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let first = net.build(&ann, |b| pay(b, bob.address, SUI)).await.unwrap();
    let second = net.build(&ann, |b| pay(b, bob.address, 2 * SUI)).await.unwrap();
    let done = net.execute(&first, &[ann.sign(&first)]).await.unwrap();
    let again = net.execute(&first, &[ann.sign(&first)]).await.unwrap();
    assert_eq!(done.checkpoint(), again.checkpoint());
    let late = net.execute(&second, &[ann.sign(&second)]).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late}");
    assert_eq!(net.balance(bob.address).await, SUI);
}

#[tokio::test]
async fn limits_of_a_transaction_are_kept() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let good = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    let refused = async |change: fn(&mut Transaction)| {
        let mut bad = good.clone();
        change(&mut bad);
        net.execute(&bad, &[ann.sign(&bad)]).await.unwrap_err().message().to_owned()
    };
    assert!(refused(|t| t.gas_payment.price = 999).await.contains("reference price"));
    assert!(refused(|t| t.gas_payment.budget = 1).await.contains("gas budget"));
    assert!(refused(|t| t.gas_payment.objects.clear()).await.contains("no gas coin"));
    let wrong_digest = |t: &mut Transaction| {
        let coin = &mut t.gas_payment.objects[0];
        *coin = ObjectReference::new(*coin.object_id(), coin.version(), Digest::ZERO);
    };
    assert!(refused(wrong_digest).await.contains("has digest"));
    let foreign = |t: &mut Transaction| {
        let (chain, nonce) = (Digest::ZERO, 0);
        let (min_epoch, max_epoch, min_timestamp, max_timestamp) = (Some(0), Some(1), None, None);
        t.expiration =
            TransactionExpiration::ValidDuring { min_epoch, max_epoch, min_timestamp, max_timestamp, chain, nonce };
    };
    assert!(refused(foreign).await.contains("is for chain"));
    assert!(refused(|t| t.kind = TransactionKind::EndOfEpoch(vec![])).await.contains("programmable"));
}

#[tokio::test]
async fn a_failing_command_costs_gas_and_changes_nothing_else() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    // The simulation says so before anything is paid.
    let error = net.build(&ann, |b| pay(b, bob.address, 5000 * SUI)).await.unwrap_err();
    assert!(error.to_string().contains("INSUFFICIENT_COIN_BALANCE"), "{error}");

    let mut transaction = net.build(&ann, |b| pay(b, bob.address, SUI)).await.unwrap();
    let TransactionKind::ProgrammableTransaction(ptb) = &mut transaction.kind else { panic!() };
    ptb.inputs[0] = Input::Pure((5000 * SUI).to_le_bytes().to_vec());
    let done = net.execute(&transaction, &[ann.sign(&transaction)]).await.unwrap();
    let status = done.effects().status();
    assert!(!status.success());
    assert_eq!((status.error().kind().as_str_name(), status.error().command()), ("INSUFFICIENT_COIN_BALANCE", 0));
    assert_eq!(net.balance(bob.address).await, 0);
    let balance = net.balance(ann.address).await;
    let gas = done.effects().gas_used();
    assert_eq!(balance + gas.computation_cost() + gas.storage_cost(), 1000 * SUI + gas.storage_rebate());
    // Five coins were smashed into one, as on Sui.
    let request = ListOwnedObjectsRequest::default().with_owner(ann.address);
    assert_eq!(net.client.list_owned_objects(request).count().await, 1);
}

#[tokio::test]
async fn a_sponsor_pays_and_a_committee_signs() {
    let net = Net::start().await;
    let (ann, sponsor) = (net.wallet(1).await, net.wallet(2).await);
    let coin = net.client.list_owned_objects(ListOwnedObjectsRequest::default().with_owner(ann.address));
    let coin: Address = Box::pin(coin).next().await.unwrap().unwrap().object_id().parse().unwrap();
    let to_bob = |b: &mut TransactionBuilder| {
        let coin = b.object(ObjectInput::new(coin));
        let to = b.pure(&Wallet::new(3).address);
        b.transfer_objects(vec![coin], to);
        b.set_sponsor(sponsor.address);
    };
    let transaction = net.build(&ann, to_bob).await.unwrap();
    let alone = net.execute(&transaction, &[ann.sign(&transaction)]).await.unwrap_err();
    assert!(alone.message().contains("expected 2 signatures, got 1"), "{alone}");
    let both = [ann.sign(&transaction), sponsor.sign(&transaction)];
    assert!(net.execute(&transaction, &both).await.unwrap().effects().status().success());
    assert_eq!(net.balance(ann.address).await, 800 * SUI);

    let key = SimpleKeypair::from(Wallet::new(4).key);
    let committee = MultisigCommittee::new(vec![MultisigMember::new(key.public_key(), 1)], 1);
    let joint = Wallet { address: committee.derive_address(), ..Wallet::new(4) };
    net.run(&sponsor, |b| pay(b, joint.address, SUI)).await;
    let transaction = net.build(&joint, |b| pay(b, ann.address, SUI / 2)).await.unwrap();
    let mut votes = MultisigAggregator::new_with_transaction(committee, &transaction);
    votes.add_signature(joint.sign(&transaction)).unwrap();
    let signature = UserSignature::Multisig(votes.finish().unwrap());
    assert!(net.execute(&transaction, &[signature]).await.unwrap().effects().status().success());
}

#[tokio::test]
async fn headers_and_prices_are_those_of_the_network() {
    let mut net = Net::start().await;
    let info = net.client.ledger_client().get_service_info(GetServiceInfoRequest::default()).await.unwrap();
    let digest = net.devnet.genesis.digest();
    assert_eq!(info.chain_id().map(|d| d.to_string()), Some(digest.to_string()));
    assert_eq!(info.into_inner().chain_id(), digest.to_string());
    assert_eq!(net.client.get_reference_gas_price().await.unwrap(), 1000);
}

pub(crate) fn pay(b: &mut TransactionBuilder, to: Address, amount: u64) {
    let gas = b.gas();
    let amount = b.pure(&amount);
    let coins = b.split_coins(gas, vec![amount]);
    let to = b.pure(&to);
    b.transfer_objects(coins, to);
}

//! Genesis, checkpoints, restarts.

use crate::money::pay;
use crate::support::*;
use daas_devnet::{Devnet, DevnetError, StoreError};
use daas_types::genesis::Genesis;
use std::os::unix::fs::PermissionsExt as _;
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{Checkpoint, GetCheckpointRequest};
use sui_sdk_types::*;

async fn checkpoint(net: &Net, sequence: u64) -> Checkpoint {
    let request = GetCheckpointRequest::by_sequence_number(sequence).with_read_mask(FieldMask::from_str("*"));
    net.client.clone().ledger_client().get_checkpoint(request).await.unwrap().into_inner().checkpoint.unwrap()
}

#[tokio::test]
async fn every_checkpoint_is_signed_and_chained_down_to_the_events() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    net.stake(made, &ann, 5 * SUI, "").await;
    let done = net.run(&ann, |b| pay(b, ann.address, SUI)).await;

    let verifier = ValidatorCommitteeSignatureVerifier::new(net.devnet.committee.clone()).unwrap();
    let mut previous = None;
    let mut events = 0;
    for sequence in 0..=done.checkpoint() {
        let c = checkpoint(&net, sequence).await;
        let summary: CheckpointSummary = c.summary().bcs().deserialize().unwrap();
        let signature = ValidatorAggregatedSignature::try_from(c.signature()).unwrap();
        verifier.verify_checkpoint_summary(&summary, &signature).unwrap();
        let forged = CheckpointSummary { timestamp_ms: summary.timestamp_ms + 1, ..summary.clone() };
        assert!(verifier.verify_checkpoint_summary(&forged, &signature).is_err());
        assert_eq!(summary.previous_digest, previous);
        previous = Some(summary.digest());

        let contents: CheckpointContents = c.contents().bcs().deserialize().unwrap();
        assert_eq!(contents.digest(), summary.content_digest);
        assert_eq!(contents.transactions().len(), c.transactions.len());
        for (info, transaction) in contents.transactions().iter().zip(&c.transactions) {
            let data: Transaction = transaction.transaction().bcs().deserialize().unwrap();
            assert_eq!(data.digest(), *info.transaction());
            let effects: TransactionEffects = transaction.effects().bcs().deserialize().unwrap();
            assert_eq!(effects.digest(), *info.effects());
            let TransactionEffects::V2(effects) = effects else { panic!() };
            let list: Option<TransactionEvents> = transaction.events.as_ref().map(|e| e.bcs().deserialize().unwrap());
            assert_eq!(list.as_ref().map(TransactionEvents::digest), effects.events_digest);
            events += list.map_or(0, |l| l.0.len());
        }
    }
    assert_eq!(events, 2);
}

#[tokio::test]
async fn the_genesis_binds_validator_and_tee_root() {
    let net = Net::start().await;
    let c = checkpoint(&net, 0).await;
    assert_eq!(c.digest(), net.devnet.genesis.digest().to_string());
    let pinned = Genesis::pinned(net.devnet.genesis.digest(), c.summary().bcs().value()).unwrap();
    let anchor = pinned.devnet().unwrap();
    assert_eq!(anchor.tee_root, TEE_ROOT);
    assert_eq!(anchor.validator, net.devnet.committee.members[0].public_key.as_bytes());
    assert_eq!(net.devnet.genesis_summary, c.summary().bcs().value());
    for key in ["validator.key", "faucet.key"] {
        let mode = std::fs::metadata(net.dir.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, Wallet::new(2));
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    let done = net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    let (genesis, before) = (net.devnet.genesis.digest(), net.object(position.0).await);

    let net = net.restart().await;
    assert_eq!(net.devnet.genesis.digest(), genesis);
    assert_eq!(net.object(position.0).await, before);
    assert_eq!(net.balance(bob.address).await, SUI);
    let old = checkpoint(&net, done.checkpoint()).await;
    assert_eq!(old.transactions[0].digest(), done.digest());
    let next = net.run(&ann, |b| pay(b, bob.address, SUI)).await;
    assert!(next.checkpoint() > done.checkpoint());
}

#[tokio::test]
async fn another_root_or_a_second_process_is_refused() {
    let net = Net::start().await;
    let second = Devnet::start(config(net.dir.path(), &net.clock)).await;
    assert!(matches!(second, Err(DevnetError::Store(StoreError::InUse))));
    let (dir, clock) = (net.dir, net.clock);
    net.devnet.stop().await.unwrap();
    let other = daas_devnet::Config { tee_root: [8; 32], ..config(dir.path(), &clock) };
    let error = Devnet::start(other).await.err().unwrap();
    assert!(error.to_string().contains("simulated TEE's root"), "{error}");
}

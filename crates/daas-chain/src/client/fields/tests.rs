use super::{Damaged, MAX_TRANSACTIONS, ReadCheckpoint, ReadObject, ReadTransaction};
use crate::client::fields;
use crate::verified::{Claim, ClaimedSignature, ClaimedTransaction};
use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use sui_rpc::proto::sui::rpc::v2 as proto;

fn bytes_of(bcs: Option<&proto::Bcs>) -> Option<Bytes> {
    bcs.and_then(|bcs| bcs.value.clone())
}

/// The same by way of the generated decoder.
fn decoded(checkpoint: &proto::Checkpoint) -> ReadCheckpoint {
    let transaction = |got: &proto::ExecutedTransaction| ClaimedTransaction {
        effects: bytes_of(got.effects.as_ref().and_then(|effects| effects.bcs.as_ref())),
        events: bytes_of(got.events.as_ref().and_then(|events| events.bcs.as_ref())),
    };
    let claim = Claim {
        summary: bytes_of(checkpoint.summary.as_ref().and_then(|summary| summary.bcs.as_ref())),
        signature: checkpoint.signature.as_ref().map(|signature| ClaimedSignature {
            epoch: signature.epoch(),
            signature: signature.signature.clone().unwrap_or_default(),
            bitmap: signature.bitmap.clone().unwrap_or_default(),
        }),
        contents: bytes_of(checkpoint.contents.as_ref().and_then(|contents| contents.bcs.as_ref())),
        transactions: checkpoint.transactions.iter().map(transaction).collect(),
    };
    ReadCheckpoint { sequence: checkpoint.sequence_number, claim }
}

fn some_bytes() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
}

fn some_bcs() -> impl Strategy<Value = Option<proto::Bcs>> {
    let bcs = (some_bytes(), any::<Option<String>>()).prop_map(|(value, name)| {
        let mut bcs = proto::Bcs::default();
        (bcs.value, bcs.name) = (value, name);
        bcs
    });
    prop::option::of(bcs)
}

fn some_transaction() -> impl Strategy<Value = proto::ExecutedTransaction> {
    (prop::option::of(some_bcs()), prop::option::of(some_bcs()), any::<Option<String>>(), any::<Option<u64>>())
        .prop_map(|(effects, events, digest, checkpoint)| {
            let mut transaction = proto::ExecutedTransaction::default();
            transaction.effects = effects.map(|bcs| {
                let mut effects = proto::TransactionEffects::default().with_epoch(3);
                effects.bcs = bcs;
                effects
            });
            transaction.events = events.map(|bcs| {
                let mut events = proto::TransactionEvents::default().with_events(vec![proto::Event::default()]);
                events.bcs = bcs;
                events
            });
            (transaction.digest, transaction.checkpoint) = (digest, checkpoint);
            transaction
        })
}

fn some_checkpoint() -> impl Strategy<Value = proto::Checkpoint> {
    let signature = (any::<Option<u64>>(), some_bytes(), some_bytes());
    let transactions = prop::collection::vec(some_transaction(), 0..6);
    (any::<Option<u64>>(), some_bcs(), some_bcs(), prop::option::of(signature), transactions).prop_map(
        |(sequence, summary, contents, signature, transactions)| {
            let mut checkpoint = proto::Checkpoint::default().with_digest("noise");
            checkpoint.sequence_number = sequence;
            let mut summarised = proto::CheckpointSummary::default().with_digest("noise");
            summarised.bcs = summary;
            checkpoint.summary = Some(summarised);
            let mut listed = proto::CheckpointContents::default().with_version(7);
            listed.bcs = contents;
            checkpoint.contents = Some(listed);
            checkpoint.signature = signature.map(|(epoch, bytes, bitmap)| {
                let mut signature = proto::ValidatorAggregatedSignature::default();
                (signature.epoch, signature.signature, signature.bitmap) = (epoch, bytes, bitmap);
                signature
            });
            checkpoint.transactions = transactions;
            checkpoint
        },
    )
}

fn answer(checkpoint: proto::Checkpoint) -> Vec<u8> {
    let mut answer = proto::GetCheckpointResponse::default();
    answer.checkpoint = Some(checkpoint);
    answer.encode_to_vec()
}

proptest! {
    #[test]
    fn what_is_read_is_what_the_generated_decoder_reads(checkpoint in some_checkpoint()) {
        let expected = decoded(&checkpoint);
        prop_assert_eq!(fields::checkpoint(&answer(checkpoint).into(), 1), Ok(expected));
    }

    /// Protobuf merges a message that comes in parts.
    #[test]
    fn parts_add_up(one in some_checkpoint(), other in some_checkpoint()) {
        let both = [answer(one), answer(other)].concat();
        let merged = proto::GetCheckpointResponse::decode(&*both).unwrap().checkpoint.unwrap();
        prop_assert_eq!(fields::checkpoint(&both.into(), 1), Ok(decoded(&merged)));
    }

    #[test]
    fn a_transaction_and_an_object_are_read(transaction in some_transaction(), bcs in some_bcs(), previous in any::<Option<String>>()) {
        let effects = bytes_of(transaction.effects.as_ref().and_then(|effects| effects.bcs.as_ref()));
        let expected = ReadTransaction { checkpoint: transaction.checkpoint, effects };
        let mut got = proto::GetTransactionResponse::default();
        got.transaction = Some(transaction);
        prop_assert_eq!(fields::transaction(&got.encode_to_vec().into()), Ok(expected));

        let expected = ReadObject { bcs: bytes_of(bcs.as_ref()), previous_transaction: previous.clone().map(Bytes::from) };
        let mut object = proto::Object::default().with_version(4);
        (object.bcs, object.previous_transaction) = (bcs, previous);
        let mut got = proto::GetObjectResponse::default();
        got.object = Some(object);
        prop_assert_eq!(fields::object(&got.encode_to_vec().into()), Ok(expected));
    }

    /// Any bytes are read or refused, and nothing is read out of bytes that the generated decoder refuses for their layout.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for at in [1, 2] {
            if let Ok(read) = fields::checkpoint(&bytes, at) {
                prop_assert!(read.claim.transactions.len() <= bytes.len() / 2);
            }
        }
        let _ = (fields::transaction(&bytes), fields::object(&bytes));
    }

    #[test]
    fn a_cut_or_changed_answer_never_panics(checkpoint in some_checkpoint(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = answer(checkpoint);
        if let Some(len) = Some(bytes.len()).filter(|len| *len > 0) {
            bytes[at.index(len)] = to;
        }
        let cut = bytes.len() / 2;
        let _ = (fields::checkpoint(&bytes.clone().into(), 1), fields::checkpoint(&Bytes::from(bytes).slice(..cut), 1));
    }
}

/// Sixteen million of them fit into the longest answer.
#[test]
fn more_transactions_than_a_checkpoint_has_are_not_read() {
    let answer = |count: usize| {
        let transactions = [6 << 3 | 2, 0].repeat(count);
        let mut answer = vec![1 << 3 | 2];
        prost::encoding::encode_varint(transactions.len() as u64, &mut answer);
        Bytes::from([answer, transactions].concat())
    };
    let read = fields::checkpoint(&answer(MAX_TRANSACTIONS), 1).unwrap();
    assert_eq!(read.claim.transactions.len(), MAX_TRANSACTIONS);
    assert_eq!(fields::checkpoint(&answer(MAX_TRANSACTIONS + 1), 1), Err(Damaged::TooMany));
    assert_eq!(fields::checkpoint(&answer((32 << 20) / 2 - 8), 1), Err(Damaged::TooMany));
    assert!(size_of::<ClaimedTransaction>() <= 64, "{}", size_of::<ClaimedTransaction>());
}

use super::{ChainClient, ChainError, deadline};
use crate::verified::{CheckpointData, VerifiedCheckpoint};
use core::time::Duration;
use daas_types::onchain::{Event, EventError};
use daas_types::{PackageId, UnixMs};
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::proto_to_timestamp_ms;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::StructTag;
use tonic::Streaming;

/// What is read of a transaction to know its events.
pub(crate) const TRANSACTION_EVENTS: &str = "events";
const MASK: [&str; 4] = ["sequence_number", "summary", "transactions.digest", "transactions.events"];

/// Checkpoints as they are made.
pub(crate) struct Tip {
    stream: Streaming<proto::SubscribeCheckpointsResponse>,
    client: ChainClient,
    package: PackageId,
}

// === impl ChainClient ===

impl ChainClient {
    /// One checkpoint, with the events of `package` in it.
    pub async fn checkpoint(&self, package: PackageId, sequence: u64) -> Result<VerifiedCheckpoint, ChainError> {
        const CALL: &str = "get checkpoint";
        let request =
            proto::GetCheckpointRequest::by_sequence_number(sequence).with_read_mask(FieldMask::from_paths(MASK));
        let answer = deadline(CALL, self.rpc().ledger_client().get_checkpoint(request)).await?;
        let checkpoint = self.believe(package, answer.checkpoint())?;
        if checkpoint.sequence() != sequence {
            let got = checkpoint.sequence();
            return Err(ChainError::malformed(CALL, format!("asked for checkpoint {sequence}, got {got}")));
        }
        Ok(checkpoint)
    }

    /// Every checkpoint from now on.
    pub(crate) async fn subscribe(&self, package: PackageId) -> Result<Tip, ChainError> {
        let request = proto::SubscribeCheckpointsRequest::default().with_read_mask(FieldMask::from_paths(MASK));
        let answer = self.rpc().subscription_client().subscribe_checkpoints(request).await;
        let stream = answer.map_err(|status| ChainError::of("subscribe to checkpoints", &status))?.into_inner();
        Ok(Tip { stream, client: self.clone(), package })
    }

    fn believe(&self, package: PackageId, got: &proto::Checkpoint) -> Result<VerifiedCheckpoint, ChainError> {
        let data = checkpoint_data(package, got)?;
        Ok(VerifiedCheckpoint::trusting_devnet(self.genesis(), data)?)
    }
}

// === impl Tip ===

impl Tip {
    /// The next checkpoint. None for `limit` is an error: an idle chain still makes checkpoints.
    pub(crate) async fn next(&mut self, limit: Duration) -> Result<VerifiedCheckpoint, ChainError> {
        const CALL: &str = "next checkpoint";
        let unreachable = |cause: String| ChainError::Unreachable { call: CALL, cause };
        let frame = tokio::time::timeout(limit, self.stream.message()).await;
        let frame = frame.map_err(|_| unreachable(format!("none for {limit:?}")))?;
        let frame = frame.map_err(|status| ChainError::of(CALL, &status))?;
        let frame = frame.ok_or_else(|| unreachable("the stream has ended".to_owned()))?;
        self.client.believe(self.package, frame.checkpoint())
    }
}

fn checkpoint_data(package: PackageId, got: &proto::Checkpoint) -> Result<CheckpointData, ChainError> {
    const CALL: &str = "read checkpoint";
    let sequence = got.sequence_number_opt();
    let sequence = sequence.ok_or_else(|| ChainError::malformed(CALL, "no sequence number"))?;
    let timestamp = got.summary().timestamp.ok_or_else(|| ChainError::malformed(CALL, "no timestamp"))?;
    let timestamp = proto_to_timestamp_ms(timestamp).map_err(|e| ChainError::malformed(CALL, e))?;
    let mut events = Vec::new();
    for transaction in got.transactions() {
        events.extend(decode_events(package, transaction.events())?);
    }
    Ok(CheckpointData { sequence, timestamp: UnixMs(timestamp), events })
}

/// The events of `package` among a transaction's. An event type this program does not know is skipped: a later version
/// of the package may have more. One that it knows but cannot decode is an error, because skipping it would hide a
/// change.
pub(crate) fn decode_events(package: PackageId, got: &proto::TransactionEvents) -> Result<Vec<Event>, ChainError> {
    const CALL: &str = "read event";
    let mut events = Vec::new();
    for event in got.events() {
        let tag: StructTag =
            event.event_type().parse().map_err(|_| ChainError::malformed(CALL, "its type does not parse"))?;
        if *tag.address() != package.0 {
            continue;
        }
        match Event::decode(tag.module().as_str(), tag.name().as_str(), event.contents().value()) {
            Ok(event) => events.push(event),
            Err(EventError::UnknownType(kind)) => tracing::warn!(%kind, "event of unknown type skipped"),
            Err(error @ EventError::Layout { .. }) => return Err(ChainError::malformed(CALL, error)),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::onchain::PolicyChanged;

    fn event(package: &str, kind: &str, contents: Vec<u8>) -> proto::Event {
        let bcs = proto::Bcs::default().with_value(contents);
        proto::Event::default().with_event_type(format!("{package}::{kind}")).with_contents(bcs)
    }

    fn decoded(events: Vec<proto::Event>) -> Result<Vec<Event>, ChainError> {
        let events = proto::TransactionEvents::default().with_events(events);
        decode_events(PackageId("0xda".parse().unwrap()), &events)
    }

    #[test]
    fn only_the_packages_own_events_are_decoded() {
        let change = PolicyChanged {
            cluster: "0xc1".parse().unwrap(),
            generation: 1,
            policy: crate::ops::ClusterSpec::devnet("test").policy(),
        };
        let bytes = bcs::to_bytes(&change).unwrap();
        let got = decoded(vec![
            event("0xdb", "cluster::PolicyChanged", bytes.clone()),
            event("0xda", "cluster::SomethingNew", vec![1]),
            event("0xda", "cluster::PolicyChanged", bytes.clone()),
        ]);
        assert_eq!(got.unwrap(), [Event::PolicyChanged(change)]);
        assert!(decoded(vec![event("0xda", "cluster::PolicyChanged", bytes[1..].to_vec())]).is_err());
        assert!(decoded(vec![event("", "x", vec![])]).is_err());
    }

    #[test]
    fn a_checkpoint_without_a_time_is_refused() {
        let package = PackageId("0xda".parse().unwrap());
        let bare = proto::Checkpoint::default().with_sequence_number(4);
        assert!(checkpoint_data(package, &bare).is_err());
        let summary = proto::CheckpointSummary::default().with_timestamp(sui_rpc::proto::timestamp_ms_to_proto(1234));
        let data = checkpoint_data(package, &bare.with_summary(summary)).unwrap();
        assert_eq!((data.sequence, data.timestamp), (4, UnixMs(1234)));
    }
}

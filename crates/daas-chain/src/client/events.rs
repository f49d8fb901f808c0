use super::ChainError;
use daas_types::PackageId;
use daas_types::onchain::{Event, EventError};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::StructTag;

/// What is read of a transaction to know its events.
pub(crate) const TRANSACTION_EVENTS: &str = "events";

/// The events of `package` among a transaction's, as the endpoint tells them to whoever sent it. An event type this program
/// does not know is skipped: a later version of the package may have more. One that it knows but cannot decode is an error,
/// because skipping it would hide a change.
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
    use daas_types::onchain::TreasuryPaid;
    use daas_types::{Address, ClusterId, Mist, WalletAddress};

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
        let (cluster, beneficiary) = (ClusterId(Address::ZERO), WalletAddress(Address::ZERO));
        let paid = TreasuryPaid { cluster, amount: Mist(1), beneficiary };
        let bytes = bcs::to_bytes(&paid).unwrap();
        let got = decoded(vec![
            event("0xdb", "cluster::TreasuryPaid", bytes.clone()),
            event("0xda", "cluster::SomethingNew", vec![1]),
            event("0xda", "cluster::TreasuryPaid", bytes.clone()),
        ]);
        assert_eq!(got.unwrap(), [Event::TreasuryPaid(paid)]);
        assert!(decoded(vec![event("0xda", "cluster::TreasuryPaid", bytes[1..].to_vec())]).is_err());
        assert!(decoded(vec![event("", "x", vec![])]).is_err());
    }
}

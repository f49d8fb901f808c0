//! Checkpoints and events that may be believed. The types' fields are private, so whoever holds one knows that it
//! came through a constructor here.

use daas_types::UnixMs;
use daas_types::genesis::{Genesis, Network};
use daas_types::onchain::Event;

/// What a checkpoint says, before anyone vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointData {
    /// Its sequence number.
    pub sequence: u64,
    /// Its time.
    pub timestamp: UnixMs,
    /// The package's events in it, in order.
    pub events: Vec<Event>,
}

/// A checkpoint that may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    sequence: u64,
    timestamp: UnixMs,
    events: Vec<VerifiedEvent>,
}

/// An event out of a [`VerifiedCheckpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvent {
    checkpoint: u64,
    event: Event,
}

/// The network's checkpoints cannot be taken on trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint {sequence} is of {network}; without signature checks only a devnet's are believed")]
pub struct NotADevnet {
    /// The checkpoint.
    pub sequence: u64,
    /// Which network the pinned genesis is of.
    pub network: &'static str,
}

// === impl VerifiedCheckpoint ===

impl VerifiedCheckpoint {
    /// Believes the RPC endpoint, which is acceptable for a devnet alone: its pinned genesis says that it is one.
    pub fn trusting_devnet(genesis: &Genesis, data: CheckpointData) -> Result<Self, NotADevnet> {
        let CheckpointData { sequence, timestamp, events } = data;
        let network = match genesis.network() {
            Network::Devnet(_) => {
                let verified = |event| VerifiedEvent { checkpoint: sequence, event };
                return Ok(Self { sequence, timestamp, events: events.into_iter().map(verified).collect() });
            }
            Network::Mainnet => "mainnet",
            Network::Testnet => "testnet",
            Network::Other => "an unknown network",
        };
        Err(NotADevnet { sequence, network })
    }

    /// Its sequence number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its time.
    pub fn timestamp(&self) -> UnixMs {
        self.timestamp
    }

    /// The package's events in it, in order.
    pub fn events(&self) -> &[VerifiedEvent] {
        &self.events
    }
}

// === impl VerifiedEvent ===

impl VerifiedEvent {
    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// In which checkpoint.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::devnet_genesis;
    use daas_types::Digest;
    use daas_types::genesis::{MAINNET, TESTNET};

    fn data() -> CheckpointData {
        CheckpointData { sequence: 7, timestamp: UnixMs(1), events: vec![] }
    }

    #[test]
    fn only_a_devnet_is_trusted_without_signatures() {
        let checkpoint = VerifiedCheckpoint::trusting_devnet(&devnet_genesis(), data()).unwrap();
        assert_eq!((checkpoint.sequence(), checkpoint.timestamp()), (7, UnixMs(1)));
        for (genesis, network) in [
            (Genesis::of_digest(MAINNET.parse().unwrap()), "mainnet"),
            (Genesis::of_digest(TESTNET.parse().unwrap()), "testnet"),
            (Genesis::of_digest(Digest::ZERO), "an unknown network"),
            // The devnet's own digest, but without the summary that shows it to be one.
            (Genesis::of_digest(devnet_genesis().digest()), "an unknown network"),
        ] {
            let refused = VerifiedCheckpoint::trusting_devnet(&genesis, data()).unwrap_err();
            assert_eq!(refused, NotADevnet { sequence: 7, network });
        }
    }
}

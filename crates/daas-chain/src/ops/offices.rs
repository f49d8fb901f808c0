use crate::client::{ChainClient, ChainError};
use daas_types::WalletAddress;
use daas_types::onchain::Cluster;
use sui_sdk_types::Owner;

/// Who holds a cluster's offices, as the endpoint says. None is one that is not held by an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offices {
    /// May propose slashes.
    pub proposer: Option<WalletAddress>,
    /// Judges them.
    pub judge: Option<WalletAddress>,
}

// === impl Offices ===

impl Offices {
    /// The holders of the capabilities that count.
    pub async fn of(client: &ChainClient, cluster: &Cluster) -> Result<Self, ChainError> {
        let holder = async |cap| match client.reference(cap).await?.owner {
            Owner::Address(address) => Ok::<_, ChainError>(Some(WalletAddress(address))),
            _ => Ok(None),
        };
        let (proposer, judge) = (holder(cluster.proposer_cap.0).await?, holder(cluster.judge_cap.0).await?);
        Ok(Self { proposer, judge })
    }
}

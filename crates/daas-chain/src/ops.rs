//! Transactions: built offline from explicit objects and coins, signed by a [`Wallet`], executed, and followed until
//! they are in a checkpoint.
//!
//! Every entry function of the contract is one method of [`Ops`] by the same name. It answers a [`Call`]: awaiting that does
//! it; it can also be estimated, or handed out unsigned to whoever holds the key.
//!
//! A transaction whose fate is unknown is looked up by its digest and at most sent again with the same bytes. One that was
//! refused is built anew only if the two can never both be executed: they spend the same version of a coin, or a
//! checkpoint proves that another transaction has taken it. So nothing is done twice, whatever an endpoint says.

mod abort;
mod admin;
mod anyone;
mod args;
mod build;
mod call;
mod code;
mod discover;
mod error;
mod estimate;
mod faucet;
mod keeper;
mod master;
mod offices;
mod outcome;
mod package;
mod slash;
mod staker;
mod submit;
#[cfg(test)]
mod tests;
mod unsigned;
mod upgrade_cap;

pub use abort::MoveAbort;
pub use args::{
    ClusterSpec, DoubleSigned, NodeStakeSpec, Pcrs, RegisterSpec, RequestSpec, SealSpec, SlashSpec, StakeSpec,
    WorkerSealSpec,
};
pub use call::Call;
pub use code::{ListedVersion, is_version, package_versions};
pub use discover::{DiscoverError, Discovered, discover};
pub use error::TxError;
pub use estimate::Estimate;
pub use faucet::faucet;
pub use offices::Offices;
pub use outcome::{Created, Gas, Outcome, PositionOutcome};
pub use package::{
    CompiledPackage, CompiledPackageError, PackageDifference, UpgradeSpec, compare_package, published_package,
};
pub use submit::network_time;
pub use sui_sdk_types::{MovePackage, Owner};
pub use unsigned::{Unsigned, UnsignedError, parse_signature};
pub use upgrade_cap::{UpgradeCap, upgrade_cap};

use crate::client::ChainClient;
use crate::wallet::Wallet;
use daas_types::{PackageId, WalletAddress};
use std::sync::Arc;
use tokio::sync::Mutex;

/// One wallet's transactions, one at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ops {
    client: ChainClient,
    wallet: Arc<Wallet>,
    /// The version of the package whose code is called, whatever the cluster's is.
    code: Option<PackageId>,
    /// Else the one that the cluster was last found to admit.
    found: Arc<code::Found>,
    turn: Arc<Mutex<()>>,
}

// === impl Ops ===

impl Ops {
    /// Transactions of `wallet`.
    pub fn new(client: ChainClient, wallet: Wallet) -> Self {
        Self { client, wallet: Arc::new(wallet), code: None, found: Arc::default(), turn: Arc::default() }
    }

    /// The same, calling the code of that version of the package, or else of the one that the cluster admits. Types and ids
    /// keep the first one's.
    #[must_use]
    pub fn calling(self, code: Option<PackageId>) -> Self {
        Self { code, ..self }
    }

    /// Whose transactions.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The wallet's address: who sends them.
    pub fn sender(&self) -> WalletAddress {
        self.wallet.address()
    }

    /// Where they go.
    pub fn client(&self) -> &ChainClient {
        &self.client
    }
}

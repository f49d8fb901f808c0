//! Transactions: built offline from explicit objects and coins, signed by a [`Wallet`], executed, and followed until
//! they are in a checkpoint.
//!
//! A transaction whose fate is unknown is looked up by its digest and at most sent again with the same bytes, so
//! nothing is ever done twice. All coins of the wallet pay for each transaction, so two that differ can never both
//! execute from the same coins.

mod abort;
mod args;
mod build;
mod error;
mod faucet;
mod operator;
mod outcome;
mod staker;
mod submit;
#[cfg(test)]
mod tests;

pub use abort::MoveAbort;
pub use args::{ClusterSpec, CompiledPackage, CompiledPackageError, Pcrs, SealSpec, SlashSpec, StakeSpec};
pub use error::TxError;
pub use faucet::faucet;
pub use outcome::{Created, Outcome, PositionOutcome};

use crate::client::ChainClient;
use crate::wallet::Wallet;
use build::{Arg, Draft};
use daas_types::{Address, PackageId};
use std::sync::Arc;
use tokio::sync::Mutex;

/// One wallet's transactions, one at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ops {
    client: ChainClient,
    wallet: Arc<Wallet>,
    turn: Arc<Mutex<()>>,
}

// === impl Ops ===

impl Ops {
    /// Transactions of `wallet`.
    pub fn new(client: ChainClient, wallet: Wallet) -> Self {
        Self { client, wallet: Arc::new(wallet), turn: Arc::default() }
    }

    /// Whose transactions.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// Where they go.
    pub fn client(&self) -> &ChainClient {
        &self.client
    }

    async fn call(
        &self,
        package: PackageId,
        module: &'static str,
        function: &'static str,
        args: Vec<Arg>,
    ) -> Result<Outcome, TxError> {
        self.run(Some(package), &Draft::Call { package, module, function, args }).await
    }

    fn held(&self, id: Option<Address>, cap: &'static str) -> Result<Arg, TxError> {
        id.map(Arg::owned).ok_or(TxError::CapMissing { address: self.wallet.address(), cap })
    }
}

//! How a transaction is sent.

use super::value::rpc_url;
use clap::{Args, ValueEnum};

/// Shown, handed out, or sent.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sending")]
pub(crate) struct SendFlags {
    /// Show what it would do and cost; send nothing
    #[arg(long, global = true, conflicts_with_all = ["unsigned", "signature"])]
    pub(crate) dry_run: bool,
    /// Print the transaction's bytes (base64) to be signed elsewhere; send nothing
    #[arg(long, global = true, conflicts_with = "signature")]
    pub(crate) unsigned: bool,
    /// Submit with this signature, made elsewhere; repeat for a sponsor's
    #[arg(long, global = true, value_name = "SIG")]
    pub(crate) signature: Vec<String>,
    /// Send without asking
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

/// Which Sui network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkName {
    /// Sui mainnet
    Mainnet,
    /// Sui testnet
    Testnet,
    /// A development network of `k3s-daas up` on this machine
    Devnet,
    /// `sui start` on this machine
    Localnet,
}

/// Which network.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct PlaceFlags {
    /// The network; by default the join file's, else the Sui CLI's active environment
    #[arg(long, global = true, value_enum)]
    pub(crate) network: Option<NetworkName>,
    /// An RPC endpoint to ask instead; repeat for more, which stand by
    #[arg(long, global = true, value_name = "URL", value_parser = rpc_url)]
    pub(crate) rpc: Vec<String>,
}

// === impl SendFlags ===

impl SendFlags {
    /// Of a command that only wants to know whose wallet it is.
    pub(crate) fn for_the_address() -> Self {
        Self { dry_run: true, ..Self::default() }
    }

    /// Whether no key is needed here.
    pub(crate) fn needs_no_key(&self) -> bool {
        self.dry_run || self.unsigned || !self.signature.is_empty()
    }
}

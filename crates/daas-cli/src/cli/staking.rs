//! Arguments of the commands about stake.

use clap::{Args, Subcommand};
use daas_types::{Mist, NodeId, Permissions};
use std::path::PathBuf;

/// Which Seal, and with it which position, a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct SealFlags {
    /// The Seal's file; by default the one `stake` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StakeArgs {
    /// SUI to stake
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Mist,
    /// What the Seal may be used for: user, node, or user,node
    #[arg(long, default_value = "user", value_parser = permissions, value_name = "LIST")]
    pub(crate) permissions: Permissions,
    /// The node this position is for; needed with the node permission
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<NodeId>,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RestakeArgs {
    /// SUI to add
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Mist,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
#[group(id = "how_much", required = true, multiple = false, args = ["amount", "all"])]
pub(crate) struct UnstakeArgs {
    /// SUI to take out
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Option<Mist>,
    /// Take out everything and close the position
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AppealArgs {
    /// Why the slash is wrong, at most 1024 bytes; it is public
    #[arg(long, value_name = "TEXT", value_parser = statement)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TokenArgs {
    /// Mint a new Seal in place of the present one
    #[arg(long, conflicts_with = "secret")]
    pub(crate) refresh: bool,
    /// What the new Seal may be used for; by default what the present one may
    #[arg(long, value_parser = permissions, value_name = "LIST", requires = "refresh")]
    pub(crate) permissions: Option<Permissions>,
    /// Print the Seal's long-lived secret instead of a token of five minutes
    #[arg(long)]
    pub(crate) secret: bool,
    /// Write the token here, readable by you alone, instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FaucetArgs {
    /// Where the faucet listens; by default port 9123 of the host that serves the chain
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Print the wallet's address; makes a wallet if there is none
    Address,
    /// Make the wallet's key the one in a file, a line `suiprivkey1…` as the Sui CLI writes it
    Import {
        /// The file; `-` reads standard input
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
}

fn permissions(text: &str) -> Result<Permissions, String> {
    text.parse()
}

/// The contract's limit, checked before gas is spent on learning it.
fn statement(text: &str) -> Result<String, String> {
    match text.trim().len() {
        0 => Err("say why".to_owned()),
        1..=1024 => Ok(text.trim().to_owned()),
        long => Err(format!("{long} bytes; the contract takes at most 1024")),
    }
}

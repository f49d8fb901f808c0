//! Arguments of the commands about stake.

use super::send::{PlaceFlags, SendFlags};
use super::value::{duration, moment};
use clap::{ArgGroup, Args, Subcommand};
use daas_types::{Mist, NodeId, Permissions, PositionId, SealId, UnixMs, WalletAddress};
use std::path::PathBuf;
use std::time::Duration;

/// Which Seal a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct SealFlags {
    /// The Seal's file; by default the one `stake` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,
}

/// Which position a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct PositionFlags {
    /// A Seal's file, whose position is meant; by default the one `stake` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,
    /// The position itself, for one without a Seal file here
    #[arg(long, value_name = "POSITION", conflicts_with = "seal")]
    pub(crate) position: Option<PositionId>,
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
    /// Stake for a node that somebody else keeps; no Seal is made here
    #[arg(long, value_name = "NAME", requires = "operator", conflicts_with_all = ["permissions", "node_id", "seal"])]
    pub(crate) for_node: Option<NodeId>,
    /// Who keeps that node: makes its Seals, and cannot move the money
    #[arg(long, value_name = "ADDRESS", requires = "for_node")]
    pub(crate) operator: Option<WalletAddress>,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RestakeArgs {
    /// SUI to add
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Mist,
    #[command(flatten)]
    pub(crate) which: PositionFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
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
    pub(crate) which: PositionFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    pub(crate) which: PositionFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AppealArgs {
    /// Why the slash is wrong, at most 1024 bytes; it is public
    #[arg(long, value_name = "TEXT", value_parser = statement)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) which: PositionFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
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
    #[command(flatten)]
    pub(crate) send: SendFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FaucetArgs {
    /// Where the faucet listens; by default port 9123 of the host that serves the chain
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
}

/// A command about a position that takes nothing more.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeepArgs {
    #[command(flatten)]
    pub(crate) which: PositionFlags,
    #[command(flatten)]
    pub(crate) send: SendFlags,
}

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which_seals").required(true).args(["id", "all"]))]
pub(crate) struct RevokeSealArgs {
    /// The Seal
    #[arg(value_name = "SEAL")]
    pub(crate) id: Option<SealId>,
    /// All of the position's
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct MaintenanceArgs {
    /// When it begins, such as 2026-11-21T15:00:00Z; by default in a minute
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) begins: Option<UnixMs>,
    /// How long it takes, at most 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) lasts: Duration,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Give the node's daily key to another address
    Set {
        /// The new keeper
        #[arg(value_name = "ADDRESS")]
        operator: WalletAddress,
        #[command(flatten)]
        keep: KeepArgs,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Offer the position to another owner, who must accept
    #[command(group = ArgGroup::new("to_whom").required(true).args(["next_owner", "none"]))]
    Offer {
        /// To whom
        #[arg(value_name = "ADDRESS")]
        next_owner: Option<WalletAddress>,
        /// Take the offer back
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        keep: KeepArgs,
    },
    /// Take over a position that is offered to this wallet, with its money and its debts; its Seals are void
    Accept {
        /// The position
        #[arg(value_name = "POSITION")]
        position: PositionId,
        #[command(flatten)]
        send: SendFlags,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Print the wallet's address; makes a wallet if there is none
    Address,
    /// Show the keys there are: this program's and the Sui CLI's
    List,
    /// Show how much SUI the wallet has
    Balance {
        #[command(flatten)]
        place: PlaceFlags,
    },
    /// Send SUI
    Send {
        /// How much SUI
        #[arg(value_name = "AMOUNT")]
        amount: Mist,
        /// To whom
        #[arg(value_name = "ADDRESS")]
        to: WalletAddress,
        #[command(flatten)]
        place: PlaceFlags,
        #[command(flatten)]
        send: SendFlags,
    },
    /// Make the wallet's key the one in a file, a line `suiprivkey1…` as the Sui CLI writes it
    Import {
        /// The file; `-` reads standard input
        // Not by its own name, which is the global `--from`'s.
        #[arg(id = "key_file", value_name = "FILE")]
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

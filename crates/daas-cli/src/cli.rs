//! What can be typed. Only declarations: what a command does is in `commands/`.

pub(crate) mod audit;
pub(crate) mod chain;
mod cluster;
pub(crate) mod send;
mod staking;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use crate::bench::Bench;
use crate::demo::DemoArgs;
use audit::AuditCommand;
use chain::ChainArgs;
use clap::{Args, Parser, Subcommand};
pub(crate) use cluster::{
    CredentialArgs, DownArgs, Engine, EngineArgs, JoinArgs, KubeconfigArgs, Settings, StatusArgs, SuperviseArgs, UpArgs,
};
pub(crate) use staking::{
    AppealArgs, FaucetArgs, KeepArgs, MaintenanceArgs, OperatorCommand, OwnerCommand, PositionFlags, RestakeArgs,
    RevokeSealArgs, StakeArgs, TokenArgs, UnstakeArgs, WalletCommand, WithdrawArgs,
};
use std::path::PathBuf;

/// Name of the program as typed.
pub(crate) const PROGRAM: &str = "k3s-daas";

/// Where a cluster lives unless told otherwise.
pub(crate) const DEFAULT_STATE_DIR: &str = "/var/lib/k3s-daas";

const EXIT_CODES: &str = "\
Exit codes: 0 done (also when `up` finds the cluster running); 1 failed; 2 wrong usage; 3 refused by the cluster's \
rules or a master that cannot be verified; 4 not running or not reachable.";

/// One Kubernetes cluster, opened by stake on Sui.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Folder of the cluster that runs on this machine
    #[arg(long, global = true, value_name = "DIR", env = "K3S_DAAS_STATE_DIR", default_value = DEFAULT_STATE_DIR)]
    pub(crate) state_dir: PathBuf,
    /// The cluster's trust anchor; by default the state folder's join.json
    #[arg(long, global = true, value_name = "JOIN.JSON")]
    pub(crate) cluster: Option<PathBuf>,
    /// The wallet's key file; by default ~/.config/k3s-daas/wallet.key
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) wallet: Option<PathBuf>,
    /// Use this key of the Sui CLI's keystore instead
    #[arg(long, global = true, value_name = "ADDRESS|ALIAS", conflicts_with = "wallet")]
    pub(crate) from: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster on this machine and wait until it is ready
    Up(UpArgs),
    /// Stop the cluster of this machine
    Down(DownArgs),
    /// Show what runs and what your stake entitles you to
    Status(StatusArgs),
    /// Stake SUI and receive a Seal
    Stake(StakeArgs),
    /// Write a kubeconfig that shows your Seal
    Kubeconfig(KubeconfigArgs),
    /// Print a token for scripts, or mint a new Seal
    Token(TokenArgs),
    /// Join this machine to a cluster as a node
    Join(JoinArgs),
    /// Check the master's evidence and show what it proves
    Verify,
    /// Read the master's audit log, and check it against the chain
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Add stake to a position
    Restake(RestakeArgs),
    /// Take stake out of a position; it stays slashable for the unbonding time
    Unstake(UnstakeArgs),
    /// Take home what was unstaked
    Withdraw(WithdrawArgs),
    /// Answer a proposed slash
    Appeal(AppealArgs),
    /// Void Seals of a position
    RevokeSeal(RevokeSealArgs),
    /// Take a node out of jail
    Unjail(KeepArgs),
    /// Announce a time in which a node may be silent
    Maintenance(MaintenanceArgs),
    /// Who keeps a position's node
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Who owns a position
    #[command(subcommand)]
    Owner(OwnerCommand),
    /// Get SUI on a development network
    Faucet(FaucetArgs),
    /// Show the wallet's address, or bring a key of your own
    Wallet {
        #[command(subcommand)]
        command: WalletCommand,
    },
    /// Found and govern a cluster, on any Sui network
    Chain(Box<ChainArgs>),
    /// Show the whole way once: stake, join, deploy, slash, restake, and a clean machine
    Demo(DemoArgs),
    /// Measure on a cluster of its own
    #[command(hide = true)]
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
    /// Build Kubernetes into the cache, if it is not there, or fetch K3s into it
    Engine(EngineArgs),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    #[command(hide = true)]
    Man {
        /// Where to
        folder: PathBuf,
    },
    /// kubectl's exec plugin: verifies the master, then prints a credential
    #[command(hide = true)]
    Credential(CredentialArgs),
    /// Keep the cluster of this machine running
    #[command(hide = true)]
    Supervise(SuperviseArgs),
}

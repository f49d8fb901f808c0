//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use daas_types::{Mist, NodeId};
use std::net::IpAddr;
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 left in order; 1 failed; 2 wrong usage or configuration; 3 slashed.";

#[derive(Parser)]
#[command(name = "k3s-daas-worker", version, about, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Join and stay until stopped (what happens without a command, too)
    Run(RunArgs),
    /// Print a credential for kubelet or kube-proxy, which run this as their exec plugin
    #[command(hide = true)]
    Credential {
        /// Whose
        #[arg(long)]
        usage: Component,
        /// The worker's state folder
        #[arg(long, value_name = "DIR")]
        state_dir: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Component {
    Kubelet,
    KubeProxy,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Configuration file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The cluster's trust anchor
    #[arg(long, value_name = "JOIN.JSON")]
    pub(crate) cluster: Option<PathBuf>,
    /// Where the worker keeps its state
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The node's name in the cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<NodeId>,
    /// SUI to stake if there is no stake yet
    #[arg(long, alias = "stake-amount", value_name = "SUI")]
    pub(crate) stake: Option<Mist>,
    /// The owner's wallet file
    #[arg(long, value_name = "FILE")]
    pub(crate) wallet: Option<PathBuf>,
    /// Address other nodes reach this machine by
    #[arg(long, value_name = "IP")]
    pub(crate) node_ip: Option<IpAddr>,
}

// === impl RunArgs ===

impl RunArgs {
    /// The file, and the flags as configuration keys.
    pub(crate) fn flags(self) -> (Option<PathBuf>, Vec<(String, String)>) {
        let text = |path: PathBuf| path.display().to_string();
        let flags = [
            ("cluster", self.cluster.map(text)),
            ("state_dir", self.state_dir.map(text)),
            ("node.id", self.node_id.map(|id| id.to_string())),
            ("node.stake_amount", self.stake.map(|amount| amount.0.to_string())),
            ("wallet", self.wallet.map(text)),
            ("node.ip", self.node_ip.map(|ip| ip.to_string())),
        ];
        (self.config, flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }
}

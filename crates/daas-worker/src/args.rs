//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use daas_daemon::service::Target;
use daas_engine::k3s::{Place, RELEASES, Release};
use daas_types::{ErrorCode, Mist, NodeId, Problem, SealSecret};
use daas_worker::config::WorkerConfig;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use zeroize::Zeroizing;

const EXIT_CODES: &str =
    "Exit codes: 0 left in order; 1 failed; 2 wrong usage or configuration, or a stake that is refused; 3 slashed.";

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
    /// Look at the machine, the wallet and the cluster, and say what would keep a node from joining
    Preflight(Settings),
    /// Make it the systemd service `k3s-worker`, which starts with the machine
    Install(InstallArgs),
    /// Fetch a release of K3s and check its checksum, for a cluster whose nodes are K3s' agents
    Engine(EngineArgs),
    /// Stop the service `k3s-worker` and take it away; stake and state folder stay
    Uninstall(PlaceArgs),
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

#[derive(Args)]
pub(crate) struct InstallArgs {
    /// The worker's configuration file
    #[arg(long, value_name = "FILE", default_value = daas_worker::install::CONFIG)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Args)]
pub(crate) struct EngineArgs {
    /// Its version, such as v1.36.2+k3s1
    #[arg(long, value_name = "VERSION")]
    pub(crate) k3s: Release,
    /// Where releases of K3s lie; HTTPS, or HTTP on this machine
    #[arg(long, value_name = "URL", env = "K3S_DAAS_K3S_RELEASES", default_value = RELEASES)]
    pub(crate) k3s_releases: Place,
    /// Where to keep it, if not in the usual cache: `engine.dir` of the configuration
    #[arg(long, value_name = "DIR", env = "K3S_DAAS_ENGINE_DIR")]
    pub(crate) engine_dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct PlaceArgs {
    /// Root of the file system to write into; systemd is told of `/` alone
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) prefix: PathBuf,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Component {
    Kubelet,
    KubeProxy,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Take over the stake of the Seal that --token-file names, and go on from there
    #[arg(long, requires = "seal")]
    pub(crate) register: bool,
    /// File with the Seal's secret, mode 0600
    #[arg(long, value_name = "FILE", requires = "register", group = "seal")]
    pub(crate) token_file: Option<PathBuf>,
    /// The secret itself; others on this machine can see it, so prefer --token-file
    #[arg(long, value_name = "SEAL", requires = "register", group = "seal")]
    pub(crate) token: Option<String>,
    /// Take the place of the machine that holds the node id; its Seal ends
    #[arg(long)]
    pub(crate) replace: bool,
}

/// What stands in the configuration, or instead of it.
#[derive(Args)]
pub(crate) struct Settings {
    /// Configuration file, YAML or JSON; else STAKER_CONFIG_PATH, ./staker-config.json or ./worker-config.yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The cluster's trust anchor
    #[arg(long, value_name = "JOIN.JSON")]
    pub(crate) cluster: Option<PathBuf>,
    /// Where the worker keeps its state
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the node's processes keep their data
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
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
    /// The secret of the Seal to take over, if one is named.
    pub(crate) fn secret(&mut self) -> Result<Option<SealSecret>, Problem> {
        // Not what was written, which may be a secret after all.
        let parse = |text: &str| text.trim().parse::<SealSecret>().map_err(Problem::of(ErrorCode::TokenMalformed));
        if let Some(text) = self.token.take() {
            return parse(&Zeroizing::new(text)).map(Some);
        }
        let Some(path) = self.token_file.take() else { return Ok(None) };
        let unreadable = |e: std::io::Error| Problem::new(ErrorCode::TokenMissing, format!("{}: {e}", path.display()));
        if std::fs::metadata(&path).map_err(unreadable)?.mode() & 0o077 != 0 {
            return Err(Problem::new(ErrorCode::WalletUnsafe, path.display()));
        }
        parse(&Zeroizing::new(std::fs::read_to_string(&path).map_err(unreadable)?)).map(Some)
    }
}

// === impl Settings ===

impl Settings {
    /// The configuration that they make.
    pub(crate) fn load(self) -> Result<WorkerConfig, Problem> {
        let (file, flags) = self.flags();
        WorkerConfig::load(file, std::env::vars().collect(), flags)
    }

    /// The file, and the flags as configuration keys.
    fn flags(self) -> (Option<PathBuf>, Vec<(String, String)>) {
        let text = |path: PathBuf| path.display().to_string();
        let flags = [
            ("cluster", self.cluster.map(text)),
            ("state_dir", self.state_dir.map(text)),
            ("k3s.data_dir", self.data_dir.map(text)),
            ("node.id", self.node_id.map(|id| id.to_string())),
            ("node.stake_amount", self.stake.map(|amount| amount.0.to_string())),
            ("wallet", self.wallet.map(text)),
            ("node.ip", self.node_ip.map(|ip| ip.to_string())),
        ];
        (self.config, flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }
}

// === impl PlaceArgs ===

impl PlaceArgs {
    pub(crate) fn target(self) -> Target {
        Target { prefix: self.prefix, dry_run: self.dry_run }
    }
}

#[cfg(test)]
mod tests;

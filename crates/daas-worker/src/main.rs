//! `k3s-daas-worker`: joins this machine to a cluster as a node, for as long as its stake lasts.

use clap::{Args, Parser, Subcommand, ValueEnum};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Mist, NodeId, Problem};
use daas_worker::config::WorkerConfig;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::JoinSet;

const EXIT_CODES: &str = "Exit codes: 0 left in order; 1 failed; 2 wrong usage or configuration; 3 slashed.";

#[derive(Parser)]
#[command(name = "k3s-daas-worker", version, about, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
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
enum Component {
    Kubelet,
    KubeProxy,
}

#[derive(Args)]
struct RunArgs {
    /// Configuration file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The cluster's trust anchor
    #[arg(long, value_name = "JOIN.JSON")]
    cluster: Option<PathBuf>,
    /// Where the worker keeps its state
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The node's name in the cluster
    #[arg(long, value_name = "NAME")]
    node_id: Option<NodeId>,
    /// SUI to stake if there is no stake yet
    #[arg(long, alias = "stake-amount", value_name = "SUI")]
    stake: Option<Mist>,
    /// The owner's wallet file
    #[arg(long, value_name = "FILE")]
    wallet: Option<PathBuf>,
    /// Address other nodes reach this machine by
    #[arg(long, value_name = "IP")]
    node_ip: Option<IpAddr>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Credential { usage, state_dir }) => credential(usage, &state_dir),
        Some(Command::Run(args)) => run(args),
        None => run(cli.run),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            tell(&problem);
            ExitCode::from(daas_worker::run::exit_code(problem.code))
        }
    }
}

fn run(args: RunArgs) -> Result<u8, Problem> {
    let (file, flags) = args.flags();
    let config = WorkerConfig::load(file, std::env::vars().collect(), flags)?;
    daas_daemon::logs::init(config.log_format, &config.log_level);
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::of(ErrorCode::Internal))?;
    let ending = runtime.block_on(async {
        let mut signals = JoinSet::new();
        let shutdown = daas_daemon::shutdown_on_signals(&mut signals).map_err(Problem::of(ErrorCode::Internal))?;
        daas_worker::run::run(&config, shutdown).await
    })?;
    if let Some(problem) = ending.problem() {
        tell(&problem);
    }
    Ok(ending.why.exit_code())
}

fn credential(usage: Component, state_dir: &std::path::Path) -> Result<u8, Problem> {
    let usage = match usage {
        Component::Kubelet => Usage::Kubelet,
        Component::KubeProxy => Usage::KubeProxy,
    };
    let info = std::env::var("KUBERNETES_EXEC_INFO").ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::of(ErrorCode::Internal))?;
    let json = runtime.block_on(daas_worker::credential::credential(info.as_deref(), usage, state_dir))?;
    writeln!(std::io::stdout(), "{json}").map_err(Problem::of(ErrorCode::Internal))?;
    Ok(0)
}

/// Both languages, the cause, and what to do.
fn tell(problem: &Problem) {
    let Problem { code, cause } = problem;
    let (korean, english, fix) = (code.korean(), code.english(), code.fix());
    let text = format!("{} {}\n  {korean}\n  {english}\n  cause: {cause}\n  fix: {fix}\n", code.code(), code.name());
    // Nobody is left to tell if standard error is closed.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

// === impl RunArgs ===

impl RunArgs {
    /// The file, and the flags as configuration keys.
    fn flags(self) -> (Option<PathBuf>, Vec<(String, String)>) {
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

//! A served network whose keys and clock the test decides, and people with nothing but the program.

use daas_devnet::control::Request;
use daas_devnet::{Config, Devnet, RunningDevnet};
use daas_types::UnixMs;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// Longer than any command takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A network.
pub(crate) struct Net {
    devnet: RunningDevnet,
    folder: TempDir,
}

/// Someone with a home folder, who types commands.
pub(crate) struct Person {
    home: PathBuf,
    rpc: Vec<String>,
    faucet: String,
    cluster: Option<PathBuf>,
    key: Vec<String>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Net ===

impl Net {
    /// Networks with the same seed are the same network, key by key; their clocks stand still.
    pub(crate) async fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Arc::new(|| UnixMs(0));
        let config = Config::on_free_ports(folder.path().join("net"), [9; 32], nowhere);
        let devnet = Devnet::start(Config { seed: Some(seed), ..config }).await.unwrap();
        Self { devnet, folder }
    }

    pub(crate) fn rpc(&self) -> String {
        self.devnet.rpc_url()
    }

    pub(crate) fn genesis(&self) -> String {
        self.devnet.genesis.digest().to_string()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.devnet.control.ask(Request::ClockAdvance { ms }).await.unwrap();
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        let home = self.folder.path().join(name);
        std::fs::create_dir_all(&home).unwrap();
        Person { home, rpc: vec![self.rpc()], faucet: self.devnet.faucet_url(), cluster: None, key: Vec::new() }
    }
}

// === impl Person ===

impl Person {
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// From now on with this join file.
    pub(crate) fn joins(&mut self, cluster: &Path) {
        self.cluster = Some(cluster.to_owned());
    }

    /// From now on with this key of the Sui CLI's, or this address.
    pub(crate) fn signs_as(&mut self, name: &str) {
        self.key = vec!["--from".to_owned(), name.to_owned()];
    }

    /// From now on over these endpoints.
    pub(crate) fn asks(&mut self, rpc: &[&str]) {
        self.rpc = rpc.iter().map(|url| (*url).to_owned()).collect();
    }

    /// `k3s-daas …`, on this person's network.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k3s-daas"));
        command.env_clear().env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command.env("K3S_DAAS_STATE_DIR", self.home.join("state")).env("SUI_CONFIG_DIR", self.home.join("sui"));
        command.current_dir(&self.home).args(args).args(&self.key).kill_on_drop(true);
        if let Some(cluster) = &self.cluster {
            command.arg("--cluster").arg(cluster);
        }
        // Those about stake know their network from the join file.
        if matches!(args, ["chain" | "faucet", ..] | ["wallet", "send" | "balance", ..]) {
            command.args(self.rpc.iter().flat_map(|url| ["--rpc", url]));
        }
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).stdin(std::process::Stdio::null()).output();
        let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it answers to a program.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", ran.stdout))
    }

    /// The catalogue's name of why not, and the exit code.
    pub(crate) async fn refused(&self, args: &[&str]) -> (String, i32) {
        let ran = self.run(&[args, &["--json"]].concat()).await;
        let problem: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|e| panic!("{args:?}: {e}: {ran:?}"));
        (problem["error"]["name"].as_str().unwrap().to_owned(), ran.code.unwrap())
    }

    /// Its wallet's address; makes a wallet if there is none.
    pub(crate) async fn address(&self) -> String {
        self.json(&["wallet", "address"]).await["address"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn balance(&self) -> i128 {
        mist(&self.json(&["wallet", "balance"]).await["balance_mist"])
    }

    /// Asks the faucet once.
    pub(crate) async fn fill(&self) -> i128 {
        mist(&self.json(&["faucet", "--url", &self.faucet]).await["received_mist"])
    }
}

/// Founding a cluster, as it is typed. The offices are the proposer's, the judge's and the beneficiary's.
pub(crate) fn init_cluster<'a>(name: &'a str, package: &'a str, offices: [&'a str; 3]) -> Vec<&'a str> {
    let [proposer, judge, beneficiary] = offices;
    let mut args = vec!["chain", "init-cluster", "--name", name, "--package", package];
    args.extend(["--proposer", proposer, "--judge", judge, "--beneficiary", beneficiary]);
    args
}

/// An amount that a command's JSON names.
pub(crate) fn mist(value: &Value) -> i128 {
    i128::from(value.as_i64().unwrap_or_else(|| panic!("{value} is no amount")))
}

/// When a transaction was executed, as it is typed.
pub(crate) fn moment(receipt: &Value) -> String {
    jiff::Timestamp::from_millisecond(receipt["at_ms"].as_i64().unwrap()).unwrap().to_string()
}

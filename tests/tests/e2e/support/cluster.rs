//! A cluster of its own for a story: copied programs, a state folder, and a promise to clear both away.

use super::commands::{command, succeed, tail};
use super::machine::Machine;
use super::network::HOST;
use super::person::Person;
use super::say;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use daas_chain::clock;
use daas_chain::ops::{Ops, SlashSpec};
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, client_config, connect, exchange, write_private};
use daas_engine::build::{self, Program};
use daas_types::{PositionId, UnixMs};
use http_body_util::Full;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const PROGRAMS: [&str; 4] = ["k3s-daas", "k3s-daas-devnet", "k3s-daas-master", "k3s-daas-worker"];
/// What a failed story's reader looks at first.
const LOGS: [&str; 5] =
    ["supervisor.log", "logs/devnet.log", "logs/master.log", "logs/worker.log", "master/log/kube-apiserver.log"];

/// The gateway has said something by then.
const ANSWERED: Duration = Duration::from_secs(15);
/// The API's versions are shorter.
const MAX_ANSWER: usize = 1 << 20;

/// A cluster, or the place for one.
pub(crate) struct Cluster {
    folder: TempDir,
    before: Machine,
    cleared: bool,
}

// === impl Cluster ===

impl Cluster {
    /// A place for a cluster. The programs are copied, so that a build that runs beside the test changes nothing in it.
    pub(crate) fn place() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("daas-t-").tempdir_in("/tmp")?;
        // Somebody without rights must reach the programs, too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let bin = folder.path().join("bin");
        fs::create_dir(&bin)?;
        let own = std::env::current_exe()?;
        let built = own.ancestors().nth(2).context("a test executable must lie in target/PROFILE/deps")?;
        for program in PROGRAMS {
            let from = built.join(program);
            fs::copy(&from, bin.join(program)).with_context(|| format!("{}: run `make build-all`", from.display()))?;
        }
        let before = Machine::look(folder.path());
        Ok(Self { folder, before, cleared: false })
    }

    /// A running one.
    pub(crate) async fn up() -> Result<Self> {
        let cluster = Self::place()?;
        cluster.start(&[]).await?;
        Ok(cluster)
    }

    /// `k3s-daas up`, reached by the machines on the bridge, with more flags.
    pub(crate) async fn start_on_bridge(&self, more: &[&str]) -> Result<()> {
        let (bind, rpc, faucet) = (HOST.to_string(), format!("{HOST}:9000"), format!("{HOST}:9123"));
        let flags = ["--bind", &bind, "--devnet-listen", &rpc, "--devnet-faucet", &faucet];
        self.start(&[&flags, more].concat()).await
    }

    /// `k3s-daas up`, with more flags.
    pub(crate) async fn start(&self, flags: &[&str]) -> Result<()> {
        let mut up = self.daas(&["up"]);
        up.args(flags);
        succeed(up).await.map(drop)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One of the copied programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    /// `k3s-daas …` as whoever runs the machine.
    pub(crate) fn daas(&self, args: &[&str]) -> Command {
        self.person("root").daas(args)
    }

    /// Someone with a home folder of their own.
    pub(crate) fn person(&self, name: &str) -> Person {
        Person::new(self, name)
    }

    /// Whoever ran `up`.
    pub(crate) fn operator(&self) -> Person {
        self.person("operator").with_kubeconfig(self.state().join("kubeconfig"))
    }

    pub(crate) fn info(&self) -> Result<ClusterInfo> {
        Ok(ClusterInfo::load(&self.state().join("join.json"))?)
    }

    /// Asks the gateway for the API's versions, with this bearer token.
    pub(crate) async fn ask(&self, token: &str) -> kube::Result<String> {
        let file = self.folder().join("bearer");
        write_private(&file, token.as_bytes()).expect("the cluster's folder must be writable");
        let mut kubeconfig = Kubeconfig::read_from(self.state().join("kubeconfig"))?;
        for user in kubeconfig.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut()) {
            (user.exec, user.token_file) = (None, Some(file.display().to_string()));
        }
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let request = http::Request::get("/api").body(Vec::new()).expect("a constant request must build");
        Client::try_from(config)?.request_text(request).await
    }

    /// The status that the gateway answers to this bearer token, at once: no client asks again meanwhile.
    pub(crate) async fn answer(&self, token: &str) -> Result<u16> {
        let info = self.info()?;
        let tls = Arc::new(client_config(&info.join.ca, &[b"http/1.1"])?);
        let host = info.join.endpoint.trim_start_matches("https://");
        let request = http::Request::get("/api").header("host", host);
        let request = request.header("authorization", format!("Bearer {token}")).body(Full::<Bytes>::default())?;
        let exchanged = async {
            let stream = connect(&info.join.endpoint, &tls).await?;
            exchange(stream, request, MAX_ANSWER).await.map_err(anyhow::Error::msg)
        };
        let (status, _) = timeout(ANSWERED, exchanged).await.context("the gateway does not answer")??;
        Ok(status.as_u16())
    }

    /// Proposes a slash, by the proposer's wallet beside the operator's. Answers when the checkpoint was published.
    pub(crate) async fn propose_slash(&self, position: PositionId) -> Result<UnixMs> {
        let info = self.info()?;
        let wallet = Wallet::load(&self.state().join("wallets/proposer.key"))?;
        let ops = Ops::new(info.chain().await?, wallet);
        let spec = SlashSpec {
            reason: 1,
            evidence_hash: [7; 32],
            evidence: UnixMs(clock::now().0.saturating_sub(1000)),
            uri: "https://example.org/evidence".to_owned(),
        };
        Ok(ops.propose_slash(&info.ids(), position, &spec).await?.outcome.timestamp)
    }

    /// `status.json`.
    pub(crate) fn status(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_slice(&fs::read(self.state().join("status.json"))?)?)
    }

    /// The machine as it is now.
    pub(crate) fn look(&self) -> Machine {
        Machine::look(self.folder.path())
    }

    /// Fails unless the machine is as it was before.
    pub(crate) async fn nothing_left(&self) -> Result<()> {
        self.before.is_as_before(self.folder.path()).await
    }

    /// `k3s-daas down`, after which nothing may be left outside the state folder.
    pub(crate) async fn down(&self) -> Result<()> {
        succeed(self.daas(&["down"])).await?;
        self.nothing_left().await
    }

    /// Ends the story: no cluster, no trace.
    pub(crate) async fn finish(mut self) -> Result<()> {
        succeed(self.daas(&["down", "--purge"])).await?;
        self.cleared = true;
        self.nothing_left().await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.cleared {
            return;
        }
        for log in LOGS {
            say(&format!("  --- {log}\n    {}", tail(&self.state().join(log), 12)));
        }
        let cleared = self.daas(&["down", "--purge"]).as_std_mut().output();
        if !cleared.as_ref().is_ok_and(|output| output.status.success()) {
            say(&format!("  the cluster was not cleared away: {cleared:?}"));
        }
    }
}

/// The engine's own kubectl.
pub(crate) async fn kubectl() -> Result<PathBuf> {
    let programs = build::find(&build::default_cache_dir()?).await?.context("run `make engine`")?;
    Ok(programs.path(Program::Kubectl))
}

/// A program of the cluster with a clean environment but for what it needs.
pub(crate) fn plain(program: &Path, args: &[&str]) -> Command {
    let mut made = command(program, args);
    for name in ["KUBECONFIG", "XDG_CONFIG_HOME", "NAUTILUS_CONFIG_PATH", "K3S_DAAS_STATE_DIR"] {
        made.env_remove(name);
    }
    made
}

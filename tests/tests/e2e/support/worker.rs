//! A worker that stakes from a wallet of its own, on a machine of its own.

use super::cluster::Cluster;
use super::commands::tail;
use super::network::Running;
use super::person::Person;
use super::{eventually, processes};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, SealFile};
use daas_types::onchain::PositionState;
use daas_types::{Mist, UnixMs, WalletAddress};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::timeout;

/// The port of its API.
const API: u16 = 8080;
/// What it stakes.
pub(crate) const STAKE: u64 = 5_000_000_000;

/// A worker, its owner and its node.
pub(crate) struct Worker<'a> {
    cluster: &'a Cluster,
    machine: &'a Running,
    person: Person,
    node: String,
    child: Option<Child>,
    started: UnixMs,
}

// === impl Worker ===

impl<'a> Worker<'a> {
    /// One that does not run yet, of an owner without money.
    pub(crate) fn new(cluster: &'a Cluster, machine: &'a Running, node: &str) -> Self {
        let person = cluster.person(&format!("owner-of-{node}"));
        Self { cluster, machine, person, node: node.to_owned(), child: None, started: UnixMs(0) }
    }

    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn person(&self) -> &Person {
        &self.person
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// With more flags.
    pub(crate) fn start_with(&mut self, flags: &[&str]) -> Result<()> {
        std::fs::create_dir_all(self.folder())?;
        let address = self.machine.address().to_string();
        let join = ["join", "--node-id", &self.node, "--node-ip", &address, "--stake", "5"];
        let join = self.person.daas(&[&join, flags].concat());
        let mut worker = self.machine.run(&join);
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        worker.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.started = clock::now();
        self.child = Some(worker.spawn()?);
        Ok(())
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts it again if it has ended, as a service manager does. How it ended, if it has.
    pub(crate) fn revive(&mut self) -> Result<Option<String>> {
        let Some(status) = self.child.as_mut().context("no worker was started")?.try_wait()? else { return Ok(None) };
        self.start()?;
        Ok(Some(status.to_string()))
    }

    /// Whether the worker of the last start has joined, by its own account.
    pub(crate) fn is_joined(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("no worker runs")?;
        ensure!(child.try_wait()?.is_none(), "the worker has ended");
        let state: Value = serde_json::from_slice(&std::fs::read(self.folder().join("worker-state.json"))?)?;
        let history = state["history"].as_array().context("no history")?;
        let begun = history.iter().filter(|entry| entry["reason"] == "the worker started");
        let begun = begun.filter_map(|entry| entry["at_ms"].as_u64()).max().unwrap_or_default();
        ensure!(begun >= self.started.0, "the last start is not in its history");
        ensure!(state["phase"] == "joined", "it is {}", state["phase"]);
        Ok(())
    }

    /// Waits for that.
    pub(crate) async fn joined(&mut self, limit: Duration) -> Result<()> {
        eventually(limit, async || self.is_joined()).await
    }

    pub(crate) async fn kill(&mut self) -> Result<()> {
        let mut worker = self.child.take().context("no worker runs")?;
        processes::signal(worker.id().context("the worker has ended")?, Signal::SIGKILL)?;
        worker.wait().await?;
        Ok(())
    }

    pub(crate) async fn stop(&mut self, signal: Signal) -> Result<()> {
        let mut worker = self.child.take().context("no worker runs")?;
        processes::signal(worker.id().context("the worker has ended")?, signal)?;
        let status = timeout(Duration::from_secs(30), worker.wait()).await.context("the worker goes on")??;
        ensure!(status.success(), "the worker left with {status}");
        Ok(())
    }

    /// Takes the stake back, which ends the node, and stops it.
    pub(crate) async fn leave(&mut self, seal: &SealFile, limit: Duration) -> Result<()> {
        eventually(limit, async || {
            let (status, body) = self.api(seal, "POST", "/api/v1/unstake").await?;
            ensure!(status == 200 && body["status"] == "unstaked", "{status} {body}");
            Ok(())
        })
        .await?;
        self.stop(Signal::SIGTERM).await
    }

    /// Whether it has ended by itself, with that exit code.
    pub(crate) fn has_ended(&mut self, code: i32) -> Result<()> {
        let ended = self.child.as_mut().context("no worker was started")?.try_wait()?;
        ensure!(ended.and_then(|status| status.code()) == Some(code), "the worker is {ended:?}");
        Ok(())
    }

    pub(crate) async fn node_is_ready(&self) -> Result<()> {
        self.cluster.operator().node_is_ready(&self.node).await
    }

    /// When its kubelet last renewed its lease, in seconds.
    pub(crate) async fn renewed(&self) -> Result<u64> {
        let lease = ["-n", "kube-node-lease", "get", "lease", &self.node, "-o=jsonpath={.spec.renewTime}"];
        let text = self.cluster.operator().get(&lease).await?;
        let at: k8s_openapi::jiff::Timestamp = text.parse().with_context(|| format!("no time: {text:?}"))?;
        Ok(u64::try_from(at.as_second())?)
    }

    /// One stake, the same Seal on it, and nothing spent.
    pub(crate) async fn unchanged(&self, seal: &SealFile, money: Mist) -> Result<()> {
        let now = self.seal()?;
        ensure!((now.position, now.seal) == (seal.position, seal.seal), "another stake or Seal");
        let info = self.cluster.info()?;
        let owner = self.owner()?;
        let all = info.chain().await?.positions(&info.ids()).await?.into_iter();
        let own: Vec<_> = all.filter(|position| position.owner == owner).collect();
        let [state] = &own[..] else { anyhow::bail!("{} positions of one owner", own.len()) };
        let after = self.balance().await?;
        ensure!(state.position == seal.position, "another position, {}", state.position);
        ensure!(state.active == Mist(STAKE) && after == money, "{} SUI active, {after} left of {money}", state.active);
        let known = state.seals.iter().any(|record| Some(record.id) == seal.seal);
        ensure!(known && !state.is_jailed(), "the position does not have the Seal any more, or is jailed: {state:?}");
        Ok(())
    }

    /// Asks its API.
    pub(crate) async fn api(&self, seal: &SealFile, method: &str, path: &str) -> Result<(u16, Value)> {
        let secret = seal.secret().expose_hex();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
            secret.as_str()
        );
        let (status, body) = self.machine.http(API, &request).await?;
        Ok((status, serde_json::from_str(&body).with_context(|| body.clone())?))
    }

    pub(crate) async fn position(&self, seal: &SealFile) -> Result<PositionState> {
        let info: ClusterInfo = self.cluster.info()?;
        let state = info.chain().await?.position(&info.ids(), seal.position).await?;
        state.context("the position is not on chain")
    }

    pub(crate) async fn balance(&self) -> Result<Mist> {
        Ok(self.cluster.info()?.chain().await?.balance(self.owner()?).await?)
    }

    pub(crate) fn seal(&self) -> Result<SealFile> {
        Ok(SealFile::load(&self.folder().join("seal.json"))?)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.cluster.state().join("nodes").join(&self.node)
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder().join("worker.log")
    }

    pub(crate) fn log(&self) -> String {
        tail(&self.log_path(), 60)
    }

    fn owner(&self) -> Result<WalletAddress> {
        Ok(Wallet::load(&self.person.wallet_path())?.address())
    }
}

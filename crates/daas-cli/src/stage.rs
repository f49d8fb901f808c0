//! A real cluster to show or to measure something on: its people, its network, and the line printed for every step.

pub(crate) mod footprint;
pub(crate) mod network;
pub(crate) mod person;

use crate::chain::Staker;
use crate::output::Output;
use crate::paths::{Office, StateDir};
use crate::supervise::report::Report;
use anyhow::{Context as _, ensure};
use daas_chain::clock;
use daas_chain::ops::SlashSpec;
use daas_chain::wallet::Wallet;
use daas_client::ClusterInfo;
use daas_engine::build::{self, Program};
use daas_types::UnixMs;
use footprint::Footprint;
use network::StageNetwork;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use person::{Person, succeed};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::Instant;

/// A node's name on the stage.
pub(crate) const STAKER_NODE: &str = "staker-1";

/// Everything that those who play on it share.
pub(crate) struct Stage {
    pub(crate) state: StateDir,
    pub(crate) network: StageNetwork,
    pub(crate) operator: Person,
    pub(crate) staker: Person,
    /// The staker's worker, in its own network namespace.
    pub(crate) worker: Option<Child>,
    output: Output,
    began: Instant,
}

// === impl Stage ===

impl Stage {
    pub(crate) fn new(output: Output, state: StateDir) -> Result<Self, daas_types::Problem> {
        let operator = Person::operator(&state)?;
        let staker = Person::new(&state, "staker")?;
        let network = StageNetwork::default();
        Ok(Self { state, network, operator, staker, worker: None, output, began: Instant::now() })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Does a step and prints its time and what it found.
    pub(crate) async fn step<T: Detail>(
        &self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        let result = work.await.with_context(|| name.to_owned());
        match &result {
            Ok(found) => self.line(true, name, began.elapsed(), &found.detail()),
            Err(error) => self.line(false, name, began.elapsed(), &format!("{:#}", error.root_cause())),
        }
        result
    }

    /// One line of the story.
    pub(crate) fn line(&self, good: bool, name: &str, took: Duration, detail: &str) {
        let mark = if good { '✓' } else { '✗' };
        let gap = if detail.is_empty() { "" } else { ": " };
        self.output.note(format!("{mark} {:>7.2} s  {name}{gap}{detail}", took.as_secs_f64()));
    }

    /// A person who did not exist before.
    pub(crate) fn newcomer(&self, name: &'static str) -> anyhow::Result<Person> {
        Ok(Person::new(&self.state, name)?)
    }

    /// The staker's node's folder.
    pub(crate) fn staker_node(&self) -> PathBuf {
        self.state.nodes().join(STAKER_NODE)
    }

    /// `k3s-daas up` on the stage's network, and its own account of each step.
    pub(crate) async fn up(&self) -> anyhow::Result<()> {
        self.up_with(&[]).await
    }

    /// The same with further flags.
    pub(crate) async fn up_with(&self, more: &[&str]) -> anyhow::Result<()> {
        let network = self.network;
        self.step("two machines on one network", async { network.make().await.map(|()| format!("{network:?}")) })
            .await?;
        let (bind, rpc, faucet) =
            (network.operator.to_string(), format!("{}:9000", network.operator), format!("{}:9123", network.operator));
        let flags = ["up", "--bind", &bind, "--devnet-listen", &rpc, "--devnet-faucet", &faucet];
        let mut up = self.operator.daas(&[&flags, more].concat());
        // Its progress is shown as it comes; a first build of Kubernetes takes minutes.
        let status = up.status().await?;
        ensure!(status.success(), "`k3s-daas up` ended with {status}");
        let report = Report::read(&self.state.status())?.context("`up` left no status")?;
        for step in &report.steps {
            let took = Duration::from_millis(step.took_ms.unwrap_or_default());
            self.line(true, &format!("{:?}", step.name), took, step.detail.as_deref().unwrap_or_default());
        }
        Ok(())
    }

    /// One of the cluster's offices, with its wallet.
    pub(crate) async fn office(&self, office: Office) -> anyhow::Result<Staker> {
        let info = ClusterInfo::load(&self.state.join())?;
        Ok(Staker::new(&info, Wallet::load(&self.state.wallet(office))?).await?)
    }

    /// Ends everything, and looks whether the machine is as it was.
    pub(crate) async fn tear_down(&mut self, before: &Footprint) -> anyhow::Result<()> {
        if let Some(mut worker) = self.worker.take() {
            if let Some(pid) = worker.id().and_then(|id| i32::try_from(id).ok()) {
                kill(Pid::from_raw(pid), Signal::SIGTERM)?;
            }
            // A worker that does not end is `down`'s to clear away.
            drop(tokio::time::timeout(Duration::from_secs(30), worker.wait()).await);
        }
        let down = self.operator.daas(&["down", "--purge"]);
        self.step("`k3s-daas down --purge`", async { succeed(down).await.map(drop) }).await?;
        StageNetwork::remove().await;
        self.step("the machine is as it was", async {
            eventually(Duration::from_secs(10), async || {
                let left = Footprint::take(self.state.path()).await.new_since(before);
                ensure!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
                Ok(())
            })
            .await
            .context("not everything is gone")
        })
        .await
    }

    /// What went wrong is usually in the last lines of these.
    pub(crate) fn show_logs(&self) {
        for log in
            [self.state.supervisor_log(), self.state.logs().join("master.log"), self.staker_node().join("worker.log")]
        {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(15)..].join("\n  ");
            self.output.note(format!("--- {}\n  {last}", log.display()));
        }
    }
}

/// The grounds of a slash: each is judged once.
pub(crate) fn grounds(number: u32) -> SlashSpec {
    let mut evidence_hash = [7; 32];
    evidence_hash[..4].copy_from_slice(&number.to_le_bytes());
    SlashSpec {
        reason: 4,
        evidence_hash,
        evidence: UnixMs(clock::now().0.saturating_sub(1000)),
        uri: "https://example.org/evidence".to_owned(),
    }
}

/// What a step says of its result.
pub(crate) trait Detail {
    fn detail(&self) -> String;
}

impl Detail for () {
    fn detail(&self) -> String {
        String::new()
    }
}

impl Detail for String {
    fn detail(&self) -> String {
        self.clone()
    }
}

/// The engine's own kubectl.
pub(crate) async fn kubectl() -> anyhow::Result<PathBuf> {
    let programs = build::find(&build::default_cache_dir()?).await?.context("the engine is not built")?;
    Ok(programs.path(Program::Kubectl))
}

/// Asks again until the answer is yes, for at most `limit`. The last no is the error.
pub(crate) async fn eventually<T, F>(limit: Duration, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let end = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => {
                return Err(error.context(format!("not within {} s", limit.as_secs())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

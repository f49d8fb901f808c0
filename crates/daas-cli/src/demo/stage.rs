//! Where the demo plays: its people, its network, and the line it prints for every step.

use super::network::DemoNetwork;
use super::person::Person;
use crate::context::Context;
use crate::output::Output;
use crate::paths::StateDir;
use anyhow::Context as _;
use daas_engine::build::{self, Program};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::Instant;

/// A node's name on the stage.
pub(super) const STAKER_NODE: &str = "staker-1";

/// Everything the chapters share.
pub(super) struct Stage {
    pub(super) state: StateDir,
    pub(super) network: DemoNetwork,
    pub(super) operator: Person,
    pub(super) staker: Person,
    /// The staker's worker, in its own network namespace.
    pub(super) worker: Option<Child>,
    output: Output,
    began: Instant,
}

// === impl Stage ===

impl Stage {
    pub(super) fn new(context: &Context) -> Result<Self, daas_types::Problem> {
        let state = context.state.clone();
        let operator = Person::operator(&state)?;
        let staker = Person::new(&state, "staker")?;
        let network = DemoNetwork::default();
        Ok(Self { state, network, operator, staker, worker: None, output: context.output, began: Instant::now() })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Does a step and prints its time and what it found.
    pub(super) async fn step<T: Detail>(
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
    pub(super) fn line(&self, good: bool, name: &str, took: Duration, detail: &str) {
        let mark = if good { '✓' } else { '✗' };
        let gap = if detail.is_empty() { "" } else { ": " };
        self.output.note(format!("{mark} {:>7.2} s  {name}{gap}{detail}", took.as_secs_f64()));
    }

    /// A person who did not exist before.
    pub(super) fn newcomer(&self, name: &'static str) -> anyhow::Result<Person> {
        Ok(Person::new(&self.state, name)?)
    }

    /// The staker's node's folder.
    pub(super) fn staker_node(&self) -> PathBuf {
        self.state.nodes().join(STAKER_NODE)
    }

    /// What went wrong is usually in the last lines of these.
    pub(super) fn show_logs(&self) {
        for log in [self.state.supervisor_log(), self.state.logs().join("master.log"), self.staker_node().join("worker.log")] {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(15)..].join("\n  ");
            self.output.note(format!("--- {}\n  {last}", log.display()));
        }
    }
}

/// What a step says of its result.
pub(super) trait Detail {
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
pub(super) async fn kubectl() -> anyhow::Result<PathBuf> {
    let programs = build::find(&build::default_cache_dir()?).await?.context("the engine is not built")?;
    Ok(programs.path(Program::Kubectl))
}

/// Asks again until the answer is yes, for at most `limit`. The last no is the error.
pub(super) async fn eventually<T, F>(limit: Duration, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let end = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => return Err(error.context(format!("not within {} s", limit.as_secs()))),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

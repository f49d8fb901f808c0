//! `status.json`: what the supervisor has done and what runs. Written whole after each change, read by `up`, `status`
//! and `down`, so it is also what is left to read when the supervisor was killed.

use daas_client::write_private;
use daas_types::{ErrorCode, Problem, UnixMs};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Said as long as it is true.
pub(crate) const DATASTORE: &str = "not encrypted";

/// One step of the start, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepName {
    Network,
    Wallet,
    Contract,
    Device,
    Measurement,
    Stake,
    Master,
    Registration,
    ControlPlane,
    Verification,
    Node,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepState {
    Pending,
    Running,
    Done,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: StepName,
    pub(crate) state: StepState,
    pub(crate) took_ms: Option<u64>,
    /// What it found or made, in one line.
    pub(crate) detail: Option<String>,
}

/// Where the supervisor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Starting,
    Ready,
    Stopping,
    Stopped,
    Failed,
}

/// A child, as last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) state: String,
    pub(crate) log: PathBuf,
}

/// A [`Problem`] on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    name: String,
    cause: String,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) pid: u32,
    pub(crate) phase: Phase,
    pub(crate) started: UnixMs,
    pub(crate) engine: String,
    pub(crate) datastore: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) admin: String,
    /// Where this machine's development network gives SUI away.
    pub(crate) faucet: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) children: Vec<Child>,
    pub(crate) problem: Option<Recorded>,
}

/// The supervisor's side of the file. All clones are the same report.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    path: PathBuf,
    report: Arc<Mutex<Report>>,
}

// === impl StepName ===

impl StepName {
    /// The steps of a start, in order.
    pub(crate) fn plan(no_node: bool) -> Vec<Self> {
        let mut plan = vec![
            Self::Network,
            Self::Wallet,
            Self::Contract,
            Self::Device,
            Self::Measurement,
            Self::Stake,
            Self::Master,
            Self::Registration,
            Self::ControlPlane,
            Self::Verification,
        ];
        if !no_node {
            plan.push(Self::Node);
        }
        plan
    }

    /// For people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Wallet => "wallets",
            Self::Contract => "contract",
            Self::Device => "TEE device",
            Self::Measurement => "measurement allowed",
            Self::Master => "master started",
            Self::Registration => "master registered",
            Self::Stake => "operator's stake",
            Self::ControlPlane => "control plane ready",
            Self::Verification => "master attested",
            Self::Node => "node Ready",
        }
    }
}

// === impl Recorded ===

impl From<&Problem> for Recorded {
    fn from(problem: &Problem) -> Self {
        Self { name: problem.code.name().to_owned(), cause: problem.cause.clone() }
    }
}

impl From<Recorded> for Problem {
    fn from(recorded: Recorded) -> Self {
        Self::new(ErrorCode::from_name(&recorded.name).unwrap_or(ErrorCode::Internal), recorded.cause)
    }
}

// === impl Report ===

impl Report {
    /// A start that has done nothing yet.
    pub(crate) fn new(no_node: bool, engine: String, started: UnixMs) -> Self {
        let step = |name| Step { name, state: StepState::Pending, took_ms: None, detail: None };
        Self {
            pid: std::process::id(),
            phase: Phase::Starting,
            started,
            engine,
            datastore: DATASTORE.to_owned(),
            endpoint: None,
            admin: String::new(),
            faucet: String::new(),
            steps: StepName::plan(no_node).into_iter().map(step).collect(),
            children: Vec::new(),
            problem: None,
        }
    }

    /// Reads the file; `None` when there is none yet.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Problem> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(path, &error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| unreadable(path, &error))
    }

    /// The steps of `self` that ended since `before` was read.
    pub(crate) fn ended_since<'a>(&'a self, before: Option<&'a Self>) -> impl Iterator<Item = &'a Step> {
        let ended = |step: &Step| matches!(step.state, StepState::Done | StepState::Failed);
        let known = move |step: &Step| {
            before.is_some_and(|b| b.started == self.started && b.steps.iter().any(|s| s.name == step.name && ended(s)))
        };
        self.steps.iter().filter(move |step| ended(step) && !known(step))
    }

    /// The step now running.
    pub(crate) fn running(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state == StepState::Running)
    }
}

// === impl Reporter ===

impl Reporter {
    /// Writes the first state.
    pub(crate) fn create(path: PathBuf, report: Report) -> Result<Self, Problem> {
        let reporter = Self { path, report: Arc::new(Mutex::new(report)) };
        reporter.save(&reporter.lock())?;
        Ok(reporter)
    }

    /// Changes the report and writes it. A disk that is full does not stop a running cluster, so that is only logged.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Report)) {
        let mut report = self.lock();
        let before = report.clone();
        change(&mut report);
        if *report != before
            && let Err(problem) = self.save(&report)
        {
            tracing::warn!(%problem, "status not written");
        }
    }

    /// Changes one step.
    pub(crate) fn step(&self, name: StepName, state: StepState, took_ms: Option<u64>, detail: Option<String>) {
        self.change(|report| {
            if let Some(step) = report.steps.iter_mut().find(|step| step.name == name) {
                *step = Step { name, state, took_ms, detail };
            }
        });
    }

    fn save(&self, report: &Report) -> Result<(), Problem> {
        let text = serde_json::to_vec_pretty(report).map_err(Problem::of(ErrorCode::Internal))?;
        write_private(&self.path, &text).map_err(|error| unreadable(&self.path, &error))
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        // Every change leaves a whole report behind, so a poisoned lock is still right.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(true, "kubernetes".to_owned(), UnixMs(1))
    }

    #[test]
    fn a_reader_sees_each_step_end_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        assert_eq!(Report::read(&path).unwrap(), None);
        let reporter = Reporter::create(path.clone(), report()).unwrap();
        let first = Report::read(&path).unwrap().unwrap();
        assert_eq!(first.ended_since(None).count(), 0);

        reporter.step(StepName::Network, StepState::Done, Some(5), Some("devnet".to_owned()));
        reporter.step(StepName::Wallet, StepState::Running, None, None);
        let second = Report::read(&path).unwrap().unwrap();
        assert_eq!(second.ended_since(Some(&first)).map(|s| s.name).collect::<Vec<_>>(), [StepName::Network]);
        assert_eq!(second.running().map(|s| s.name), Some(StepName::Wallet));
        assert_eq!(second.ended_since(Some(&second)).count(), 0);

        // Another start's file: all of its ended steps are news.
        let other = Report { started: UnixMs(0), ..second.clone() };
        assert_eq!(second.ended_since(Some(&other)).count(), 1);
    }

    #[test]
    fn a_problem_survives_the_disk() {
        let problem = Problem::new(ErrorCode::PortBusy, "6443");
        let back: Problem = Recorded::from(&problem).into();
        assert_eq!((back.code, back.cause.as_str()), (ErrorCode::PortBusy, "6443"));
    }

    #[test]
    fn without_a_node_there_is_no_node_step() {
        assert!(!StepName::plan(true).contains(&StepName::Node));
        assert_eq!(StepName::plan(false).last(), Some(&StepName::Node));
        assert!(StepName::plan(false).is_sorted());
    }
}

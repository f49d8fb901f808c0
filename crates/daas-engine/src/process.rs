//! One child process that is kept running while it is wanted.
//!
//! A [`Process`] restarts its program with a growing delay, tells its state, and stops it in order: SIGTERM to
//! the whole process group, a grace, SIGKILL. What runs is recorded under a run folder, so that a supervisor
//! that was killed finds its leftovers again ([`reap_recorded`], [`kill_marked`]).

mod record;
mod supervise;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::files::{self, FileError};
pub use record::{Reaped, kill_marked, reap_recorded};
pub(crate) use record::{kill_and_wait, kill_marked_programs, runs_recorded, start_time};

/// The variable by which every child, and what it starts in turn, can be told from other processes.
pub(crate) const RUN_MARK: &str = "K3S_DAAS_RUN";

/// What to run. Neither `args` nor `env` may hold a secret: both can be read from `/proc`.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// Short name: of the record, in logs and in errors.
    pub name: &'static str,
    /// Place in the start order; leftovers are stopped from the highest to the lowest.
    pub order: u32,
    /// The program, as a full path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Where its output goes.
    pub log: PathBuf,
    /// Its working folder.
    pub work_dir: PathBuf,
}

/// How fast a program that ended is started again.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// Delay before the first restart; it doubles each time.
    pub first: Duration,
    /// Longest delay.
    pub longest: Duration,
    /// A run of at least this length counts as good, and the delay begins anew.
    pub settled: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(10), settled: Duration::from_secs(30) }
    }
}

/// What a process is doing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// About to be started.
    Starting,
    /// Running under this id.
    Running {
        /// The process id, which is also the id of its process group.
        pid: u32,
    },
    /// It ended and will be started again.
    Backoff {
        /// How often it has ended so far.
        exits: u32,
        /// How it ended.
        reason: String,
    },
    /// It was stopped on request.
    Stopped,
    /// It cannot be started at all.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why a process could not be supervised.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A record, log or folder could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused the signal.
    #[error("cannot stop process {pid} ({name})")]
    Signal {
        /// The process.
        pid: u32,
        /// Its recorded name.
        name: String,
        /// What the operating system answered.
        #[source]
        source: nix::Error,
    },
    /// The process outlived SIGKILL, as one does that hangs in the kernel.
    #[error("process {pid} ({name}) still runs {waited:?} after SIGKILL")]
    Unkillable {
        /// The process.
        pid: u32,
        /// Its recorded name.
        name: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// A supervised child. Dropping it kills the child at once; [`Process::stop`] is the orderly way.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    log: PathBuf,
    state: watch::Receiver<ProcessState>,
    stop: watch::Sender<Option<Duration>>,
    task: JoinSet<()>,
}

// === impl Process ===

impl Process {
    /// Starts supervising; the program itself starts a moment later, see [`Process::state`].
    ///
    /// Must be called within a tokio runtime.
    pub fn start(spec: ProcessSpec, run_dir: &Path, restart: RestartPolicy) -> Result<Self, ProcessError> {
        let run_dir = files::make_canonical_folder(run_dir)?;
        let (state_sender, state) = watch::channel(ProcessState::Starting);
        let (stop, stop_receiver) = watch::channel(None);
        let (name, log) = (spec.name, spec.log.clone());
        let mut task = JoinSet::new();
        task.spawn(supervise::run(supervise::Supervised {
            spec,
            run_dir,
            restart,
            state: state_sender,
            stop: stop_receiver,
        }));
        Ok(Self { name, log, state, stop, task })
    }

    /// The name it was given.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it does now.
    pub fn state(&self) -> ProcessState {
        self.state.borrow().clone()
    }

    /// Follows its state.
    pub fn watch(&self) -> watch::Receiver<ProcessState> {
        self.state.clone()
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        match *self.state.borrow() {
            ProcessState::Running { pid } => Some(pid),
            _ => None,
        }
    }

    /// The end of what it wrote.
    pub fn last_output(&self, lines: usize) -> String {
        files::tail(&self.log, lines)
    }

    /// Stops it: SIGTERM, `grace`, SIGKILL. Returns when it is gone; stopping twice is fine.
    pub async fn stop(&mut self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        while self.task.join_next().await.is_some() {}
    }
}

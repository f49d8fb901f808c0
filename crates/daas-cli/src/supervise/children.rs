//! The supervisor's children: started in order, watched, stopped in reverse.

use super::report::{Child, Reporter};
use crate::paths::{StateDir, sibling};
use daas_engine::build;
use daas_engine::k3s::{self, K3sError};
use daas_engine::process::{Process, ProcessSpec, ProcessState, RestartPolicy};
use daas_types::{ErrorCode, Problem};
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, interval};

const LOOK: Duration = Duration::from_millis(100);
/// A child that ended this often before it was ready will not become so.
const TRIES: u32 = 3;
const SHOWN: usize = 12;
/// How a worker ends whose position was slashed: started again it could only end so again.
const SLASHED: &str = "exit status: 3";
const GIVEN_UP: &str = "ended: slashed; `k3s-daas appeal`, or after the restake `k3s-daas down` and `k3s-daas up`";
/// Found by programs and their children; nothing of the caller's environment is passed on unseen.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which K3s is meant.
const K3S_BIN: &str = "K3S_BIN";

/// Which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Devnet,
    Nsm,
    Master,
    Worker,
}

/// Every child that was started, in that order.
#[derive(Debug)]
pub(super) struct Children {
    state: StateDir,
    reporter: Reporter,
    running: Vec<(Name, Process)>,
    /// The worker was slashed and is not to come back by itself.
    slashed: bool,
}

// === impl Name ===

impl Name {
    const fn text(self) -> &'static str {
        match self {
            Self::Devnet => "devnet",
            Self::Nsm => "nsm",
            Self::Master => "master",
            Self::Worker => "worker",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Devnet | Self::Nsm => "k3s-daas-devnet",
            Self::Master => "k3s-daas-master",
            Self::Worker => "k3s-daas-worker",
        }
    }

    /// Place in the start order; the stop order is its reverse, also for `down` after a kill of the supervisor.
    const fn order(self) -> u32 {
        match self {
            Self::Devnet => 1,
            Self::Nsm => 2,
            Self::Master => 3,
            Self::Worker => 4,
        }
    }

    /// How long it may take to stop: the worker drains its pods, the master stops the control plane.
    const fn grace(self) -> Duration {
        match self {
            Self::Devnet | Self::Nsm => Duration::from_secs(5),
            Self::Master => Duration::from_secs(40),
            Self::Worker => Duration::from_secs(90),
        }
    }
}

// === impl Children ===

impl Children {
    pub(super) fn new(state: StateDir, reporter: Reporter) -> Self {
        Self { state, reporter, running: Vec::new(), slashed: false }
    }

    /// Starts one. Its arguments are visible to everyone on this machine, so they name files and hold no secret.
    pub(super) fn start(&mut self, name: Name, args: Vec<OsString>) -> Result<(), Problem> {
        let spec = self.spec(name, args)?;
        let started = Process::start(spec, &self.state.run(), RestartPolicy::default());
        let process = started.map_err(Problem::of(ErrorCode::StateUnreadable))?;
        self.running.push((name, process));
        self.show();
        Ok(())
    }

    /// Asks `ready` again and again until it gives something, the child proves hopeless, or `limit` is over.
    pub(super) async fn until<T>(
        &self,
        name: Name,
        limit: Duration,
        code: ErrorCode,
        mut ready: impl AsyncFnMut() -> Result<T, String>,
    ) -> Result<T, Problem> {
        let deadline = Instant::now() + limit;
        let mut look = interval(LOOK);
        let mut last = "not asked yet".to_owned();
        loop {
            look.tick().await;
            if let Some(hopeless) = self.hopeless(name) {
                return Err(self.failure(name, code, &hopeless));
            }
            if Instant::now() >= deadline {
                let cause = format!("not ready after {} s: {last}", limit.as_secs());
                return Err(self.failure(name, code, &cause));
            }
            // One question may not outlast the limit either.
            match tokio::time::timeout_at(deadline, ready()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(why)) => last = why,
                Err(_) => "no answer".clone_into(&mut last),
            }
            self.show();
        }
    }

    /// Writes what they do into the report.
    pub(super) fn show(&self) {
        let children = self.running.iter().map(|(name, process)| Child {
            name: name.text().to_owned(),
            pid: process.pid(),
            state: if self.slashed && *name == Name::Worker { GIVEN_UP.to_owned() } else { word(&process.state()) },
            log: self.log(*name),
        });
        let children = children.collect();
        self.reporter.change(|report| report.children = children);
    }

    /// Waits until the worker ends because it was slashed, and leaves it so.
    pub(super) async fn given_up(&mut self) {
        let worker = self.running.iter_mut().find(|(name, _)| *name == Name::Worker && !self.slashed);
        let Some((_, worker)) = worker else { return std::future::pending().await };
        if worker.watch().wait_for(is_slashed).await.is_err() {
            return std::future::pending().await;
        }
        // Known first: this may be dropped while it waits, and the stop goes on without it.
        self.slashed = true;
        worker.stop(Duration::ZERO).await;
        tracing::error!("the worker was slashed and is not started again; its log says why");
        self.show();
    }

    /// Stops all, last started first.
    pub(super) async fn stop(&mut self) {
        while let Some((name, mut process)) = self.running.pop() {
            tracing::info!(process.name = name.text(), "stopping");
            process.stop(name.grace()).await;
            self.show();
        }
    }

    fn spec(&self, name: Name, args: Vec<OsString>) -> Result<ProcessSpec, Problem> {
        for folder in [self.state.logs(), self.state.run(), self.state.devnet(), self.state.master()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", folder.display())))?;
        }
        let args = args.into_iter().map(|arg| {
            arg.into_string()
                .map_err(|arg| Problem::new(ErrorCode::StateUnreadable, format!("{}: not UTF-8", arg.display())))
        });
        Ok(ProcessSpec {
            name: name.text(),
            order: name.order(),
            program: sibling(name.program())?,
            args: args.collect::<Result<_, _>>()?,
            env: environment(),
            log: self.log(name),
            work_dir: self.state.path().to_owned(),
        })
    }

    fn log(&self, name: Name) -> PathBuf {
        self.state.logs().join(format!("{}.log", name.text()))
    }

    fn process(&self, name: Name) -> Option<&Process> {
        self.running.iter().find(|(known, _)| *known == name).map(|(_, process)| process)
    }

    fn hopeless(&self, name: Name) -> Option<String> {
        match self.process(name)?.state() {
            ProcessState::Failed { reason } => Some(reason),
            state if name == Name::Worker && is_slashed(&state) => Some("its position is slashed".to_owned()),
            ProcessState::Backoff { exits, reason } if exits >= TRIES => {
                Some(format!("it ended {exits} times: {reason}"))
            }
            _ => None,
        }
    }

    fn failure(&self, name: Name, code: ErrorCode, cause: &str) -> Problem {
        let (log, tail) = (self.log(name), self.process(name).map(|p| p.last_output(SHOWN)).unwrap_or_default());
        Problem::new(code, format!("{}: {cause}\n{}:\n{tail}", name.text(), log.display()))
    }
}

fn word(state: &ProcessState) -> String {
    match state {
        ProcessState::Starting => "starting".to_owned(),
        ProcessState::Running { .. } => "running".to_owned(),
        ProcessState::Backoff { exits, reason } => format!("ended {exits} times, last: {reason}"),
        ProcessState::Stopped => "stopped".to_owned(),
        ProcessState::Failed { reason } => format!("failed: {reason}"),
    }
}

fn is_slashed(state: &ProcessState) -> bool {
    matches!(state, ProcessState::Backoff { reason, .. } if reason == SLASHED)
}

/// What children need of the environment: where programs and the engine's cache are, and K3s by its full path.
fn environment() -> Vec<(String, String)> {
    const PASSED: [&str; 2] = ["HOME", "XDG_CACHE_HOME"];
    let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let cache = build::default_cache_dir().ok();
    let k3s = k3s_bin(k3s::locate(cache.as_deref()), std::env::var_os(K3S_BIN)).map(|path| (K3S_BIN.to_owned(), path));
    passed.chain(k3s).chain([("PATH".to_owned(), PATH.to_owned())]).collect()
}

/// The K3s that was found. One that was named and cannot be used stays named: a master that wants it says what is wrong
/// with it, and takes no other instead.
fn k3s_bin(found: Result<Option<PathBuf>, K3sError>, named: Option<OsString>) -> Option<String> {
    let path = found.map_or(named, |found| found.map(PathBuf::into_os_string))?;
    Some(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;
    use daas_types::UnixMs;

    #[test]
    fn the_worker_stops_first_and_the_network_last() {
        let mut all = [Name::Master, Name::Devnet, Name::Worker, Name::Nsm];
        all.sort_by_key(|name| std::cmp::Reverse(name.order()));
        assert_eq!(all, [Name::Worker, Name::Master, Name::Nsm, Name::Devnet]);
    }

    #[test]
    fn a_named_k3s_that_cannot_be_used_is_not_silently_another() {
        let named = || Some(OsString::from("/opt/k3s"));
        let found = |path: &str| Ok(Some(PathBuf::from(path)));
        assert_eq!(k3s_bin(found("/usr/bin/k3s"), None).as_deref(), Some("/usr/bin/k3s"));
        assert_eq!(k3s_bin(Ok(None), None), None);
        let refused = || Err(K3sError::NoProgram { path: "/opt/k3s".into() });
        assert_eq!(k3s_bin(refused(), named()).as_deref(), Some("/opt/k3s"));
    }

    fn children(dir: &tempfile::TempDir) -> Children {
        let state = StateDir::new(dir.path()).unwrap();
        let report = Report::new(true, "kubernetes".to_owned(), UnixMs(1));
        let reporter = Reporter::create(state.status(), report).unwrap();
        Children::new(state, reporter)
    }

    fn shell(children: &mut Children, name: Name, script: &str) {
        let spec = ProcessSpec {
            name: name.text(),
            order: name.order(),
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![],
            log: children.log(name),
            work_dir: children.state.path().to_owned(),
        };
        std::fs::create_dir_all(children.state.logs()).unwrap();
        let process = Process::start(spec, &children.state.run(), RestartPolicy::default()).unwrap();
        children.running.push((name, process));
    }

    #[tokio::test]
    async fn a_child_that_keeps_dying_is_given_up_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut children = children(&dir);
        shell(&mut children, Name::Master, "echo no space left; exit 7");
        let never = async || Err::<(), _>("not yet".to_owned());
        let limit = Duration::from_secs(30);
        let problem = children.until(Name::Master, limit, ErrorCode::ControlPlaneTimeout, never).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::ControlPlaneTimeout);
        assert!(problem.cause.contains("no space left") && problem.cause.contains("it ended 3 times"), "{problem}");
        children.stop().await;
    }

    #[tokio::test]
    async fn readiness_ends_the_wait_and_stop_ends_the_child() {
        let dir = tempfile::tempdir().unwrap();
        let mut children = children(&dir);
        shell(&mut children, Name::Master, "exec sleep 60");
        let mut asked = 0;
        let third = async || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err("not yet".to_owned()) }
        };
        let limit = Duration::from_secs(30);
        assert_eq!(children.until(Name::Master, limit, ErrorCode::Internal, third).await.unwrap(), 3);
        let pid = Report::read(&children.state.status()).unwrap().unwrap().children[0].pid;
        assert!(pid.is_some_and(|pid| crate::machine::ProcessId::of(pid).is_some()));
        children.stop().await;
        assert!(pid.is_some_and(|pid| crate::machine::ProcessId::of(pid).is_none()));
    }

    #[tokio::test]
    async fn a_slashed_worker_is_not_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut children = children(&dir);
        shell(&mut children, Name::Worker, "echo run >> runs; exit 3");
        tokio::time::timeout(Duration::from_secs(20), children.given_up()).await.unwrap();
        assert_eq!(children.running[0].1.state(), ProcessState::Stopped);
        let shown = Report::read(&children.state.status()).unwrap().unwrap().children[0].state.clone();
        assert!(shown.contains("slashed"), "{shown}");
        assert_eq!(std::fs::read_to_string(dir.path().join("runs")).unwrap(), "run\n");
        children.stop().await;
    }

    #[tokio::test]
    async fn a_worker_that_ends_otherwise_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut children = children(&dir);
        shell(&mut children, Name::Worker, "echo run >> runs; exit 1");
        let again = async || match std::fs::read_to_string(dir.path().join("runs")) {
            Ok(runs) if runs.lines().count() >= 2 => Ok(()),
            _ => Err("not yet".to_owned()),
        };
        let limit = Duration::from_secs(30);
        children.until(Name::Worker, limit, ErrorCode::Internal, again).await.unwrap();
        children.stop().await;
    }
}

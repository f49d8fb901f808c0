use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::record::Record;
use super::{ProcessSpec, ProcessState, RUN_MARK, RestartPolicy};

/// A log longer than this is set aside when its process starts anew.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

pub(super) struct Supervised {
    pub(super) spec: ProcessSpec,
    pub(super) run_dir: PathBuf,
    pub(super) restart: RestartPolicy,
    pub(super) state: watch::Sender<ProcessState>,
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

enum Ended {
    Stopped,
    Exited(String),
    CannotStart(String),
}

/// Runs the program until it is stopped or cannot be started.
pub(super) async fn run(mut supervised: Supervised) {
    let name = supervised.spec.name;
    let mut delay = supervised.restart.first;
    let mut exits = 0u32;
    loop {
        supervised.state.send_replace(ProcessState::Starting);
        let started = Instant::now();
        let ended = supervised.run_once().await;
        Record::remove(&supervised.run_dir, name);
        let reason = match ended {
            Ended::Stopped => break,
            Ended::CannotStart(reason) => {
                tracing::error!(process.name = name, %reason, "process cannot be started");
                supervised.state.send_replace(ProcessState::Failed { reason });
                return;
            }
            Ended::Exited(reason) => reason,
        };
        if started.elapsed() >= supervised.restart.settled {
            delay = supervised.restart.first;
        }
        exits = exits.saturating_add(1);
        tracing::warn!(process.name = name, %reason, process.exits = exits, ?delay, "process ended; restarting");
        supervised.state.send_replace(ProcessState::Backoff { exits, reason });
        tokio::select! {
            () = sleep(delay) => {}
            _ = supervised.stop.wait_for(Option::is_some) => break,
        }
        delay = delay.saturating_mul(2).min(supervised.restart.longest);
    }
    supervised.state.send_replace(ProcessState::Stopped);
}

impl Supervised {
    async fn run_once(&mut self) -> Ended {
        if self.stop.borrow().is_some() {
            return Ended::Stopped;
        }
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                return Ended::CannotStart(format!("{}: {e}", self.spec.program.display()));
            }
            Err(e) => return Ended::Exited(format!("not started: {e}")),
        };
        let Some(pid) = child.id() else {
            return Ended::Exited("ended at once".to_owned());
        };
        if let Err(error) = Record::write(&self.run_dir, &self.spec, pid) {
            // The mark in its environment still identifies it after a crash of ours.
            tracing::warn!(process.name = self.spec.name, %error, "process record not written");
        }
        tracing::info!(process.name = self.spec.name, process.pid = pid, "process started");
        self.state.send_replace(ProcessState::Running { pid });
        tokio::select! {
            status = child.wait() => Ended::Exited(describe(status)),
            grace = wanted_stop(&mut self.stop) => {
                terminate(&mut child, pid, grace).await;
                tracing::info!(process.name = self.spec.name, process.pid = pid, "process stopped");
                Ended::Stopped
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = open_log(&self.spec.log)?;
        let errors = log.try_clone()?;
        Command::new(&self.spec.program)
            .args(&self.spec.args)
            .env_clear()
            .envs(self.spec.env.iter().map(|(k, v)| (k, v)))
            .env(RUN_MARK, &self.run_dir)
            .current_dir(&self.spec.work_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

async fn wanted_stop(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match stop.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => Duration::ZERO,
    }
}

async fn terminate(child: &mut Child, pid: u32, grace: Duration) {
    signal_group(pid, Signal::SIGTERM);
    if timeout(grace, child.wait()).await.is_ok() {
        return;
    }
    signal_group(pid, Signal::SIGKILL);
    let _ = child.wait().await;
}

fn signal_group(pid: u32, signal: Signal) {
    if let Ok(raw) = i32::try_from(pid) {
        // The group can be gone already: then there is nothing left to stop.
        let _ = killpg(Pid::from_raw(raw), signal);
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|m| m.len() > LOG_LIMIT) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(e) => format!("not waited for: {e}"),
    }
}

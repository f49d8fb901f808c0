use super::stand_in;
use crate::bench::API_PORT;
use crate::gateway::connect;
use crate::paths::sibling;
use crate::stage::person::succeed;
use crate::stage::{Stage, eventually};
use crate::supervise::report::Report;
use anyhow::{Context as _, ensure};
use daas_client::ClusterInfo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// Where the measured master is told that its API server listens.
const OTHER_PORT: u16 = API_PORT + 10_000;
/// How the supervisor tells a master where its files are.
const DATA_DIR: &str = "k3s.data_dir=";
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);

/// How a master is started that is not the supervisor's.
struct Start {
    arguments: Vec<String>,
    cache: PathBuf,
    log: PathBuf,
}

/// A process as the engine records it.
#[derive(Deserialize)]
struct Recorded {
    pid: i32,
}

/// Milliseconds from the fork of a master to the gateway's first handshake, of each start.
pub(super) async fn measure(stage: &Stage, starts: u32) -> anyhow::Result<Vec<f64>> {
    let report = Report::read(&stage.state.status())?.context("`up` left no status")?;
    let master = report.children.iter().find(|child| child.name == "master").and_then(|child| child.pid);
    let master = master.context("no master runs")?;
    let supervisor = Pid::from_raw(i32::try_from(report.pid)?);
    kill(supervisor, Signal::SIGSTOP)?;
    let measured = halted(stage, i32::try_from(master)?, starts).await;
    // It starts its own master again, and ends with it when the stage is cleared away.
    kill(supervisor, Signal::SIGCONT)?;
    measured
}

async fn halted(stage: &Stage, master: i32, starts: u32) -> anyhow::Result<Vec<f64>> {
    let info = ClusterInfo::load(&stage.state.join())?;
    let join = &info.join;
    let command = fs::read_to_string(format!("/proc/{master}/cmdline"))?;
    let arguments: Vec<_> = command.split_terminator('\0').skip(1).map(str::to_owned).collect();
    kill(Pid::from_raw(master), Signal::SIGKILL)?;
    eventually(LIMIT, async || {
        ensure!(connect(&join.endpoint, &join.ca).await.is_err(), "the killed master still answers");
        Ok(())
    })
    .await?;
    // Their ports are the measured master's; what it is measured with is the API server alone.
    for name in ["kube-scheduler", "kube-controller-manager"] {
        let record = fs::read(stage.state.master().join(format!("run/{name}.pid.json"))).context(name)?;
        kill(Pid::from_raw(serde_json::from_slice::<Recorded>(&record)?.pid), Signal::SIGKILL)?;
    }
    let start = Start::prepare(stage, arguments).await?;
    let mut all = Vec::new();
    // The first of all finds the engine's programs as they were never looked at before.
    for number in 0..=starts {
        let took = start.once(&join.endpoint, &join.ca).await.with_context(|| start.last_words())?;
        if number > 0 {
            all.push(took.as_secs_f64() * 1000.0);
        }
    }
    Ok(all)
}

// === impl Start ===

impl Start {
    /// A copy of the master's folder without the records of its processes, which it would end.
    async fn prepare(stage: &Stage, mut arguments: Vec<String>) -> anyhow::Result<Self> {
        let (folder, cache) = (stage.state.path().join("measured"), stage.state.path().join("cache"));
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(stage.state.master()).arg(&folder);
        succeed(copy).await?;
        for left in ["run", "db"] {
            fs::remove_dir_all(folder.join(left))?;
        }
        stand_in::engine(&cache)?;
        let data = arguments.iter_mut().find(|argument| argument.starts_with(DATA_DIR));
        *data.context("the master was not told its folder")? = format!("{DATA_DIR}{}", folder.display());
        arguments.extend(["--set".to_owned(), format!("k3s.https_port={OTHER_PORT}")]);
        Ok(Self { arguments, cache, log: stage.state.logs().join("measured.log") })
    }

    async fn once(&self, endpoint: &str, ca: &str) -> anyhow::Result<Duration> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(sibling("k3s-daas-master")?);
        command.args(&self.arguments).env("XDG_CACHE_HOME", &self.cache).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let mut master = command.spawn()?;
        let accepting = async {
            while connect(endpoint, ca).await.is_err() {
                sleep(POLL).await;
            }
        };
        tokio::select! {
            done = timeout(LIMIT, accepting) => done.context("the gateway does not accept")?,
            ended = master.wait() => anyhow::bail!("the master ended with {}", ended?),
        }
        let took = began.elapsed();
        let pid = master.id().context("the master is gone")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        timeout(LIMIT, master.wait()).await.context("the master does not end")??;
        Ok(took)
    }

    fn last_words(&self) -> String {
        last_lines(&self.log, 12)
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

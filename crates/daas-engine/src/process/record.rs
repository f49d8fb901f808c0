use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{ProcessError, ProcessSpec, RUN_MARK};
use crate::files::{self, FileError};

/// How long a process may take to vanish after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
/// A process that takes on another program shows no environment for less than this.
const LOOK: Duration = Duration::from_millis(2);
/// Looks at those that show none. There are some that never do.
const LOOKS: usize = 10;

/// What a run folder says about one process. The start time makes the id unambiguous: ids are reused.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    name: String,
    order: u32,
    pid: u32,
    start_time: u64,
    argv0: PathBuf,
}

/// A leftover process that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its recorded name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

/// Stops what the run folder records, in reverse start order, and removes the records.
///
/// A process is touched only if its start time is the recorded one.
pub async fn reap_recorded(run_dir: &Path, grace: Duration) -> Result<Vec<Reaped>, ProcessError> {
    let mut records = read_records(run_dir)?;
    records.sort_by_key(|(_, record)| std::cmp::Reverse(record.order));
    let mut reaped = Vec::new();
    for (path, record) in records {
        if start_time(record.pid) == Some(record.start_time) {
            tracing::info!(process.name = %record.name, process.pid = record.pid, "stopping a leftover process");
            stop(&record, grace).await?;
            reaped.push(Reaped { name: record.name, pid: record.pid });
        }
        remove(&path)?;
    }
    Ok(reaped)
}

/// Whether any that the run folder records runs.
pub(crate) fn runs_recorded(run_dir: &Path) -> Result<bool, ProcessError> {
    let records = read_records(run_dir)?;
    Ok(records.iter().any(|(_, record)| start_time(record.pid) == Some(record.start_time)))
}

/// Kills every process that carries the run folder's mark in its environment: what was started in the moment
/// before a record was written, and what recorded processes started in turn.
pub async fn kill_marked(run_dir: &Path) -> Result<Vec<u32>, ProcessError> {
    kill_marked_if(run_dir, |_| true).await
}

/// The same, of processes that run one of these programs.
pub(crate) async fn kill_marked_programs(run_dir: &Path, programs: &[&str]) -> Result<Vec<u32>, ProcessError> {
    kill_marked_if(run_dir, |pid| program(pid).is_some_and(|name| programs.contains(&name.as_str()))).await
}

async fn kill_marked_if(run_dir: &Path, wanted: impl Fn(u32) -> bool) -> Result<Vec<u32>, ProcessError> {
    let Ok(run_dir) = run_dir.canonicalize() else {
        return Ok(Vec::new());
    };
    let mark = [RUN_MARK.as_bytes(), b"=", run_dir.as_os_str().as_encoded_bytes()].concat();
    let (mut killed, mut looks) = (Vec::new(), 0);
    // One that is killed may have been starting another: look again until a pass finds none.
    loop {
        let (mut found, unclear) = marked(&mark);
        found.retain(|(pid, _)| wanted(*pid));
        if found.is_empty() && (!unclear || looks == LOOKS) {
            return Ok(killed);
        }
        if found.is_empty() {
            looks += 1;
            sleep(LOOK).await;
        }
        for (pid, started) in found {
            kill_and_wait(pid, started, "marked").await?;
            killed.push(pid);
        }
    }
}

/// Kills one process and waits until it is gone, unless `pid` is by now another one.
pub(crate) async fn kill_and_wait(pid: u32, started: u64, name: &str) -> Result<(), ProcessError> {
    if start_time(pid) != Some(started) {
        return Ok(());
    }
    match kill(raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(nix::Error::ESRCH) => {}
        Err(source) => {
            return Err(ProcessError::Signal { pid, name: name.to_owned(), source });
        }
    }
    if gone_within(pid, started, KILL_LIMIT).await {
        return Ok(());
    }
    Err(ProcessError::Unkillable { pid, name: name.to_owned(), waited: KILL_LIMIT })
}

/// When the process began, in clock ticks since boot; `None` if there is none or it only waits to be reaped.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

// === impl Record ===

impl Record {
    pub(super) fn write(run_dir: &Path, spec: &ProcessSpec, pid: u32) -> Result<(), FileError> {
        let Some(start_time) = start_time(pid) else {
            return Ok(());
        };
        let record =
            Self { name: spec.name.to_owned(), order: spec.order, pid, start_time, argv0: spec.program.clone() };
        let text = serde_json::to_vec(&record).expect("a record of plain fields must encode");
        files::write_private(&Self::path(run_dir, spec.name), text)
    }

    pub(super) fn remove(run_dir: &Path, name: &str) {
        if let Err(error) = remove(&Self::path(run_dir, name)) {
            tracing::warn!(process.name = name, %error, "process record not removed");
        }
    }

    fn path(run_dir: &Path, name: &str) -> PathBuf {
        run_dir.join(format!("{name}.pid.json"))
    }
}

fn read_records(run_dir: &Path) -> Result<Vec<(PathBuf, Record)>, ProcessError> {
    let entries = match fs::read_dir(run_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(FileError::of("list", run_dir)(e).into()),
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.map_err(FileError::of("list", run_dir))?.path();
        if !path.to_string_lossy().ends_with(".pid.json") {
            continue;
        }
        // Records are written whole; one that does not parse is not ours to act on.
        match serde_json::from_str(&files::read_text(&path)?) {
            Ok(record) => records.push((path, record)),
            Err(error) => tracing::warn!(path = %path.display(), %error, "unreadable process record ignored"),
        }
    }
    Ok(records)
}

async fn stop(record: &Record, grace: Duration) -> Result<(), ProcessError> {
    let (pid, started) = (record.pid, record.start_time);
    for (signal, wait) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, KILL_LIMIT)] {
        match killpg(raw(pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => {}
            Err(source) => {
                return Err(ProcessError::Signal { pid, name: record.name.clone(), source });
            }
        }
        if gone_within(pid, started, wait).await {
            return Ok(());
        }
    }
    Err(ProcessError::Unkillable { pid, name: record.name.clone(), waited: KILL_LIMIT })
}

async fn gone_within(pid: u32, started: u64, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while start_time(pid) == Some(started) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

/// Those that bear the mark, and whether there are others that show nothing at the moment.
fn marked(mark: &[u8]) -> (Vec<(u32, u64)>, bool) {
    let (own, mut found, mut unclear) = (std::process::id(), Vec::new(), false);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|pid| *pid != own) {
        let Some(started) = start_time(pid) else {
            continue;
        };
        match environment(pid) {
            Some(environment) if environment.split(|b| *b == 0).any(|entry| entry == mark) => {
                found.push((pid, started));
            }
            Some(_) => {}
            // A kernel's thread has no program either. In the middle of the change neither may be looked at.
            None => {
                let program = fs::read_link(format!("/proc/{pid}/exe"));
                unclear |= !program.is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
            }
        }
    }
    (found, unclear)
}

/// The name of its program's file, also of one that was replaced since.
fn program(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}

/// What a process was started with; `None` if it shows nothing.
fn environment(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok().filter(|bytes| !bytes.is_empty())
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Zero and negative ids mean "my own group" to the kernel; no recorded process can have one.
fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a process id must fit in an i32"))
}

//! Processes that a benchmark starts and measures: itself in another role, or a peer. What a process costs is what the
//! kernel has counted for it and its children.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running process; ends when dropped.
pub struct Process {
    child: Child,
    /// A role's standard output.
    said: Option<BufReader<ChildStdout>>,
    hello: Value,
}

// === impl Process ===

impl Process {
    /// This program again, as `role`. Returns when it has said [`hello`].
    pub fn role(role: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(role).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = child.stdout.take().map(BufReader::new);
        let mut process = Self { child, said, hello: Value::Null };
        process.hello = process.hear();
        process
    }

    /// Another program.
    pub fn peer(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, said: None, hello: Value::Null }
    }

    /// Asks a role that [`asked`] answers for.
    pub fn ask(&mut self, question: &str) -> Value {
        let mut input = self.child.stdin.as_ref().unwrap();
        input.write_all(format!("{question}\n").as_bytes()).unwrap();
        self.hear()
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.said.as_mut().unwrap().read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// What it said about itself.
    pub fn hello(&self, key: &str) -> &str {
        self.hello[key].as_str().unwrap()
    }

    /// Its id and those of its children.
    pub fn ids(&self) -> Vec<u32> {
        let own = self.child.id();
        let all = fs::read_dir("/proc").unwrap().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut ids: Vec<u32> = ids.filter(|id| stat(*id).is_some_and(|stat| stat.parent == own)).collect();
        ids.push(own);
        ids
    }

    /// Time of a core that it and its children have used so far.
    pub fn cpu(&self) -> Duration {
        self.ids().into_iter().filter_map(stat).map(|stat| stat.cpu).sum()
    }

    /// Time of a core that its threads of that name have used so far.
    pub fn thread_cpu(&self, name: &str) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let named = threads
            .map(|thread| thread.path())
            .filter(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name));
        let spent = named.filter_map(|thread| {
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        });
        spent.sum()
    }

    /// Bytes in memory, of it and its children.
    pub fn resident(&self) -> u64 {
        let status = |id| fs::read_to_string(format!("/proc/{id}/status")).ok();
        let kilobytes = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        self.ids().into_iter().filter_map(status).filter_map(kilobytes).sum::<u64>() * 1024
    }

    /// System calls while `work` runs, as the kernel's trace point counts them; `None` where `perf` cannot.
    #[expect(clippy::disallowed_methods, reason = "nothing else runs in a benchmark's own process")]
    pub fn system_calls<T>(&self, work: impl FnOnce() -> T) -> (Option<u64>, T) {
        let ids: Vec<_> = self.ids().iter().map(ToString::to_string).collect();
        let arguments = ["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", &ids.join(",")];
        let perf = Command::new("perf").args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let Ok(perf) = perf else { return (None, work()) };
        // It says nothing when it has begun; what it misses is little beside what follows.
        std::thread::sleep(Duration::from_millis(500));
        let result = work();
        let interrupt = nix::sys::signal::Signal::SIGINT;
        nix::sys::signal::kill(Pid::from_raw(perf.id().try_into().unwrap()), interrupt).unwrap();
        let output = perf.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let counted = text.lines().find(|line| line.contains("sys_enter"));
        (counted.and_then(|line| line.split(',').next()?.parse().ok()), result)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not SIGKILL: a peer's own children end with it.
        let id = Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// What a role says to the process that started it, on its standard output.
pub fn hello(facts: &Value) {
    let mut out = std::io::stdout();
    out.write_all(format!("{facts}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Keeps a file for as long as the benchmark's folder lives.
pub fn put(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Ends when the process that started this role is gone.
pub async fn abandoned() {
    asked(|_| Value::Null).await;
}

/// The same, answering each line that comes from there.
pub async fn asked(work: impl FnMut(&str) -> Value + Send + 'static) {
    let (gone, ended) = tokio::sync::oneshot::channel();
    // A thread, because nothing can end a read of the standard input.
    std::thread::spawn(move || {
        answer(work);
        let _ = gone.send(());
    });
    let _ = ended.await;
}

/// The same on this thread.
pub fn answer(mut work: impl FnMut(&str) -> Value) {
    for question in std::io::stdin().lines().map_while(Result::ok) {
        hello(&work(&question));
    }
}

/// Leaves the other cores to others.
pub fn pin_to_first_core() {
    let mut cores = CpuSet::new();
    cores.set(0).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
}

/// How many files this process may open, raised as far as it goes.
pub fn open_files() -> u64 {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    most
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

/// `proc_pid_stat(5)`; the fields behind the name, which may hold anything.
fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    // A tick is 10 ms wherever Linux shows it to programs.
    Some(Stat { parent: fields[1].parse().ok()?, cpu: Duration::from_millis(ticks * 10) })
}

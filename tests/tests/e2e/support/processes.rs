//! Finding processes in `/proc`, and signalling them.

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;

/// A process that is not merely waiting to be reaped.
struct Seen {
    pid: u32,
    program: String,
    /// Command line and environment.
    words: String,
}

/// The cluster's processes: those of our programs and the engine's, and those in its containers.
pub(crate) fn of(folder: &Path) -> Vec<String> {
    let ours = |seen: &Seen| {
        let engine = seen.program.contains("/k3s-daas/engine/");
        // Containers have busybox and a kubectl; what else the machine runs of these is there before and after.
        let contained = seen.program.ends_with("/busybox");
        engine || contained || mentions(seen, folder)
    };
    all().filter(ours).map(|seen| format!("{} {}", seen.pid, seen.program)).collect()
}

/// The process of this program that belongs to a state folder.
pub(crate) fn find(program: &str, state: &Path) -> Option<u32> {
    find_doing(program, "", state)
}

/// The same, of a program with several parts: this word is in its command line.
pub(crate) fn find_doing(program: &str, word: &str, state: &Path) -> Option<u32> {
    let wanted = |seen: &Seen| {
        let name = seen.program.rsplit('/').next();
        let says = word.is_empty() || seen.words.split('\0').any(|part| part == word);
        name == Some(program) && says && mentions(seen, state)
    };
    all().find(wanted).map(|seen| seen.pid)
}

/// Programs that have this in their command line or environment.
pub(crate) fn saying(text: &str) -> Vec<String> {
    all().filter(|seen| seen.words.contains(text)).map(|seen| seen.program).collect()
}

/// The processes whose programs lie in a folder, and all that they started: those of containers have programs elsewhere.
pub(crate) fn below(folder: &Path) -> Vec<u32> {
    let seen: Vec<_> = all().collect();
    let of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    // After the name, which may hold anything: state, parent.
    let parent = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let parents: Vec<_> = seen.iter().map(|seen| (seen.pid, of(seen.pid).and_then(parent))).collect();
    let mut found: Vec<_> =
        seen.iter().filter(|seen| Path::new(&seen.program).starts_with(folder)).map(|seen| seen.pid).collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        let started = parents.iter().filter(|(child, parent)| *parent == Some(pid) && !found.contains(child));
        let started: Vec<_> = started.map(|(child, _)| *child).collect();
        found.extend(started);
        next += 1;
    }
    found
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(pid)?), signal).with_context(|| format!("{signal} to {pid}"))
}

/// Sends a signal to a group, as a terminal does.
pub(crate) fn signal_group(pid: u32, signal: Signal) -> Result<()> {
    killpg(Pid::from_raw(i32::try_from(pid)?), signal).with_context(|| format!("{signal} to group {pid}"))
}

fn all() -> impl Iterator<Item = Seen> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let program = fs::read_link(entry.path().join("exe")).ok()?.to_string_lossy().into_owned();
        let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
        let words = [read("cmdline"), read("environ")].concat();
        (pid != own).then(|| Seen { pid, program, words: String::from_utf8_lossy(&words).into_owned() })
    })
}

fn mentions(seen: &Seen, folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    seen.program.starts_with(folder.as_ref()) || seen.words.contains(folder.as_ref())
}

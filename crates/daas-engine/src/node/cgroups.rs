//! The cgroups below which all of a node's pods run: made before the kubelet starts, emptied and removed after.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::{Layout, NodeError};
use crate::files::FileError;
use crate::process::{kill_and_wait, start_time};

const POLL: Duration = Duration::from_millis(50);
const REMOVE_LIMIT: Duration = Duration::from_secs(10);
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"];

/// Makes the parent cgroup in every hierarchy, as the kubelet expects to find it.
pub(crate) fn create(layout: &Layout) -> Result<(), FileError> {
    for mount in mounts() {
        for controller in CONTROLLERS {
            // In the unified hierarchy a child has only what its parent passes on; elsewhere there is no such
            // file, and a controller the kernel lacks is not an error of ours.
            let _ = fs::write(mount.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let folder = mount.join(layout.cgroup_root());
        match fs::create_dir(&folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(FileError::of("make the cgroup", &folder)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Stops every process of every pod: SIGTERM, `grace`, SIGKILL.
pub(crate) async fn stop_all(layout: &Layout, grace: Duration) -> Result<(), NodeError> {
    for (pid, _) in processes(layout) {
        // Gone in the meantime is what we want.
        let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a process id must fit")), Signal::SIGTERM);
    }
    let deadline = Instant::now() + grace;
    while !processes(layout).is_empty() && Instant::now() < deadline {
        sleep(POLL).await;
    }
    // One that is killed may have been starting another: look again until there is none.
    loop {
        let left = processes(layout);
        if left.is_empty() {
            return Ok(());
        }
        for (pid, started) in left {
            kill_and_wait(pid, started, "container").await?;
        }
    }
}

/// Removes the cgroups; they must be empty. Answers those that stay.
pub(crate) async fn remove(layout: &Layout) -> Vec<String> {
    let deadline = Instant::now() + REMOVE_LIMIT;
    loop {
        let left: Vec<PathBuf> =
            roots(layout).into_iter().filter(|root| remove_tree(root).is_err() && root.exists()).collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left.iter().map(|p| format!("cgroup {}", p.display())).collect();
        }
        // The kernel empties a cgroup a moment after its last process was reaped.
        sleep(POLL).await;
    }
}

fn processes(layout: &Layout) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    for root in roots(layout) {
        collect(&root, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().filter_map(|pid| Some((pid, start_time(pid)?))).collect()
}

fn collect(folder: &Path, found: &mut Vec<u32>) {
    let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // 0 stands for a process of a foreign pid namespace, which is none of ours.
    found.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    for child in children(folder) {
        collect(&child, found);
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    for child in children(folder) {
        remove_tree(&child)?;
    }
    fs::remove_dir(folder)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

fn roots(layout: &Layout) -> Vec<PathBuf> {
    mounts().into_iter().map(|m| m.join(layout.cgroup_root())).filter(|root| root.is_dir()).collect()
}

fn mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut folders: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (folder, kind) = (fields.next()?, fields.next()?);
            let ours = matches!(kind, "cgroup" | "cgroup2") && folder.starts_with("/sys/fs/cgroup");
            ours.then(|| PathBuf::from(folder))
        })
        .collect();
    folders.dedup();
    folders
}

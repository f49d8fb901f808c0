//! Everything a cluster could leave on a machine outside its state folder.

use super::{eventually, processes};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The kernel takes down namespaces and cgroups some time after their last process.
const SETTLED: Duration = Duration::from_secs(10);

/// Folders whose entries are compared: where components put things at fixed places.
const FOLDERS: [&str; 12] = [
    "/run",
    "/run/containerd",
    "/run/netns",
    "/var/lib",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/cni/results",
    "/etc/cni",
    "/var/log",
    "/var/log/containers",
    "/var/log/pods",
    "/opt",
];

/// One look.
#[derive(Clone, Debug)]
pub(crate) struct Machine(BTreeSet<String>);

// === impl Machine ===

impl Machine {
    /// The machine now. A process that mentions `folder` is ours.
    pub(crate) fn look(folder: &Path) -> Self {
        let mut found = BTreeSet::new();
        let mut add = |kind: &str, items: Vec<String>| found.extend(items.into_iter().map(|i| format!("{kind} {i}")));
        add("process", processes::of(folder));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        add("mount", mounts.lines().filter_map(|l| l.split(' ').nth(1)).map(str::to_owned).collect());
        add("link", names(Path::new("/sys/class/net")));
        add("table", lines("nft", &["list", "tables"]));
        add("route", lines("ip", &["-4", "route", "show"]));
        add("route", lines("ip", &["-6", "route", "show"]));
        add("netns", lines("lsns", &["-t", "net", "-n", "-o", "NS"]));
        add("cgroup", cgroups());
        for folder in FOLDERS {
            add(folder, names(Path::new(folder)));
        }
        Self(found)
    }

    /// Fails unless everything that is there now was there in `self`.
    pub(crate) async fn is_as_before(&self, folder: &Path) -> Result<()> {
        eventually(SETTLED, async || {
            let now = Self::look(folder);
            let left: Vec<_> = now.0.difference(&self.0).map(String::as_str).collect();
            ensure!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
            Ok(())
        })
        .await
    }

    /// Whether something of this kind that begins like this is there: a look that sees nothing proves nothing.
    pub(crate) fn has(&self, start: &str) -> bool {
        self.0.iter().any(|thing| thing.starts_with(start))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

fn lines(program: &str, args: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    String::from_utf8_lossy(&output.stdout).lines().map(|l| l.trim().to_owned()).collect()
}

fn cgroups() -> Vec<String> {
    let (mut found, own) = (Vec::new(), own_cgroups());
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !own.iter().any(|own| is_beside(&path, own)) {
                found.push(path.display().to_string());
                folders.push(path);
            }
        }
    }
    found
}

/// The cgroups that this test runs in, where they have a parent of their own.
fn own_cgroups() -> Vec<PathBuf> {
    let all = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let folder = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let folder = Path::new("/sys/fs/cgroup").join(controllers).join(path.strip_prefix('/')?);
        path[1..].contains('/').then_some(folder)
    };
    all.lines().filter_map(folder).collect()
}

/// Other sessions' cgroups come and go beside this test's own; a cluster makes none there.
fn is_beside(path: &Path, own: &Path) -> bool {
    path != own && path.parent() == own.parent()
}

//! What a cluster leaves on a machine outside its state folder: processes, mounts, namespaces, bridges, tables, cgroups.

use super::person::run;
use std::collections::BTreeSet;
use std::path::Path;
use tokio::process::Command;

/// One look at the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    things: BTreeSet<String>,
}

// === impl Footprint ===

impl Footprint {
    pub(crate) async fn take(state: &Path) -> Self {
        let mut things = BTreeSet::new();
        processes(state, &mut things);
        lines("/proc/self/mounts", "mount", &mut things, |line| line.split(' ').nth(1).map(str::to_owned));
        for (what, program, args) in [
            ("netns", "ip", vec!["netns", "list"]),
            ("link", "ip", vec!["-br", "link"]),
            ("table", "nft", vec!["list", "tables"]),
            ("route", "ip", vec!["route"]),
        ] {
            let mut command = Command::new(program);
            command.args(args);
            if let Ok(ran) = run(command).await {
                let first = |line: &str| {
                    line.split_whitespace().take(if what == "link" { 1 } else { 9 }).collect::<Vec<_>>().join(" ")
                };
                things.extend(ran.stdout.lines().map(|line| format!("{what} {}", first(line))));
            }
        }
        cgroups(&mut things);
        Self { things }
    }

    /// What is here now that was not there before.
    pub(crate) fn new_since(&self, before: &Self) -> Vec<String> {
        self.things.difference(&before.things).cloned().collect()
    }
}

/// Programs of ours, and whatever mentions the state folder.
fn processes(state: &Path, things: &mut BTreeSet<String>) {
    const OURS: [&str; 8] = [
        "kube-",
        "kubelet",
        "kine",
        "containerd",
        "k3s-daas-master",
        "k3s-daas-worker",
        "k3s-daas-devnet",
        "supervise",
    ];
    let state = state.to_string_lossy();
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        let program = line.split(' ').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        // Whoever called this command names the state folder too.
        let caller = [" demo", " bench"].iter().any(|command| line.contains(command));
        if !caller && (line.contains(state.as_ref()) || OURS.iter().any(|name| program.starts_with(name))) {
            things.insert(format!("process {pid} {}", line.chars().take(120).collect::<String>()));
        }
    }
}

fn lines(path: &str, what: &str, things: &mut BTreeSet<String>, pick: impl Fn(&str) -> Option<String>) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    things.extend(text.lines().filter_map(pick).map(|thing| format!("{what} {thing}")));
}

fn cgroups(things: &mut BTreeSet<String>) {
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                things.insert(format!("cgroup {}", entry.path().display()));
                folders.push(entry.path());
            }
        }
    }
}

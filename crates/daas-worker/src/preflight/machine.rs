use super::Finding;
use crate::config::WorkerConfig;
use crate::host;
use crate::state::Phase;
use crate::store::Store;
use crate::usage::disk_of;
use daas_client::ClusterInfo;
use daas_engine::HeldFolder;
use daas_engine::lock::is_held;
use daas_types::join::Joining;
use daas_types::worker::LOCK_FILE;
use daas_types::{ErrorCode, Problem};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// The list of what is mounted.
pub const MOUNTS: &str = "/proc/mounts";
/// Free space that a node begins with, in bytes.
pub const DISK: u64 = 4_000_000_000;
/// What the kubelet does not start without, and what its pods are limited by.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// Ports that programs of the node take.
const PORTS: [(u16, &str); 3] = [(10250, "the kubelet"), (10248, "the kubelet"), (10256, "kube-proxy")];

/// And one that is K3s' agent, on loopback, for its way to the gateway and for its containers.
const AGENT_PORTS: [(u16, &str); 2] = [(6444, "K3s' agent"), (10010, "containerd")];

/// What a node needs of this machine.
pub fn machine(config: &WorkerConfig) -> Vec<Finding> {
    // What is wrong with the file is said of the cluster.
    let joining = ClusterInfo::load(&config.cluster).map(|cluster| cluster.join.engine).unwrap_or_default();
    let mut findings = vec![
        Finding {
            what: "root and programs",
            found: host::check_programs(config, joining).map(|()| "there".to_owned()),
        },
        Finding { what: "cgroups", found: cgroups(Path::new(MOUNTS)) },
    ];
    for folder in BTreeSet::from([config.state_dir.clone(), config.data_dir(joining)]) {
        findings.push(Finding { what: "disk", found: disk(&folder, DISK) });
    }
    if !is_held(&config.file(LOCK_FILE)) {
        findings.push(Finding { what: "data folder", found: free(&config.data_dir(joining)) });
    }
    // The node of a worker that runs here, or was killed, has them by right.
    if !is_held(&config.file(LOCK_FILE)) && !left_node(&config.state_dir) {
        let ports = PORTS.iter().chain(match joining {
            Joining::Kubernetes => &[][..],
            Joining::K3s => &AGENT_PORTS,
        });
        findings.extend(ports.map(|&(number, whose)| Finding { what: "port", found: port(number, whose) }));
    }
    findings
}

/// Whether the kernel has the controllers, by the list of what is mounted.
pub fn cgroups(mounts: &Path) -> Result<String, Problem> {
    let unknown = |e| Problem::new(ErrorCode::CgroupMissing, format!("{}: {e}", mounts.display()));
    let text = std::fs::read_to_string(mounts).map_err(unknown)?;
    let there: BTreeSet<String> = text.lines().flat_map(controllers).collect();
    let missing: Vec<_> = CONTROLLERS.into_iter().filter(|name| !there.contains(*name)).collect();
    if missing.is_empty() {
        return Ok(CONTROLLERS.join(", "));
    }
    let names = missing.join(", ");
    Err(Problem::new(ErrorCode::CgroupMissing, format!("of {} there is no {names}", CONTROLLERS.join(", "))))
}

/// The controllers of one mounted hierarchy: of version 1 its options, of version 2 what it says.
fn controllers(mount: &str) -> Vec<String> {
    let mut fields = mount.split(' ').skip(1);
    let (Some(at), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
        return Vec::new();
    };
    let owned = |words: &mut dyn Iterator<Item = &str>| words.map(str::to_owned).collect();
    match kind {
        "cgroup" => owned(&mut options.split(',')),
        "cgroup2" => {
            let listed = std::fs::read_to_string(Path::new(at).join("cgroup.controllers")).unwrap_or_default();
            owned(&mut listed.split_whitespace())
        }
        _ => Vec::new(),
    }
}

/// Whether the disk that the folder is on, or will be on, has this much free.
pub fn disk(folder: &Path, needed: u64) -> Result<String, Problem> {
    let absolute = std::path::absolute(folder).map_err(Problem::of(ErrorCode::StateUnreadable))?;
    let there = absolute.ancestors().find_map(|above| above.canonicalize().ok()).unwrap_or_else(|| PathBuf::from("/"));
    let place = folder.display();
    let Some((_, free)) = disk_of(&there) else {
        return Ok(format!("{place}: not known how much is free"));
    };
    if free >= needed {
        return Ok(format!("{place}: {} free", gigabytes(free)));
    }
    let cause = format!("{place}: {} free, a node begins with {}", gigabytes(free), gigabytes(needed));
    Err(Problem::new(ErrorCode::DiskFull, cause))
}

/// Whether no other worker runs a node from this data folder.
fn free(data_dir: &Path) -> Result<String, Problem> {
    match HeldFolder::holder(data_dir) {
        None => Ok(format!("{} is no other worker's", data_dir.display())),
        Some(who) => {
            let cause = format!("{} is the data folder of {who}", data_dir.display());
            Err(Problem::new(ErrorCode::DataFolderTaken, cause))
        }
    }
}

fn gigabytes(bytes: u64) -> String {
    let tenths = bytes.div_euclid(100_000_000);
    format!("{}.{} GB", tenths.div_euclid(10), tenths.rem_euclid(10))
}

fn port(number: u16, whose: &str) -> Result<String, Problem> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)) {
        Ok(_) => Ok(format!("{number} is free for {whose}")),
        Err(error) => Err(Problem::new(ErrorCode::PortBusy, format!("{number}, which {whose} takes: {error}"))),
    }
}

/// Whether a worker had a node when it was killed: it may run still, and the next worker takes it down.
fn left_node(state_dir: &Path) -> bool {
    Store::read(state_dir).is_ok_and(|journal| match journal.state.phase {
        // A node that runs outlives the loss of its Seal.
        Phase::Unproven => journal.state.position.is_some(),
        Phase::Unbonding | Phase::Withdrawn | Phase::Gone => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Journal;

    fn mounts(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mounts");
        std::fs::write(&path, text.replace("ROOT", &dir.path().display().to_string())).unwrap();
        std::fs::write(dir.path().join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        (dir, path)
    }

    #[test]
    fn controllers_of_both_versions_count() {
        let two = mounts("proc /proc proc rw 0 0\ncgroup2 ROOT cgroup2 rw,relatime 0 0\n");
        assert_eq!(cgroups(&two.1).unwrap(), "cpu, cpuset, memory, pids");
        let one = "cgroup /c cgroup rw,cpu,cpuacct 0 0\ncgroup /s cgroup rw,cpuset 0 0\ncgroup /p cgroup rw,pids 0 0\n";
        let without = mounts(one);
        let refused = cgroups(&without.1).unwrap_err();
        assert_eq!(refused.code, ErrorCode::CgroupMissing);
        assert!(refused.cause.ends_with("there is no memory"), "{refused}");
        assert!(cgroups(&mounts(&format!("{one}cgroup /m cgroup rw,memory 0 0\n")).1).is_ok());
        assert_eq!(cgroups(Path::new("/nowhere")).unwrap_err().code, ErrorCode::CgroupMissing);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_will_be_on_the_disk_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        assert!(disk(&folder, 0).is_ok());
        assert!(!folder.exists());
        assert_eq!(gigabytes(3_950_000_000), "3.9 GB");
    }

    #[test]
    fn a_port_that_something_has_is_not_free() {
        let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let number = held.local_addr().unwrap().port();
        assert_eq!(port(number, "the kubelet").unwrap_err().code, ErrorCode::PortBusy);
        drop(held);
        assert!(port(number, "the kubelet").is_ok());
    }

    #[test]
    fn a_worker_that_runs_holds_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("worker.lock");
        assert!(!is_held(&lock));
        let store = Store::open(dir.path()).unwrap();
        assert!(is_held(&lock));
        drop(store);
        assert!(!is_held(&lock));
    }

    #[test]
    fn a_worker_that_was_killed_may_have_left_its_node() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!left_node(dir.path()), "none was ever here");
        for (phase, left) in
            [(Phase::Unproven, false), (Phase::Joined, true), (Phase::Draining, true), (Phase::Gone, false)]
        {
            let mut journal = Journal::default();
            journal.state.phase = phase;
            Store::open(dir.path()).unwrap().save(&journal).unwrap();
            assert_eq!(left_node(dir.path()), left, "{phase}");
        }
    }
}

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Everything on a machine that a node or a control plane could leave behind.
#[derive(Debug)]
pub(crate) struct Machine(BTreeSet<String>);

impl Machine {
    pub(crate) fn now() -> Self {
        let mut found = BTreeSet::new();
        let mut add = |kind: &str, items: Vec<String>| {
            found.extend(items.into_iter().map(|item| format!("{kind} {item}")));
        };
        add("process", processes());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        add("mount", mounts.lines().filter_map(|l| l.split(' ').nth(1)).map(str::to_owned).collect());
        add("interface", names("/sys/class/net"));
        add("table", lines("nft", &["list", "tables"]));
        add("route", lines("ip", &["-4", "route", "show"]));
        add("netns", [names("/run/netns"), names("/var/run/netns")].concat());
        for hierarchy in names("/sys/fs/cgroup") {
            add(
                "cgroup",
                names(&format!("/sys/fs/cgroup/{hierarchy}")).into_iter().filter(|n| !n.contains('.')).collect(),
            );
        }
        for folder in ["/run", "/var/lib", "/var/lib/kubelet", "/var/lib/cni", "/var/log", "/etc", "/opt"] {
            add(folder, names(folder));
        }
        Self(found)
    }

    pub(crate) fn assert_same(&self, after: &Self) {
        let left: Vec<_> = after.0.difference(&self.0).collect();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

fn lines(program: &str, args: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|l| l.trim().to_owned()).collect()
}

/// Those whose program is one of the engine's, and whatever runs inside a container (busybox).
fn processes() -> Vec<String> {
    let ids = names("/proc").into_iter().filter(|n| n.parse::<u32>().is_ok());
    ids.filter_map(|pid| {
        let program = fs::read_link(Path::new("/proc").join(&pid).join("exe")).ok()?;
        let name = program.to_string_lossy().into_owned();
        (name.contains("/k3s-daas/engine/") || name.ends_with("busybox")).then(|| format!("{pid} {name}"))
    })
    .collect()
}

//! Whether another kubelet runs on this machine: by name, or inside K3s.

use std::fs;

use crate::process;

/// What `/proc` tells of a process: its name, and its command line with a NUL after each argument.
fn is_kubelet(comm: &str, cmdline: &str) -> bool {
    // K3s puts one text over all its arguments, so that nobody reads them: `/usr/local/bin/k3s agent`.
    let mut words = cmdline.split(['\0', ' ']).filter(|word| !word.is_empty());
    let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let role = match (comm.trim(), program) {
        ("kubelet", _) => return true,
        // Its own links to itself, by which it runs once it has unpacked itself.
        ("k3s-server" | "k3s-agent", _) => comm.trim().trim_start_matches("k3s-"),
        (_, "k3s") => words.next().unwrap_or_default(),
        (_, "k3s-server" | "k3s-agent") => program.trim_start_matches("k3s-"),
        _ => return false,
    };
    // A server has one too, unless it says otherwise; whether it did, it hides as well.
    role == "agent" || role == "server" && !words.any(|word| matches!(word, "--disable-agent" | "--disable-agent=true"))
}

/// Whether there is one. Ours has ended when this is asked.
pub(super) fn another_runs() -> bool {
    // One that only waits to be reaped still has its name.
    let runs = |entry: &fs::DirEntry| {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let read = |name| fs::read(entry.path().join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        pid.and_then(process::start_time).is_some()
            && read("comm").is_ok_and(|comm| is_kubelet(&comm, &read("cmdline").unwrap_or_default()))
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| runs(&entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_inside_k3s_is_known_too() {
        let kubelets = [
            ("kubelet\n", "/usr/bin/kubelet\0--config=/etc/kubelet.conf\0"),
            ("kubelet\n", ""),
            // As K3s shows itself, with what was in its arguments overwritten.
            ("k3s-agent\n", "/usr/local/bin/k3s agent\0\0\0\0"),
            ("k3s-server\n", "/usr/local/bin/k3s server\0\0\0\0"),
            // By another name of its file's, and where nothing more can be read.
            ("k3s-server\n", "/opt/rancher server\0\0"),
            ("k3s-agent\n", ""),
            // In the moments before, and while it unpacks itself.
            ("k3s-server\n", "/usr/local/bin/k3s\0server\0--token-file\0/t\0"),
            ("k3s\n", "k3s\0agent\0--server\0https://192.0.2.1:6443\0"),
            ("k3s\n", "/opt/k3s/bin/k3s-agent\0--server\0https://192.0.2.1:6443\0"),
        ];
        for (comm, cmdline) in kubelets {
            assert!(is_kubelet(comm, cmdline), "{comm:?} {cmdline:?}");
        }
        let others = [
            ("bash\n", "/bin/bash\0-c\0k3s agent\0"),
            ("k3s\n", "/usr/local/bin/k3s\0kubectl\0get\0nodes\0"),
            ("k3s-server\n", "/usr/local/bin/k3s\0server\0--disable-agent\0"),
            ("k3s-daas\n", "/usr/local/bin/k3s-daas\0status\0"),
            ("k3s-daas-worker\n", "/usr/local/bin/k3s-daas-worker\0run\0"),
            ("containerd\n", "containerd\0-c\0/var/lib/k3s/k3s/agent/etc/containerd/config.toml\0"),
            ("kube-proxy\n", "kube-proxy\0"),
            ("kthreadd\n", ""),
        ];
        for (comm, cmdline) in others {
            assert!(!is_kubelet(comm, cmdline), "{comm:?} {cmdline:?}");
        }
    }
}

//! What K3s' agent leaves at places of its own choosing. They are fixed, so there is one K3s on a machine; what others have
//! beside it is remembered before it starts.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Lent;
use crate::command::{self, SYSTEM_PATH};
use crate::files::FileError;
use crate::links;
use crate::node::cleanup::{remove_cni_results, remove_tree, unmount_where};
use crate::node::{Layout, NodeError};
use crate::settings::ContainerRuntime;

const RUN: &str = "/run/k3s";
/// There once its container runtime has run.
const RUNTIME: &str = "/run/k3s/containerd";
const SOCKET: &str = "/run/k3s/containerd/containerd.sock";
/// The same where it runs its pods in Docker.
const DOCKER_RUNTIME: &str = "/run/k3s/cri-dockerd";
const DOCKER_SOCKET: &str = "/run/k3s/cri-dockerd/cri-dockerd.sock";
const NAMESPACES: &str = "/run/netns";
/// The links of pods' networks, by K3s' own list of them.
const ITS_LINKS: [&str; 6] = ["cni0", "flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6", "kube-ipvs0"];
/// The name of the pods' network in K3s' CNI configuration.
const NETWORK: &str = "cbr0";
/// Where it writes that network's down, in its own folder: what runs its pods is to read it there.
const NETWORK_FILE: &str = "agent/etc/cni/net.d/10-flannel.conflist";
/// How the names of its chains begin.
const ITS_CHAINS: [&str; 2] = ["KUBE-", "FLANNEL"];
/// And of those that CNI's plugins make for its pods.
const ITS_CHAINS_AND_PODS: [&str; 3] = ["KUBE-", "FLANNEL", "CNI-"];
/// Another one after each start of the machine, by the kernel.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What was there before it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traces {
    links: Vec<String>,
    namespaces: Vec<String>,
    /// Whether its pods are in Docker, where none were before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    docker: bool,
    /// The socket of the containerd that they are in, if that is another's; none were there before it, either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
    /// Which start of the machine it was. Older records do not say, and none of those has a socket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    boot: String,
}

// === impl Traces ===

impl Traces {
    /// Two of them would have the same containers.
    pub(crate) fn refuse_another() -> Result<(), NodeError> {
        match [SOCKET, DOCKER_SOCKET].map(Path::new).into_iter().find(|socket| answers(socket)) {
            Some(socket) => Err(NodeError::Occupied { place: socket.to_owned() }),
            None => Ok(()),
        }
    }

    /// The same where none of ours has left anything: pods go on when their K3s has been stopped, and have mounts there.
    pub(crate) fn refuse_others_pods() -> Result<(), NodeError> {
        Self::refuse_another()?;
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        match below_run(&mounts) {
            Some(place) => Err(NodeError::Occupied { place }),
            None => Ok(()),
        }
    }

    /// Looks at what is there.
    pub(crate) async fn look(runtime: &ContainerRuntime) -> Result<Self, NodeError> {
        let (docker, socket) = match runtime {
            ContainerRuntime::Own => (false, None),
            ContainerRuntime::Docker => (true, None),
            ContainerRuntime::Socket(socket) => (false, Some(socket.clone())),
        };
        Ok(Self { links: links::names().await?, namespaces: names(NAMESPACES), docker, socket, boot: boot() })
    }

    /// What runs its pods.
    pub(crate) fn runtime(&self) -> ContainerRuntime {
        match &self.socket {
            Some(socket) => ContainerRuntime::Socket(socket.clone()),
            None if self.docker => ContainerRuntime::Docker,
            None => ContainerRuntime::Own,
        }
    }

    /// Removes them from where they are, if that is not the node's own.
    pub(crate) async fn remove_pods(&self) -> Result<(), NodeError> {
        match Lent::of(&self.runtime()) {
            Some(lent) => Ok(lent.remove_pods().await?),
            None => Ok(()),
        }
    }

    /// Detaches what containers had mounted, their network namespaces too. Answers what stays.
    pub(crate) fn unmount(&self, layout: &Layout) -> Vec<String> {
        if !self.has_run(layout) {
            return Vec::new();
        }
        unmount_where(|place| place.starts_with(RUN) || self.is_its_namespace(place))
    }

    /// Removes the pods' network: namespaces, links, rules.
    pub(crate) async fn remove_network(&self, layout: &Layout) -> Result<(), NodeError> {
        if !self.has_run(layout) {
            return Ok(());
        }
        for namespace in names(NAMESPACES).iter().map(|name| Path::new(NAMESPACES).join(name)) {
            if self.is_its_namespace(&namespace) {
                remove_tree(&namespace)?;
            }
        }
        links::delete(|name| ITS_LINKS.contains(&name) && !self.links.iter().any(|known| known == name)).await?;
        for family in ["iptables", "ip6tables"] {
            remove_rules(layout, family, self.chains()).await?;
        }
        Ok(())
    }

    /// Removes its files outside its folder; `/etc/rancher/node/password` stays, by which K3s knows this machine again.
    pub(crate) fn remove_files(&self, layout: &Layout) -> Result<(), FileError> {
        if !self.has_run(layout) {
            return Ok(());
        }
        remove_cni_results(NETWORK);
        for folder in [&format!("/var/lib/cni/networks/{NETWORK}"), "/run/flannel"] {
            remove_tree(Path::new(folder))?;
        }
        // Refused while it holds anything, which then is another's.
        let _ = fs::remove_dir("/var/lib/cni/networks");
        // Last: without it nothing of all this is looked for.
        remove_tree(Path::new(RUN))
    }

    /// Makes it known when it runs containers, whose former ones are gone. While there are any, what runs them needs the file to
    /// remove them.
    pub(crate) fn forget_network(layout: &Layout) -> Result<(), FileError> {
        remove_tree(&network_file(layout))
    }

    /// Whether it may have run containers since the machine was started. Of those in another's containerd nothing lies at its own places,
    /// but their network's file, unless its folder was thrown away; what it makes anew by itself there says nothing.
    fn has_run(&self, layout: &Layout) -> bool {
        let there = [RUNTIME, DOCKER_RUNTIME].iter().any(|folder| Path::new(folder).exists());
        let lent = self.socket.is_some() && self.boot == boot();
        there || lent && (network_file(layout).exists() || !super::config_file(layout).exists())
    }

    /// Whose chains go. In a given containerd pods take their own with them, and others may have some by the plugins that made those.
    fn chains(&self) -> &'static [&'static str] {
        if self.socket.is_some() { &ITS_CHAINS } else { &ITS_CHAINS_AND_PODS }
    }

    fn is_its_namespace(&self, path: &Path) -> bool {
        let name = path.strip_prefix(NAMESPACES).ok().and_then(Path::to_str);
        name.is_some_and(|name| name.starts_with("cni-") && !self.namespaces.iter().any(|known| known == name))
    }
}

fn network_file(layout: &Layout) -> PathBuf {
    super::data(layout).join(NETWORK_FILE)
}

fn boot() -> String {
    fs::read_to_string(BOOT).unwrap_or_default().trim().to_owned()
}

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// A mount in K3s' own folder, of those told of.
fn below_run(mounts: &str) -> Option<PathBuf> {
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.find(|place| place.starts_with(RUN))
}

fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Takes its rules out of one family's. The program is the system's, else the one that K3s has brought along.
async fn remove_rules(layout: &Layout, family: &str, chains: &[&str]) -> Result<(), NodeError> {
    let Some(save) = program(layout, &format!("{family}-save")) else { return Ok(()) };
    let Some(restore) = program(layout, &format!("{family}-restore")) else { return Ok(()) };
    let rules = command::run(save, &[""; 0]).await?;
    let Some(others) = without_its_rules(&rules, chains) else { return Ok(()) };
    command::run_with_input(restore, &[""; 0], &others).await?;
    Ok(())
}

fn program(layout: &Layout, name: &str) -> Option<PathBuf> {
    let own = super::data(layout).join("data/current/bin/aux");
    let folders = SYSTEM_PATH.split(':').map(PathBuf::from).chain([own]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The rules of others, as they were saved; `None` if there are no other rules than those.
fn without_its_rules(saved: &str, chains: &[&str]) -> Option<String> {
    // A chain itself, a rule in it, or a rule that leads there; names elsewhere, of links or in comments, are anybody's.
    let is_chain = |word: &str| chains.iter().any(|name| word.starts_with(name));
    let is_its = |line: &&str| {
        let words: Vec<_> = line.split(' ').collect();
        let led = words.windows(2).any(|pair| matches!(pair[0], "-A" | "-j" | "-g") && is_chain(pair[1]));
        led || line.strip_prefix(':').is_some_and(is_chain)
    };
    if !saved.lines().any(|line| is_its(&line)) {
        return None;
    }
    Some(saved.lines().filter(|line| !is_its(line)).flat_map(|line| [line, "\n"]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_others_stay() {
        let others = "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n-A INPUT -s 10.0.0.1/32 -j DROP\n\
                      -A INPUT -i cni-podman0 -j DROP\n-A INPUT -m comment --comment KUBE-API -j ACCEPT\nCOMMIT\n";
        assert_eq!(without_its_rules(others, &ITS_CHAINS_AND_PODS), None, "there is nothing to do");
        let all = others.replace(
            "COMMIT\n",
            ":KUBE-SERVICES - [0:0]\n:FLANNEL-FWD - [0:0]\n-A INPUT -j KUBE-FIREWALL\n\
             -A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n-A CNI-HOSTPORT-DNAT -j RETURN\nCOMMIT\n",
        );
        assert_eq!(without_its_rules(&all, &ITS_CHAINS_AND_PODS).as_deref(), Some(others));
        let published = others.replace("COMMIT\n", "-A CNI-HOSTPORT-DNAT -j RETURN\nCOMMIT\n");
        assert_eq!(without_its_rules(&all, &ITS_CHAINS), Some(published), "others' of a given containerd");
    }

    #[test]
    fn what_is_of_a_former_start_of_the_machine_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::existing(folder.path()).unwrap();
        let traces = |socket: bool, boot: String| Traces {
            links: vec![],
            namespaces: vec![],
            docker: false,
            socket: socket.then(|| "/c.sock".into()),
            boot,
        };
        assert!(traces(true, boot()).has_run(&layout), "all of its folder was thrown away");
        assert!(!traces(true, "another".to_owned()).has_run(&layout));
        fs::create_dir_all(network_file(&layout).parent().unwrap()).unwrap();
        assert!(traces(true, boot()).has_run(&layout), "what was thrown away is made again in part");
        fs::write(super::super::config_file(&layout), "").unwrap();
        assert!(!traces(true, boot()).has_run(&layout), "it never came to its network");
        fs::write(network_file(&layout), "{}").unwrap();
        assert!(traces(true, boot()).has_run(&layout));
        assert!(!traces(true, "another".to_owned()).has_run(&layout));
    }

    #[test]
    fn another_k3s_is_known_by_its_socket_and_its_pods_by_their_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("containerd.sock");
        assert!(!answers(&socket));
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(answers(&socket));
        drop(listener);
        assert!(!answers(&socket), "left behind by one that has ended");
        let mounts = "proc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\ntmpfs /run/k3sx tmpfs rw 0 0\n";
        assert_eq!(below_run(mounts), None);
        let rootfs = "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/0b/rootfs";
        let mounts = format!("{mounts}overlay {rootfs} overlay rw 0 0\n");
        assert_eq!(below_run(&mounts), Some(PathBuf::from(rootfs)));
    }

    #[test]
    fn namespaces_of_others_stay() {
        let traces = Traces {
            links: vec![],
            namespaces: vec!["cni-another".to_owned()],
            docker: false,
            socket: None,
            boot: String::new(),
        };
        let is_its = |path: &str| traces.is_its_namespace(Path::new(path));
        assert!(is_its("/run/netns/cni-0b2c"));
        for other in ["/run/netns/cni-another", "/run/netns/vpn", "/run/netns", "/home/cni-0b2c"] {
            assert!(!is_its(other), "{other}");
        }
    }
}

//! Taking a node down from what its state folder says, whether it was stopped in order or killed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::{HeldFolder, Layout, NodeError, cgroups, kubelets};
use crate::command;
use crate::engine::Engine;
use crate::files::{self, FileError};
use crate::k3s::Traces;
use crate::links;
use crate::process;
use crate::routes;
use crate::settings::ContainerRuntime;

/// A record's file.
const RECORD: &str = "node.json";
const PROCESS_GRACE: Duration = Duration::from_secs(5);
/// Tables that kube-proxy and the CNI plugins make, under names of their own choosing.
const FOREIGN_TABLES: [&str; 4] = ["ip kube-proxy", "ip6 kube-proxy", "ip cni_hostport", "ip6 cni_hostport"];
/// Folders that components make at fixed places; removed when nobody else has anything in them.
const FIXED_FOLDERS: [&str; 10] = [
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/run/containerd/s",
    "/run/containerd",
    "/etc/cni",
    // libmount's, which kubelet's mount(8) makes; whoever needs it makes it again.
    "/run/mount",
];

/// What must be known of the time before the node ran. It lies in two places: the one outlives a start of the machine, the other
/// the removal of everything in the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The network namespace it ran in, by inode: another's bridges and tables are not to be touched.
    network: u64,
    /// The nft tables that were there already.
    tables: Vec<String>,
    /// Which worker's node it is. Older records do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What there was beside, if the node is K3s', which leaves other things than the components do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k3s: Option<Traces>,
}

/// Stops and removes everything a node left: processes, mounts, namespaces, bridge, nft tables, cgroups and
/// files outside its folder. Does nothing if there is nothing, and can be repeated.
pub(crate) async fn cleanup(state_dir: &Path) -> Result<(), NodeError> {
    if !state_dir.is_dir() {
        return Ok(());
    }
    let layout = Layout::new(state_dir)?;
    process::reap_recorded(&layout.run(), PROCESS_GRACE).await?;
    HeldFolder::forget_left(&layout);
    let record = Record::read(&layout)?;
    if let Some(record) = &record {
        // Processes are known by this folder's name, even if somebody has removed it.
        files::make_folder(&layout.run())?;
        record.retire(&layout)?;
        cgroups::stop_all(&layout, Duration::ZERO).await?;
    }
    process::kill_marked(&layout.run()).await?;
    let Some(record) = record else { return Ok(()) };
    let mut pods = Ok(());
    if let Some(traces) = &record.k3s {
        // Ours has ended: who answers there is another's, and so is what lies beside it.
        Traces::refuse_another()?;
        // A Docker or containerd that has stopped keeps nothing else from going.
        pods = traces.remove_pods().await;
    }
    let mut left = unmount_below(&[&layout.state, &layout.sockets()]);
    if let Some(traces) = &record.k3s {
        left.extend(traces.unmount(&layout));
    }
    if !left.is_empty() {
        // Removing files now could reach through a mount.
        return Err(NodeError::Left { left });
    }
    if record.network == network_namespace() {
        match &record.k3s {
            None => remove_network(&layout, &record).await?,
            Some(traces) => traces.remove_network(&layout).await?,
        }
    }
    let left = cgroups::remove(&layout).await;
    if let Some(traces) = &record.k3s {
        traces.remove_files(&layout)?;
    }
    remove_files(&layout)?;
    if !left.is_empty() {
        return Err(NodeError::Left { left });
    }
    pods?;
    let [kept, _] = Record::paths(&layout);
    Ok(remove_tree(&kept)?)
}

/// Whether a node was started in this folder, and not taken down since, whatever was removed from the folder meanwhile.
pub(crate) fn is_left(state_dir: &Path) -> bool {
    Layout::existing(state_dir).is_some_and(|layout| Record::paths(&layout).iter().any(|path| path.is_file()))
}

/// What runs the pods of what an earlier run left.
pub(crate) fn former_runtime(layout: &Layout) -> Result<ContainerRuntime, FileError> {
    let record = Record::read(layout)?;
    Ok(record.and_then(|record| record.k3s).map(|traces| traces.runtime()).unwrap_or_default())
}

/// Whether a node of K3s' is left in this folder whose pods are in this.
pub(crate) fn is_left_in(state_dir: &Path, runtime: &ContainerRuntime) -> Result<bool, FileError> {
    let Some(layout) = Layout::existing(state_dir) else { return Ok(false) };
    let traces = Record::read(&layout)?.and_then(|record| record.k3s);
    Ok(traces.is_some_and(|traces| traces.runtime() == *runtime))
}

/// Whether what an earlier run left is whole: the state folder has its record, and the machine, not started anew since, the same.
/// A node of the other engine, or of another worker, is none to go on with.
pub(crate) fn can_go_on(layout: &Layout, engine: Engine, owner: &str) -> Result<bool, FileError> {
    let [kept, fleeting] = Record::paths(layout).map(|path| Record::read_at(&path));
    let (Some(kept), Some(fleeting)) = (kept?, fleeting?) else {
        return Ok(false);
    };
    if let Some(former) = kept.owner.as_deref().filter(|former| *former != owner) {
        tracing::warn!(node.state = %layout.state.display(), former, "another worker's node was left here; taking it down");
        return Ok(false);
    }
    let same = kept.k3s.is_some() == (engine == Engine::K3s);
    Ok(same && kept == fleeting && kept.network == network_namespace())
}

/// Stops these programs of an earlier run. What they started goes on.
pub(crate) async fn stop_components(layout: &Layout, programs: &[&str]) -> Result<(), NodeError> {
    process::reap_recorded(&layout.run(), PROCESS_GRACE).await?;
    // Those that were started in the moment before a record was written.
    process::kill_marked_programs(&layout.run(), programs).await?;
    Ok(())
}

/// What a killed containerd has of images that it had not read to their end: it would go on there, and what imports them cannot.
pub(super) fn forget_half_images(layout: &Layout) -> Result<(), FileError> {
    remove_tree(&layout.state.join("containerd/root/io.containerd.content.v1.content/ingest"))
}

// === impl Record ===

impl Record {
    /// Of this moment, before a node of upstream components runs.
    pub(super) async fn look(owner: &str) -> Result<Self, NodeError> {
        Ok(Self { tables: tables().await?, ..Self::of(owner) })
    }

    /// Of this moment, before K3s' agent runs.
    pub(crate) async fn of_k3s(owner: &str, runtime: &ContainerRuntime) -> Result<Self, NodeError> {
        Ok(Self { k3s: Some(Traces::look(runtime).await?), ..Self::of(owner) })
    }

    /// Of a test's node: the machine's own network is not taken down with it.
    #[cfg(test)]
    pub(crate) fn without_network(owner: &str) -> Self {
        Self { network: u64::MAX, ..Self::of(owner) }
    }

    pub(super) fn of(owner: &str) -> Self {
        Self { network: network_namespace(), tables: Vec::new(), owner: Some(owner.to_owned()), k3s: None }
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<(), FileError> {
        let text = self.encoded();
        let [kept, fleeting] = Self::paths(layout);
        files::make_folder(&layout.run())?;
        files::write_private(&kept, &text)?;
        // Outside the state folder, so not before there is a record that tells `cleanup` of it.
        files::make_folder(&layout.sockets())?;
        files::write_private(&fleeting, &text)?;
        Ok(())
    }

    fn read(layout: &Layout) -> Result<Option<Self>, FileError> {
        let [kept, fleeting] = Self::paths(layout);
        match Self::read_at(&kept)? {
            None => Self::read_at(&fleeting),
            record => Ok(record),
        }
    }

    /// What is being taken down nobody goes on with; and it is known of for as long as it takes.
    pub(super) fn retire(&self, layout: &Layout) -> Result<(), FileError> {
        let [kept, fleeting] = Self::paths(layout);
        if !kept.exists() {
            // Never the same as the other: that would be a node to go on with.
            let ending = Self { owner: None, ..self.clone() };
            files::write_private(&kept, ending.encoded())?;
        }
        remove_tree(&fleeting)
    }

    fn encoded(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of plain fields must encode")
    }

    fn read_at(path: &Path) -> Result<Option<Self>, FileError> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(FileError::of("read", path)(e)),
        }
    }

    fn paths(layout: &Layout) -> [PathBuf; 2] {
        [layout.run().join(RECORD), layout.sockets().join(RECORD)]
    }
}

fn network_namespace() -> u64 {
    fs::metadata("/proc/self/ns/net").map_or(0, |m| m.ino())
}

async fn tables() -> Result<Vec<String>, NodeError> {
    let listed = command::run("nft", &["list", "tables"]).await?;
    Ok(listed.lines().filter_map(|l| l.strip_prefix("table ")).map(|t| t.trim().to_owned()).collect())
}

async fn remove_network(layout: &Layout, record: &Record) -> Result<(), NodeError> {
    routes::apply(&std::collections::BTreeMap::new()).await?;
    let bridge = layout.bridge();
    links::delete(|name| name == bridge).await?;
    let own = format!("ip {}", layout.nft_table());
    let there = tables().await?;
    let foreign = FOREIGN_TABLES.into_iter().filter(|t| !record.tables.iter().any(|known| known == t));
    for table in foreign.chain([own.as_str()]).filter(|t| there.iter().any(|known| known == t)) {
        let words: Vec<&str> = ["delete", "table"].into_iter().chain(table.split(' ')).collect();
        command::run("nft", &words).await?;
    }
    Ok(())
}

/// Detaches every mount below the folders, the latest first. Answers those that stay.
fn unmount_below(folders: &[&Path]) -> Vec<String> {
    // A folder may be a disk of its owner's.
    unmount_where(|place| folders.iter().any(|folder| place.starts_with(folder) && place != *folder))
}

/// The same of those that are wanted.
pub(crate) fn unmount_where(wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let below = || -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| Some(PathBuf::from(unescape(line.split(' ').nth(1)?))));
        places.filter(|place| wanted(place)).collect()
    };
    for place in below().iter().rev() {
        if let Err(error) = umount2(place, MntFlags::MNT_DETACH) {
            tracing::warn!(path = %place.display(), %error, "mount not detached");
        }
    }
    below().iter().map(|place| format!("mount {}", place.display())).collect()
}

/// The kernel writes a blank in a path as `\040`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn remove_files(layout: &Layout) -> Result<(), FileError> {
    for inside in ["containerd/state", "containerd/runc", "cni"] {
        remove_tree(&layout.state.join(inside))?;
    }
    remove_tree(&layout.sockets())?;
    remove_cni_results(&layout.bridge());
    let logs = layout.state.join("pods-log");
    remove_if(Path::new("/var/log/containers"), |path| {
        fs::read_link(path).is_ok_and(|target| target.starts_with(&logs))
    });
    if !kubelets::another_runs() {
        let devices = Path::new("/var/lib/kubelet/device-plugins");
        remove_if(devices, |path| named(path, "kubelet"));
    }
    for folder in FIXED_FOLDERS {
        // Refused while it holds anything, which then is another's.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// The plugins' notes about our pods: those of our network, and of the loopback of the same sandboxes.
pub(crate) fn remove_cni_results(network: &str) {
    let folder = Path::new("/var/lib/cni/results");
    let start = format!("{network}-");
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name());
    let sandboxes: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_prefix(&start)?.strip_suffix("-eth0")?.to_owned())).collect();
    remove_if(folder, |path| named(path, &start) || sandboxes.iter().any(|id| named(path, &loopback(id))));
}

fn loopback(sandbox: &str) -> String {
    format!("cni-loopback-{sandbox}-")
}

fn named(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn remove_if(folder: &Path, condition: impl Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if condition(&path)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "file not removed");
        }
    }
}

pub(crate) fn remove_tree(path: &Path) -> Result<(), FileError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", path)(e)),
        _ => Ok(()),
    }
}

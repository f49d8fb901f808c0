//! `k3s agent` as it is released, on a machine of its own: nothing of ours is between it and the gateway.

use super::cluster::{Cluster, kubectl};
use super::commands::{command, succeed, tail};
use super::network::Running;
use super::processes;
use anyhow::{Context as _, Result};
use daas_client::SealFile;
use daas_engine::{images, k3s};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::timeout;

/// Where K3s writes at fixed places. The machine has its own above the host's.
const FOLDERS: [&str; 4] = ["run", "etc", "var", "opt"];
/// The parent of pods' cgroups in each hierarchy.
const PODS: &str = "kubepods";
const REMOVALS: usize = 10_000;
const STOPPED: Duration = Duration::from_secs(20);

/// An agent, and what it has on its machine.
pub(crate) struct Agent<'a> {
    cluster: &'a Cluster,
    machine: &'a Running,
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
}

// === impl Agent ===

impl<'a> Agent<'a> {
    /// One that does not run yet, with the images that pods of the tests are made of.
    pub(crate) async fn new(cluster: &'a Cluster, machine: &'a Running, program: &Path) -> Result<Self> {
        let folder = cluster.folder().join("agents").join(machine.name());
        for name in FOLDERS {
            let own = folder.join(name);
            fs::create_dir_all(own.join("above"))?;
            fs::create_dir_all(own.join("work"))?;
            let (own, below) = (own.display(), format!("/{name}"));
            let layers = format!("lowerdir={below},upperdir={own}/above,workdir={own}/work");
            succeed(machine.run(&command("mount", &["--no-mtab", "-t", "overlay", "overlay", "-o", &layers, &below])))
                .await?;
        }
        let images = folder.join("data/agent/images");
        fs::create_dir_all(&images)?;
        images::build(&images, &kubectl().await?).await?;
        let own = folder.join("k3s");
        fs::copy(program, &own)?;
        Ok(Self { cluster, machine, program: own, folder, child: None })
    }

    /// Starts it with this for a Seal's secret, as the machine's owner would.
    pub(crate) fn start(&mut self, secret: &str) -> Result<()> {
        let join = self.cluster.info()?.join;
        let token = self.folder.join("token");
        daas_client::write_private(&token, k3s::token(&join.ca, secret).as_bytes())?;
        let (data, address) = (self.folder.join("data"), self.machine.address().to_string());
        let (data, token) = (data.display().to_string(), token.display().to_string());
        let mut agent = command(&self.program, &["agent", "--server", &join.endpoint, "--token-file", &token]);
        agent.args(["--node-name", self.machine.name(), "--node-ip", &address, "--data-dir", &data]);
        agent.args([
            "--pause-image",
            images::PAUSE,
            "--kubelet-arg=eviction-hard=imagefs.available<1%,nodefs.available<1%",
        ]);
        let mut agent = self.machine.run(&agent);
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        agent.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(agent.spawn()?);
        Ok(())
    }

    /// Starts it with the Seal.
    pub(crate) fn start_with(&mut self, seal: &SealFile) -> Result<()> {
        self.start(&seal.secret().expose_hex())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }

    /// What it said last, for whoever looks into what went wrong.
    pub(crate) fn last_words(&self) -> String {
        tail(&self.log(), 20)
    }

    /// Ends the agent. What it started goes on.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let mut agent = self.child.take().context("no agent runs")?;
        processes::signal(agent.id().context("the agent has ended")?, Signal::SIGTERM)?;
        timeout(STOPPED, agent.wait()).await.context("the agent outlives SIGTERM")??;
        Ok(())
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // K3s has a script for this where it is installed.
        drop(self.child.take());
        for pid in processes::below(&self.folder) {
            let _ = processes::signal(pid, Signal::SIGKILL);
        }
        for _ in 0..REMOVALS {
            if pods_cgroups().iter().rev().filter(|folder| fs::remove_dir(folder).is_err()).count() == 0 {
                break;
            }
            // The kernel empties them some time after their last process.
            std::thread::yield_now();
        }
    }
}

/// The cgroups of pods, parents first. Kubelets of one machine share them, so a machine has one at most.
pub(crate) fn pods_cgroups() -> Vec<PathBuf> {
    let inside = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let top = Path::new("/sys/fs/cgroup");
    let mut found: Vec<_> = inside(top).into_iter().chain([top.to_owned()]).map(|folder| folder.join(PODS)).collect();
    found.retain(|folder| folder.is_dir());
    let mut next = 0;
    while let Some(folder) = found.get(next).cloned() {
        found.extend(inside(&folder));
        next += 1;
    }
    found
}

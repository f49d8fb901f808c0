use super::LIMIT;
use super::watched::Observer;
use crate::paths::{Office, sibling};
use crate::stage::Stage;
use anyhow::{Context as _, bail};
use daas_engine::Engine;
use daas_types::Permissions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// A worker with its Seal.
pub(super) struct Ours {
    folder: PathBuf,
    data: PathBuf,
    arguments: Vec<String>,
    pub(super) address: std::net::Ipv4Addr,
}

// === impl Ours ===

impl Ours {
    /// Gives the node a Seal of its own on the operator's position, as `up` does.
    pub(super) fn prepare(stage: &Stage, observer: &Observer) -> anyhow::Result<Self> {
        let (folder, data) = (stage.state.node(&observer.node), stage.state.path().join("ours"));
        fs::create_dir_all(&folder)?;
        let mut seal = observer.seal.renewed()?;
        seal.permissions = Permissions::NODE;
        seal.save(&folder.join("seal.json"))?;
        let config = folder.join("worker-config.yaml");
        fs::write(&config, format!("k3s:\n  data_dir: {}\n", data.display()))?;
        let text = |path: &Path| path.display().to_string();
        let pairs = [
            ("--config", text(&config)),
            ("--cluster", text(&stage.state.join())),
            ("--state-dir", text(&folder)),
            ("--node-id", observer.node.to_string()),
            ("--wallet", text(&stage.state.wallet(Office::Operator))),
            ("--node-ip", stage.network.operator.to_string()),
        ];
        let arguments = pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        Ok(Self { folder, data, arguments, address: stage.network.operator })
    }

    /// Joins once, and leaves nothing but the Seal and what else is in the state folder.
    pub(super) async fn once(&self, observer: &Observer) -> anyhow::Result<Duration> {
        let mut changes = observer.begin().await?;
        let log = File::options().create(true).append(true).open(self.folder.join("worker.log"))?;
        let mut command = Command::new(sibling("k3s-daas-worker")?);
        command.arg("run").args(&self.arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let mut worker = command.spawn()?;
        let ready = changes.until(|node| node.is_ready().then(Instant::now));
        let ready = tokio::select! {
            ready = ready => ready,
            ended = worker.wait() => Err(anyhow::anyhow!("the worker ended with {}", ended?)),
        };
        self.end(worker).await?;
        Ok(ready?.saturating_duration_since(began))
    }

    /// The certificate and key for which the worker's kubelet was registered.
    pub(super) fn serving(&self) -> daas_engine::pki::CertFiles {
        daas_engine::pki::CertFiles { cert: self.folder.join("serving.crt"), key: self.folder.join("serving.key") }
    }

    async fn end(&self, mut worker: Child) -> anyhow::Result<()> {
        if let Some(pid) = worker.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
            if timeout(LIMIT, worker.wait()).await.context("the worker does not end")?.is_err() {
                bail!("the worker's end was not seen");
            }
        }
        // Whatever a worker leaves running for its next start is in the other leg's way.
        Engine::Kubernetes.cleanup_node(&self.data).await?;
        Ok(())
    }
}

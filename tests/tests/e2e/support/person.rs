//! Someone with a home folder, a wallet and a kubeconfig, who types commands.

use super::cluster::{Cluster, kubectl, plain};
use super::commands::{pipe, succeed};
use anyhow::{Context as _, Result, ensure};
use daas_client::SealFile;
use daas_engine::build;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    home: PathBuf,
    kubeconfig: PathBuf,
    state: PathBuf,
    daas: PathBuf,
}

// === impl Person ===

impl Person {
    pub(crate) fn new(cluster: &Cluster, name: &str) -> Self {
        let home = cluster.folder().join("home").join(name);
        let kubeconfig = home.join("kubeconfig");
        Self { home, kubeconfig, state: cluster.state(), daas: cluster.program("k3s-daas") }
    }

    pub(crate) fn with_kubeconfig(self, kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, ..self }
    }

    /// Wallet with money, stake, kubeconfig: the way from nothing to kubectl. The Seal lies in the home folder.
    pub(crate) async fn arrive(&self, stake: &[&str]) -> Result<()> {
        let seal = self.seal_path().display().to_string();
        let kubeconfig = self.kubeconfig.display().to_string();
        succeed(self.daas(&["faucet"])).await?;
        succeed(self.daas(&[&["stake", "--seal", &seal], stake].concat())).await?;
        succeed(self.daas(&["kubeconfig", "--seal", &seal, "--output", &kubeconfig])).await.map(drop)
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn wallet_path(&self) -> PathBuf {
        self.home.join(".config/k3s-daas/wallet.key")
    }

    pub(crate) fn seal_path(&self) -> PathBuf {
        self.home.join("seal.json")
    }

    pub(crate) fn seal(&self) -> Result<SealFile> {
        Ok(SealFile::load(&self.seal_path())?)
    }

    /// `k3s-daas …`.
    pub(crate) fn daas(&self, args: &[&str]) -> Command {
        // In front, so that a caller can add to the end.
        let mut command = self.run(&self.daas, &["--state-dir"]);
        command.arg(&self.state).args(args);
        command
    }

    /// `kubectl …`.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<Command> {
        Ok(self.run(&kubectl().await?, args))
    }

    /// `kubectl …`, which must succeed; its output.
    pub(crate) async fn get(&self, args: &[&str]) -> Result<String> {
        succeed(self.kubectl(args).await?).await
    }

    /// Fails unless the node is Ready.
    pub(crate) async fn node_is_ready(&self, node: &str) -> Result<()> {
        let path = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let ready = self.get(&["get", "node", node, path]).await?;
        ensure!(ready == "True", "{node}: Ready is {ready}");
        Ok(())
    }

    /// `kubectl apply -f -`, with more flags.
    pub(crate) async fn apply(&self, manifest: &str, flags: &[&str]) -> Result<()> {
        pipe(self.kubectl(&[&["apply", "-f", "-"], flags].concat()).await?, manifest).await
    }

    /// Any program, with this person's home and kubeconfig.
    pub(crate) fn run(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = plain(program, args);
        command.env("HOME", &self.home).env("KUBECONFIG", &self.kubeconfig);
        // Kubernetes is built once for the machine, not once for each person.
        if let Some(cache) = cache() {
            command.env("XDG_CACHE_HOME", cache);
        }
        command
    }
}

fn cache() -> Option<PathBuf> {
    let engine = build::default_cache_dir().context("no cache folder").ok()?;
    engine.ancestors().nth(2).map(Path::to_owned)
}

//! Clients that others made, as `scripts/clients.sh` puts them into the cache.

use super::person::Person;
use anyhow::{Context as _, Result, ensure};
use daas_engine::build;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// A kubectl, and how it is told to speak.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl<'a> {
    pub(crate) name: &'static str,
    person: &'a Person,
    program: PathBuf,
    environment: &'static [(&'static str, &'static str)],
}

/// Where a client lies.
pub(crate) fn client(name: &str) -> Result<PathBuf> {
    let engine = build::default_cache_dir()?;
    let path = engine.with_file_name("clients").join(name);
    ensure!(path.is_dir(), "{}: run `make clients`", path.display());
    Ok(path)
}

/// What is kept in `tests/clients` about a client.
pub(crate) fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

// === impl Kubectl ===

impl<'a> Kubectl<'a> {
    /// The engine's own, over WebSocket.
    pub(crate) async fn current(person: &'a Person) -> Result<Self> {
        let program = super::cluster::kubectl().await?;
        Ok(Self { name: "kubectl 1.36, WebSocket", person, program, environment: &[] })
    }

    /// The same, told to speak SPDY.
    pub(crate) async fn spdy(person: &'a Person) -> Result<Self> {
        const SPDY: &[(&str, &str)] =
            &[("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false"), ("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")];
        Ok(Self { name: "kubectl 1.36, SPDY", environment: SPDY, ..Self::current(person).await? })
    }

    /// Of the time when there was nothing but SPDY.
    pub(crate) fn old(person: &'a Person) -> Result<Self> {
        let program = client("kubectl-1.29")?.join("kubectl");
        Ok(Self { name: "kubectl 1.29, SPDY", person, program, environment: &[] })
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.person.run(&self.program, args);
        command.envs(self.environment.iter().copied());
        command
    }

    /// What it printed; it must succeed.
    pub(crate) async fn get(&self, args: &[&str]) -> Result<String> {
        super::commands::succeed(self.command(args)).await.context(self.name)
    }
}

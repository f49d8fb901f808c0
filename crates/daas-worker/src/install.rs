//! The worker as a service of systemd's.

use crate::config::{KEYS, WorkerConfig};
use daas_daemon::service::{Service, ServiceError, Target};
use daas_types::{ErrorCode, Problem};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where the configuration is unless something else is said.
pub const CONFIG: &str = "/etc/k3s-daas/worker-config.yaml";

const SERVICE: Service = Service {
    name: "k3s-worker",
    unit: include_str!("../../../deploy/systemd/k3s-worker.service"),
    program: "/usr/local/bin/k3s-daas-worker",
    config: CONFIG,
};

/// Installs the service; what to tell the person.
pub async fn install(target: &Target, config: &Path, env: BTreeMap<String, String>) -> Result<String, Problem> {
    let program = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
    let config = std::path::absolute(config).map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    let unseen = unseen(&env);
    // What is wrong with it is said here, rather than in the log of a service that does not start.
    WorkerConfig::load(Some(inside(&target.prefix, &config)), env, Vec::new())?;
    let mut said = SERVICE.install(target, &program, &config).await.map_err(problem)?;
    if !unseen.is_empty() {
        let names = unseen.join(", ");
        said.push(format!("{names}: set here, which a service does not see; write them into /etc/default/k3s-worker"));
    }
    said.push(next(target));
    Ok(said.join("\n"))
}

/// Takes it away again; what to tell the person.
pub async fn uninstall(target: &Target) -> Result<String, Problem> {
    let mut said = SERVICE.uninstall(target).await.map_err(problem)?;
    said.push(
        "Stake, Seal and state folder stay as they are, and a node that is silent is jailed. To take the stake out: \
         `k3s-daas unstake --all`, and after the unbonding time `k3s-daas withdraw`, both with `--wallet` and `--seal` of the \
         state folder."
            .to_owned(),
    );
    Ok(said.join("\n"))
}

fn next(target: &Target) -> String {
    let first = if target.is_live() { "systemctl start" } else { "systemctl enable --now" };
    format!(
        "\nNext{}:\n  sudo {first} k3s-worker       # comes back when the node has joined\n  systemctl status k3s-worker\n  \
         journalctl -u k3s-worker -f",
        if target.is_live() { "" } else { ", once systemd runs the machine" }
    )
}

/// A path of the machine whose root lies there.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Variables of the configuration that are set in this shell.
fn unseen(env: &BTreeMap<String, String>) -> Vec<&'static str> {
    KEYS.iter().flat_map(|key| key.env).copied().filter(|name| env.contains_key(*name)).collect()
}

fn problem(error: ServiceError) -> Problem {
    let code = match &error {
        ServiceError::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorCode::RootNeeded,
        ServiceError::Path { .. } => ErrorCode::ConfigInvalid,
        ServiceError::File { .. } | ServiceError::Command { .. } => ErrorCode::ServiceFailed,
    };
    Problem::of(code)(error)
}

#[cfg(test)]
mod tests;

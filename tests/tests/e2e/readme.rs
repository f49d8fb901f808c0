//! The README's commands, as typed.

use crate::support::cluster::{Cluster, kubectl};
use crate::support::commands::{command, succeed};
use crate::support::{scenario, step};
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::time::Duration;

/// Commands that would start or end the cluster the others run on, or that want a second machine.
const ELSEWHERE: [&str; 5] = ["make ", "alias ", "k3s-daas up", "k3s-daas down", "join "];

#[test]
fn readme() {
    scenario("the README's commands", Duration::from_mins(2), async {
        let cluster = Cluster::up().await?;
        // Whoever reads the README has been given this file.
        std::fs::copy(cluster.state().join("join.json"), cluster.folder().join("join.json"))?;
        let text = include_str!("../../../README.md");
        let mut typed = 0;
        for line in commands(text) {
            step(line, type_in(&cluster, line)).await?;
            typed += 1;
        }
        ensure!(typed >= 7, "only {typed} commands were found");
        cluster.finish().await
    });
}

/// The lines of the README's shell blocks that are to be typed here.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !ELSEWHERE.iter().any(|other| line.contains(other)))
}

async fn type_in(cluster: &Cluster, line: &str) -> Result<()> {
    let state = cluster.state().display().to_string();
    let home = cluster.folder().join("home/reader");
    std::fs::create_dir_all(&home)?;
    let kubectl = kubectl().await?;
    let folders = [cluster.folder().join("bin"), kubectl.parent().map(Path::to_owned).context("no folder")?];
    let path = format!("{}:{}:{}", folders[0].display(), folders[1].display(), std::env::var("PATH")?);
    let mut shell = command("sh", &["-ec", &line.replace("/var/lib/k3s-daas", &state)]);
    shell.current_dir(cluster.folder()).env("PATH", path).env("HOME", home).env("K3S_DAAS_STATE_DIR", state);
    shell.env_remove("KUBECONFIG").env_remove("XDG_CONFIG_HOME");
    succeed(shell).await.map(drop)
}

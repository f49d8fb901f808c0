//! What is refused before anything runs, with a message that says what to do.

use crate::support::cluster::{Cluster, plain};
use crate::support::commands::{command, refused};
use crate::support::{scenario, step};
use anyhow::{Result, ensure};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[test]
fn bad_input_before_a_start() {
    scenario("bad input before a start", Duration::from_mins(1), async {
        let cluster = Cluster::place()?;
        step("port 6443 is busy", busy_port(&cluster)).await?;
        step("nobody's rights", no_root(&cluster)).await?;
        step("no Go and nothing built", no_go(&cluster)).await?;
        step("a configuration with three mistakes", three_mistakes(&cluster)).await?;
        step("a cluster file that is not there", async {
            refused(cluster.daas(&["--cluster", "nope.json", "verify"]), &["D305", "nope.json", "Check the path"]).await
        })
        .await?;
        step("down where nothing ever ran", async {
            let ran = crate::support::commands::run(cluster.daas(&["down"])).await?;
            ensure!(ran.code == 0 && ran.stdout.contains("nothing was running"), "{ran:?}");
            Ok(())
        })
        .await?;
        cluster.finish().await
    });
}

async fn busy_port(cluster: &Cluster) -> Result<()> {
    let listener = TcpListener::bind("0.0.0.0:6443")?;
    let holder = format!("pid {}", std::process::id());
    let ran = refused(cluster.daas(&["up"]), &["D502", "6443", &holder, "--port"]).await?;
    ensure!(ran.code == 1, "exit code {}", ran.code);
    drop(listener);
    cluster.nothing_left().await
}

async fn no_root(cluster: &Cluster) -> Result<()> {
    let daas = cluster.program("k3s-daas");
    let mut up = plain(Path::new("setpriv"), &["--reuid=65534", "--regid=65534", "--clear-groups"]);
    up.arg(&daas).arg("up").arg("--state-dir").arg(cluster.state()).env("HOME", "/tmp").current_dir("/");
    refused(up, &["D501", "sudo", "--no-node"]).await?;
    cluster.nothing_left().await
}

async fn no_go(cluster: &Cluster) -> Result<()> {
    let (path, cache) = (without_go(cluster.folder())?, cluster.folder().join("empty-cache"));
    let mut up = cluster.daas(&["up"]);
    up.env("PATH", path).env("XDG_CACHE_HOME", &cache);
    refused(up, &["D503", "Install Go"]).await?;
    cluster.nothing_left().await
}

/// A folder with every program of the system but Go.
fn without_go(folder: &Path) -> Result<PathBuf> {
    let made = folder.join("path");
    fs::create_dir(&made)?;
    for place in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let link = made.join(entry.file_name());
            if entry.file_name() != "go" && !link.exists() {
                symlink(entry.path(), link)?;
            }
        }
    }
    Ok(made)
}

async fn three_mistakes(cluster: &Cluster) -> Result<()> {
    let file = cluster.folder().join("mistaken.yaml");
    fs::write(&file, "api:\n  port: 99999\n  bnd: 0.0.0.0\ntee:\n  type: SGX\n")?;
    let mut master = command(cluster.program("k3s-daas-master"), &["--config"]);
    master.arg(&file);
    let ran = refused(master, &["D507", "api.port", "api.bnd", "tee.type"]).await?;
    ensure!(ran.code == 2, "exit code {}", ran.code);
    Ok(())
}

//! helm, and the clients for Python and Node, each with a program of its own in `tests/clients`.

use crate::support::cluster::Cluster;
use crate::support::commands::{refused, succeed};
use crate::support::others::{client, kept};
use crate::support::person::Person;
use crate::support::pods::NAMESPACE;
use crate::support::say;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// Install, upgrade, roll back, and what an upgrade that cannot be leaves.
pub(super) async fn helm(operator: &Person) -> Result<()> {
    let (program, chart) = (client("helm")?.join("helm"), kept("helm").join("chart"));
    let chart = chart.to_str().context("not UTF-8")?;
    let command = |args: &[&str]| {
        let mut command = operator.run(&program, &[&["-n", NAMESPACE], args].concat());
        command.env("HELM_CACHE_HOME", operator.home().join("helm"));
        command
    };
    let helm = async |args: &[&str]| succeed(command(args)).await;
    let word = async || operator.get(&["-n", NAMESPACE, "get", "configmap", "small", "-o=jsonpath={.data}"]).await;
    helm(&["install", "small", chart, "--wait"]).await?;
    let said = word().await?;
    ensure!(said == r#"{"revision":"1","word":"one"}"#, "installed: {said}");
    helm(&["upgrade", "small", chart, "--set", "word=two", "--wait"]).await?;
    let said = word().await?;
    ensure!(said == r#"{"revision":"2","word":"two"}"#, "upgraded: {said}");
    helm(&["rollback", "small", "1", "--wait"]).await?;
    let said = word().await?;
    ensure!(said == r#"{"revision":"1","word":"one"}"#, "rolled back: {said}");
    let history = helm(&["history", "small", "-o=json"]).await?;
    ensure!(history.matches("\"revision\"").count() == 3, "{history}");
    refused(command(&["install", "small", chart]), &["cannot re-use a name"]).await?;
    helm(&["list", "-o=json"]).await.map(drop)
}

/// The release goes, and all it made.
pub(super) async fn helm_uninstall(operator: &Person) -> Result<()> {
    let mut command = operator.run(&client("helm")?.join("helm"), &["-n", NAMESPACE, "uninstall", "small", "--wait"]);
    command.env("HELM_CACHE_HOME", operator.home().join("helm"));
    succeed(command).await?;
    let left = operator.get(&["-n", NAMESPACE, "get", "configmap,service,secret", "-o=name"]).await?;
    ensure!(left.lines().all(|name| !name.contains("small")), "left: {left}");
    Ok(())
}

/// `client.py`, or a word on why not.
pub(super) async fn python(person: &Person) -> Result<()> {
    let Ok(client) = client("python") else {
        say("SKIPPED: the Python client is not there; `make clients` says why");
        return Ok(());
    };
    let program = kept("python").join("client.py");
    let mut run = person.run(&client.join("bin/python"), &[]);
    run.arg(program).args([NAMESPACE, "web"]);
    succeed(run).await.map(drop)
}

/// `client.mjs`, which finds its modules beside itself.
pub(super) async fn node(cluster: &Cluster, person: &Person, token: &Path) -> Result<()> {
    let folder = cluster.folder().join("node");
    std::fs::create_dir(&folder)?;
    std::os::unix::fs::symlink(client("node")?.join("node_modules"), folder.join("node_modules"))?;
    std::fs::copy(kept("node").join("client.mjs"), folder.join("client.mjs"))?;
    let mut run = person.run(Path::new("node"), &[]);
    run.arg(folder.join("client.mjs")).args([NAMESPACE, "web"]).env("TOKEN_FILE", token);
    succeed(run).await.map(drop)
}

//! kube-rs, with a token file.

use super::SOON;
use crate::support::cluster::Cluster;
use crate::support::commands::succeed;
use crate::support::person::Person;
use crate::support::pods::NAMESPACE;
use crate::support::step;
use anyhow::{Context as _, Result, ensure};
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, TerminalSize, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use kube::{Api, Client, Config};
use serde_json::json;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Everything, with the Seal's secret and with a short token.
pub(super) async fn all(cluster: &Cluster, person: &Person) -> Result<()> {
    let client = client(Kubeconfig::read_from(person.kubeconfig())?).await?;
    step("kube-rs: watch, create, list, patch, apply, delete", kube_objects(&client)).await?;
    step("kube-rs: exec, a terminal's size, port-forward, logs", kube_streams(&client)).await?;
    step("kube-rs: with a token of five minutes", short_token(cluster, person)).await
}

/// The same with a proof-of-possession token in the file.
async fn short_token(cluster: &Cluster, person: &Person) -> Result<()> {
    let token = cluster.folder().join("token");
    let mut mint = cluster.daas(&["token"]);
    mint.arg("--output").arg(&token).arg("--seal").arg(cluster.state().join("operator-seal.json"));
    succeed(mint).await?;
    let mut kubeconfig = Kubeconfig::read_from(person.kubeconfig())?;
    let user = kubeconfig.auth_infos.first_mut().and_then(|user| user.auth_info.as_mut()).context("no user")?;
    ensure!(user.token_file.as_deref().is_some_and(|file| Path::new(file) != token), "no token file was named");
    user.token_file = Some(token.display().to_string());
    let client = client(kubeconfig).await?;
    let pod = Api::<Pod>::namespaced(client, NAMESPACE).get("web").await?;
    ensure!(pod.metadata.name.as_deref() == Some("web"), "{:?}", pod.metadata);
    Ok(())
}

async fn client(kubeconfig: Kubeconfig) -> Result<Client> {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn kube_objects(client: &Client) -> Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let version = api.list(&ListParams::default()).await?.metadata.resource_version.context("no version")?;
    let mut watch = api.watch(&WatchParams::default(), &version).await?.boxed();
    let object = |data: serde_json::Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "rust" }, "data": data });
    api.create(&PostParams::default(), &serde_json::from_value(object(json!({ "a": "1" })))?).await?;
    let listed = api.list(&ListParams::default().fields("metadata.name=rust")).await?;
    ensure!(listed.items.len() == 1, "{} objects listed", listed.items.len());
    api.patch("rust", &PatchParams::default(), &Patch::Merge(json!({ "data": { "a": "2" } }))).await?;
    let applied = Patch::Apply(object(json!({ "b": "3" })));
    let data = api.patch("rust", &PatchParams::apply("e2e-rust"), &applied).await?.data.unwrap_or_default();
    ensure!(data["a"] == "2" && data["b"] == "3", "after patch and apply the data is {data:?}");
    api.delete("rust", &DeleteParams::default()).await?;
    let mut seen = Vec::new();
    while seen.last() != Some(&"deleted") {
        let event = timeout(SOON, watch.try_next()).await.context("no event")??;
        seen.push(match event.with_context(|| format!("the watch ended after {seen:?}"))? {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(error) => anyhow::bail!("watch: {error:?}"),
        });
    }
    ensure!(seen == ["added", "modified", "modified", "deleted"], "the watch saw {seen:?}");
    Ok(())
}

async fn kube_streams(client: &Client) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let mut exec =
        api.exec("web", ["sh", "-c", "read word; echo got $word"], &AttachParams::default().stdin(true)).await?;
    exec.stdin().context("no standard input")?.write_all(b"bond\n").await?;
    let mut stdout = exec.stdout().context("no standard output")?;
    let mut said = String::new();
    timeout(SOON, stdout.read_to_string(&mut said)).await.context("exec did not end")??;
    ensure!(said == "got bond\n", "exec said {said:?}");
    let status = exec.take_status().context("no status")?.await.context("no status came")?;
    ensure!(status.status.as_deref() == Some("Success"), "exec ended with {status:?}");
    exec.join().await?;
    resized(&api).await?;
    forwarded(&api).await?;
    let logs = api.logs("web", &LogParams::default()).await?;
    ensure!(logs == "serving\n", "logs are {logs:?}");
    Ok(())
}

async fn resized(api: &Api<Pod>) -> Result<()> {
    let terminal = AttachParams::interactive_tty();
    // Before a terminal has a size, stty complains.
    let wait = "until [ \"$(stty size 2>/dev/null)\" = '50 120' ]; do sleep 0.1; done; echo seen";
    let mut exec = api.exec("web", ["sh", "-c", wait], &terminal).await?;
    let mut sizes = exec.terminal_size().context("no terminal")?;
    sizes.send(TerminalSize { height: 50, width: 120 }).await?;
    let mut stdout = exec.stdout().context("no standard output")?;
    let mut said = String::new();
    timeout(SOON, stdout.read_to_string(&mut said)).await.context("the size did not change")??;
    ensure!(said == "seen\r\n", "exec said {said:?}");
    // The other end has closed; joining would say so once more.
    exec.abort();
    Ok(())
}

async fn forwarded(api: &Api<Pod>) -> Result<()> {
    let mut forward = api.portforward("web", &[8080]).await?;
    let mut stream = forward.take_stream(8080).context("no stream")?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.context("no answer")??;
    ensure!(answer.ends_with("\r\n\r\nweb\n"), "{answer:?}");
    forward.abort();
    Ok(())
}

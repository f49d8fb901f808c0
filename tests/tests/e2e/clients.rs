//! Clients that know nothing of stake: kubectl over WebSocket and SPDY, and kube-rs with a token file.

use crate::support::cluster::Cluster;
use crate::support::commands::{Stream, run, succeed};
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, namespace, serve};
use crate::support::{scenario, step};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use kube::{Api, Client, Config};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn stock_clients() {
    scenario("kubectl and kube-rs", Duration::from_mins(3), async {
        let cluster = Cluster::up().await?;
        let operator = cluster.operator();
        step("a pod", async {
            namespace(&operator).await?;
            serve(&operator, &[("web", "operator")]).await
        })
        .await?;
        step("kubectl is the version that is asked for", version(&operator)).await?;
        step("kubectl: watch, create, list, patch, apply, delete", kubectl_objects(&operator)).await?;
        step("kubectl: logs", async {
            let said = operator.get(&["-n", NAMESPACE, "logs", "web"]).await?;
            ensure!(said == "serving", "{said}");
            Ok(())
        })
        .await?;
        for (protocol, websockets) in [("WebSocket", "true"), ("SPDY", "false")] {
            step(&format!("kubectl: exec over {protocol}"), kubectl_exec(&operator, websockets)).await?;
            step(&format!("kubectl: port-forward over {protocol}"), kubectl_tunnel(&operator, websockets)).await?;
        }
        let client = step("kube-rs: with the Seal's secret", static_client(&cluster)).await?;
        step("kube-rs: watch, create, list, patch, apply, delete", kube_objects(&client)).await?;
        step("kube-rs: exec, logs", kube_streams(&client)).await?;
        step("kube-rs: with a token of five minutes", short_token(&cluster)).await?;
        cluster.finish().await
    });
}

async fn version(operator: &Person) -> Result<()> {
    let text = operator.get(&["version", "-o=json"]).await?;
    let version: serde_json::Value = serde_json::from_str(&text)?;
    for side in ["clientVersion", "serverVersion"] {
        let found = version[side]["gitVersion"].as_str().unwrap_or_default();
        ensure!(found.starts_with("v1.36."), "{side} is {found}");
    }
    Ok(())
}

async fn kubectl_objects(operator: &Person) -> Result<()> {
    let kubectl = async |args: &[&str]| operator.get(&[&["-n", NAMESPACE], args].concat()).await;
    let watching = operator.kubectl(&["-n", NAMESPACE, "get", "configmaps", "-w", "--output-watch-events"]).await?;
    let mut watch = Stream::start(watching)?;
    watch.until("kube-root-ca.crt", SOON).await?;
    kubectl(&["create", "configmap", "made", "--from-literal=a=1"]).await?;
    watch.until("ADDED", SOON).await?;
    let names = kubectl(&["get", "configmaps", "-o=name"]).await?;
    ensure!(names.lines().any(|name| name == "configmap/made"), "the list has {names}");
    kubectl(&["patch", "configmap", "made", "--type=merge", "-p", r#"{"data":{"a":"2"}}"#]).await?;
    watch.until("MODIFIED", SOON).await?;
    let applied =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"made","namespace":"tests"},"data":{"b":"3"}}"#;
    operator.apply(applied, &["--server-side", "--field-manager=e2e"]).await?;
    let data = kubectl(&["get", "configmap", "made", "-o=jsonpath={.data.a}{.data.b}"]).await?;
    ensure!(data == "23", "after patch and apply the data is {data}");
    let managers = kubectl(&["get", "configmap", "made", "--show-managed-fields", "-o=json"]).await?;
    ensure!(managers.contains("\"e2e\""), "the field manager is not recorded: {managers}");
    kubectl(&["delete", "configmap", "made"]).await?;
    watch.until("DELETED", SOON).await?;
    watch.stop().await
}

async fn kubectl_exec(operator: &Person, websockets: &str) -> Result<()> {
    let mut exec =
        operator.kubectl(&["-n", NAMESPACE, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).await?;
    exec.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets);
    let ran = run(exec).await?;
    ensure!(ran.code == 7 && ran.stdout == "out\n" && ran.stderr.starts_with("err\n"), "{ran:?}");
    Ok(())
}

async fn kubectl_tunnel(operator: &Person, websockets: &str) -> Result<()> {
    let mut forward = operator.kubectl(&["-n", NAMESPACE, "port-forward", "web", ":8080"]).await?;
    forward.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
    let mut forward = Stream::start(forward)?;
    let line = forward.until("Forwarding from 127.0.0.1:", SOON).await?;
    let port: u16 = line.split([':', ' ']).find_map(|word| word.parse().ok()).context(line.clone())?;
    // Twice, as a browser does: each connection is a stream of its own in the tunnel.
    for _ in 0..2 {
        let body = timeout(SOON, fetch(port)).await.context("no answer through the tunnel")??;
        ensure!(body.ends_with("\r\n\r\nweb\n"), "{body:?}");
    }
    forward.stop().await
}

async fn fetch(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A client from the kubeconfig that names a file with the Seal's secret.
async fn static_client(cluster: &Cluster) -> Result<Client> {
    let (kubeconfig, seal) = (cluster.folder().join("static"), cluster.state().join("operator-seal.json"));
    let mut write = cluster.daas(&["kubeconfig", "--static"]);
    write.arg("--output").arg(&kubeconfig).arg("--seal").arg(seal);
    succeed(write).await?;
    client(Kubeconfig::read_from(kubeconfig)?).await
}

/// The same with a proof-of-possession token in the file.
async fn short_token(cluster: &Cluster) -> Result<()> {
    let token = cluster.folder().join("token");
    let mut mint = cluster.daas(&["token"]);
    mint.arg("--output").arg(&token).arg("--seal").arg(cluster.state().join("operator-seal.json"));
    succeed(mint).await?;
    let mut kubeconfig = Kubeconfig::read_from(cluster.folder().join("static"))?;
    let user = kubeconfig.auth_infos.first_mut().and_then(|user| user.auth_info.as_mut()).context("no user")?;
    ensure!(user.token_file.as_deref().is_some_and(|file| Path::new(file) != token), "no token file was named");
    user.token_file = Some(token.display().to_string());
    let client = client(kubeconfig).await?;
    let pods = Api::<Pod>::namespaced(client, NAMESPACE).list(&ListParams::default()).await?;
    ensure!(pods.items.len() == 1, "{} pods", pods.items.len());
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
    let logs = api.logs("web", &LogParams::default()).await?;
    ensure!(logs == "serving\n", "logs are {logs:?}");
    Ok(())
}

use crate::demo::manifests::DEVELOPER;
use crate::stage::person::{Person, succeed};
use crate::stage::{Stage, eventually};
use anyhow::ensure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::PathBuf;
use std::time::Duration;

/// A viewer sees and does not create.
pub(crate) async fn viewer(stage: &mut Stage) -> anyhow::Result<()> {
    let viewer = stage.newcomer("viewer")?;
    stage
        .step("a viewer stakes 0.5 SUI and sees the nodes", async {
            viewer.arrive(&["stake", "0.5"], None).await?;
            viewer.get(&["get", "nodes", "-o=name"]).await.map(|nodes| nodes.replace('\n', " "))
        })
        .await?;
    let creating = ["create", "namespace", "mine"];
    stage
        .step("and is refused when creating", viewer.refused(&creating, &["Forbidden", "cannot create"]))
        .await
        .map(drop)
}

/// A developer has a namespace of its own and nothing else; its pods' tokens are worth what its stake is.
pub(crate) async fn developer(stage: &mut Stage) -> anyhow::Result<()> {
    let developer = stage.newcomer("developer")?;
    let namespace = stage
        .step("a developer stakes 2 SUI and runs a pod in its namespace", async {
            developer.arrive(&["stake", "2"], None).await?;
            let mut status = developer.daas(&["status", "--namespace"]);
            status.env("HOME", developer.home());
            let namespace = succeed(status).await?.stdout.trim().to_owned();
            eventually(Duration::from_secs(20), async || developer.apply(DEVELOPER).await).await?;
            developer.get(&["wait", "pod/mine", "--for=condition=Ready", "--timeout=45s"]).await?;
            Ok(namespace)
        })
        .await?;
    let elsewhere = ["-n", "demo", "get", "pods"];
    stage.step("and is refused elsewhere", developer.refused(&elsewhere, &["Forbidden", "cannot list"])).await?;

    let account = service_account(stage, &developer).await?;
    let who = ["auth", "whoami", "-o=jsonpath={.status.userInfo.username}"];
    stage
        .step("its pod's service account is known", async {
            let name = account.get(&who).await?;
            ensure!(name == format!("system:serviceaccount:{namespace}:default"), "it is {name}");
            Ok(name)
        })
        .await?;
    stage
        .step("unstaked, its service account is refused", async {
            succeed(developer.daas(&["unstake", "--all"])).await?;
            eventually(Duration::from_secs(5), async || {
                account.refused(&who, &["ServiceAccountRefused"]).await.map(drop)
            })
            .await
        })
        .await
}

/// A kubeconfig with the token the kubelet mounted into the developer's pod.
async fn service_account(stage: &Stage, developer: &Person) -> anyhow::Result<Person> {
    let mounted = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let token = developer.get(&["exec", "mine", "--", "cat", mounted]).await?;
    let folder = developer.home().to_owned();
    let (token_file, kubeconfig): (PathBuf, PathBuf) = (folder.join("sa-token"), folder.join("sa-kubeconfig"));
    daas_client::write_private(&token_file, token.as_bytes())?;
    let join = daas_client::ClusterInfo::load(&stage.state.join())?.join;
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "sa",
        "clusters": [{ "name": "sa", "cluster": {
            "server": join.endpoint, "certificate-authority-data": STANDARD.encode(&join.ca) } }],
        "users": [{ "name": "sa", "user": { "tokenFile": token_file } }],
        "contexts": [{ "name": "sa", "context": { "cluster": "sa", "user": "sa" } }],
    });
    daas_client::write_private(&kubeconfig, config.to_string().as_bytes())?;
    Ok(developer.with_kubeconfig(kubeconfig))
}

use crate::demo::manifests::{CALLER, NAMESPACE, WEB};
use crate::stage::person::{run, start, succeed};
use crate::stage::{STAKER_NODE, Stage, eventually};
use anyhow::{Context as _, ensure};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Two pods, a Service, and a pod that calls the API.
pub(crate) async fn pods(stage: &mut Stage) -> anyhow::Result<()> {
    let operator = &stage.operator;
    stage
        .step("two pods Running, one on each node", async {
            operator.apply(WEB).await?;
            operator.get(&["-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=60s"]).await?;
            let nodes = pod_nodes(stage).await?;
            ensure!(nodes.contains("operator") && nodes.contains(STAKER_NODE), "pods are on {nodes}");
            Ok(nodes)
        })
        .await?;
    stage
        .step("the Service answers", async {
            let ip = operator.get(&["-n", NAMESPACE, "get", "service", "web", "-o=jsonpath={.spec.clusterIP}"]).await?;
            eventually(Duration::from_secs(20), async || fetch(&format!("{ip}:80")).await).await
        })
        .await?;
    stage
        .step("a pod calls the API through the gateway", async {
            operator.apply(CALLER).await?;
            let phase =
                ["-n", NAMESPACE, "wait", "pod/caller", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=45s"];
            operator.get(&phase).await?;
            let said = operator.get(&["-n", NAMESPACE, "logs", "caller"]).await?;
            ensure!(said.contains("web-"), "the pod saw: {said}");
            Ok(())
        })
        .await
}

/// What a staker does with pods: logs, a terminal, files, a tunnel; over WebSocket and over SPDY.
pub(crate) async fn streams(stage: &mut Stage) -> anyhow::Result<()> {
    let staker = &stage.staker;
    stage
        .step("kubectl logs with a Seal", async {
            let said = staker.get(&["-n", NAMESPACE, "logs", "caller"]).await?;
            ensure!(said.contains("web-"), "logs: {said}");
            Ok(())
        })
        .await?;
    for (protocol, flags) in [("WebSocket", "true"), ("SPDY", "false")] {
        stage.step(&format!("exec with a terminal and exit code, over {protocol}"), terminal(stage, flags)).await?;
        stage.step(&format!("cp there and back, over {protocol}"), copy(stage, flags)).await?;
        stage.step(&format!("port-forward, over {protocol}"), tunnel(stage, flags)).await?;
    }
    Ok(())
}

async fn terminal(stage: &Stage, websocket: &str) -> anyhow::Result<()> {
    let args = format!("-n {NAMESPACE} exec -it deploy/web -- sh -c 'test -t 0 && exit 7'");
    let mut command = stage.staker.kubectl_on_terminal(&args).await?;
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websocket);
    let ran = run(command).await?;
    ensure!(ran.code == 7, "exit code {} instead of 7: {}{}", ran.code, ran.stdout, ran.stderr);
    Ok(())
}

async fn copy(stage: &Stage, websocket: &str) -> anyhow::Result<()> {
    let pod = one_pod(stage).await?;
    let (there, back) = (stage.staker.home().join("there"), stage.staker.home().join("back"));
    std::fs::write(&there, "a file of the staker\n")?;
    let inside = format!("{NAMESPACE}/{pod}:/tmp/copied");
    for (from, to) in
        [(there.to_string_lossy().as_ref(), inside.as_str()), (inside.as_str(), back.to_string_lossy().as_ref())]
    {
        let mut command = stage.staker.kubectl(&["cp", from, to]).await?;
        command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websocket);
        succeed(command).await?;
    }
    ensure!(std::fs::read(&there)? == std::fs::read(&back)?, "the file came back changed");
    Ok(())
}

async fn tunnel(stage: &Stage, websocket: &str) -> anyhow::Result<()> {
    let args = ["-n", NAMESPACE, "port-forward", "deploy/web", "18080:8080"];
    let mut command = stage.staker.kubectl(&args).await?;
    command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websocket);
    let mut forward = start(command)?;
    let answer = eventually(Duration::from_secs(20), async || fetch("127.0.0.1:18080").await).await;
    forward.start_kill()?;
    forward.wait().await?;
    answer.map(drop)
}

/// The web pods' nodes.
pub(crate) async fn pod_nodes(stage: &Stage) -> anyhow::Result<String> {
    let path = "-o=jsonpath={.items[*].spec.nodeName}";
    stage.operator.get(&["-n", NAMESPACE, "get", "pods", "-l", "app=web", path]).await
}

/// A web pod on the staker's node.
pub(crate) async fn one_pod(stage: &Stage) -> anyhow::Result<String> {
    let field = format!("spec.nodeName={STAKER_NODE}");
    let args = [
        "-n",
        NAMESPACE,
        "get",
        "pods",
        "-l",
        "app=web",
        "--field-selector",
        &field,
        "-o=jsonpath={.items[0].metadata.name}",
    ];
    stage.operator.get(&args).await
}

/// `GET /` by plain HTTP: the answering pod's name.
async fn fetch(addr: &str) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(3), exchange).await.context("no answer")??;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim().to_owned();
    ensure!(body.starts_with("web-"), "unexpected answer {answer:?}");
    Ok(body)
}

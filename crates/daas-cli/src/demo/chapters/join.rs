use crate::stage::network::StageNetwork;
use crate::stage::{STAKER_NODE, Stage, eventually};
use anyhow::ensure;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

/// Someone stakes 5 SUI and joins a machine with nothing but the Seal.
pub(crate) async fn staker(stage: &mut Stage) -> anyhow::Result<()> {
    let folder = stage.staker_node();
    let seal = folder.join("seal.json");
    let stake = ["stake", "5", "--permissions", "user,node", "--node-id", STAKER_NODE];
    stage.step("a stranger stakes 5 SUI", stage.staker.arrive(&stake, Some(&seal))).await?;

    let ip = stage.network.staker.to_string();
    let join = stage.staker.daas(&["join", "--node-id", STAKER_NODE, "--node-ip", &ip]);
    let log = File::create(folder.join("worker.log"))?;
    let mut worker = StageNetwork::on_staker(&join);
    worker.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = worker.spawn()?;
    stage.worker = Some(child);
    stage.step("its machine is a node, and Ready", ready(stage)).await?;
    stage.step("a second machine with its node id is refused", second_machine(stage)).await.map(drop)
}

async fn ready(stage: &Stage) -> anyhow::Result<String> {
    eventually(Duration::from_mins(1), async || {
        let path = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status} {.status.nodeInfo.kubeletVersion} \
                    {.status.nodeInfo.containerRuntimeVersion}";
        let said = stage.operator.get(&["get", "node", STAKER_NODE, path]).await?;
        ensure!(said.starts_with("True "), "node is {said}");
        Ok(said)
    })
    .await
}

/// The same Seal on another machine: same node id, another instance id.
async fn second_machine(stage: &Stage) -> anyhow::Result<String> {
    let folder = stage.state.path().join("people/copy");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(stage.staker_node().join("seal.json"), folder.join("seal.json"))?;
    let worker = crate::paths::sibling("k3s-daas-worker")?;
    let mut command = tokio::process::Command::new(worker);
    command
        .args(["run", "--node-id", STAKER_NODE, "--node-ip", &stage.network.staker.to_string()])
        .arg("--cluster")
        .arg(stage.state.join())
        .arg("--state-dir")
        .arg(&folder)
        .arg("--wallet")
        .arg(stage.staker.home().join(".config/k3s-daas/wallet.key"));
    let ran = crate::stage::person::run(StageNetwork::on_staker(&command)).await?;
    ensure!(ran.code != 0 && ran.stderr.contains("D402"), "{}: {}", ran.code, ran.stderr);
    Ok("D402 InstanceMismatch".to_owned())
}

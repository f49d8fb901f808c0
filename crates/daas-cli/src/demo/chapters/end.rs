use crate::demo::footprint::Footprint;
use crate::demo::network::DemoNetwork;
use crate::demo::person::succeed;
use crate::demo::stage::{Stage, eventually};
use crate::demo::secrets;
use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// No secret stands where it must not.
pub(crate) async fn secrets(stage: &mut Stage) -> anyhow::Result<()> {
    let known = secrets::collect(&stage.state)?;
    stage.step("no secret in a log, a command line or an environment", async {
        let leaks = secrets::leaks(&stage.state, &known);
        ensure!(leaks.is_empty(), "found in {}", leaks.join(", "));
        Ok(format!("{} secrets looked for", known.len()))
    })
    .await
    .map(drop)
}

/// Ends everything, and looks whether the machine is as it was.
pub(crate) async fn tear_down(stage: &mut Stage, before: &Footprint) -> anyhow::Result<()> {
    if let Some(mut worker) = stage.worker.take() {
        if let Some(pid) = worker.id().and_then(|id| i32::try_from(id).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        }
        // A worker that does not end is `down`'s to clear away.
        drop(tokio::time::timeout(Duration::from_secs(30), worker.wait()).await);
    }
    stage.step("`k3s-daas down --purge`", async { succeed(stage.operator.daas(&["down", "--purge"])).await.map(drop) }).await?;
    DemoNetwork::remove().await;
    stage.step("the machine is as it was", async {
        eventually(Duration::from_secs(10), async || {
            let left = Footprint::take(stage.state.path()).await.new_since(before);
            ensure!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
            Ok(())
        })
        .await
        .context("not everything is gone")
    })
    .await
}

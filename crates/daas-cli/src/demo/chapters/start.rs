use crate::demo::person::run;
use crate::demo::stage::Stage;
use crate::supervise::report::Report;
use anyhow::{Context as _, ensure};
use std::time::Duration;

/// `k3s-daas up`, and its own account of each step.
pub(crate) async fn cluster(stage: &mut Stage) -> anyhow::Result<()> {
    let network = stage.network;
    stage.step("two machines on one network", async { network.make().await.map(|()| format!("{network:?}")) }).await?;
    let (bind, rpc, faucet) =
        (network.operator.to_string(), format!("{}:9000", network.operator), format!("{}:9123", network.operator));
    let mut up = stage.operator.daas(&["up", "--bind", &bind, "--devnet-listen", &rpc, "--devnet-faucet", &faucet]);
    // Its progress is shown as it comes; a first build of Kubernetes takes minutes.
    let status = up.status().await?;
    ensure!(status.success(), "`k3s-daas up` ended with {status}");
    let report = Report::read(&stage.state.status())?.context("`up` left no status")?;
    for step in &report.steps {
        let took = Duration::from_millis(step.took_ms.unwrap_or_default());
        stage.line(true, &format!("{:?}", step.name), took, step.detail.as_deref().unwrap_or_default());
    }
    stage.step("a second `up` changes nothing and says so", async {
        let again = run(stage.operator.daas(&["up"])).await?;
        ensure!(again.code == 0 && again.stdout.contains("D510"), "{}{}", again.stdout, again.stderr);
        Ok(())
    })
    .await
}

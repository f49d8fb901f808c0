use crate::stage::Stage;
use crate::stage::person::run;
use anyhow::ensure;

/// `k3s-daas up`.
pub(crate) async fn cluster(stage: &mut Stage) -> anyhow::Result<()> {
    stage.up().await?;
    stage
        .step("a second `up` changes nothing and says so", async {
            let again = run(stage.operator.daas(&["up"])).await?;
            ensure!(again.code == 0 && again.stdout.contains("D510"), "{}{}", again.stdout, again.stderr);
            Ok(())
        })
        .await
}

use crate::demo::secrets;
use crate::stage::Stage;
use anyhow::ensure;

/// No secret stands where it must not.
pub(crate) async fn secrets(stage: &mut Stage) -> anyhow::Result<()> {
    let known = secrets::collect(&stage.state)?;
    stage
        .step("no secret in a log, a command line or an environment", async {
            let leaks = secrets::leaks(&stage.state, &known);
            ensure!(leaks.is_empty(), "found in {}", leaks.join(", "));
            Ok(format!("{} secrets looked for", known.len()))
        })
        .await
        .map(drop)
}

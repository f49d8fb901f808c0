//! The whole way once, with real processes and nothing but what people type: an operator, a staker with a machine of its
//! own (a network namespace), a viewer, a developer. Every line printed was checked; the first that fails ends it.

mod chapters;
mod manifests;
mod secrets;

use crate::context::Context;
use crate::output::done;
use crate::stage::Stage;
use crate::stage::footprint::Footprint;
use clap::Args;
use daas_types::{ErrorCode, Problem};

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Leave the cluster running at the end
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<(), Problem> {
    if !crate::machine::is_root() {
        return Err(Problem::new(ErrorCode::RootNeeded, "the demo starts containers and network namespaces"));
    }
    if crate::supervise::lock::holder(&context.state).is_some() {
        return Err(Problem::new(ErrorCode::AlreadyRunning, context.state.path().display()));
    }
    let before = Footprint::take(context.state.path()).await;
    let mut stage = Stage::new(context.output, context.state.clone())?;
    let told = tokio::select! {
        told = story(&mut stage) => told,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let failed = |error: anyhow::Error| Problem::new(ErrorCode::DemoFailed, format!("{error:#}"));
    if args.keep && told.is_ok() {
        return Ok(());
    }
    if told.is_err() {
        stage.show_logs();
    }
    let cleared = stage.tear_down(&before).await;
    told.map_err(failed)?;
    cleared.map_err(failed)?;
    context.output.note(done(format!("the whole way in {:.0} s", stage.elapsed().as_secs_f64())));
    Ok(())
}

async fn story(stage: &mut Stage) -> anyhow::Result<()> {
    chapters::start::cluster(stage).await?;
    chapters::join::staker(stage).await?;
    chapters::work::pods(stage).await?;
    chapters::work::streams(stage).await?;
    chapters::tiers::viewer(stage).await?;
    chapters::tiers::developer(stage).await?;
    chapters::slash::propose(stage).await?;
    Box::pin(chapters::slash::execute(stage)).await?;
    chapters::slash::restore(stage).await?;
    chapters::end::secrets(stage).await
}

//! This machine's place for a node, which one worker has.

use super::programs::{check_programs, check_runtime, engine, problem};
use crate::config::WorkerConfig;
use crate::preflight;
use daas_client::ClusterInfo;
use daas_engine::HeldFolder;
use daas_types::{ErrorCode, Problem};
use std::path::Path;

/// Everything for which a machine is refused as long as nothing was spent, for who is about to spend something before there is a
/// [`super::Host`]. The folder is held as long as the answer lives.
pub(crate) async fn reserve(config: &WorkerConfig) -> Result<HeldFolder, Problem> {
    let joining = ClusterInfo::load(&config.cluster)?.join.engine;
    check_programs(config, joining)?;
    let data_dir = std::path::absolute(config.data_dir(joining)).map_err(Problem::of(ErrorCode::StateUnreadable))?;
    let held = hold(&data_dir, &config.state_dir)?;
    check_runtime(config, joining).await?;
    engine(joining).check_place(&data_dir).map_err(problem)?;
    preflight::before_money(config, joining)?;
    Ok(held)
}

pub(super) fn hold(data_dir: &Path, state_dir: &Path) -> Result<HeldFolder, Problem> {
    let who = format!("the worker of {} (pid {})", state_dir.display(), std::process::id());
    HeldFolder::take(data_dir, &who).map_err(|error| problem(error.into()))
}

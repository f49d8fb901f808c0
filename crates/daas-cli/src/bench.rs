//! Measurements on a real cluster that each starts, and clears away, itself. Each prints a table, writes
//! `target/bench/NAME.json` and compares with a peer in the same run.

mod account;
mod api;
mod footprint;
mod join;
mod process;
mod revocation;
mod watch;

use crate::context::Context;
use crate::output::{Output, done};
use crate::paths::StateDir;
use crate::stage::Stage;
use crate::stage::footprint::Footprint;
use api::ApiArgs;
use clap::Subcommand;
use daas_types::{ErrorCode, Problem};
use footprint::{FootprintArgs, StandInArgs};
use join::JoinBenchArgs;
use revocation::RevocationArgs;
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Where the API server listens behind the gateway.
const API_PORT: u16 = 16444;
/// Where what is made for a benchmark lies.
const NAMESPACE: &str = "bench";

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Bench {
    /// From the checkpoint with a proposed slash to the end of the last of the staker's streams
    Revocation(RevocationArgs),
    /// Memory and CPU of master and worker at rest, and the time of a master's start
    Footprint(FootprintArgs),
    /// From the start of a worker that holds its Seal to a Ready node, beside a plain kubelet
    Join(JoinBenchArgs),
    /// What the gateway adds to requests of the real API server
    Api(ApiArgs),
    /// Stand in for one of the engine's processes, as `footprint` needs it
    #[command(hide = true)]
    StandIn(StandInArgs),
}

pub(crate) async fn run(context: &Context, bench: &Bench) -> Result<(), Problem> {
    match bench {
        Bench::Revocation(args) => revocation::run(context.output, args).await,
        Bench::Footprint(args) => footprint::run(context.output, args).await,
        Bench::Join(args) => join::run(context.output, args).await,
        Bench::Api(args) => api::run(context.output, args).await,
        Bench::StandIn(args) => footprint::stand_in(args).await,
    }
}

/// Measures on a stage of its own, which is cleared away whatever comes of it; prints and saves the figures.
async fn on_stage<T: Display + Serialize>(
    output: Output,
    name: &str,
    measure: impl AsyncFnOnce(&Stage) -> anyhow::Result<T>,
) -> Result<(), Problem> {
    if !crate::machine::is_root() {
        return Err(Problem::new(ErrorCode::RootNeeded, "the benchmark starts containers and network namespaces"));
    }
    let folder = tempfile::Builder::new().prefix("daas-bench-").tempdir();
    let folder = folder.map_err(Problem::of(ErrorCode::StateUnreadable))?;
    let state = StateDir::new(&folder.path().join("s"))?;
    let before = Footprint::take(state.path()).await;
    let mut stage = Stage::new(output, state)?;
    let measured = tokio::select! {
        measured = Box::pin(measure(&stage)) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    if measured.is_err() {
        stage.show_logs();
    }
    let cleared = stage.tear_down(&before).await;
    let failed = |error: anyhow::Error| Problem::new(ErrorCode::BenchFailed, format!("{error:#}"));
    let figures = measured.map_err(failed)?;
    let path = save(name, &figures)?;
    output.result(format!("{figures}\n{}", done(path.display())), &figures);
    cleared.map_err(failed)
}

/// Writes a result where every benchmark's lies, below the folder that the command was run in.
fn save(name: &str, result: &impl Serialize) -> Result<PathBuf, Problem> {
    let path = Path::new("target/bench").join(format!("{name}.json"));
    let unusable = |error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()));
    let mut text = serde_json::to_vec_pretty(result).map_err(Problem::of(ErrorCode::Internal))?;
    text.push(b'\n');
    std::fs::create_dir_all("target/bench").map_err(unusable)?;
    std::fs::write(&path, text).map_err(unusable)?;
    Ok(path)
}

/// The middle of what was measured; of an even number the middle of the middle two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

/// To two places.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_both_kinds() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    }
}

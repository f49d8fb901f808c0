//! Measurements on a real cluster that each starts, and clears away, itself. Each prints a table, writes
//! `target/bench/NAME.json` and compares with a peer in the same run.

mod revocation;
mod watch;

use crate::context::Context;
use clap::Subcommand;
use daas_types::{ErrorCode, Problem};
use revocation::RevocationArgs;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Bench {
    /// From the checkpoint with a proposed slash to the end of the last of the staker's streams
    Revocation(RevocationArgs),
}

pub(crate) async fn run(context: &Context, bench: &Bench) -> Result<(), Problem> {
    match bench {
        Bench::Revocation(args) => revocation::run(context.output, args).await,
    }
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

//! Builds the Kubernetes programs into the cache and prints their manifest: `build-engine [CACHE_DIR]`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::path::PathBuf;

use daas_engine::build::{self, Progress};
use indicatif::{ProgressBar, ProgressStyle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => build::default_cache_dir()?,
    };
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let binaries = build::ensure(&cache, &mut |progress| match progress {
        Progress::WaitingForOther => bar.set_message("another build is running"),
        Progress::Fetching => bar.set_message("fetching modules"),
        Progress::Downloading { .. } => {}
        Progress::Hashing => bar.set_message("hashing"),
        Progress::Compiling { done, total } => {
            bar.set_message("compiling");
            bar.set_length(u64::try_from(total.max(done)).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        }
    })
    .await?;
    bar.finish_and_clear();
    print!("{}", binaries.manifest());
    println!("{}", binaries.folder().display());
    Ok(())
}

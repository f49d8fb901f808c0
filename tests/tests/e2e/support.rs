//! What the tests stand on: turns, a cluster, the people who type, and a look at the machine.

pub(crate) mod agent;
pub(crate) mod cluster;
pub(crate) mod commands;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod others;
pub(crate) mod person;
pub(crate) mod pods;
pub(crate) mod processes;
pub(crate) mod worker;

use anyhow::{Context as _, Result, anyhow};
use futures::future::LocalBoxFuture;
use std::future::Future;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

static TURN: Mutex<()> = Mutex::new(());

/// Runs one story as root, alone, for at most `limit`. What it leaves when it fails, its [`cluster::Cluster`] clears.
pub(crate) fn scenario(name: &str, limit: Duration, story: impl Future<Output = Result<()>>) {
    if !nix::unistd::geteuid().is_root() {
        say(&format!("SKIPPED: {name}: needs root (real containers); run: sudo make test"));
        return;
    }
    // A story that failed has cleared up; the next one may have its turn.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime must start");
    let told = runtime.block_on(async {
        let began = Instant::now();
        let told = timeout(limit, story).await.unwrap_or_else(|_| Err(anyhow!("not over after {limit:?}")));
        say(&format!("{name}: {:.1} s", began.elapsed().as_secs_f64()));
        told
    });
    if let Err(error) = told {
        panic!("{name}: {error:#}");
    }
}

/// A line that is seen whether or not the test passes.
pub(crate) fn say(line: &str) {
    // The harness swallows what the print macros write.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Does a step, says how long it took, and names it if it fails.
pub(crate) fn step<'a, T: 'a>(
    name: &'a str,
    work: impl Future<Output = Result<T>> + 'a,
) -> LocalBoxFuture<'a, Result<T>> {
    Box::pin(async move {
        let began = Instant::now();
        let result = work.await.with_context(|| name.to_owned());
        let mark = if result.is_ok() { '✓' } else { '✗' };
        say(&format!("  {mark} {:>6.2} s  {name}", began.elapsed().as_secs_f64()));
        result
    })
}

/// Asks again until the answer is yes, for at most `limit`. The last no is the error.
pub(crate) async fn eventually<T>(limit: Duration, mut ask: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => return Err(error.context(format!("not within {limit:?}"))),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

//! Short-lived helper programs: run, with a deadline, output kept for the error.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Where programs of the system lie; nothing of the caller's PATH is needed.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LIMIT: Duration = Duration::from_mins(1);

/// A helper program that did not do its work.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed: {reason}")]
pub struct CommandError {
    /// The command line.
    pub command: String,
    /// Its error output, or why it did not run.
    pub reason: String,
}

/// Runs a program of the system and answers its output.
pub(crate) async fn run(program: impl AsRef<Path>, args: &[impl AsRef<OsStr>]) -> Result<String, CommandError> {
    run_with_input(program, args, "").await
}

pub(crate) async fn run_with_input(
    program: impl AsRef<Path>,
    args: &[impl AsRef<OsStr>],
    input: &str,
) -> Result<String, CommandError> {
    let program = program.as_ref();
    let words: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    let failed =
        |reason: String| CommandError { command: format!("{} {}", program.display(), words.join(" ")), reason };
    let work = async {
        let mut child = Command::new(program)
            .args(args)
            .env("PATH", SYSTEM_PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    match timeout(LIMIT, work).await {
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(failed(format!("{} ({})", said.trim(), output.status)))
        }
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(_) => Err(failed(format!("no end within {LIMIT:?}"))),
    }
}

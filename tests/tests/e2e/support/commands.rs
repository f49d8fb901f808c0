//! Running programs to their end, and reading those that do not end.

use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The longest a command may take; `down` after a kill is the slowest.
const LIMIT: Duration = Duration::from_mins(2);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that goes on, and what it prints.
pub(crate) struct Stream {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// A command that dies with this process and reads nothing.
pub(crate) fn command(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn run(command: Command) -> Result<Ran> {
    feed(command, None).await
}

/// Runs a command with this standard input to its end.
pub(crate) async fn feed(mut command: Command, input: Option<&str>) -> Result<Ran> {
    let name = format!("{:?}", command.as_std());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(name.clone())?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).await?;
    }
    let output = timeout(LIMIT, child.wait_with_output()).await;
    let output = output.with_context(|| format!("{name} did not end"))?.context(name)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// Runs a command with this standard input, and it must succeed.
pub(crate) async fn pipe(command: Command, input: &str) -> Result<()> {
    let ran = feed(command, Some(input)).await?;
    ensure!(ran.code == 0, "{}", ran.said());
    Ok(())
}

/// Runs a command that must succeed; what it printed.
pub(crate) async fn succeed(command: Command) -> Result<String> {
    let name = format!("{:?}", command.as_std());
    let ran = run(command).await?;
    ensure!(ran.code == 0, "{name} ended with {}: {}{}", ran.code, ran.stdout.trim(), ran.stderr.trim());
    Ok(ran.stdout.trim().to_owned())
}

/// Runs a command that must fail and say each of `words`.
pub(crate) async fn refused(command: Command, words: &[&str]) -> Result<Ran> {
    let name = format!("{:?}", command.as_std());
    let ran = run(command).await?;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    ensure!(ran.code != 0, "{name} was allowed: {said}");
    for word in words {
        ensure!(said.contains(word), "{name}: expected `{word}` in: {said}");
    }
    Ok(ran)
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n    ")
}

// === impl Ran ===

impl Ran {
    /// Everything it printed.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

// === impl Stream ===

impl Stream {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// Reads until a line holds `word`; that line.
    pub(crate) async fn until(&mut self, word: &str, limit: Duration) -> Result<String> {
        let read = async {
            loop {
                let line = self.lines.next_line().await?.with_context(|| format!("ended before `{word}` came"))?;
                if line.contains(word) {
                    return anyhow::Ok(line);
                }
            }
        };
        timeout(limit, read).await.with_context(|| format!("`{word}` did not come within {limit:?}"))?
    }

    /// Waits for its end, whatever it still prints.
    pub(crate) async fn ended(mut self, limit: Duration) -> Result<()> {
        let wait = async {
            while self.lines.next_line().await?.is_some() {}
            self.child.wait().await?;
            anyhow::Ok(())
        };
        timeout(limit, wait).await.with_context(|| format!("still open after {limit:?}"))?
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }
}

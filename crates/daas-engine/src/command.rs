//! Short-lived helper programs: run, with a deadline, output kept for the error.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Where programs of the system lie; nothing of the caller's PATH is needed.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LIMIT: Duration = Duration::from_mins(1);
/// For how long a program that was just written may be busy.
const BUSY: Duration = Duration::from_millis(10);
const BUSY_TRIES: usize = 100;

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
        let mut command = Command::new(program);
        command.args(args).env("PATH", SYSTEM_PATH).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut command).await?;
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

/// Starts it. One that this process has written may still be open for writing in a copy of this process that is about to become
/// another program.
async fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => sleep(BUSY).await,
            started => return started,
        }
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn a_program_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, "#!/bin/sh\necho done\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let held = File::options().append(true).open(&path).unwrap();
        let mut running = JoinSet::new();
        running.spawn(async move { run(path, &[""; 0]).await });
        // It has tried once by then.
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(running.join_next().await.unwrap().unwrap().unwrap(), "done\n");
    }
}

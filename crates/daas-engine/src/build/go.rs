use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{BuildError, GO_MOD, Progress};

/// The version that the Kubernetes programs tell about themselves; the same as in go.mod.
pub(super) const KUBERNETES: &str = "v1.36.3";

/// Everything that shapes the programs, besides go.mod and go.sum.
pub(super) const FLAGS: &[&str] = &[
    "-trimpath",
    "-buildvcs=false",
    "-tags=no_btrfs,no_zfs,no_devmapper,netgo,osusergo,providerless",
    "-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3",
];

/// How many of the last lines of output an error shows.
const SHOWN: usize = 25;

/// Where `go` is looked for.
pub(super) struct Toolchain {
    pub(super) path: OsString,
}

struct Output {
    status: ExitStatus,
    last: VecDeque<String>,
}

impl Toolchain {
    pub(super) fn from_path() -> Self {
        Self { path: std::env::var_os("PATH").unwrap_or_default() }
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::split_paths(&self.path).map(|folder| folder.join("go")).find(|file| file.is_file())
    }
}

impl BuildError {
    pub(super) fn with_folder(self, cache_dir: &Path) -> Self {
        match self {
            Self::DiskFull { .. } => Self::DiskFull { folder: cache_dir.to_owned() },
            other => other,
        }
    }
}

/// Builds all programs of the go.mod in `source` into `programs`.
pub(super) async fn build(
    source: PathBuf,
    programs: PathBuf,
    toolchain: &Toolchain,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), BuildError> {
    debug_assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {KUBERNETES}")), "go.mod has another version");
    let needed = required_version(GO_MOD).to_owned();
    let go = toolchain.program().ok_or_else(|| BuildError::NoGo { needed: needed.clone() })?;
    check_version(&go, toolchain, &needed).await?;
    progress(Progress::Fetching);
    let mut total = 0;
    let list = command(&go, toolchain, &source, &["list", "-deps", "-f", "{{.ImportPath}}", FLAGS[2], "tool"]);
    run(list, &mut |line: Line<'_>| {
        if matches!(line, Line::Out) {
            total += 1;
        }
    })
    .await?;
    let mut done = 0;
    let folder = format!("{}/", programs.display());
    let arguments = [&["build", "-v"], FLAGS, &["-o", &folder, "tool"]].concat();
    run(command(&go, toolchain, &source, &arguments), &mut |line: Line<'_>| {
        // `-v` prints one import path for each package; anything with a space is a message.
        if matches!(line, Line::Err(text) if !text.contains(' ')) {
            done += 1;
            progress(Progress::Compiling { done, total });
        }
    })
    .await
}

fn command(go: &Path, toolchain: &Toolchain, source: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(go);
    command
        .args(arguments)
        .current_dir(source)
        .env("PATH", &toolchain.path)
        .env("CGO_ENABLED", "1")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn required_version(go_mod: &str) -> &str {
    go_mod.lines().find_map(|line| line.strip_prefix("go ")).map_or("1.26", str::trim)
}

async fn check_version(go: &Path, toolchain: &Toolchain, needed: &str) -> Result<(), BuildError> {
    let no_go = || BuildError::NoGo { needed: needed.to_owned() };
    let mut command = Command::new(go);
    let command = command.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").env("PATH", &toolchain.path);
    let output = command.kill_on_drop(true).output().await.map_err(|_| no_go())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.trim().strip_prefix("go").ok_or_else(no_go)?;
    if numbers(found) < numbers(needed) {
        return Err(BuildError::GoTooOld { found: found.to_owned(), needed: needed.to_owned() });
    }
    Ok(())
}

fn numbers(version: &str) -> Vec<u32> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split('.').map(|part| digits(part).parse().unwrap_or(0)).collect()
}

enum Line<'a> {
    Out,
    Err(&'a str),
}

async fn run(command: Command, each: &mut (dyn FnMut(Line<'_>) + Send)) -> Result<(), BuildError> {
    let output = read(command, each).await.map_err(|e| match e.kind() {
        io::ErrorKind::StorageFull => BuildError::DiskFull { folder: PathBuf::new() },
        _ => BuildError::Compile { output: format!("`go` could not be run: {e}") },
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(classify(&Vec::from(output.last).join("\n")))
}

async fn read(mut command: Command, each: &mut (dyn FnMut(Line<'_>) + Send)) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().expect("stdout must be piped")).lines();
    let mut err = BufReader::new(child.stderr.take().expect("stderr must be piped")).lines();
    let mut last = VecDeque::new();
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        tokio::select! {
            line = out.next_line(), if out_open => match line? {
                Some(_) => each(Line::Out),
                None => out_open = false,
            },
            line = err.next_line(), if err_open => match line? {
                Some(line) => {
                    each(Line::Err(&line));
                    if last.len() == SHOWN {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
                None => err_open = false,
            },
        }
    }
    Ok(Output { status: child.wait().await?, last })
}

/// `go` has one exit code for everything, so the cause is read from its words.
fn classify(output: &str) -> BuildError {
    let says = |words: &[&str]| words.iter().any(|w| output.contains(w));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return BuildError::DiskFull { folder: PathBuf::new() };
    }
    if says(&["C compiler", "executable file not found in $PATH"]) && says(&["gcc", "clang", "cgo"]) {
        return BuildError::NoCompiler;
    }
    let network = ["dial tcp", "no such host", "i/o timeout", "TLS handshake", "connection refused"];
    if says(&network) || says(&["proxyconnect", "module lookup disabled", "network is unreachable"]) {
        return BuildError::NoNetwork { output: output.to_owned() };
    }
    BuildError::Compile { output: output.to_owned() }
}

//! Someone with a home folder, a wallet and a kubeconfig, who types commands.

use super::kubectl;
use crate::paths::StateDir;
use anyhow::{Context as _, bail, ensure};
use daas_types::{ErrorCode, Problem};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// The longest any of these commands may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    home: PathBuf,
    kubeconfig: PathBuf,
    state: StateDir,
    own: PathBuf,
    /// The machine's: Kubernetes is built once, not once a person.
    cache: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Person ===

impl Person {
    /// Someone new, whose home is below the state folder.
    pub(crate) fn new(state: &StateDir, name: &str) -> Result<Self, Problem> {
        let home = state.path().join("people").join(name);
        let own = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
        let engine = daas_engine::build::default_cache_dir().map_err(crate::commands::up::build_problem)?;
        let cache = engine.ancestors().nth(2).unwrap_or(&engine).to_owned();
        Ok(Self { kubeconfig: home.join("kubeconfig"), home, state: state.clone(), own, cache })
    }

    /// Whoever ran `up`.
    pub(crate) fn operator(state: &StateDir) -> Result<Self, Problem> {
        Ok(Self { kubeconfig: state.kubeconfig(), ..Self::new(state, "operator")? })
    }

    /// `k3s-daas …` as typed by this person.
    pub(crate) fn daas(&self, args: &[&str]) -> Command {
        let mut command = self.command(&self.own);
        command.arg("--cluster").arg(self.state.join()).args(args);
        command
    }

    /// `kubectl …` as typed by this person.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.command(&kubectl().await?);
        command.args(args);
        Ok(command)
    }

    /// The same through a pseudo-terminal, for commands that want one.
    pub(crate) async fn kubectl_on_terminal(&self, args: &str) -> anyhow::Result<Command> {
        let mut command = self.command(Path::new("script"));
        command.args(["-qec", &format!("{} {args}", kubectl().await?.display()), "/dev/null"]);
        Ok(command)
    }

    /// Another kubeconfig of this person, such as one with a service account's token.
    pub(crate) fn with_kubeconfig(&self, kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, ..self.clone() }
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Wallet with money, stake, kubeconfig: the way from nothing to kubectl.
    pub(crate) async fn arrive(&self, stake: &[&str], seal: Option<&Path>) -> anyhow::Result<()> {
        succeed(self.daas(&["faucet"])).await?;
        let seal: Vec<OsString> = seal.map(|path| ["--seal".into(), path.into()]).into_iter().flatten().collect();
        let mut staking = self.daas(stake);
        staking.args(&seal);
        succeed(staking).await?;
        let mut kubeconfig = self.daas(&["kubeconfig", "--output"]);
        kubeconfig.arg(&self.kubeconfig).args(&seal);
        succeed(kubeconfig).await?;
        Ok(())
    }

    /// `kubectl …`, which must succeed; its output.
    pub(crate) async fn get(&self, args: &[&str]) -> anyhow::Result<String> {
        Ok(succeed(self.kubectl(args).await?).await?.stdout.trim().to_owned())
    }

    /// `kubectl apply -f -`.
    pub(crate) async fn apply(&self, manifest: &str) -> anyhow::Result<()> {
        let ran = feed(self.kubectl(&["apply", "-f", "-"]).await?, manifest).await?;
        ensure!(ran.code == 0, "apply: {}", ran.stderr.trim());
        Ok(())
    }

    /// `kubectl …`, which must fail and say each of `words`; what it said.
    pub(crate) async fn refused(&self, args: &[&str], words: &[&str]) -> anyhow::Result<String> {
        let ran = run(self.kubectl(args).await?).await?;
        let said = ran.stderr.trim().to_owned();
        ensure!(ran.code != 0, "kubectl {} was allowed: {}", args.join(" "), ran.stdout.trim());
        for word in words {
            ensure!(said.contains(word), "expected `{word}` in: {said}");
        }
        Ok(said)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", &self.home)
            .env_remove("XDG_CONFIG_HOME")
            .env("XDG_CACHE_HOME", &self.cache)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("K3S_DAAS_STATE_DIR", self.state.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Runs a command to its end.
pub(crate) async fn run(mut command: Command) -> anyhow::Result<Ran> {
    let name = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output.with_context(|| format!("{name} did not end"))?.with_context(|| name.clone())?;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must succeed.
pub(crate) async fn succeed(command: Command) -> anyhow::Result<Ran> {
    let name = format!("{:?}", command.as_std());
    let ran = run(command).await?;
    if ran.code != 0 {
        bail!("{name} ended with {}: {}{}", ran.code, ran.stdout.trim(), ran.stderr.trim());
    }
    Ok(ran)
}

/// Runs a command with this standard input.
async fn feed(mut command: Command, input: &str) -> anyhow::Result<Ran> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.context("did not end")??;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Starts a command that runs until it is cut.
pub(crate) fn start(mut command: Command) -> anyhow::Result<Child> {
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

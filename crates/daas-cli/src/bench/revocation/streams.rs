//! What the staker has open.

use super::scene::Scene;
use super::{NAMESPACE, POD};
use crate::bench::watch::{Caller, Watch};
use crate::stage::STAKER_NODE;
use anyhow::{Context as _, ensure};
use daas_chain::clock;
use daas_types::pop::Usage;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long a stream has to show that it is open.
const OPENING: Duration = Duration::from_secs(20);
/// How a command says that it is at its end of a stream.
const OPEN: &str = "open";

/// A command that was typed and is still running.
struct Typed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// All of it, each shown to be open.
pub(super) struct Streams {
    watch: Typed,
    exec: Typed,
    node: Vec<Watch>,
}

/// When each ended; of the node's the last.
pub(super) struct Closed {
    pub(super) watch: Instant,
    pub(super) exec: Instant,
    pub(super) node: Instant,
}

// === impl Streams ===

impl Streams {
    /// Opens everything. A watch is open when a change made since shows in it.
    pub(super) async fn open(scene: &Scene<'_>, number: u32) -> anyhow::Result<Self> {
        let staker = &scene.stage.staker;
        let watching = ["-n", NAMESPACE, "get", "pod", POD, "-w", "--no-headers", "--output-watch-events"];
        let mut watch = Typed::start(staker.kubectl(&watching).await?)?;
        let said = format!("echo {OPEN}; exec sleep 600");
        let executing = ["-n", NAMESPACE, "exec", POD, "--", "sh", "-c", &said];
        let mut exec = Typed::start(staker.kubectl(&executing).await?)?;
        let node = node(scene).await?;
        watch.line_with("ADDED").await?;
        let mark = format!("daas-bench/repetition={number}");
        scene.stage.operator.get(&["-n", NAMESPACE, "annotate", "--overwrite", "pod", POD, &mark]).await?;
        watch.line_with("MODIFIED").await?;
        exec.line_with(OPEN).await?;
        Ok(Self { watch, exec, node })
    }

    /// Waits for the end of all.
    pub(super) async fn closed(self) -> anyhow::Result<Closed> {
        let (watch, exec, node) = tokio::try_join!(self.watch.closed(), self.exec.closed(), last(self.node))?;
        Ok(Closed { watch, exec, node })
    }
}

// === impl Closed ===

impl Closed {
    pub(super) fn first(&self) -> Instant {
        self.watch.min(self.exec).min(self.node)
    }

    pub(super) fn last(&self) -> Instant {
        self.watch.max(self.exec).max(self.node)
    }
}

// === impl Typed ===

impl Typed {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    async fn line_with(&mut self, wanted: &str) -> anyhow::Result<()> {
        let found = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(wanted) {
                    return anyhow::Ok(true);
                }
            }
            Ok(false)
        };
        let found = timeout(OPENING, found).await.with_context(|| format!("never said `{wanted}`"))??;
        ensure!(found, "it ended before it said `{wanted}`");
        Ok(())
    }

    /// The command's own end is what the person sees.
    async fn closed(mut self) -> anyhow::Result<Instant> {
        self.child.wait().await?;
        Ok(Instant::now())
    }
}

/// The watches that a kubelet holds from its start: its pods, itself, the services.
async fn node(scene: &Scene<'_>) -> anyhow::Result<Vec<Watch>> {
    let token = scene.seal.mint(Usage::Kubelet, clock::now())?;
    let join = &scene.info.join;
    let caller = Caller { endpoint: &join.endpoint, ca: &join.ca, token: &token };
    let paths = [
        format!("/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3D{STAKER_NODE}"),
        format!("/api/v1/nodes?watch=true&fieldSelector=metadata.name%3D{STAKER_NODE}"),
        "/api/v1/services?watch=true".to_owned(),
    ];
    let mut open = Vec::new();
    for path in paths {
        open.push(Watch::open(&caller, &path).await.with_context(|| format!("the node's {path}"))?);
    }
    Ok(open)
}

/// The last end of several.
async fn last(watches: Vec<Watch>) -> anyhow::Result<Instant> {
    let mut ends = JoinSet::new();
    for mut watch in watches {
        ends.spawn(async move { watch.closed().await });
    }
    let ends = ends.join_all().await;
    ends.into_iter().max().context("the node had nothing open")
}

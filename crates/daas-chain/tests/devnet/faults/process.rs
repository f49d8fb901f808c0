//! The client that is killed: a process that follows, saves, and says what it knows.

use super::truth::{digest, seen};
use crate::world::PATIENCE;
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::{Index, IndexIds};
use daas_chain::store::Store;
use daas_types::genesis::Genesis;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The variable that has its task. This test binary is the program, and [`follows`] its `main`.
const TASK: &str = "DAAS_CHAIN_FOLLOW";
const MAIN: &str = "faults::process::follows";
/// What its lines begin with that are for this test. The others are its log.
const MARK: &str = "@ ";
/// A little more than the network is ever silent.
const IDLE: Duration = Duration::from_millis(1500);
const RETRY: Duration = Duration::from_millis(50);

/// What it is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) rpc: String,
    pub(crate) genesis: PathBuf,
    pub(crate) store: PathBuf,
    pub(crate) ids: IndexIds,
}

/// Something it said.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// What it found on disk: the last checkpoint, and the digest of what it knew then.
    Restored(u64, String),
    /// As it went on.
    At(u64, String),
    /// A position was another from then on, in this generation.
    Changed(String, u64),
    /// Changes came faster than it could say so.
    Lagged,
}

/// One life of it. It does not outlive this.
pub(crate) struct Process {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    reader: JoinSet<()>,
    /// The lines from here on are news.
    since: usize,
}

// === impl Process ===

impl Process {
    pub(crate) fn start(task: &Task) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([MAIN, "--exact", "--nocapture"])
            .env(TASK, serde_json::to_string(task).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut read = BufReader::new(child.stderr.take().unwrap()).lines();
        let (said, lines) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            while let Some(line) = read.next_line().await.unwrap() {
                said.send_modify(|lines| lines.push(line));
            }
        });
        Self { child, lines, reader, since: 0 }
    }

    /// What it says from now on is news.
    pub(crate) fn listen(&mut self) {
        self.since = self.lines.borrow().len();
    }

    /// Waits for a line of news with one of `parts`.
    pub(crate) async fn says(&self, parts: &[&str]) -> String {
        let is = |line: &&String| parts.iter().any(|part| line.contains(part));
        let mut lines = self.lines.clone();
        let said = lines.wait_for(|lines| lines[self.since..].iter().any(|line| is(&line)));
        let said = tokio::time::timeout(PATIENCE, said).await;
        let Ok(Ok(said)) = said else { panic!("no line with {parts:?} in\n{}", self.log()) };
        said[self.since..].iter().find(is).unwrap().clone()
    }

    /// Waits until it has this checkpoint.
    pub(crate) async fn reaches(&self, checkpoint: u64) {
        let has = |line: &String| matches!(Said::read(line), Some(Said::At(at, _)) if at >= checkpoint);
        let mut lines = self.lines.clone();
        let there = lines.wait_for(|lines| lines.iter().rev().any(has));
        let there = tokio::time::timeout(PATIENCE, there).await.is_ok_and(|there| there.is_ok());
        assert!(there, "it does not get to checkpoint {checkpoint}:\n{}", self.log());
    }

    /// SIGKILL. Everything it said.
    pub(crate) async fn dies(&mut self) -> Vec<String> {
        self.child.start_kill().unwrap();
        let ended = self.child.wait().await.unwrap();
        assert_eq!(ended.code(), None, "it ended by itself:\n{}", self.log());
        while let Some(read) = self.reader.join_next().await {
            read.unwrap();
        }
        self.lines.borrow().clone()
    }

    fn log(&self) -> String {
        let lines = self.lines.borrow();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

// === impl Said ===

impl Said {
    pub(crate) fn read(line: &str) -> Option<Self> {
        Some(serde_json::from_str(line.strip_prefix(MARK)?).unwrap())
    }

    /// One write, so that a death leaves a whole line or none.
    fn say(&self) {
        let line = format!("{MARK}{}\n", serde_json::to_string(self).unwrap());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

/// The program. Without a task it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn follows() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Task = serde_json::from_str(&task).unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let genesis = genesis(&task);
    let client = connected(&task.rpc, &genesis).await;
    let index = Index::new(task.ids);
    let store = Store::open(&task.store, &genesis, task.ids).unwrap();
    let follower = Follower::new(client, index.clone()).with_store(store).unwrap().with_idle_limit(IDLE);
    let known = index.snapshot();
    Said::Restored(known.checkpoint(), digest(&seen(&known))).say();

    let (mut changes, mut checkpoints) = (index.changes(), index.checkpoints());
    let mut following = JoinSet::new();
    following.spawn(follower.run(CancellationToken::new()));
    let mut end = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    loop {
        tokio::select! {
            biased;
            change = changes.recv() => match change {
                Ok(change) => Said::Changed(change.position.to_string(), change.generation).say(),
                Err(_) => Said::Lagged.say(),
            },
            moved = checkpoints.changed() => {
                moved.unwrap();
                let known = index.snapshot();
                // Before there is a checkpoint it has what objects say.
                if known.timestamp().is_none() {
                    continue;
                }
                Said::At(known.checkpoint(), digest(&seen(&known))).say();
            }
            ended = following.join_next() => panic!("{ended:?}"),
            // Whoever started it is gone.
            _ = &mut end => return,
        }
    }
}

/// As in a join file: the digest, and what it covers.
fn genesis(task: &Task) -> Genesis {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&task.genesis).unwrap()).unwrap();
    let text = |key: &str| file[key].as_str().unwrap();
    Genesis::pinned(text("digest").parse().unwrap(), &STANDARD.decode(text("summary")).unwrap()).unwrap()
}

/// It may start while the network fails.
async fn connected(rpc: &str, genesis: &Genesis) -> ChainClient {
    let mut retry = tokio::time::interval(RETRY);
    loop {
        retry.tick().await;
        match ChainClient::connect(rpc, genesis).await {
            Ok(client) => return client,
            Err(error) => tracing::warn!(%error, "not connected"),
        }
    }
}

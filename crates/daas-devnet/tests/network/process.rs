//! The network as a process of its own.

use crate::support::Wallet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{ExecuteTransactionRequest, ExecutedTransaction};
use sui_transaction_builder::TransactionBuilder;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) rpc: String,
    pub(crate) faucet: String,
    log: Lines<BufReader<ChildStderr>>,
}

/// Starts the program and waits for its own word that it serves.
pub(crate) async fn serve(dir: &Path) -> Process {
    started(Command::new(env!("CARGO_BIN_EXE_k3s-daas-devnet")), dir).await
}

/// The same, with no file longer than `bytes`: writes beyond it fail.
pub(crate) async fn serve_within(dir: &Path, bytes: u64) -> Process {
    let mut shell = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    shell.args(["-c", &limited, env!("CARGO_BIN_EXE_k3s-daas-devnet")]);
    started(shell, dir).await
}

async fn started(mut command: Command, dir: &Path) -> Process {
    command.args(["serve", "--listen", "127.0.0.1:0", "--faucet", "127.0.0.1:0", "--state-dir"]).arg(dir);
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let started = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("devnet started") {
                return;
            }
        }
        panic!("the devnet ended before it served");
    };
    timeout(DEADLINE, started).await.unwrap();
    let endpoints = std::fs::read_to_string(dir.join("endpoints.json")).unwrap();
    let endpoints: serde_json::Value = serde_json::from_str(&endpoints).unwrap();
    let text = |key: &str| endpoints[key].as_str().unwrap().to_owned();
    Process { child, rpc: text("rpc"), faucet: text("faucet"), log }
}

// === impl Process ===

impl Process {
    /// Waits for its end by itself; answers whether it went well, and the rest of its log.
    pub(crate) async fn ended(mut self) -> (bool, String) {
        let mut said = String::new();
        let rest = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                said.push_str(&line);
                said.push('\n');
            }
            self.child.wait().await.unwrap().success()
        };
        let well = timeout(DEADLINE, rest).await.unwrap();
        (well, said)
    }
}

/// Builds, signs and executes. The error is the first of these that fails.
pub(crate) async fn send(
    client: &mut Client,
    from: &Wallet,
    commands: impl FnOnce(&mut TransactionBuilder),
) -> Result<ExecutedTransaction, String> {
    let mut builder = TransactionBuilder::new();
    builder.set_sender(from.address);
    commands(&mut builder);
    let transaction = builder.build(client).await.map_err(|e| e.to_string())?;
    let request = ExecuteTransactionRequest::default()
        .with_transaction(transaction.clone())
        .with_signatures(vec![from.sign(&transaction).into()])
        .with_read_mask(FieldMask::from_str("digest,checkpoint,effects.status"));
    let done = client.execution_client().execute_transaction(request).await.map_err(|e| e.to_string())?;
    done.into_inner().transaction.ok_or_else(|| "no transaction".to_owned())
}

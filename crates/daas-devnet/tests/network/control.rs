//! The control socket, and the program's own client of it.

use crate::support::*;
use daas_devnet::{Config, Devnet};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

async fn command(dir: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k3s-daas-devnet"));
    command.args(["control", "--state-dir"]).arg(dir).args(words.split(' '));
    command.output().await.unwrap()
}

async fn done(dir: &Path, words: &str) -> Value {
    let output = command(dir, words).await;
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn refused(dir: &Path, words: &str) -> String {
    let output = command(dir, words).await;
    assert!(!output.status.success(), "{words}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn every_command_does_what_it_says() {
    let net = Net::seeded(3).await;
    let dir = net.dir.path();
    let mode = std::fs::metadata(dir.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let start = done(dir, "status").await;
    assert_eq!((&start["chain"], &start["clock"]["manual"]), (&json!(net.devnet.genesis.digest()), &json!(true)));
    let start = start["clock"]["now_ms"].as_u64().unwrap();
    assert_eq!(done(dir, "clock advance 1m30s").await["now_ms"], json!(start + 90_000));
    assert_eq!(done(dir, "clock set 2026-02-01T00:00:00Z").await["now_ms"], json!(1_769_904_000_000_u64));
    assert!(refused(dir, "clock set 2026-01-31T00:00:00Z").await.contains("does not go back"));
    assert!(refused(dir, "clock advance soon").await.contains("not a time"));
    assert_eq!(done(dir, "checkpoint").await["checkpoint"], json!(1));
    let ended = done(dir, "epoch").await;
    assert_eq!((&ended["epoch"], &ended["last_checkpoint"]["checkpoint"]), (&json!(1), &json!(2)));

    assert_eq!(done(dir, "fault add delay 250ms --method GetObject --for 1h").await["id"], json!(1));
    assert_eq!(done(dir, "fault add unavailable --calls 3 --percent 50 --seed 9").await["id"], json!(2));
    assert_eq!(done(dir, "fault add lie altered-event --fit summary --checkpoint 2").await["id"], json!(3));
    assert_eq!(done(dir, "fault add drop-streams").await, json!({ "dropped": 0 }));
    assert!(refused(dir, "fault add delay 1s --method GetObjects").await.contains("no method GetObjects"));
    let faults = done(dir, "fault list").await;
    assert_eq!(faults["faults"][0]["fault"], json!({ "kind": "delay", "ms": 250 }));
    assert!(faults["faults"][0]["ends_in_ms"].as_u64().unwrap() > 0);
    let lie = json!({ "kind": "lie", "lie": "altered-event", "checkpoint": 2, "fit": "summary" });
    assert_eq!(faults["faults"][2]["fault"], lie);
    assert_eq!(done(dir, "fault clear 2").await, json!({ "cleared": 1 }));
    assert_eq!(done(dir, "fault clear").await, json!({ "cleared": 2 }));

    assert_eq!(done(dir, "clock real").await["manual"], json!(false));
    assert_eq!(done(dir, "clock manual").await["manual"], json!(true));
    let dir = net.dir;
    net.devnet.stop().await.unwrap();
    assert!(!dir.path().join("control.sock").exists());
    assert!(refused(dir.path(), "status").await.contains("no network answers in"));
}

#[tokio::test]
async fn a_line_is_a_request_and_nonsense_is_answered() {
    let net = Net::seeded(4).await;
    let stream = UnixStream::connect(net.dir.path().join("control.sock")).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut ask = async |line: &str| {
        write.write_all(line.as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let start = ask("{\"command\":\"clock\"}\n").await["ok"]["now_ms"].as_u64().unwrap();
    let moved = ask("{\"command\":\"clock-advance\",\"ms\":5}\n").await;
    assert_eq!(moved, json!({ "ok": { "now_ms": start + 5, "manual": true } }));
    let stall = r#"{"command":"fault-add","fault":{"kind":"stall"},"for_ms":60000}"#;
    assert_eq!(ask(&format!("{stall}\n")).await, json!({ "ok": { "id": 1 } }));
    let error = |answer: Value| answer["error"].as_str().unwrap().to_owned();
    assert!(error(ask("{\"command\":\"checkpoint\"}\n").await).contains("stalled"));
    assert!(error(ask("{\"command\":\"clock-advance\",\"milliseconds\":5}\n").await).contains("unknown field"));
    assert!(error(ask("{\"command\":\"mine\"}\n").await).contains("unknown variant"));
    assert!(error(ask("\u{0}\n").await).contains("not a request"));
    // Longer than a request can be: answered, and the connection ends.
    assert!(error(ask(&"x".repeat(64 * 1024)).await).contains("at most 65536 bytes"));
    assert_eq!(lines.next_line().await.unwrap_or_default(), None);
}

/// Paths of Unix sockets end after 107 bytes.
#[tokio::test]
async fn a_state_folder_may_have_a_long_name() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(200));
    let config = Config { seed: Some(5), ..config(&long, &Arc::default()) };
    let devnet = Devnet::start(config).await.unwrap();
    assert_eq!(done(&long, "checkpoint").await["checkpoint"], json!(1));
    devnet.stop().await.unwrap();
}

//! A verifier in another language, written from the documented format, finds what this one finds.
#![expect(clippy::unwrap_used, reason = "a test's unwrap is an assertion")]

use daas_audit::{EnclaveKey, Folder, Log, LogConfig, LogId, Report, What, Who, verify};
use daas_types::{ClusterId, PositionId, SealId, Tier, UnixMs};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn id() -> LogId {
    LogId { cluster: ClusterId([1; 32].into()), key: EnclaveKey([2; 32]) }
}

/// None if there is no Node.
fn second(folder: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify.mjs");
    let LogId { cluster, key } = id();
    let output =
        Command::new("node").arg(script).arg(folder).args([hex::encode(cluster.0.inner()), key.to_string()]).output();
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let _ = writeln!(std::io::stderr(), "SKIPPED (the second verifier): there is no Node");
            None
        }
        output => Some(output.unwrap()),
    }
}

/// Three lives of a process, several segments, every kind of text.
async fn write(folder: &Path) {
    for life in 0..3 {
        let disk = Arc::new(Folder::lock(folder).unwrap());
        let config = LogConfig { segment_bytes: 6000, ..LogConfig::new(id(), "0.1.0") };
        let (log, writer, _) = Log::open(config, disk, Arc::new(|| UnixMs(7)), &[]).unwrap();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(writer.run(stop.clone()));
        for n in 0..40 {
            let path = format!("/api/v1/namespaces/ns-{life}/pods/pod-{n}/exec");
            let query = "command=sh&command=-c&container=ü&stdin=true&secret=x";
            let who = Who {
                user: "0xab".into(),
                position: Some(PositionId([3; 32].into())),
                tier: (n % 2 == 0).then_some(Tier::Super),
                seal: Some(SealId([4; 32].into())),
                acting_as: "x".repeat(n).into(),
                ..Who::default()
            };
            let peer = if n % 3 == 0 { "[2001:db8::7]:9" } else { "192.0.2.7:9" }.parse().unwrap();
            let mut arrival = log.arrive(peer, &What::of("POST", &path, Some(query)));
            arrival.identify(&who);
            let mut ticket = arrival.begin().await.unwrap();
            ticket.outcome().received = 1 << 40;
            ticket.finish(101, "");
        }
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn both_verifiers_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).await;
    let disk = Folder::read_only(folder.path());
    let report: Report = verify(&disk, id(), &[]).unwrap();
    assert!(report.is_clean() && report.segments > 5 && report.records == 243, "{report:?}");
    let Some(output) = second(folder.path()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "segments": report.segments, "records": 243, "root": report.root,
        "opened": 3, "start": 120, "end": 120, "lost": 0,
    });
    assert_eq!(said, expected);

    let path = folder.path().join("audit-00000002.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(!verify(&disk, id(), &[]).unwrap().is_clean());
    assert!(!second(folder.path()).unwrap().status.success());
}

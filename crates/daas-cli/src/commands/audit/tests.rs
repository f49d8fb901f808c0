use super::show::{Story, text};
use super::verify::Verdict;
use super::*;
use crate::cli::audit::ShowArgs;
use daas_audit::{Log, LogConfig, What, Who, verify};
use daas_types::{ClusterId, PositionId, Tier, UnixMs};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CLUSTER: ClusterId = ClusterId(daas_types::Address::new([0xc1; 32]));

fn id() -> LogId {
    LogId { cluster: CLUSTER, key: EnclaveKey([0xe2; 32]) }
}

/// A log of three requests in a folder, and an anchor of its first records.
async fn written(folder: &Path) -> Anchor {
    let disk = Arc::new(Folder::lock(folder).unwrap());
    let config = LogConfig::new(id(), "0.1.0");
    let (log, writer, _) = Log::open(config, disk, Arc::new(|| UnixMs(1_764_000_000_000)), &[]).unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run(stop.clone()));
    let peer = "192.0.2.7:50001".parse().unwrap();
    let staker = format!("0x{}", "ab".repeat(32));
    let who = Who {
        kind: daas_audit::Caller::Person,
        user: staker.as_str().into(),
        position: Some(PositionId([5; 32].into())),
        tier: Some(Tier::Developer),
        acting_as: "jane".into(),
        ..Who::default()
    };
    let mut change = log.arrive(peer, &What::of("DELETE", "/api/v1/namespaces/a/pods/b", None));
    change.identify(&who);
    let mut change = change.begin().await.unwrap();
    let head = log.progress().head;
    change.outcome().audit_id = "4f0f".to_owned();
    change.finish(200, "");
    log.arrive(peer, &What::of("GET", "/version", None))
        .start()
        .finish(401, "TokenMissing daas-gateway/src/request.rs:1");
    let mut read = log.arrive(peer, &What::of("GET", "/apis/apps/v1/deployments", None));
    read.identify(&Who { acting_as: "".into(), ..who });
    drop(read.begin().await.unwrap());
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
    Anchor { sequence: 1, records: head.records, root: head.root }
}

fn verdict(folder: &Path, anchors: &[Anchor]) -> Verdict {
    let report = verify(&Folder::read_only(folder), id(), anchors).unwrap();
    Verdict { clean: report.is_clean(), anchors_from: "the chain".to_owned(), report }
}

fn shown(folder: &Path, change: impl FnOnce(&mut ShowArgs)) -> String {
    let log = LogFlags { log: None, key: None };
    let mut args = ShowArgs { log, last: 20, since: 0, user: None, id: None, changes: false };
    change(&mut args);
    let mut story = Story::new(&args);
    daas_audit::read(&Folder::read_only(folder), id(), 0, |record| {
        story.take(record);
        ControlFlow::Continue(())
    })
    .unwrap();
    text(&story.end())
}

#[tokio::test]
async fn a_clean_log_says_what_is_anchored_and_a_changed_byte_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let anchor = written(folder.path()).await;
    insta::assert_snapshot!("verified", verdict(folder.path(), &[anchor]).text());
    insta::assert_snapshot!("not_anchored", verdict(folder.path(), &[]).text());
    let segment = folder.path().join("audit-00000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(4).position(|window| window == b"jane").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let verdict = verdict(folder.path(), &[anchor]);
    assert_eq!(verdict.report.problem().unwrap().code, ErrorCode::AuditDamaged);
    let text = verdict.text();
    assert!(text.contains("✗ the log is not what the enclave wrote") && text.contains("record 1"), "{text}");
}

#[tokio::test]
async fn it_shows_who_did_what() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    insta::assert_snapshot!("shown", shown(folder.path(), |_| {}));
    let lines = |text: String| text.lines().filter(|line| line.contains("2025-")).count();
    assert_eq!(lines(shown(folder.path(), |_| {})), 4);
    assert_eq!(lines(shown(folder.path(), |args| args.last = 2)), 2);
    assert_eq!(lines(shown(folder.path(), |args| args.changes = true)), 1);
    assert_eq!(lines(shown(folder.path(), |args| args.user = Some("abab".to_owned()))), 2);
    assert_eq!(lines(shown(folder.path(), |args| args.user = Some("jane".to_owned()))), 1);
    assert_eq!(lines(shown(folder.path(), |args| args.id = Some("4f0f".to_owned()))), 1);
    assert_eq!(lines(shown(folder.path(), |args| args.id = Some("3".to_owned()))), 1);
    assert_eq!(shown(folder.path(), |args| args.user = Some("nobody".to_owned())), "The log tells of no such request.");
}

#[test]
fn anchors_come_from_a_file() {
    let one = r#"{"sequence":1,"records":2,"root":"ROOT"}"#.replace("ROOT", &"07".repeat(32));
    for (text, expected) in [(one.clone(), 1), (format!("[{one},{one}]"), 2)] {
        let count = match serde_json::from_str::<File>(&text).unwrap() {
            File::One(_) => 1,
            File::Several(anchors) => anchors.len(),
        };
        assert_eq!(count, expected);
    }
}

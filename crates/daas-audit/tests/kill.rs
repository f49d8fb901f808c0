//! A process that writes a log is killed, again and again. What it said was on disk is there.
#![expect(clippy::unwrap_used, reason = "a test's unwrap is an assertion")]

use daas_audit::{Anchors, EnclaveKey, Entry, Folder, Log, LogConfig, LogId, Record, What, WhenFull, read, verify};
use daas_types::{ClusterId, UnixMs};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tells the child where its log is.
const FOLDER: &str = "DAAS_AUDIT_KILL_FOLDER";
const KILLS: u64 = 100;

fn id() -> LogId {
    LogId { cluster: ClusterId([1; 32].into()), key: EnclaveKey([2; 32]) }
}

#[test]
fn what_was_answered_is_in_the_log_after_a_hundred_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut begun = BTreeMap::new();
    let mut before = 0;
    for round in 0..KILLS {
        killed_after(folder.path(), 1 + (round * 37) % 90, &mut begun);
        let disk = Folder::read_only(folder.path());
        let chain = Anchors::open(Arc::new(Folder::read_only(folder.path())), id(), None).unwrap();
        let report = verify(&disk, id(), &chain.expected()).unwrap();
        assert!(report.is_clean(), "round {round}: {report:?}");
        assert!(report.records > before, "round {round}");
        before = report.records;
    }
    let mut records: Vec<Record> = Vec::new();
    read(&Folder::read_only(folder.path()), id(), 0, |record| {
        records.push(record);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(begun.len() > 1000, "{}", begun.len());
    for (sequence, path) in &begun {
        let entry = &records[usize::try_from(*sequence).unwrap()].entry;
        assert!(matches!(entry, Entry::Start(start) if start.what.path() == path), "{sequence} {path}: {entry:?}");
    }
    let opened = records.iter().filter(|record| matches!(record.entry, Entry::Opened(_))).count();
    assert_eq!(opened as u64, KILLS);
    println!("{} requests answered, {} records, {KILLS} kills", begun.len(), records.len());
}

/// Runs a child, kills it when it has let so many requests through, and takes down what it said until its end.
fn killed_after(folder: &Path, requests: u64, begun: &mut BTreeMap<u64, String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    let mut seen = 0;
    while seen < requests {
        let from = said.len();
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "the child ended by itself");
        seen += u64::from(said[from..].starts_with("let through "));
    }
    child.kill().unwrap();
    out.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    // The last line may be half there.
    for line in said.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        if let Some((sequence, path)) =
            line.strip_prefix("let through ").and_then(|line| line.trim_end().split_once(' '))
        {
            assert_eq!(begun.insert(sequence.parse().unwrap(), path.to_owned()), None, "a number was used twice");
        }
    }
}

/// Writes until it is killed: requests that change something and reads, and an anchor now and then.
#[test]
#[ignore = "is run by the test above"]
fn the_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let disk = Arc::new(Folder::lock(Path::new(&folder)).unwrap());
        let mut anchors = Anchors::open(disk.clone(), id(), None).unwrap();
        let config =
            LogConfig { segment_bytes: 30_000, when_full: WhenFull::RefuseAll, ..LogConfig::new(id(), "0.1.0") };
        let (log, writer, _) = Log::open(config, disk, Arc::new(|| UnixMs(7)), &anchors.expected()).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { panic!("the log ended: {:?}", writer.run_apart(CancellationToken::new()).await) });
        for task in 0..8 {
            let log = log.clone();
            tasks.spawn(async move {
                for n in 0.. {
                    requests(&log, task, n).await;
                }
            });
        }
        let mut watch = log.watch();
        loop {
            let head = watch.wait_for(|progress| progress.head.records % 50 > 25).await.unwrap().head;
            if let Some(anchor) = anchors.next(&head).unwrap() {
                anchors.settle(anchor).unwrap();
            }
            watch.changed().await.unwrap();
            while let Some(ended) = tasks.try_join_next() {
                ended.unwrap();
            }
        }
    });
}

async fn requests(log: &Log, task: u32, n: u32) {
    let peer = "192.0.2.7:50001".parse().unwrap();
    let read = log.arrive(peer, &What::of("GET", "/api/v1/pods", None)).begin().await.unwrap();
    let path = format!("/api/v1/namespaces/a/pods/{}-{task}-{n}", std::process::id());
    let ticket = log.arrive(peer, &What::of("DELETE", &path, None)).begin().await.unwrap();
    let line = format!("let through {} {path}\n", ticket.sequence().unwrap());
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    ticket.finish(200, "");
    read.finish(200, "");
}

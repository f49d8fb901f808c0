//! A gateway is killed under load, again and again: what it answered and what changed something is in its log.

use crate::harness::{Options, World, build, user};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use daas_audit::{Folder, Log, LogConfig};
use daas_testkit::audit::{config, now, requests};
use daas_testkit::client::Http2;
use daas_types::Permissions;
use rustls::RootCertStore;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tells the child where its log is.
const FOLDER: &str = "DAAS_GATEWAY_KILL_FOLDER";
const KILLS: usize = 100;
const CLIENTS: usize = 8;

#[test]
fn what_was_answered_is_in_the_log_after_a_hundred_kills() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut answered = BTreeSet::new();
    for round in 0..KILLS {
        let most = 1 + (round * 37) % 60;
        runtime.block_on(killed_after(folder.path(), round, most, &mut answered));
    }
    let log = requests(&Folder::read_only(folder.path()));
    let recorded: BTreeSet<_> = log.iter().map(|(_, start, _)| start.what.path().to_owned()).collect();
    assert!(answered.len() >= KILLS * 20, "{}", answered.len());
    let missing: Vec<_> = answered.difference(&recorded).collect();
    assert!(missing.is_empty(), "{missing:?}");
    println!("{} requests answered, {} in the log, {KILLS} kills", answered.len(), log.len());
}

/// Runs a gateway, kills it when it has answered so many requests, and takes down all that were answered.
async fn killed_after(folder: &Path, round: usize, most: usize, answered: &mut BTreeSet<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::the_child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.starts_with("serves ")).unwrap();
    let [addr, ca, bearer] = line.split(' ').skip(1).collect::<Vec<_>>().try_into().unwrap();
    let addr: SocketAddr = addr.parse().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(BASE64_STANDARD.decode(ca).unwrap().into()).unwrap();
    let client = Arc::new(Http2::connect(addr, &Arc::new(roots)).await);
    let (tell, mut told) = mpsc::channel(CLIENTS);
    let mut tasks = JoinSet::new();
    for task in 0..CLIENTS {
        let (client, tell, bearer) = (client.clone(), tell.clone(), format!("Bearer {bearer}"));
        tasks.spawn(async move {
            for n in 0.. {
                let path = format!("/api/v1/namespaces/a/configmaps/{round}-{task}-{n}");
                let request = build("PUT", &path, &[("authorization", &bearer)], "{}");
                match client.send(request).await {
                    Ok(response) if response.status() == 200 => tell.send(path).await.unwrap(),
                    Ok(response) => panic!("{}", response.status()),
                    Err(_) => return,
                }
            }
        });
    }
    drop(tell);
    for _ in 0..most {
        answered.insert(told.recv().await.unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What came while it was being killed was answered too.
    while let Some(path) = told.recv().await {
        answered.insert(path);
    }
    tasks.join_all().await;
}

/// A gateway with its API server, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is run by the test above"]
async fn the_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let disk = Arc::new(Folder::lock(Path::new(&folder)).unwrap());
    let config = LogConfig { segment_bytes: 100_000, ..config() };
    let (log, writer, _) = Log::open(config, disk, Arc::new(now), &[]).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run_apart(CancellationToken::new()));
    let world = World::with(Options { audit: Some(log), ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let ca = BASE64_STANDARD.encode(world.ca.cert());
    println!("\nserves {} {ca} {}", world.addr, user(&staker));
    // Whoever started this holds the other end; without it there is nobody to kill it.
    let parent = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    tokio::select! {
        ended = tasks.join_next() => panic!("the log ended: {ended:?}"),
        _ = parent => {}
    }
}

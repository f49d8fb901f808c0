//! How many records a second one core takes down, on the disk that the temporary folder lies on.
//!
//! `cargo bench -p daas-audit` prints one line of JSON. The process is bound to one core, the writer's thread with it. Each
//! request is two records: one in ten changes something and waits for its commit, as in a gateway; there are as many at
//! once as a busy gateway has.
#![allow(clippy::print_stdout, reason = "the result is what it is run for")]
#![allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "figures for people")]

use core::time::Duration;
use daas_audit::{Anchor, Caller, EnclaveKey, Folder, Log, LogConfig, LogId, What, Who, prove, verify};
use daas_types::{ClusterId, PositionId, SealId, Tier, UnixMs};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const CLIENTS: u64 = 256;
const REQUESTS: u64 = 2000;
/// Requests of the one client that comes after them.
const QUIET: u64 = 3000;

fn main() {
    let core = bind_to_one_core();
    // Before the first thread: it inherits the binding.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let id = LogId { cluster: ClusterId([1; 32].into()), key: EnclaveKey([2; 32]) };
    let written = runtime.expect("a runtime can be made").block_on(write(&folder, id));

    let disk = Folder::read_only(folder.path());
    let begun = Instant::now();
    let anchor =
        Anchor { sequence: 1, records: written.log.progress().head.records, root: written.log.progress().head.root };
    let report = verify(&disk, id, &[anchor]).expect("the log can be read");
    let verified = begun.elapsed();
    assert!(report.is_clean() && report.running == 0, "{report:?}");
    let begun = Instant::now();
    prove(&disk, id, anchor.records / 3, anchor).expect("there is a proof").check().expect("it holds");
    let proven = begun.elapsed();

    let files = std::fs::read_dir(folder.path()).expect("the folder is there");
    let bytes: u64 = files.flatten().map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum();
    let (records, all) = (written.records as f64, anchor.records as f64);
    let each = written.cpu.as_secs_f64() * 1e6 / records;
    let result = serde_json::json!({
        "bench": "audit",
        "core": core,
        "records": written.records,
        "records_per_s": (records / written.took.as_secs_f64()).round(),
        "cpu_us_per_record": each,
        "cpu_share": share(),
        "producer_us_per_record": written.producer.as_secs_f64() * 1e6 / records,
        "bytes_per_record": bytes as f64 / all,
        "commit_p50_ms": percentile(&written.commits, 50),
        "commit_p99_ms": percentile(&written.commits, 99),
        "quiet_commit_p50_ms": percentile(&written.quiet, 50),
        "quiet_commit_p99_ms": percentile(&written.quiet, 99),
        "verified_per_s": (all / verified.as_secs_f64()).round(),
        "proof_ms": proven.as_millis(),
    });
    println!("{result}");
}

/// What of a request's CPU time through the gateway is the log's, as `make bench-proxy` found it last, both in the same minute; none
/// if it has not run.
fn share() -> Option<f64> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench/proxy.json");
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    figures["audit_share"].as_f64()
}

struct Written {
    log: Log,
    /// Of the busy part, like the figures that follow.
    records: u64,
    took: Duration,
    cpu: Duration,
    /// What of the CPU time is the requests' own thread: in a gateway, that of its runtime.
    producer: Duration,
    /// How long requests waited that change something, under full load.
    commits: Vec<Duration>,
    /// The same, one at a time.
    quiet: Vec<Duration>,
}

async fn write(folder: &tempfile::TempDir, id: LogId) -> Written {
    let disk = Arc::new(Folder::lock(folder.path()).expect("the folder is nobody's"));
    let clock = || UnixMs(std::time::UNIX_EPOCH.elapsed().map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0)));
    let (log, writer, _) = Log::open(LogConfig::new(id, "bench"), disk, Arc::new(clock), &[]).expect("the log opens");
    let stop = CancellationToken::new();
    let mut writing = JoinSet::new();
    writing.spawn(writer.run_apart(stop.clone()));

    let (begun, cpu, producer) = (Instant::now(), cpu(UsageWho::RUSAGE_SELF), cpu(UsageWho::RUSAGE_THREAD));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(requests(log.clone(), client, REQUESTS));
    }
    let mut commits: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    let took = begun.elapsed();
    let cpu = self::cpu(UsageWho::RUSAGE_SELF).saturating_sub(cpu);
    let producer = self::cpu(UsageWho::RUSAGE_THREAD).saturating_sub(producer);
    let records = CLIENTS * REQUESTS * 2;
    let mut quiet = requests(log.clone(), CLIENTS, QUIET).await;
    stop.cancel();
    writing.join_next().await.expect("the writer is there").expect("it did not panic").expect("it wrote");
    commits.sort_unstable();
    quiet.sort_unstable();
    Written { log, records, took, cpu, producer, commits, quiet }
}

async fn requests(log: Log, client: u64, count: u64) -> Vec<Duration> {
    let user = format!("0x{:064x}", client + 1);
    let who = Who {
        kind: Caller::Person,
        user: user.as_str().into(),
        position: Some(PositionId([3; 32].into())),
        tier: Some(Tier::Developer),
        seal: Some(SealId([4; 32].into())),
        acting_as: "".into(),
    };
    let peer = "192.0.2.7:50001".parse().expect("it is an address");
    let mut commits = Vec::new();
    for n in 0..count {
        let path = format!("/api/v1/namespaces/team-{client}/pods/web-{n}-6d4b75cb6d-hx8zq");
        let what = if n % 10 == 9 {
            What::of("PATCH", &path, Some("fieldManager=kubectl-client-side-apply&fieldValidation=Strict"))
        } else {
            What::of("GET", &path, None)
        };
        let begun = Instant::now();
        let mut arrival = log.arrive(peer, &what);
        arrival.identify(&who);
        arrival.let_in();
        let mut ticket = arrival.begin().await.expect("the disk takes it");
        if ticket.mutates() {
            commits.push(begun.elapsed());
        }
        ticket.outcome().sent = 2048;
        "4f0f2ae4-8a35-4b6b-8d1c-0f4f9f7c4d55".clone_into(&mut ticket.outcome().audit_id);
        ticket.finish(200, "");
    }
    commits
}

fn bind_to_one_core() -> usize {
    let us = Pid::from_raw(0);
    let may = sched_getaffinity(us).expect("a process may ask");
    let core = (0..CpuSet::count()).rev().find(|core| may.is_set(*core).unwrap_or(false)).expect("there is a core");
    let mut one = CpuSet::new();
    one.set(core).expect("the core is there");
    sched_setaffinity(us, &one).expect("a process may bind itself");
    core
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("a process may ask");
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// In milliseconds, of what is sorted.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).map_or(0.0, |at| at.as_secs_f64() * 1e3)
}

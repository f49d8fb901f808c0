mod disk;

use super::*;
use crate::testing::{Running, SimDisk, config, id, peer, records, who};
use crate::ticket::Refused;
use crate::{Anchor, Arrival, Caller, Entry, Lost, Record, Ticket, WhenFull, Who, WriteError, verify};
use core::time::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use tokio::task::JoinSet;
use tokio::time::Instant;

const POD: &str = "/api/v1/namespaces/a/pods/b";

fn arrive(log: &Log, method: &str, path: &str) -> Arrival {
    log.arrive(peer(), &What::of(method, path, None))
}

fn known(log: &Log, method: &str, path: &str) -> Arrival {
    let mut arrival = arrive(log, method, path);
    arrival.identify(&Who { kind: Caller::Person, ..who() });
    arrival.let_in();
    arrival
}

async fn begin(log: &Log, method: &str) -> Result<Ticket, Refused> {
    known(log, method, POD).begin().await
}

/// Starts as `method status`, ends as `status reason`, in order.
fn story(disk: &SimDisk) -> Vec<String> {
    let line = |record: Record| match record.entry {
        Entry::Opened(_) => "opened".to_owned(),
        Entry::Start(start) => format!("{} {} {}", record.sequence, start.what.method(), start.who.user),
        Entry::End(end) => format!("{} ended: {} {}", end.start, end.status, end.reason),
        Entry::Lost(Lost { requests, ends, .. }) => format!("lost {requests} {ends}"),
    };
    records(disk).into_iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn every_request_is_a_start_and_an_end() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let mut ticket = begin(&running.log, "DELETE").await.unwrap();
    assert_eq!((ticket.sequence(), ticket.mutates()), (Some(1), true));
    ticket.outcome().sent = 12;
    ticket.finish(200, "");
    begin(&running.log, "GET").await.unwrap().finish(404, "NotFound");
    drop(begin(&running.log, "GET").await.unwrap());
    drop(arrive(&running.log, "POST", POD));
    arrive(&running.log, "GET", "/").start().finish(401, "TokenMissing");
    running.stop().await.unwrap();
    let expected = [
        "opened",
        "1 DELETE 0xabc",
        "1 ended: 200 ",
        "3 GET 0xabc",
        "3 ended: 404 NotFound",
        "5 GET 0xabc",
        "5 ended: 0 Aborted",
        "7 POST ",
        "7 ended: 0 Aborted",
        "9 GET ",
        "9 ended: 401 TokenMissing",
    ];
    assert_eq!(story(&disk), expected);
    assert!(matches!(&records(&disk)[2].entry, Entry::End(end) if end.sent == 12));
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_begins_when_it_is_on_disk_and_reads_at_once() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let ticket = begin(&running.log, "DELETE").await.unwrap();
    disk.lose_power();
    assert_eq!(story(&disk).last().unwrap(), "1 DELETE 0xabc");
    drop(ticket);
    let begun = Instant::now();
    drop(begin(&running.log, "GET").await.unwrap());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_share_a_commit_and_none_waits_longer_than_the_interval() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    let (syncs, begun) = (disk.syncs(), Instant::now());
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let log = running.log.clone();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_micros(n * 20)).await;
            begin(&log, "PUT").await.unwrap().finish(200, "");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(begun.elapsed() <= LONGEST_INTERVAL + Duration::from_millis(1), "{:?}", begun.elapsed());
    assert_eq!(disk.syncs() - syncs, 1);
    running.stop().await.unwrap();
    assert!(verify(&disk, id(), &[]).unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_while_waiting_is_recorded() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let begun = begin(&running.log, "DELETE");
    tokio::select! {
        biased;
        _ = begun => panic!("it was not written yet"),
        () = tokio::task::yield_now() => {}
    }
    running.stop().await.unwrap();
    assert_eq!(story(&disk), ["opened", "1 DELETE 0xabc", "1 ended: 0 Aborted"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_everything_is_refused() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let log = running.log.clone();
    let last = begin(&log, "GET").await.unwrap();
    running.stop().await.unwrap();
    for method in ["PUT", "GET"] {
        assert_eq!(begin(&log, method).await.unwrap_err().why, Unwritten::Closed);
    }
    drop(last);
    assert_eq!(story(&disk), ["opened", "1 GET 0xabc"], "what had come was written");
    assert_eq!(log.progress().head.records, 2);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_log_is_closed_too() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let log = running.log.clone();
    log.watch().wait_for(|progress| progress.head.records == 1).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(begin(&log, "GET").await.unwrap_err().why, Unwritten::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_closes_takes_nothing_that_it_would_not_write() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    let log = running.log.clone();
    let mut stopping = JoinSet::new();
    stopping.spawn(running.stop());
    log.watch().wait_for(|progress| progress.state == State::Closed).await.unwrap();
    assert_eq!(known(&log, "GET", POD).start().sequence(), None);
    stopping.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn segments_are_parted_by_size_and_age() {
    let disk = SimDisk::new(1);
    disk.write_short(100);
    let running = Running::open(&disk, LogConfig { segment_bytes: 1500, ..config() }, &[]);
    for _ in 0..8 {
        begin(&running.log, "PUT").await.unwrap().finish(200, "");
    }
    let anchor = running.anchor(1);
    running.stop().await.unwrap();
    let segments = verify(&disk, id(), &[anchor]).unwrap().segments;
    assert!((3..8).contains(&segments), "{segments}");
    let running = Running::open(&disk, LogConfig { segment_age: Duration::from_millis(1), ..config() }, &[anchor]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    running.stop().await.unwrap();
    let report = verify(&disk, id(), &[anchor]).unwrap();
    assert!(report.is_clean() && report.segments > segments, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_can_be_verified_while_it_is_written() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    for n in 0..20 {
        let ticket = begin(&running.log, "PUT").await.unwrap();
        let report = verify(&disk, id(), &[running.anchor(1)]).unwrap();
        assert!(report.is_clean(), "{n}: {report:?}");
        assert_eq!((report.running, report.on_the_host_alone), (1, 0));
        drop(ticket);
    }
}

/// What happens to a log.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many requests at once that change something.
    Write(u8),
    Read,
    Wait(u16),
    Anchor,
    /// Room for so many bytes more.
    Fill(u16),
    Free,
    PowerLoss,
    /// The process goes and the disk stays.
    Kill,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6u8).prop_map(Step::Write),
        2 => Just(Step::Read),
        1 => (0..2000u16).prop_map(Step::Wait),
        1 => Just(Step::Anchor),
        1 => (0..3000u16).prop_map(Step::Fill),
        2 => Just(Step::Free),
        2 => Just(Step::PowerLoss),
        1 => Just(Step::Kill),
        1 => Just(Step::Stop),
    ]
}

/// A log, what clients were told of it, and what the chain has.
struct World {
    disk: SimDisk,
    running: Option<Running>,
    /// Paths of requests that were let through, by sequence number.
    begun: BTreeMap<u64, String>,
    anchors: Vec<Anchor>,
    requests: u32,
}

impl World {
    fn config() -> LogConfig {
        LogConfig { segment_bytes: 4000, queue_bytes: 6000, ..config() }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Write(count) => self.write(count).await,
            Step::Read => drop(begin(&self.running().log, "GET").await),
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Step::Anchor => self.anchors.push(self.running().anchor(self.anchors.len() as u64 + 1)),
            Step::Fill(bytes) => self.disk.fill(bytes.into()),
            Step::Free => self.disk.free(),
            Step::PowerLoss => {
                self.disk.lose_power();
                self.running.take().unwrap().killed().await;
                self.restart();
            }
            Step::Kill => {
                self.running.take().unwrap().killed().await;
                self.restart();
            }
            Step::Stop => {
                // On a full disk it ends with what it could not write.
                let _ = self.running.take().unwrap().stop().await;
                self.restart();
            }
        }
    }

    async fn write(&mut self, count: u8) {
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            self.requests += 1;
            let (log, path) = (self.running().log.clone(), format!("{POD}-{}", self.requests));
            tasks.spawn(async move {
                let ticket = known(&log, "DELETE", &path).begin().await.ok()?;
                let sequence = ticket.sequence()?;
                ticket.finish(200, "");
                Some((sequence, path))
            });
        }
        while let Some(done) = tasks.join_next().await {
            self.begun.extend(done.unwrap());
        }
    }

    fn restart(&mut self) {
        self.disk.free();
        self.running = Some(Running::open(
            &self.disk,
            Self::config(),
            self.anchors.last().map(core::slice::from_ref).unwrap_or_default(),
        ));
        self.check();
    }

    fn check(&self) {
        let report = verify(&self.disk, id(), &self.anchors).unwrap();
        assert!(report.is_clean(), "{report:?}");
        let all = records(&self.disk);
        for (sequence, path) in &self.begun {
            let record = &all[usize::try_from(*sequence).unwrap()];
            assert!(matches!(&record.entry, Entry::Start(start) if start.what.path() == path), "{path}: {record:?}");
        }
    }
}

proptest! {
    /// Whatever happens to process and disk, a request that was let through is in the log, where it was said to be, and the
    /// log has what was anchored.
    #[test]
    fn what_was_let_through_is_in_the_log(seed: u64, steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let disk = SimDisk::new(seed);
            let running = Some(Running::open(&disk, World::config(), &[]));
            let mut world = World { disk, running, begun: BTreeMap::new(), anchors: Vec::new(), requests: 0 };
            for step in steps {
                world.step(step).await;
            }
            world.disk.free();
            let stopped = world.running.take().unwrap().stop().await;
            assert!(stopped.is_ok() || matches!(stopped, Err(WriteError::Full(_))), "{stopped:?}");
            world.check();
        });
    }
}

//! What the crate's unit tests share: a disk that loses power and fills up, and a log on it.

mod disk;

pub(crate) use disk::SimDisk;

use crate::chain::{Batch, Chain};
use crate::disk::Disk;
use crate::queue::Queue;
use crate::record::{End, Opened, What, Who, encode};
use crate::{Anchor, Clock, Digest, EnclaveKey, Log, LogConfig, LogId, Record, WriteError};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicU64, Ordering};
use daas_types::{ClusterId, PositionId, Tier, UnixMs};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const PEER: &str = "192.0.2.7:50001";

pub(crate) fn id() -> LogId {
    LogId { cluster: ClusterId([0xc1; 32].into()), key: EnclaveKey([0xe2; 32]) }
}

pub(crate) fn config() -> LogConfig {
    LogConfig::new(id(), "0.1.0")
}

/// Each reading is a millisecond after the one before, by whichever clock.
pub(crate) fn clock() -> Clock {
    static NOW: AtomicU64 = AtomicU64::new(1_700_000_000_000);
    Arc::new(|| UnixMs(NOW.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

pub(crate) fn who() -> Who<'static> {
    Who {
        user: "0xabc".into(),
        position: Some(PositionId([5; 32].into())),
        tier: Some(Tier::Developer),
        ..Who::default()
    }
}

/// All records of a log that is whole.
pub(crate) fn records<D: Disk>(disk: &D) -> Vec<Record> {
    let mut all = Vec::new();
    crate::read(disk, id(), 0, |record| {
        all.push(record);
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

/// A log on a simulated disk, and the task that writes it.
pub(crate) struct Running {
    pub(crate) log: Log,
    stop: CancellationToken,
    writer: JoinSet<Result<(), WriteError>>,
    disk: Weak<SimDisk>,
}

// === impl Running ===

impl Running {
    pub(crate) fn open(disk: &SimDisk, config: LogConfig, expected: &[Anchor]) -> Self {
        let disk = Arc::new(disk.clone());
        let (weak, opened) = (Arc::downgrade(&disk), Log::open(config, disk, clock(), expected));
        let (log, writer, _) = opened.unwrap();
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(writer.run(stop.clone()));
        Self { log, stop, writer: task, disk: weak }
    }

    pub(crate) async fn stop(mut self) -> Result<(), WriteError> {
        self.stop.cancel();
        self.writer.join_next().await.unwrap().unwrap()
    }

    /// The process is gone, and so is what it was doing.
    pub(crate) async fn killed(mut self) {
        self.writer.shutdown().await;
        while self.disk.strong_count() != 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn ended(&mut self) -> Result<(), WriteError> {
        self.writer.join_next().await.unwrap().unwrap()
    }

    /// The anchor of what is on disk.
    pub(crate) fn anchor(&self, sequence: u64) -> Anchor {
        let head = self.log.progress().head;
        Anchor { sequence, records: head.records, root: head.root }
    }
}

/// Writes a log without a task: a segment for each number, with so many batches of three requests each.
pub(crate) struct Sample {
    pub(crate) disk: SimDisk,
    /// After each batch.
    pub(crate) anchors: Vec<Anchor>,
}

pub(crate) fn sample(segments: &[u64]) -> Sample {
    let disk = SimDisk::new(3);
    let mut chain = Chain::begin(Arc::new(disk.clone()), id(), UnixMs(1)).unwrap();
    let queue = Queue::new(0, 1 << 20);
    queue.opened(UnixMs(1), &Opened { version: "0.1.0".into(), torn: None });
    let mut anchors = Vec::new();
    for (index, batches) in segments.iter().enumerate() {
        if index != 0 {
            chain.rest().unwrap();
            chain.rotate(UnixMs(2)).unwrap();
        }
        for _ in 0..*batches {
            write(&mut chain, &queue);
            let tree = &chain.tip().tree;
            let sequence = anchors.len() as u64 + 1;
            anchors.push(Anchor { sequence, records: tree.leaves(), root: tree.root() });
        }
    }
    chain.rest().unwrap();
    Sample { disk, anchors }
}

fn write(chain: &mut Chain<SimDisk>, queue: &Queue) {
    for n in 0..3_u16 {
        let path = format!("/api/v1/namespaces/default/pods/pod-{n}");
        let mut start = Vec::new();
        encode::start(&mut start, peer(), &What::of("DELETE", &path, Some("gracePeriodSeconds=0")));
        encode::who(&mut start, &who());
        let start = queue.start(UnixMs(10), &start, (true, true)).0.unwrap();
        queue.end(UnixMs(11), &End { start, status: 200 + n, sent: 7, ..End::default() }).unwrap();
    }
    chain.stage(&queue.take(Batch::default(), UnixMs(12)));
    chain.flush().unwrap();
}

/// Writes the records anew as a whole log would have them: what a host can do that has no key.
pub(crate) fn forged(records: &[Record]) -> SimDisk {
    let numbered = (0..).zip(records).map(|(sequence, record)| Record { sequence, ..record.clone() });
    forged_as_numbered(&numbered.collect::<Vec<_>>())
}

/// The same, with whatever numbers they have.
pub(crate) fn forged_as_numbered(records: &[Record]) -> SimDisk {
    let disk = SimDisk::new(5);
    let mut chain = Chain::begin(Arc::new(disk.clone()), id(), UnixMs(1)).unwrap();
    let mut batch = Batch::default();
    for record in records {
        let bytes = record.to_bytes();
        batch.bytes.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        batch.bytes.extend_from_slice(&bytes);
        batch.count += 1;
    }
    chain.stage(&batch);
    chain.flush().unwrap();
    chain.rest().unwrap();
    disk
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

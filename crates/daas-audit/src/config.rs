//! How a log is kept.

use crate::hash::LogId;
use core::time::Duration;
use daas_types::UnixMs;
use std::sync::Arc;

/// Longest a record waits before it is written.
pub const LONGEST_INTERVAL: Duration = Duration::from_millis(5);
/// A commit is begun this long after the first record that it has; with the sync it stays below the longest.
const INTERVAL: Duration = Duration::from_millis(3);
/// An answer that waits longer for its commit is given up. A disk that does not come back in that time is failing.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a full disk is tried.
const RETRY: Duration = Duration::from_millis(500);
/// A segment is read whole, so it should be small; and few, so it should be large.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A quiet log is parted by the day.
const SEGMENT_AGE: Duration = Duration::from_hours(24);
/// Some 40,000 records: many seconds of a full disk at usual load, and little memory.
const QUEUE_BYTES: usize = 16 << 20;
/// Some two million records of those who have a stake.
const RESERVE: u64 = 1 << 30;

/// Reads the clock. Records that write themselves when something is dropped have nobody to ask for the time.
pub type Clock = Arc<dyn Fn() -> UnixMs + Send + Sync>;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Which log.
    pub id: LogId,
    /// Version of the program, for the log.
    pub version: String,
    /// How long a record waits for others, at most [`LONGEST_INTERVAL`].
    pub interval: Duration,
    /// How long an answer waits for its commit.
    pub deadline: Duration,
    /// How often a full disk is tried.
    pub retry: Duration,
    /// A segment of so many bytes is the last of its batches.
    pub segment_bytes: u64,
    /// So is one this old.
    pub segment_age: Duration,
    /// How many bytes of records wait for the disk.
    pub queue_bytes: usize,
    /// With less space than this left on the disk, requests of those who are not let in are counted, not written.
    pub reserve: u64,
    /// What is refused while there is no space.
    pub when_full: WhenFull,
}

/// What is refused while there is no space for records. Where the disk failed for good, everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// What changes something. Reads are kept in memory as long as there is room, and counted after that.
    #[default]
    RefuseMutations,
    /// Everything.
    RefuseAll,
}

// === impl LogConfig ===

impl LogConfig {
    /// The usual values.
    pub fn new(id: LogId, version: &str) -> Self {
        Self {
            id,
            version: version.to_owned(),
            interval: INTERVAL,
            deadline: DEADLINE,
            retry: RETRY,
            segment_bytes: SEGMENT_BYTES,
            segment_age: SEGMENT_AGE,
            queue_bytes: QUEUE_BYTES,
            reserve: RESERVE,
            when_full: WhenFull::default(),
        }
    }
}

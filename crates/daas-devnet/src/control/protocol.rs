//! What goes over the control socket.

use crate::faults::{Active, Fault};
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Everything about the network in short.
    Status,
    /// The clock.
    Clock,
    /// Moves the clock on.
    ClockAdvance {
        /// By this.
        ms: u64,
    },
    /// Moves the clock on.
    ClockSet {
        /// To this Unix time.
        ms: u64,
    },
    /// Stops the clock; from now on checkpoints without transactions are made on demand.
    ClockManual,
    /// Lets the clock run.
    ClockReal,
    /// Makes an empty checkpoint.
    Checkpoint,
    /// Ends the epoch with a checkpoint that names the next committee.
    Epoch,
    /// Adds a fault.
    FaultAdd {
        /// Which.
        fault: Fault,
        /// Only for this method.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// Only for so long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// Ends faults.
    FaultClear {
        /// This one; without it, all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// The faults there are.
    FaultList,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// Of `status`.
    Status(Status),
    /// Of everything about the clock.
    Clock(ClockStatus),
    /// Of `checkpoint`.
    Made(Made),
    /// Of `epoch`.
    Ended(Ended),
    /// Of `fault-add`.
    Added {
        /// For clearing it.
        id: u64,
    },
    /// Of `fault-add` with `drop-streams`.
    Dropped {
        /// How many streams ended.
        dropped: usize,
    },
    /// Of `fault-clear`.
    Cleared {
        /// How many.
        cleared: usize,
    },
    /// Of `fault-list`.
    Faults {
        /// In the order they came.
        faults: Vec<Active>,
    },
}

/// The network in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Digest of the genesis checkpoint.
    pub chain: String,
    /// The newest one.
    pub checkpoint: Made,
    /// Transactions since genesis.
    pub transactions: u64,
    /// Transactions that a stall holds up.
    pub waiting: usize,
    /// The clock.
    pub clock: ClockStatus,
    /// The faults there are.
    pub faults: Vec<Active>,
}

/// The clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStatus {
    /// The network's Unix time.
    pub now_ms: u64,
    /// Whether it stands still until it is told to move.
    pub manual: bool,
}

/// A checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Sequence number.
    pub checkpoint: u64,
    /// Of its summary.
    pub digest: String,
    /// The network's time then.
    pub timestamp_ms: u64,
    /// Its own.
    pub epoch: u64,
}

/// The end of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The new one.
    pub epoch: u64,
    /// Of the old one.
    pub last_checkpoint: Made,
}

//! The audit log of a master: who asked for what, when, and how it ended, so that nothing in it can be removed, changed or
//! reordered unseen.
//!
//! ```text
//! request ──► Arrival ──begin──► Ticket ──drop──►        (log.rs, ticket.rs)
//!                │ start record            │ end record
//!                ▼                         ▼
//!              queue: canonical bytes, bounded           (record.rs, redact.rs, queue.rs)
//!                │ every ≤5 ms
//!                ▼
//!              writer: leaves, tree, one write, one sync  (writer.rs, chain.rs, merkle.rs)
//!                ▼
//!              segments on a disk                        (segment.rs, disk.rs)
//!                ├── taken up after any end              (open.rs)
//!                ├── verified, shown, proven             (walk.rs, verify.rs, proof.rs)
//!                └── root, each minute ──► the chain     (anchor.rs; the master sends it)
//! ```
//!
//! The format, precise enough to verify a log without this crate, is `docs/audit.md`.
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions))]

mod anchor;
mod chain;
mod config;
mod disk;
#[doc(hidden)]
pub mod fuzz;
mod hash;
mod log;
mod merkle;
mod open;
mod proof;
mod queue;
mod record;
mod redact;
mod segment;
#[cfg(test)]
mod testing;
mod ticket;
mod verify;
mod walk;
mod writer;

pub use anchor::{Anchor, AnchorError, AnchorMissing, Anchoring, Anchors, Forked};
pub use chain::WriteError;
pub use config::{Clock, LONGEST_INTERVAL, LogConfig, WhenFull};
pub use disk::{Disk, DiskFile, Folder};
pub use hash::{Digest, EnclaveKey, LogId};
pub use log::{Head, Log, Progress, State};
pub use merkle::{Frontier, consistency_holds, inclusion_holds};
pub use open::{Found, OpenError};
pub use proof::{Growth, Proof, ProofError, prove, prove_growth};
pub use record::{Caller, End, Entry, Lost, Opened, Record, Start, Target, Torn, What, Who};
pub use redact::KEPT;
pub use ticket::{Arrival, Outcome, Refused, Ticket, Unwritten};
pub use verify::{Finding, Report, Tail, verify};
pub use walk::{Damaged, ReadError, read};
pub use writer::Writer;

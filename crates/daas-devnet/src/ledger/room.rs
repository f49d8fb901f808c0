//! Room on the disk. A database that fails in the middle of a write takes no more of them, so the ledger stops while there
//! is still room, and goes on when there is some again.

use crate::StoreError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// No commit takes nearly as much.
const RESERVE: u64 = 16 * 1024 * 1024;

/// Bytes that are free where the ledger is.
pub(crate) type Free = Arc<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Whether there is room to write.
#[derive(Clone)]
pub(super) struct Room {
    free: Free,
    full: Arc<AtomicBool>,
}

/// What the file system of `dir` has left for this user.
pub(crate) fn free_on_disk_of(dir: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(dir)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

// === impl Room ===

impl Room {
    pub(super) fn new(free: Free) -> Self {
        Self { free, full: Arc::default() }
    }

    /// Refuses a write that could fail for want of room. Says so in the log once, not at every attempt.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let full = (self.free)().map_err(StoreError::Disk)? < RESERVE;
        let was_full = self.full.swap(full, Ordering::Relaxed);
        match (was_full, full) {
            (false, true) => tracing::warn!("{}", StoreError::full()),
            (true, false) => tracing::info!("the disk has room again"),
            _ => {}
        }
        if full { Err(StoreError::full()) } else { Ok(()) }
    }
}

impl StoreError {
    fn full() -> Self {
        Self::Full { reserve_mib: RESERVE / (1024 * 1024) }
    }
}

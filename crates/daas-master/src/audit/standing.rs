//! What a master says of its audit log: `GET /audit`.

use daas_audit::{Anchor, Log, State};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The log as it stands. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Auditing(Arc<Mutex<Option<Standing>>>);

struct Standing {
    log: Log,
    last: Option<Anchor>,
    error: Option<String>,
}

/// `GET /audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// `opening`, `writing`, `full`, `failed` or `closed`.
    state: &'static str,
    /// Records on disk.
    records: u64,
    /// The last root that is known to be on chain.
    anchored: Option<Anchor>,
    /// Records behind it: they rest on the host's word alone.
    on_the_host_alone: u64,
    /// Why the last root is not on chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

// === impl Auditing ===

impl Auditing {
    pub(super) fn opened(&self, log: Log, last: Option<Anchor>) {
        *self.lock() = Some(Standing { log, last, error: None });
    }

    /// What the chain has now, and why it has no more.
    pub(super) fn sent(&self, last: Option<Anchor>, error: Option<String>) {
        if let Some(standing) = &mut *self.lock() {
            (standing.last, standing.error) = (last, error);
        }
    }

    /// What there is to say.
    pub(crate) fn status(&self) -> Status {
        let standing = self.lock();
        let Some(Standing { log, last, error }) = &*standing else {
            return Status { state: "opening", records: 0, anchored: None, on_the_host_alone: 0, error: None };
        };
        let progress = log.progress();
        let state = match progress.state {
            State::Writing => "writing",
            State::Full => "full",
            State::Failed => "failed",
            State::Closed => "closed",
        };
        let records = progress.head.records;
        let on_the_host_alone = records.saturating_sub(last.map_or(0, |last| last.records));
        Status { state, records, anchored: *last, on_the_host_alone, error: error.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Standing>> {
        // Each change is one assignment, so a poisoned lock is still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

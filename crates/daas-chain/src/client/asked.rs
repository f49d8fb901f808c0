use super::{ChainClient, ChainError, DEADLINE};
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// For how long the others wait for one endpoint, all questions together, once enough have answered.
const SLOWEST: Duration = DEADLINE;
/// An answer that comes this much later than enough others is no late one: an endpoint may be far away.
pub(super) const LATE: Duration = Duration::from_secs(1);

/// An endpoint among several that are asked the same, and what is held against it meanwhile.
pub(super) struct Asked {
    pub(super) client: ChainClient,
    /// It is asked no more, unless all have.
    lied: AtomicBool,
    waited: Mutex<Waited>,
}

/// How long the others have been waiting for an endpoint alone. Questions that wait at the same time count once.
#[derive(Default)]
struct Waited {
    before: Duration,
    questions: usize,
    since: Option<Instant>,
}

/// A question whose answer is late, for as long as it is.
pub(super) struct Late<'a>(&'a Asked);

// === impl Asked ===

impl Asked {
    pub(super) fn new(client: ChainClient) -> Self {
        Self { client, lied: AtomicBool::new(false), waited: Mutex::default() }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }

    pub(super) fn has_lied(&self) -> bool {
        self.lied.load(Ordering::Relaxed)
    }

    /// Holds `error` against it.
    pub(super) fn tell_off(&self, error: &ChainError) {
        tracing::warn!(%error, rpc.url = self.client.url(), "RPC endpoint passed over");
        self.client.blame(error);
        self.lied.fetch_or(error.convicts(), Ordering::Relaxed);
    }

    /// For how long the others would still wait for it.
    pub(super) fn patience(&self) -> Duration {
        let waited = self.waited();
        let now = waited.since.map_or(Duration::ZERO, |since| since.elapsed());
        SLOWEST.saturating_sub(waited.before.saturating_add(now))
    }

    /// It is asked no more as long as the others are enough.
    pub(super) fn is_slow(&self) -> bool {
        self.patience().is_zero()
    }

    /// From now on the others wait for it.
    pub(super) fn late(&self) -> Late<'_> {
        let mut waited = self.waited();
        waited.questions = waited.questions.saturating_add(1);
        waited.since.get_or_insert_with(Instant::now);
        Late(self)
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Late ===

impl Late<'_> {
    pub(super) fn is_of(&self, asked: &Asked) -> bool {
        self.0.is(asked)
    }
}

impl Drop for Late<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.waited();
        waited.questions = waited.questions.saturating_sub(1);
        if waited.questions == 0
            && let Some(since) = waited.since.take()
        {
            waited.before = waited.before.saturating_add(since.elapsed());
        }
    }
}

// === impl ChainError ===

impl ChainError {
    /// An endpoint was waited for long enough.
    pub(super) fn late() -> Self {
        let cause = format!("the others have waited {} s for it", SLOWEST.as_secs());
        Self::Unreachable { call: "ask every endpoint", cause }
    }
}

//! Faults that a person asks for over the control socket. There are two places where they act: [`layer::FaultLayer`] around
//! the gRPC services (delays, refusals, duplicates, dropped streams), and [`shown::Shown`], through which those services
//! read the ledger (lies). A stall holds up the one way to a new checkpoint; a full disk refuses it. The ledger never has a fault in it.

mod body;
pub(crate) mod layer;
mod lies;
pub(crate) mod shown;
mod spec;
#[cfg(test)]
mod tests;

pub use spec::{Active, Fault, FaultError, Fit, Lie, LieKind};

use crate::checkpoint::Sealer;
use crate::keys::ValidatorSecret;
use lies::Lies;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

/// More at once are somebody's mistake.
const MOST: usize = 64;

/// All faults there are now.
pub(crate) struct Faults {
    state: Mutex<State>,
    /// Counts changes.
    changed: watch::Sender<u64>,
    /// Counts how often all streams were dropped. Open streams are its receivers.
    dropped: watch::Sender<u64>,
    /// Counts what waits for the end of a stall, as its receivers.
    waiting: watch::Sender<()>,
    /// Signs for a committee that no client has reason to believe.
    stranger: Arc<Sealer>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    entries: Vec<Entry>,
}

struct Entry {
    id: u64,
    fault: Fault,
    method: Option<&'static str>,
    until: Option<Instant>,
    calls_left: Option<u64>,
    random: u64,
}

// === impl Faults ===

impl Faults {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            waiting: watch::Sender::new(()),
            stranger: Arc::new(Sealer::new(ValidatorSecret::of_a_stranger())),
        }
    }

    /// Adds a fault that ends after `lasting`, and answers its number.
    pub(crate) fn add(&self, fault: Fault, method: Option<&str>, lasting: Option<Duration>) -> Result<u64, FaultError> {
        let method = fault.check(method)?;
        let mut state = self.state();
        if state.entries.len() >= MOST {
            return Err(FaultError::TooMany(MOST));
        }
        state.last_id += 1;
        let id = state.last_id;
        let (calls_left, random) = match fault {
            Fault::Unavailable { calls, seed, .. } => (calls, seed),
            _ => (None, 0),
        };
        let until = lasting.and_then(|lasting| Instant::now().checked_add(lasting));
        state.entries.push(Entry { id, fault, method, until, calls_left, random });
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        Ok(id)
    }

    /// Ends one fault, or all; answers how many.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut state = self.state();
        let before = state.entries.len();
        state.entries.retain(|e| id.is_some_and(|id| e.id != id));
        let cleared = before - state.entries.len();
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        cleared
    }

    pub(crate) fn list(&self) -> Vec<Active> {
        let now = Instant::now();
        let active = |e: &Entry| Active {
            id: e.id,
            fault: e.fault.clone(),
            method: e.method.map(str::to_owned),
            ends_in_ms: e.until.map(|until| millis(until.saturating_duration_since(now))),
            calls_left: e.calls_left,
        };
        self.state().entries.iter().map(active).collect()
    }

    /// Ends every open subscription; answers how many.
    pub(crate) fn drop_streams(&self) -> usize {
        let open = self.dropped.receiver_count();
        self.dropped.send_modify(|n| *n += 1);
        open
    }

    /// Told when faults come or go. See [`Faults::next_change`].
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until a fault comes or goes, also by itself.
    pub(crate) async fn next_change(&self, changes: &mut watch::Receiver<u64>) {
        let end = self.state().entries.iter().filter_map(|e| e.until).min();
        let ends = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as `self`.
            _ = changes.changed() => {}
            () = ends => {}
        }
    }

    /// Whether no checkpoints may be made.
    pub(crate) fn stalled(&self) -> bool {
        self.state().entries.iter().any(|e| e.fault == Fault::Stall)
    }

    /// Whether the ledger is to think that the disk is full.
    pub(crate) fn disk_is_full(&self) -> bool {
        self.state().entries.iter().any(|e| e.fault == Fault::DiskFull)
    }

    /// Waits for the end of a stall.
    pub(crate) async fn until_running(&self) {
        let mut changes = self.follow();
        let _waiting = self.stalled().then(|| self.waiting.subscribe());
        while self.stalled() {
            self.next_change(&mut changes).await;
        }
    }

    /// How many transactions a stall holds up.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.receiver_count()
    }

    /// The lies to be told now.
    pub(crate) fn lies(&self) -> Lies {
        let state = self.state();
        let lie = |e: &Entry| if let Fault::Lie(lie) = &e.fault { Some(lie.clone()) } else { None };
        Lies::new(state.entries.iter().filter_map(lie).collect(), self.stranger.clone())
    }

    /// Waits as long as an answer to `method` is delayed.
    async fn hold_back(&self, method: &str) {
        let delay = |e: &Entry| match e.fault {
            Fault::Delay { ms } if e.is_for(method) => ms,
            _ => 0,
        };
        let ms = self.state().entries.iter().map(delay).fold(0, u64::saturating_add);
        // Even a sleep of nothing waits for the timer.
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Whether this call of `method` is refused.
    fn refuses(&self, method: &str) -> bool {
        let mut state = self.state();
        let refused = state.entries.iter_mut().any(|e| e.is_for(method) && e.refuses());
        state.entries.retain(|e| e.calls_left != Some(0));
        refused
    }

    /// Whether the frames of `method`'s streams are sent twice.
    fn duplicates(&self, method: &str) -> bool {
        self.state().entries.iter().any(|e| e.fault == Fault::Duplicates && e.is_for_stream(method))
    }

    /// What has ended is gone.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.entries.retain(|e| e.until.is_none_or(|until| now < until));
        state
    }
}

// === impl Entry ===

impl Entry {
    fn is_for(&self, method: &str) -> bool {
        self.method.is_none_or(|m| m == method)
    }

    /// Lists are streams too, but their readers take a repeated frame for a broken server: only by name.
    fn is_for_stream(&self, method: &str) -> bool {
        self.method.map_or_else(|| layer::is_subscription(method), |m| m == method)
    }

    fn refuses(&mut self) -> bool {
        let Fault::Unavailable { percent, .. } = self.fault else {
            return false;
        };
        if percent.is_some_and(|percent| random(&mut self.random) % 100 >= u64::from(percent)) {
            return false;
        }
        match &mut self.calls_left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

/// SplitMix64: the same seed, the same faults.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! The network's time: the machine's, perhaps moved ahead, or one that stands still until it is told to move. It never goes
//! back, and a restart finds it as it was.

use crate::StoreError;
use crate::config::Clock;
use crate::ledger::Ledger;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};

const KEPT: &str = "clock";

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Setting {
    /// The machine's time and this much.
    Running { ahead_ms: u64 },
    /// This time.
    Still { at_ms: u64 },
}

/// The network's clock.
pub(crate) struct Time {
    machine: Clock,
    ledger: Ledger,
    setting: Mutex<Setting>,
}

// === impl Time ===

impl Time {
    /// As it was kept; a new ledger's stands still at `still_at` if there is one, or runs.
    pub(crate) fn load(machine: Clock, ledger: Ledger, still_at: Option<u64>) -> Result<Self, StoreError> {
        let kept: Option<Setting> = ledger.view()?.kept(KEPT)?;
        let first = still_at.map_or(Setting::Running { ahead_ms: 0 }, |at_ms| Setting::Still { at_ms });
        let time = Self { machine, ledger, setting: Mutex::new(kept.unwrap_or(first)) };
        if kept.is_none() {
            time.change(first)?;
        }
        Ok(time)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        match *self.setting() {
            Setting::Running { ahead_ms } => self.machine_ms().saturating_add(ahead_ms),
            Setting::Still { at_ms } => at_ms,
        }
    }

    /// Whether it stands still.
    pub(crate) fn is_still(&self) -> bool {
        matches!(*self.setting(), Setting::Still { .. })
    }

    /// Makes it `to_ms`; from there it runs on or stands still as before.
    pub(crate) fn set(&self, to_ms: u64) -> Result<(), StoreError> {
        if self.is_still() { self.stop(to_ms) } else { self.run(to_ms) }
    }

    /// Stands still at `at_ms`.
    pub(crate) fn stop(&self, at_ms: u64) -> Result<(), StoreError> {
        self.change(Setting::Still { at_ms })
    }

    /// Runs with the machine's clock, from `from_ms` or the machine's time, whichever is later.
    pub(crate) fn run(&self, from_ms: u64) -> Result<(), StoreError> {
        self.change(Setting::Running { ahead_ms: from_ms.saturating_sub(self.machine_ms()) })
    }

    fn change(&self, to: Setting) -> Result<(), StoreError> {
        let mut setting = self.setting();
        self.ledger.keep(KEPT, &to)?;
        *setting = to;
        Ok(())
    }

    fn machine_ms(&self) -> u64 {
        (self.machine)().0
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

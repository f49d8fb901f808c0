use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What a process still waits for before it is ready. Ready is earned once and flips back only when the process is asked to
/// stop: a later failure ends it or is a metric.
#[derive(Clone, Default)]
pub struct Readiness {
    awaited: Arc<Mutex<BTreeSet<&'static str>>>,
}

/// One thing awaited; dropping it says it has come.
pub struct Ready {
    name: &'static str,
    of: Readiness,
}

// === impl Readiness ===

impl Readiness {
    /// Adds something to wait for.
    pub fn awaits(&self, name: &'static str) -> Ready {
        self.lock().insert(name);
        Ready { name, of: self.clone() }
    }

    /// What is still awaited; empty when ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        // A set of names is never left half-changed, so a poisoned lock is still right.
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ready ===

impl Drop for Ready {
    fn drop(&mut self) {
        self.of.lock().remove(self.name);
        tracing::debug!(condition = self.name, "ready");
    }
}

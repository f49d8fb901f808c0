use std::collections::BTreeSet;
use tokio::sync::watch;

/// What a process still waits for before it is ready. Ready is earned once and flips back only when the process is asked to
/// stop: a later failure ends it or is a metric.
#[derive(Clone, Default)]
pub struct Readiness {
    awaited: watch::Sender<BTreeSet<&'static str>>,
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
        self.awaited.send_modify(|awaited| {
            awaited.insert(name);
        });
        Ready { name, of: self.clone() }
    }

    /// What is still awaited; empty when ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.awaited.borrow().iter().copied().collect()
    }

    /// Follows what is still awaited.
    pub(crate) fn watch(&self) -> watch::Receiver<BTreeSet<&'static str>> {
        self.awaited.subscribe()
    }
}

// === impl Ready ===

impl Drop for Ready {
    fn drop(&mut self) {
        self.of.awaited.send_modify(|awaited| {
            awaited.remove(self.name);
        });
        tracing::debug!(condition = self.name, "ready");
    }
}

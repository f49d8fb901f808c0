//! One supervisor per state folder: a lock the kernel drops with the process, and a record that says who.

use crate::machine::ProcessId;
use crate::paths::StateDir;
use daas_types::{ErrorCode, Problem};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

/// Held as long as the supervisor lives.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: Flock<File>,
    state: StateDir,
}

/// The supervisor that runs from this folder, if one does.
pub(crate) fn holder(state: &StateDir) -> Option<ProcessId> {
    ProcessId::recorded(&state.supervisor())
}

/// Takes the folder, or says who has it.
pub(crate) fn acquire(state: &StateDir) -> Result<Held, Problem> {
    let unusable = |error: &dyn std::fmt::Display| {
        Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", state.lock().display()))
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(state.lock());
    let lock = Flock::lock(file.map_err(|e| unusable(&e))?, FlockArg::LockExclusiveNonblock)
        .map_err(|_| Problem::new(ErrorCode::AlreadyRunning, state.path().display()))?;
    let own = ProcessId::own().ok_or_else(|| Problem::new(ErrorCode::Internal, "/proc/self/stat cannot be read"))?;
    own.record(&state.supervisor())?;
    Ok(Held { _lock: lock, state: state.clone() })
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(self.state.supervisor()) {
            tracing::warn!(%error, "supervisor record not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_supervisor_is_refused_and_the_record_goes_with_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path()).unwrap();
        assert_eq!(holder(&state), None);
        let held = acquire(&state).unwrap();
        assert_eq!(holder(&state), ProcessId::own());
        assert_eq!(acquire(&state).unwrap_err().code, ErrorCode::AlreadyRunning);
        drop(held);
        assert_eq!(holder(&state), None);
        acquire(&state).unwrap();
    }
}

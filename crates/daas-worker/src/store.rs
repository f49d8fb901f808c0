//! What a worker keeps on disk beside its Seal: where it stands, which machine it is, and a lock.

use crate::state::Journal;
use daas_client::write_private;
use daas_engine::lock::hold;
use daas_types::worker::{LOCK_FILE, STATE_FILE};
use daas_types::{ErrorCode, NodeId, Problem};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A worker's state folder, held by this process alone.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    _lock: File,
}

// === impl Store ===

impl Store {
    /// Makes the folder if needed and takes its lock.
    pub fn open(folder: &Path) -> Result<Self, Problem> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| unusable(folder, &e))?;
        let folder = folder.canonicalize().map_err(|e| unusable(folder, &e))?;
        let path = folder.join(LOCK_FILE);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| unusable(&path, &e))?;
        match hold(&lock) {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Problem::new(ErrorCode::AlreadyRunning, format!("another worker holds {}", path.display())))
            }
            Err(TryLockError::Error(e)) => Err(unusable(&path, &e)),
        }
    }

    /// Where it is, without links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the worker stood when it last ran, and how it came there; the beginning if it never did.
    pub fn load(&self) -> Result<Journal, Problem> {
        Self::read(&self.folder)
    }

    /// The same of a folder that is not held.
    pub fn read(folder: &Path) -> Result<Journal, Problem> {
        let path = folder.join(STATE_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Journal::default()),
            Err(e) => Err(unusable(&path, &e)),
        }
    }

    /// Saves where it stands, whole or not at all.
    pub fn save(&self, journal: &Journal) -> Result<(), Problem> {
        let bytes = serde_json::to_vec_pretty(journal).map_err(Problem::of(ErrorCode::Internal))?;
        self.write(STATE_FILE, &bytes)
    }

    /// 32 hex characters chosen at this machine's first start.
    pub fn instance_id(&self) -> Result<String, Problem> {
        let path = self.file("instance-id");
        if let Ok(text) = std::fs::read_to_string(&path)
            && text.len() == 32
            && text.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Ok(text);
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
        let id = hex::encode(bytes);
        self.write("instance-id", id.as_bytes())?;
        Ok(id)
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), Problem> {
        let path = self.file(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(unusable(&path, &e)),
            _ => Ok(()),
        }
    }

    /// Writes a file for its owner alone, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        let path = self.file(name);
        write_private(&path, bytes).map_err(|e| unusable(&path, &e))
    }
}

/// The host name, where it makes a node id.
pub fn host_node_id() -> Option<NodeId> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    name.trim().split('.').next()?.to_ascii_lowercase().parse().ok()
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorCode::DiskFull,
        _ => ErrorCode::StateUnreadable,
    };
    Problem::new(code, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Event, step};
    use daas_types::{Address, PositionId, UnixMs};

    #[test]
    fn a_second_worker_is_refused_and_state_survives() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("worker");
        let store = Store::open(&folder).unwrap();
        assert_eq!(Store::open(&folder).unwrap_err().code, ErrorCode::AlreadyRunning);
        let mut journal = store.load().unwrap();
        assert_eq!(journal, Journal::default());
        let event = Event::Prepared(PositionId(Address::new([1; 32])));
        let (state, _) = step(journal.state.clone(), event);
        journal.note(UnixMs(7), "prepared", state);
        store.save(&journal).unwrap();
        let id = store.instance_id().unwrap();
        drop(store);
        let store = Store::open(&folder).unwrap();
        assert_eq!(store.load().unwrap(), journal);
        assert_eq!(store.instance_id().unwrap(), id);
        assert_eq!(id.len(), 32);
    }

    #[test]
    fn a_damaged_state_is_not_guessed_at() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        std::fs::write(store.file("worker-state.json"), "{\"phase\":").unwrap();
        assert_eq!(store.load().unwrap_err().code, ErrorCode::StateUnreadable);
    }
}

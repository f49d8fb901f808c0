//! An audit log in memory, and what it says.

use core::ops::ControlFlow;
use daas_audit::{
    Disk, DiskFile, EnclaveKey, End, Entry, Log, LogConfig, LogId, Record, Start, WriteError, read, verify,
};
use daas_types::UnixMs;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running log. Ends when dropped.
pub struct Trail {
    /// To be written to.
    pub log: Log,
    /// Where it lies.
    pub disk: Memory,
    _writer: JoinSet<Result<(), WriteError>>,
}

/// A disk that can be full, or slow.
#[derive(Clone, Default)]
pub struct Memory(Arc<State>);

#[derive(Default)]
struct State {
    files: Mutex<BTreeMap<String, Arc<Mutex<Vec<u8>>>>>,
    full: AtomicBool,
    held: Mutex<bool>,
    released: Condvar,
    waiting: watch::Sender<bool>,
}

/// An open file of it.
pub struct MemoryFile {
    disk: Memory,
    bytes: Arc<Mutex<Vec<u8>>>,
}

/// The log that the tests write.
pub fn id() -> LogId {
    LogId { cluster: crate::chain::cluster(), key: EnclaveKey([0xe2; 32]) }
}

/// The usual values, and a full disk tried often.
pub fn config() -> LogConfig {
    LogConfig { retry: Duration::from_millis(5), ..LogConfig::new(id(), "test") }
}

/// The machine's clock.
pub fn now() -> UnixMs {
    UnixMs(UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap())
}

/// Requests with their ends, as far as a log has them; fails unless the log is clean.
pub fn requests(disk: &impl Disk) -> Vec<(u64, Start, Option<End<'static>>)> {
    let report = verify(disk, id(), &[]).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let mut found: Vec<(u64, Start, Option<End<'static>>)> = Vec::new();
    read(disk, id(), 0, |Record { sequence, entry, .. }| {
        match entry {
            Entry::Start(start) => found.push((sequence, *start, None)),
            Entry::End(end) => {
                let of = found.iter_mut().find(|(sequence, ..)| *sequence == end.start).unwrap();
                assert_eq!(of.2.replace(end), None, "it ended twice");
            }
            Entry::Opened(_) | Entry::Lost(_) => {}
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

// === impl Trail ===

impl Trail {
    /// Begins one.
    pub fn open() -> Self {
        let disk = Memory::default();
        let (log, writer, _) = Log::open(config(), Arc::new(disk.clone()), Arc::new(now), &[]).unwrap();
        let mut running = JoinSet::new();
        running.spawn(writer.run_apart(CancellationToken::new()));
        Self { log, disk, _writer: running }
    }

    /// Waits until so many requests have ended, and gives all there are.
    pub async fn ended(&self, requests: usize) -> Vec<(u64, Start, Option<End<'static>>)> {
        let mut progress = self.log.watch();
        loop {
            let found = self::requests(&self.disk);
            if found.iter().filter(|(.., end)| end.is_some()).count() >= requests {
                return found;
            }
            progress.changed().await.unwrap();
        }
    }
}

// === impl Memory ===

impl Memory {
    /// From now on there is no space, or is again.
    pub fn fill(&self, full: bool) {
        self.0.full.store(full, Ordering::Relaxed);
    }

    /// From now on nothing is synced until [`Self::release`].
    pub fn hold(&self) {
        *self.0.held.lock().unwrap() = true;
    }

    /// Waits until something wants to be synced and is held.
    pub async fn until_held(&self) {
        self.0.waiting.subscribe().wait_for(|waiting| *waiting).await.unwrap();
    }

    /// Ends [`Self::hold`].
    pub fn release(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.released.notify_all();
    }
}

impl Disk for Memory {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.files.lock().unwrap().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.0.files.lock().unwrap().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(file.lock().unwrap().clone())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        self.0.files.lock().unwrap().insert(name.to_owned(), bytes.clone());
        Ok(MemoryFile { disk: self.clone(), bytes })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.files.lock().unwrap();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.files.lock().unwrap().remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.disk.0.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (mut file, from) = (self.bytes.lock().unwrap(), usize::try_from(offset).unwrap());
        let to = from + bytes.len();
        if file.len() < to {
            file.resize(to, 0);
        }
        file[from..to].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let State { held, released, waiting, .. } = &*self.disk.0;
        let mut held = held.lock().unwrap();
        while *held {
            waiting.send_replace(true);
            held = released.wait(held).unwrap();
        }
        Ok(())
    }
}

//! A disk that loses power, fills up and fails.

use crate::disk::{self, Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// A disk in memory. What was not synced may be lost with the power, sector by sector.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<SimState>>);

#[derive(Debug)]
struct SimState {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Since the folder was synced.
    name_changes: Vec<BTreeMap<String, usize>>,
    /// Files opened before the power was lost are nobody's.
    generation: u64,
    random: u64,
    capacity: usize,
    /// Most bytes of one write.
    most: usize,
    failing: Option<io::ErrorKind>,
    syncs: u64,
}

#[derive(Debug, Default)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Debug)]
pub(crate) struct SimFile {
    disk: SimDisk,
    inode: usize,
    generation: u64,
}

// === impl SimDisk ===

impl SimDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SimState {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            name_changes: Vec::new(),
            generation: 0,
            random: seed | 1,
            capacity: usize::MAX,
            most: usize::MAX,
            failing: None,
            syncs: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, SimState> {
        self.0.lock().unwrap()
    }

    /// Of what was not synced, any part is lost.
    pub(crate) fn lose_power(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        state.generation += 1;
        let kept = usize::try_from(state.random()).unwrap() % (state.name_changes.len() + 1);
        if let Some(names) = state.name_changes.get(kept.wrapping_sub(1)) {
            state.synced_names = names.clone();
        }
        state.names = state.synced_names.clone();
        state.name_changes.clear();
        let mut inodes = core::mem::take(&mut state.inodes);
        for inode in &mut inodes {
            inode.lose_power(|| state.random());
        }
        state.inodes = inodes;
    }

    /// There is room for `bytes` more.
    pub(crate) fn fill(&self, bytes: usize) {
        let mut state = self.lock();
        state.capacity = state.used() + bytes;
    }

    pub(crate) fn free(&self) {
        self.lock().capacity = usize::MAX;
    }

    /// Every sync fails so.
    pub(crate) fn fail(&self, kind: Option<io::ErrorKind>) {
        self.lock().failing = kind;
    }

    /// No write takes more than so many bytes.
    pub(crate) fn write_short(&self, most: usize) {
        self.lock().most = most;
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Changes a file behind everyone's back.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        change(&mut inode.now);
        (inode.synced, inode.changes) = (inode.now.clone(), Vec::new());
    }

    /// A disk with the same files, as they are now.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(7);
        for name in self.list().unwrap() {
            disk::replace(&copy, &name, &self.read(&name).unwrap()).unwrap();
        }
        copy
    }

    fn name_changed(&self, change: impl FnOnce(&mut SimState) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        change(&mut state)?;
        let names = state.names.clone();
        state.name_changes.push(names);
        Ok(())
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let inode = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.inodes[*inode].now.clone())
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        self.name_changed(|state| {
            state.inodes.push(Inode::default());
            state.names.insert(name.to_owned(), state.inodes.len() - 1);
            Ok(())
        })?;
        let state = self.lock();
        Ok(SimFile { disk: self.clone(), inode: state.inodes.len() - 1, generation: state.generation })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.name_changed(|state| {
            let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.name_changed(|state| {
            state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.synced_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        let state = self.lock();
        Ok(u64::try_from(state.capacity.saturating_sub(state.used())).unwrap())
    }
}

// === impl SimState ===

impl SimState {
    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].now.len()).sum()
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }
}

// === impl Inode ===

impl Inode {
    fn lose_power(&mut self, mut random: impl FnMut() -> u64) {
        // Often all or nothing, else any sectors.
        let mode = random() % 4;
        let mut lands = |_| match mode {
            0 => false,
            1 => true,
            _ => random().is_multiple_of(2),
        };
        for change in self.changes.drain(..) {
            match change {
                Change::Truncate(length) if lands(length) => self.synced.truncate(length),
                Change::Truncate(_) => {}
                Change::Write(offset, bytes) => {
                    // The length may land without the bytes.
                    if lands(offset) && self.synced.len() < offset + bytes.len() {
                        self.synced.resize(offset + bytes.len(), 0);
                    }
                    let mut at = 0;
                    while at < bytes.len() {
                        let to = bytes.len().min((offset + at) / SECTOR * SECTOR + SECTOR - offset);
                        if lands(at) {
                            overwrite(&mut self.synced, offset + at, &bytes[at..to]);
                        }
                        at = to;
                    }
                }
            }
        }
        self.now = self.synced.clone();
    }
}

fn overwrite(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

// === impl SimFile ===

impl SimFile {
    fn change<T>(&self, change: impl FnOnce(&mut SimState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock();
        if state.generation != self.generation {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        change(&mut state)
    }
}

impl DiskFile for SimFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (inode, offset) = (self.inode, usize::try_from(offset).unwrap());
        self.change(|state| {
            let length = state.inodes[inode].now.len();
            assert!(offset <= length, "a hole in a file");
            let room = state.capacity.saturating_sub(state.used()) + (length - offset);
            let bytes = &bytes[..bytes.len().min(room).min(state.most)];
            if bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            overwrite(&mut state.inodes[inode].now, offset, bytes);
            state.inodes[inode].changes.push(Change::Write(offset, bytes.to_vec()));
            Ok(bytes.len())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let (inode, length) = (self.inode, usize::try_from(length).unwrap());
        self.change(|state| {
            state.inodes[inode].now.truncate(length);
            state.inodes[inode].changes.push(Change::Truncate(length));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let inode = self.inode;
        self.change(|state| {
            if let Some(kind) = state.failing {
                return Err(kind.into());
            }
            state.syncs += 1;
            let inode = &mut state.inodes[inode];
            (inode.synced, inode.changes) = (inode.now.clone(), Vec::new());
            Ok(())
        })
    }
}

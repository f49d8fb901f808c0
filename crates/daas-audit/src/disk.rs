//! The few things the log asks of a disk. Two disks are real here: a folder, and in the tests one that loses what was not
//! synced, writes short, fills up and fails.

use nix::sys::statvfs::statvfs;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Longest file that is read whole. Segments end long before.
const LONGEST_FILE: u64 = 1 << 30;
/// Held by the one process that writes.
const LOCK: &str = "lock";

/// A flat folder of files. Only what was synced outlives a power loss: a file's bytes by [`DiskFile::sync`], names by
/// [`Disk::sync_folder`].
pub trait Disk: Send + Sync + 'static {
    /// A file that grows.
    type File: DiskFile;

    /// All names, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// A new, empty file in place of any of that name.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Renames, in place of any file called `to`. An open file stays open.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names last.
    fn sync_folder(&self) -> io::Result<()>;
    /// How many bytes there is space for.
    fn room(&self) -> io::Result<u64>;
}

/// A file that grows.
pub trait DiskFile: Send + 'static {
    /// Writes some of `bytes` at `offset`, which is never beyond the end; says how many.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Makes the bytes last.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Released when the folder is dropped, or with the process.
    _lock: Option<File>,
}

// === impl Folder ===

impl Folder {
    /// For the one process that writes; makes the folder. Fails with [`io::ErrorKind::ResourceBusy`] while another has it.
    pub fn lock(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if let Some(parent) = path.parent() {
            File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// For reading, beside whoever writes.
    pub fn read_only(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }
}

impl Disk for Folder {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?.take(LONGEST_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn room(&self) -> io::Result<u64> {
        let stat = statvfs(&self.path)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}

impl DiskFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Whether an error means that there is no space, which may pass.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes everything, or says how far it came.
pub(crate) fn write_all<F: DiskFile>(file: &mut F, bytes: &[u8], mut offset: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = write_some(file, rest, offset)?;
        rest = rest.get(written..).unwrap_or_default();
        offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Writes at least one byte.
pub(crate) fn write_some<F: DiskFile>(file: &mut F, bytes: &[u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(written.min(bytes.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Puts a file of these bytes in place of `name`, at once and for good. Returns it open.
pub(crate) fn replace<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> io::Result<D::File> {
    let temporary = format!("{name}.new");
    let mut file = disk.create(&temporary)?;
    write_all(&mut file, bytes, 0)?;
    file.sync()?;
    disk.rename(&temporary, name)?;
    disk.sync_folder()?;
    Ok(file)
}

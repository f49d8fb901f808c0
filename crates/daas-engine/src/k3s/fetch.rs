//! Fetching a release: asked for by a person, never otherwise. Nothing of it is run or put where it is found before its SHA-256 is
//! the one in the release's list; what is not whole is removed, by the next one if this one is killed.

mod curl;
#[cfg(test)]
mod tests;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::program::{K3sError, LEAST_VERSION, ask_version, folder_of};
use super::release::{Names, Place, Release, is_hash};
use super::version::Version;
use crate::build::{self, Binaries, BuildError, Program, Progress};
use crate::files::{self, FileError};
use curl::{Curl, Sink};

/// K3s is about a quarter of it.
const LONGEST_PROGRAM: u64 = 300 << 20;
const LONGEST_LIST: u64 = 64 << 10;
/// Names the hash of the one that was fetched last.
const FETCHED: &str = "k3s-fetched";
const UNFINISHED: &str = ".fetching-";

/// Why a release is not here.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No release is called like that.
    #[error("{text:?} is no release's name: they are called as `v1.36.2+k3s1` is")]
    NoRelease {
        /// What was asked for.
        text: String,
    },
    /// It is too old.
    #[error("K3s {version} was asked for; {LEAST_VERSION} or later is needed")]
    TooOld {
        /// What was asked for.
        version: Version,
    },
    /// There is none for this kind of machine.
    #[error("no K3s is released for {architecture} that is used here")]
    NoMachine {
        /// The machine's architecture.
        architecture: &'static str,
    },
    /// From there nothing is fetched.
    #[error("{url}: {reason}")]
    BadPlace {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no curl.
    #[error("no `curl` on PATH: apt-get install curl")]
    NoCurl,
    /// There is no such file.
    #[error("{url}: there is none ({status})")]
    NotThere {
        /// The address.
        url: String,
        /// What the server said.
        status: u16,
    },
    /// It could not be reached, or did not end.
    #[error("{url}: {said}")]
    Network {
        /// The address.
        url: String,
        /// What curl said last, or the server.
        said: String,
    },
    /// It is longer than it can be.
    #[error("{url} has more than {limit} bytes")]
    TooLong {
        /// The address.
        url: String,
        /// What is taken.
        limit: u64,
    },
    /// The release says no checksum of its program.
    #[error("{url} has no SHA-256 of `{name}`, or several")]
    NoChecksum {
        /// The list.
        url: String,
        /// The program.
        name: &'static str,
    },
    /// It is not what was released.
    #[error("{url} has the SHA-256 {got}, the release says {expected}; it was removed")]
    Checksum {
        /// The address.
        url: String,
        /// What the release says.
        expected: String,
        /// What came.
        got: String,
    },
    /// The file of one release was found under another's name.
    #[error("{url} says that it is {found}")]
    OtherVersion {
        /// The address.
        url: String,
        /// What it says.
        found: Version,
    },
    /// The disk filled up.
    #[error("no space left in {folder}: K3s needs about 300 MB")]
    DiskFull {
        /// The cache.
        folder: PathBuf,
    },
}

/// Where the cache has the program that was fetched last, if one was.
pub(super) fn fetched(cache_dir: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(cache_dir.join(FETCHED)).ok()?;
    let hash = text.trim_end();
    is_hash(hash).then(|| folder_of(cache_dir, hash).join(Program::K3s.file_name()))
}

/// Fetches a release into the cache, unless it is there, and has it found there from then on; see [`super::locate`].
///
/// `progress` is called often and must not block.
pub async fn fetch(
    release: &Release,
    releases: &Place,
    cache_dir: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Binaries, K3sError> {
    let architecture = std::env::consts::ARCH;
    let names = Names::of(architecture).ok_or(FetchError::NoMachine { architecture })?;
    let cache_dir = files::make_canonical_folder(cache_dir)?;
    let _lock = build::lock(&cache_dir, progress).await?;
    remove_leftovers(&cache_dir)?;
    let curl = Curl::from_path()?;
    let list = release.file(releases, names.checksums);
    let program = release.file(releases, names.program);
    let said = curl.get(&list, Vec::new(), LONGEST_LIST, &mut |_| ()).await.map_err(|error| error.at(&cache_dir))?;
    let expected = names.checksum(&String::from_utf8_lossy(&said));
    let expected = expected.ok_or_else(|| FetchError::NoChecksum { url: list.shown(), name: names.program })?;
    let (folder, asked) = (folder_of(&cache_dir, &expected), release.version());
    let placed = folder.join(Program::K3s.file_name());
    if !is_whole(&placed, &expected).await {
        let receiving = Receiving::begin(&cache_dir)?;
        let mut told = |bytes| progress(Progress::Downloading { bytes });
        let receiving = curl.get(&program, receiving, LONGEST_PROGRAM, &mut told).await;
        let receiving = receiving.map_err(|error| error.at(&cache_dir))?;
        let path = receiving.complete().await.map_err(|error| full_or(error, &cache_dir))?;
        // Of what is on the disk, which is what will run.
        let got = hash(&path).await?;
        if got != expected {
            return Err(FetchError::Checksum { url: program.shown(), expected, got }.into());
        }
        check_version(&path, &program, asked).await?;
        files::make_folder(&folder)?;
        path.persist(&placed).map_err(|error| FileError::of("write", &placed)(error.error))?;
    }
    check_version(&placed, &program, asked).await?;
    files::write_private(&cache_dir.join(FETCHED), format!("{expected}\n"))?;
    Ok(build::k3s(folder, &expected, asked.to_string()))
}

async fn is_whole(placed: &Path, sha256: &str) -> bool {
    placed.is_file() && hash(placed).await.is_ok_and(|hash| hash == sha256)
}

async fn hash(path: &Path) -> Result<String, BuildError> {
    let path = path.to_owned();
    build::run_blocking(move || build::hash_file(&path)).await
}

/// Only called with what has the release's checksum: it is run for this.
async fn check_version(program: &Path, place: &Place, asked: &Version) -> Result<(), K3sError> {
    let found = ask_version(program, Path::new(&place.shown())).await?;
    if found == *asked { Ok(()) } else { Err(FetchError::OtherVersion { url: place.shown(), found }.into()) }
}

/// Removes what one left that was killed. Only under the lock.
fn remove_leftovers(cache_dir: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(cache_dir).map_err(FileError::of("list", cache_dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path()).map_err(FileError::of("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn full_or(error: io::Error, folder: &Path) -> K3sError {
    let folder = folder.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::DiskFull { folder }.into(),
        _ => FileError { action: "write to", path: folder, source: error }.into(),
    }
}

/// What could not be fetched, or not be kept.
#[derive(Debug)]
enum Failed {
    Fetch(FetchError),
    Write(io::Error),
}

impl Failed {
    fn at(self, folder: &Path) -> K3sError {
        match self {
            Self::Fetch(error) => error.into(),
            Self::Write(error) => full_or(error, folder),
        }
    }
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// A file that comes. Dropping it removes it.
struct Receiving {
    path: TempPath,
    file: File,
}

// === impl Receiving ===

impl Receiving {
    fn begin(cache_dir: &Path) -> Result<Self, FileError> {
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(cache_dir);
        let (file, path) = file.map_err(FileError::of("make a file in", cache_dir))?.into_parts();
        Ok(Self { path, file: File::from_std(file) })
    }

    /// Closes it, so that it can be run.
    async fn complete(mut self) -> io::Result<TempPath> {
        self.file.flush().await?;
        self.file.set_permissions(Permissions::from_mode(0o755)).await?;
        self.file.sync_all().await?;
        drop(self.file.into_std().await);
        Ok(self.path)
    }
}

impl Sink for Receiving {
    async fn again(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.set_len(0).await?;
        self.file.rewind().await?;
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }
}

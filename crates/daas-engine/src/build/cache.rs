use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Binaries, BuildError, GO_MOD, GO_SUM, KUBERNETES_VERSION, LOCK_POLL, Program, Progress};
use crate::files::{self, FileError};

const MANIFEST: &str = "manifest";
/// Size and times of each program when its hash was last checked: while they stay, it is not hashed again.
const STAMP: &str = "stamp";
const UNFINISHED: &str = ".building-";

/// A build that is not complete yet; dropping it removes it.
pub(super) struct Building {
    temporary: TempDir,
    target: PathBuf,
}

pub(super) fn key(go_mod: &str, go_sum: &str, flags: &[&str]) -> String {
    let mut hash = Sha256::new();
    let flags = flags.join("\0");
    for part in [go_mod, go_sum, flags.as_str(), std::env::consts::ARCH] {
        hash.update(u64::try_from(part.len()).expect("a length must fit").to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

pub(super) async fn find(target: &Path) -> Result<Option<Binaries>, BuildError> {
    if !target.join(MANIFEST).is_file() {
        return Ok(None);
    }
    let manifest = files::read_text(&target.join(MANIFEST))?;
    let binaries = Binaries { folder: target.join("bin"), manifest, version: KUBERNETES_VERSION.to_owned() };
    let stamp = target.join(STAMP);
    let current = current_stamp(&binaries.folder)?;
    if fs::read_to_string(&stamp).is_ok_and(|known| known == current) {
        return Ok(Some(binaries));
    }
    binaries.verify().await?;
    // A cache that cannot be written to is still good; it is then hashed each time.
    let _ = files::write_private(&stamp, current);
    Ok(Some(binaries))
}

pub(super) async fn verify(folder: PathBuf, manifest: String) -> Result<(), BuildError> {
    run_blocking(move || {
        let expected = parse(&folder, &manifest)?;
        for program in Program::BUILT {
            let path = folder.join(program.file_name());
            let expected = expected.get(program.file_name()).cloned().unwrap_or_else(|| "an entry".to_owned());
            let got = hash_file(&path)?;
            if got != expected {
                return Err(BuildError::Altered { path, expected, got });
            }
        }
        Ok(())
    })
    .await
}

/// Waits until no other process builds in this cache, or fetches into it.
pub(crate) async fn lock(cache_dir: &Path, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<File, BuildError> {
    let path = cache_dir.join("lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(FileError::of("open", &path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress(Progress::WaitingForOther),
            Err(TryLockError::Error(e)) => return Err(FileError::of("lock", &path)(e).into()),
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

/// Removes what a build left that was killed. Only under the lock.
pub(super) fn remove_leftovers(cache_dir: &Path) -> Result<(), BuildError> {
    for entry in fs::read_dir(cache_dir).map_err(FileError::of("list", cache_dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).map_err(FileError::of("remove", &entry.path()))?;
        }
    }
    Ok(())
}

// === impl Building ===

impl Building {
    pub(super) fn begin(cache_dir: &Path, target: &Path) -> Result<Self, BuildError> {
        let temporary = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(cache_dir)
            .map_err(FileError::of("make a folder in", cache_dir))?;
        let building = Self { temporary, target: target.to_owned() };
        files::make_folder(&building.source())?;
        files::make_folder(&building.programs())?;
        files::write_private(&building.source().join("go.mod"), GO_MOD)?;
        files::write_private(&building.source().join("go.sum"), GO_SUM)?;
        Ok(building)
    }

    pub(super) fn source(&self) -> PathBuf {
        self.temporary.path().join("src")
    }

    pub(super) fn programs(&self) -> PathBuf {
        self.temporary.path().join("bin")
    }

    /// Writes the manifest and moves everything to its final place.
    pub(super) async fn complete(self) -> Result<Binaries, BuildError> {
        let folder = self.programs();
        let manifest = run_blocking(move || {
            let mut manifest = String::new();
            for program in Program::BUILT {
                let path = folder.join(program.file_name());
                sync(&path)?;
                let hash = hash_file(&path)?;
                writeln!(manifest, "{hash}  {}", program.file_name()).expect("a string must take text");
            }
            Ok::<_, BuildError>(manifest)
        })
        .await?;
        files::write_private(&self.temporary.path().join(MANIFEST), &manifest)?;
        if self.target.exists() {
            // No manifest in it, else it would have been used: it is not a build.
            fs::remove_dir_all(&self.target).map_err(FileError::of("remove", &self.target))?;
        }
        let finished = self.temporary.keep();
        fs::rename(&finished, &self.target).map_err(FileError::of("move into place", &self.target))?;
        Ok(Binaries { folder: self.target.join("bin"), manifest, version: KUBERNETES_VERSION.to_owned() })
    }
}

fn parse(folder: &Path, manifest: &str) -> Result<BTreeMap<String, String>, BuildError> {
    manifest
        .lines()
        .map(|line| match line.split_once("  ") {
            Some((hash, name)) if hash.len() == 64 => Ok((name.to_owned(), hash.to_owned())),
            _ => Err(BuildError::Altered {
                path: folder.join("..").join(MANIFEST),
                expected: "lines `sha256  name`".to_owned(),
                got: line.to_owned(),
            }),
        })
        .collect()
}

fn current_stamp(folder: &Path) -> Result<String, BuildError> {
    let mut stamp = String::new();
    for program in Program::BUILT {
        let path = folder.join(program.file_name());
        let m = fs::metadata(&path).map_err(FileError::of("find", &path))?;
        let changed = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        writeln!(stamp, "{} {} {} {changed:?}", program.file_name(), m.len(), m.ino())
            .expect("a string must take text");
    }
    Ok(stamp)
}

pub(crate) fn hash_file(path: &Path) -> Result<String, BuildError> {
    copy_hashed(path, &mut io::sink())
}

/// Reads a file to its end, gives what it read on, and answers the hash of that.
pub(crate) fn copy_hashed(path: &Path, to: &mut impl Write) -> Result<String, BuildError> {
    let mut copy = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex::encode(hash.finalize())),
                n => {
                    hash.update(&buffer[..n]);
                    to.write_all(&buffer[..n])?;
                }
            }
        }
    };
    copy().map_err(FileError::of("read", path)).map_err(BuildError::from)
}

fn sync(path: &Path) -> Result<(), BuildError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(FileError::of("flush", path))?;
    Ok(())
}

pub(crate) async fn run_blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await.expect("hashing must not panic")
}

//! Which K3s: the one that `K3S_BIN` names, else the one on PATH, else the one that was fetched last. It is copied into the cache
//! under its hash and runs from there, so that what was hashed, and with it measured, is what runs, whatever becomes of the file
//! meanwhile.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::fetch::{self, FetchError};
use super::version::Version;
use crate::build::{self, Binaries, BuildError, Program};
use crate::command::{self, CommandError};
use crate::files::{self, FileError};

/// The oldest release whose Kubernetes has what the master's policies are written in: `MutatingAdmissionPolicy` in
/// `admissionregistration.k8s.io/v1`. Older ones refuse it; those before 1.34 also make agents' private keys themselves.
pub const LEAST_VERSION: &str = "v1.36";
pub(super) const LEAST: (u32, u32) = (1, 36);
/// Names a K3s that is not on PATH.
const NAMED_BY: &str = "K3S_BIN";
/// What `k3s --version` begins with.
const SAYS: &str = "k3s version ";

/// Why there is no K3s to run.
#[derive(Debug, thiserror::Error)]
pub enum K3sError {
    /// There is none.
    #[error("no `k3s` on PATH, K3S_BIN names none, and none was fetched")]
    NotFound,
    /// K3S_BIN leads elsewhere from every folder.
    #[error("K3S_BIN names {path}, which is relative: it has to be the full path")]
    Relative {
        /// As it was named.
        path: PathBuf,
    },
    /// What K3S_BIN names cannot be run.
    #[error("K3S_BIN names {path}, which is no program")]
    NoProgram {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path} is no K3s: `--version` says {said:?}")]
    Other {
        /// The file.
        path: PathBuf,
        /// The first line of what it says.
        said: String,
    },
    /// It is too old.
    #[error("{path} is K3s {found}; {LEAST_VERSION} or later is needed")]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// It lies in the cache, and is not what was put there.
    #[error("{path} was altered: its SHA-256 is {got}; remove its folder, and fetch it again")]
    Altered {
        /// The file.
        path: PathBuf,
        /// What it is now.
        got: String,
    },
    /// It cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It does not run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It cannot be copied.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Where this machine's K3s lies, if it has one; those that were fetched are in the cache. Looks, and runs nothing.
pub fn locate(cache_dir: Option<&Path>) -> Result<Option<PathBuf>, K3sError> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let named = locate_in(set(NAMED_BY).as_deref(), set("PATH").as_deref())?;
    Ok(named.or_else(|| cache_dir.and_then(fetch::fetched).filter(|program| is_program(program))))
}

fn locate_in(named: Option<&OsStr>, path: Option<&OsStr>) -> Result<Option<PathBuf>, K3sError> {
    if let Some(named) = named.map(PathBuf::from) {
        // A supervisor looks for it again, from another folder than the one in which it was named.
        if named.is_relative() {
            return Err(K3sError::Relative { path: named });
        }
        // Another than the one that was named is not what was asked for.
        return if is_program(&named) { Ok(Some(named)) } else { Err(K3sError::NoProgram { path: named }) };
    }
    let folders = path.into_iter().flat_map(env::split_paths);
    // A relative entry would lead elsewhere from every folder.
    let mut programs = folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join("k3s"));
    Ok(programs.find(|program| is_program(program)))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// This machine's K3s, ready to run; `None` if there is none.
pub(crate) async fn find(cache_dir: &Path) -> Result<Option<Binaries>, K3sError> {
    match locate(Some(cache_dir))? {
        Some(program) => find_at(&program, cache_dir).await.map(Some),
        None => Ok(None),
    }
}

/// The K3s in this file, ready to run.
pub async fn find_at(program: &Path, cache_dir: &Path) -> Result<Binaries, K3sError> {
    let cache_dir = files::make_canonical_folder(cache_dir)?;
    let (source, cache) = (program.to_owned(), cache_dir.clone());
    let (folder, sha256) = build::run_blocking(move || place(&source, &cache)).await?;
    let placed = folder.join(Program::K3s.file_name());
    let version = ask_version(&placed, program).await?;
    Ok(build::k3s(folder, &sha256, version.to_string()))
}

/// What version this program says it is; `from` is where people know it from.
pub(super) async fn ask_version(program: &Path, from: &Path) -> Result<Version, K3sError> {
    let said = command::run(program, &["--version"]).await?;
    version(from, &said)
}

/// Where in the cache the program with this hash lies.
pub(super) fn folder_of(cache_dir: &Path, sha256: &str) -> PathBuf {
    cache_dir.join(format!("k3s-{sha256}"))
}

/// The folder below the cache in which a copy of this program lies, made if it is not there or not whole; and its hash.
fn place(program: &Path, cache_dir: &Path) -> Result<(PathBuf, String), K3sError> {
    let folder_of = |sha256: &str| folder_of(cache_dir, sha256);
    let sha256 = build::hash_file(program)?;
    let folder = folder_of(&sha256);
    // One of ours lies in the folder with its hash's name: in any other it is not what was put there.
    if program.canonicalize().is_ok_and(|lies| lies.starts_with(cache_dir) && !lies.starts_with(&folder)) {
        return Err(K3sError::Altered { path: program.to_owned(), got: sha256 });
    }
    let placed = folder.join(Program::K3s.file_name());
    if placed.is_file() && build::hash_file(&placed)? == sha256 {
        return Ok((folder, sha256));
    }
    let mut copy = tempfile::Builder::new()
        .prefix(".k3s-")
        .tempfile_in(cache_dir)
        .map_err(FileError::of("make a file in", cache_dir))?;
    // Of what was copied, and not of what lay there a moment ago.
    let sha256 = build::copy_hashed(program, copy.as_file_mut())?;
    let folder = folder_of(&sha256);
    let placed = folder.join(Program::K3s.file_name());
    files::make_folder(&folder)?;
    let finish = || -> std::io::Result<()> {
        copy.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        copy.as_file().sync_all()?;
        copy.persist(&placed)?;
        Ok(())
    };
    finish().map_err(FileError::of("write", &folder))?;
    Ok((folder, sha256))
}

/// The version in `k3s version v1.36.2+k3s1 (01b6f04a)`.
fn version(program: &Path, said: &str) -> Result<Version, K3sError> {
    let line = said.lines().next().unwrap_or_default();
    let other = || K3sError::Other { path: program.to_owned(), said: line.chars().take(80).collect() };
    let version = line.strip_prefix(SAYS).and_then(|rest| rest.split(' ').next()).and_then(Version::parse);
    let version = version.ok_or_else(other)?;
    if version.is_too_old() {
        return Err(K3sError::TooOld { path: program.to_owned(), found: version.to_string() });
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn says(version: &str) -> String {
        format!("#!/bin/sh\necho '{version}'\necho 'go version go1.26.4'\n")
    }

    #[test]
    fn the_one_that_is_named_goes_before_the_one_on_path() {
        let folder = tempfile::tempdir().unwrap();
        let (on_path, named) = (program(folder.path(), "k3s", ""), program(folder.path(), "mine", ""));
        let path = env::join_paths(["relative".as_ref(), Path::new("/nonexistent"), folder.path()]).unwrap();
        assert_eq!(locate_in(Some(named.as_os_str()), Some(&path)).unwrap(), Some(named.clone()));
        assert_eq!(locate_in(None, Some(&path)).unwrap(), Some(on_path.clone()));
        assert_eq!(locate_in(None, None).unwrap(), None);
        fs::set_permissions(&on_path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(locate_in(None, Some(&path)).unwrap(), None);
        fs::remove_file(&named).unwrap();
        let error = locate_in(Some(named.as_os_str()), Some(&path)).unwrap_err();
        assert!(matches!(error, K3sError::NoProgram { .. }), "{error}");
    }

    #[test]
    fn one_that_is_named_from_here_is_refused_though_it_is_there() {
        let named = PathBuf::from(format!("{}bin/sh", "../".repeat(64)));
        assert!(is_program(&named));
        let error = locate_in(Some(named.as_os_str()), None).unwrap_err();
        assert!(matches!(&error, K3sError::Relative { path } if *path == named), "{error}");
        assert!(error.to_string().contains("full path"), "{error}");
    }

    #[tokio::test]
    async fn what_was_hashed_is_what_runs() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let text = says("k3s version v1.36.2+k3s1 (01b6f04a)");
        let mine = program(folder.path(), "k3s-amd64", &text);
        let found = find_at(&mine, cache.path()).await.unwrap();
        assert_eq!(found.version(), "v1.36.2+k3s1");
        let sha256 = build::hash_file(&mine).unwrap();
        assert_eq!(found.manifest(), format!("{sha256}  k3s\n"));
        let placed = found.path(Program::K3s);
        assert!(placed.starts_with(cache.path().canonicalize().unwrap()) && is_program(&placed));
        // Replaced where it came from: what was found stays what it was.
        program(folder.path(), "k3s-amd64", &says("k3s version v1.37.0+k3s1 (x)"));
        assert_eq!(fs::read_to_string(&placed).unwrap(), text);
        assert_ne!(find_at(&mine, cache.path()).await.unwrap().path(Program::K3s), placed);
        // Altered where it was put: put there again.
        program(folder.path(), "k3s-amd64", &text);
        fs::write(&placed, "altered").unwrap();
        assert_eq!(find_at(&mine, cache.path()).await.unwrap().path(Program::K3s), placed);
        assert_eq!(fs::read_to_string(&placed).unwrap(), text);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2, "no half copy is left");
    }

    #[test]
    fn old_ones_and_others_are_refused() {
        let of = |said: &str| version(Path::new("k3s"), said);
        for good in
            ["k3s version v1.36.2+k3s1 (01b6f04a)\ngo version go1.26.4", "k3s version v1.100.0", "k3s version v2.0.0"]
        {
            assert!(of(good).is_ok(), "{good}");
        }
        for old in ["k3s version v1.35.9+k3s1 (x)", "k3s version v1.4.0", "k3s version v0.99.0"] {
            assert!(matches!(of(old), Err(K3sError::TooOld { .. })), "{old}");
        }
        for other in
            ["", "Client Version: v1.36.2", "k3s version", "k3s version dev", "k3s version v1", "k3s version v1.x.2"]
        {
            assert!(matches!(of(other), Err(K3sError::Other { .. })), "{other}");
        }
    }
}

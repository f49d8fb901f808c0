//! Which K3s ran last on these data, written down before it begins: an older one might not read what a newer one has written,
//! and K3s' own commands are to be run by the very program that the server is.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::build::{Binaries, Program};
use crate::control_plane::ControlPlaneError;
use crate::files::{self, FileError};

const RECORD: &str = "k3s-run.json";
/// Held by whoever uses K3s' folder: its server, or a command that wants no server there.
const LOCK: &str = "k3s.lock";

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastRun {
    version: String,
    pub(super) sha256: String,
    pub(super) program: PathBuf,
    /// Where it listens, on 127.0.0.1.
    pub(super) port: u16,
}

/// What another version is to the data of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Fine,
    /// Kubernetes goes from one minor version to the next.
    Leap,
    Back,
}

// === impl LastRun ===

impl LastRun {
    /// Of these programs.
    pub(super) fn of(programs: &Binaries, port: u16) -> Self {
        let sha256 = programs.manifest().split(' ').next().unwrap_or_default().to_owned();
        Self { version: programs.version().to_owned(), sha256, program: programs.path(Program::K3s), port }
    }

    /// The one of these data, if K3s ever ran on them.
    pub(super) fn read(state: &Path) -> Result<Option<Self>, FileError> {
        let path = state.join(RECORD);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| FileError::of("read", &path)(e.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::of("read", &path)(error)),
        }
    }

    /// Refuses to go back behind what wrote the data.
    pub(super) fn may_follow(&self, state: &Path) -> Result<(), ControlPlaneError> {
        let last = Self::read(state)?;
        let versions = last.as_ref().and_then(|last| Version::parse(&last.version).zip(Version::parse(&self.version)));
        if let Some((wrote, now)) = versions {
            match step(wrote.minor(), now.minor()) {
                Step::Fine => {}
                Step::Leap => {
                    tracing::warn!(k3s.wrote = %wrote, k3s.now = %now, "a minor version of Kubernetes is left out");
                }
                Step::Back => return Err(ControlPlaneError::Older { wrote, now }),
            }
            if wrote != now {
                tracing::info!(k3s.wrote = %wrote, k3s.now = %now, "another version of K3s takes over");
            }
        }
        Ok(())
    }

    /// Writes it down, in the moment before it begins.
    pub(super) fn write(&self, state: &Path) -> Result<(), FileError> {
        let text = serde_json::to_vec(self).expect("a record of plain fields must encode");
        files::write_private(&state.join(RECORD), text)
    }
}

/// Patches go either way: they write what those of the same minor version read.
fn step(wrote: (u32, u32), now: (u32, u32)) -> Step {
    if now < wrote {
        Step::Back
    } else if now.0 == wrote.0 && now.1 <= wrote.1.saturating_add(1) {
        Step::Fine
    } else {
        Step::Leap
    }
}

/// Takes K3s' folder for as long as the file is held; `None` if somebody has it.
pub(super) fn take(state: &Path) -> Result<Option<File>, FileError> {
    let path = state.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(FileError::of("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FileError::of("lock", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(version: &str) -> LastRun {
        LastRun { version: version.to_owned(), sha256: "0".repeat(64), program: "/k3s".into(), port: 1 }
    }

    #[test]
    fn data_go_on_with_the_same_or_the_next_and_never_back() {
        assert_eq!(step((1, 36), (1, 36)), Step::Fine);
        assert_eq!(step((1, 36), (1, 37)), Step::Fine);
        assert_eq!(step((1, 36), (1, 38)), Step::Leap);
        assert_eq!(step((1, 40), (2, 0)), Step::Leap);
        assert_eq!(step((1, 37), (1, 36)), Step::Back);
        assert_eq!(step((2, 0), (1, 99)), Step::Back);
    }

    #[test]
    fn what_ran_last_is_known_and_a_refusal_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let last = || LastRun::read(folder.path()).unwrap().map(|run| run.version);
        assert_eq!(last(), None);
        for version in ["v1.36.2+k3s1", "v1.37.1+k3s1", "v1.37.0+k3s1"] {
            run(version).may_follow(folder.path()).unwrap();
            run(version).write(folder.path()).unwrap();
            assert_eq!(last().as_deref(), Some(version));
        }
        let error = run("v1.36.9+k3s1").may_follow(folder.path()).unwrap_err();
        assert!(matches!(error, ControlPlaneError::Older { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("v1.36.9+k3s1") && said.contains("v1.37.0+k3s1"), "{said}");
        assert_eq!(last().as_deref(), Some("v1.37.0+k3s1"));
        fs::write(folder.path().join(RECORD), "no record").unwrap();
        assert!(run("v1.37.0+k3s1").may_follow(folder.path()).is_err(), "what ran last is not known");
    }

    #[test]
    fn the_folder_is_one_holders() {
        let folder = tempfile::tempdir().unwrap();
        let held = take(folder.path()).unwrap();
        assert!(held.is_some() && take(folder.path()).unwrap().is_none());
        drop(held);
        assert!(take(folder.path()).unwrap().is_some());
    }
}

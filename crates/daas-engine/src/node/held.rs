//! One worker for each data folder. The lock is the kernel's, which drops it with the process, however that ends; and it does not lie
//! in the folder, whose contents people throw away while a node runs from it.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Layout, NodeError};
use crate::files::FileError;
use crate::lock;

/// A data folder that no other worker runs a node from, for as long as this lives. What is started meanwhile does not inherit it.
#[derive(Debug)]
pub struct HeldFolder {
    path: PathBuf,
    lock: File,
}

// === impl HeldFolder ===

impl HeldFolder {
    /// Takes it for who is called so, or says who has it. Makes the folder if needed.
    pub fn take(state_dir: &Path, who: &str) -> Result<Self, NodeError> {
        let layout = Layout::new(state_dir)?;
        let path = layout.lock();
        loop {
            let lock = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
            let lock = lock.map_err(FileError::of("open", &path))?;
            match lock::hold(&lock) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(NodeError::Taken { place: layout.state, by: who_wrote(&path) });
                }
                Err(TryLockError::Error(e)) => return Err(FileError::of("lock", &path)(e).into()),
            }
            // Whoever had it before may have removed the file in the moment between the two.
            if is_at(&lock, &path) {
                let mut held = Self { path, lock };
                held.say(who).map_err(FileError::of("write", &held.path))?;
                return Ok(held);
            }
        }
    }

    /// Who has it, if somebody does. Changes nothing.
    pub fn holder(state_dir: &Path) -> Option<String> {
        let path = Layout::existing(state_dir)?.lock();
        lock::is_held(&path).then(|| who_wrote(&path))
    }

    /// Removes what a killed worker left of it. Of one that lives, which may be this process, it stays.
    pub(super) fn forget_left(layout: &Layout) {
        let path = layout.lock();
        // Not waited for: who looks at it in this moment leaves a file behind, and whoever removes it has to have it alone.
        let left = File::open(&path).ok().filter(|lock| lock.try_lock().is_ok());
        drop(left.map(|lock| Self { path, lock }));
    }

    fn say(&mut self, who: &str) -> std::io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.write_all(who.as_bytes())
    }
}

impl Drop for HeldFolder {
    fn drop(&mut self) {
        // While it is held: nobody can have taken what is removed.
        if is_at(&self.lock, &self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "lock of the data folder not removed");
        }
    }
}

/// Whether this very file is the one at the path.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(a, b)| same(a, b))
}

fn who_wrote(path: &Path) -> String {
    let said = fs::read_to_string(path).unwrap_or_default();
    if said.is_empty() { "another worker".to_owned() } else { said }
}

//! Locks of files, by the kernel: one holds it, and whoever wants to know whether somebody does shares it for a moment.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;

/// How often others may be seen looking, each for microseconds, before it counts as held.
const LOOKS: usize = 10_000;

/// Takes it for this process alone, or says that somebody has it. Who only looks does not count.
pub fn hold(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            done => return done,
        }
        // Who holds it lets nobody share it.
        file.try_lock_shared()?;
        file.unlock().map_err(TryLockError::Error)?;
        thread::yield_now();
    }
    Err(TryLockError::WouldBlock)
}

/// Whether somebody holds it. Nobody holds what is not there.
pub fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        File::create(&path).unwrap();
        thread::scope(|scope| {
            let looker = scope.spawn(|| (0..50_000).filter(|_| is_held(&path)).count());
            while !looker.is_finished() {
                hold(&File::open(&path).unwrap()).unwrap();
            }
        });
    }

    #[test]
    fn one_holds_it_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path));
        let (first, second) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        assert!(!is_held(&path));
        hold(&first).unwrap();
        assert!(is_held(&path));
        assert!(matches!(hold(&second), Err(TryLockError::WouldBlock)));
        drop(first);
        hold(&second).unwrap();
        // Somebody who looks for ever is not waited out for ever.
        second.lock_shared().unwrap();
        assert!(matches!(hold(&File::open(&path).unwrap()), Err(TryLockError::WouldBlock)));
    }
}

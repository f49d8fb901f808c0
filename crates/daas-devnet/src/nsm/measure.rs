//! What the simulated TEE measures: an executable and the engine's manifest.

use daas_types::onchain::Pcrs;
use sha2::{Digest as _, Sha384};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const BOOT: &[u8] = b"k3s-daas simulated boot";
/// Executables remembered; far more than a test's masters.
const REMEMBERED: usize = 64;

type Hash = [u8; 48];

/// A file's content cannot change while all of this stays: device, inode, size, times of the last change of content and
/// of status in ns.
type Identity = (u64, u64, u64, i64, i64, i64, i64);

/// Hashes of executables, so that each is read once.
#[derive(Default)]
pub(super) struct Executables {
    hashes: Mutex<HashMap<Identity, Hash>>,
}

/// What a process running `exe` with `manifest` measures as: what the operator registers on the chain.
pub fn measure(exe: &Path, manifest: &Path) -> io::Result<Pcrs> {
    let manifest = Sha384::digest(fs::read(manifest)?).into();
    Ok(combine(hash(&mut File::open(exe)?)?, manifest))
}

fn combine(exe: Hash, manifest: Hash) -> Pcrs {
    Pcrs {
        pcr0: Sha384::new().chain_update(exe).chain_update(manifest).finalize().to_vec(),
        pcr1: Sha384::digest(BOOT).to_vec(),
        pcr2: Sha384::digest(exe).to_vec(),
    }
}

fn hash(file: &mut File) -> io::Result<Hash> {
    let mut hash = Sha384::new();
    io::copy(file, &mut hash)?;
    Ok(hash.finalize().into())
}

// === impl Executables ===

impl Executables {
    /// Of the process `pid`, through the link that leads to the file it runs even if another has its name by now.
    pub(super) fn measure(&self, pid: i32, manifest: &Path) -> io::Result<Pcrs> {
        let mut exe = File::open(format!("/proc/{pid}/exe"))?;
        let manifest = Sha384::digest(fs::read(manifest)?).into();
        Ok(combine(self.hash(&mut exe)?, manifest))
    }

    fn hash(&self, file: &mut File) -> io::Result<Hash> {
        let identity = identity(file)?;
        if let Some(known) = self.hashes.lock().unwrap_or_else(PoisonError::into_inner).get(&identity) {
            return Ok(*known);
        }
        let hash = hash(file)?;
        // What changed while it was read is not remembered under either identity.
        if self::identity(file)? == identity {
            let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
            if hashes.len() >= REMEMBERED {
                hashes.clear();
            }
            hashes.insert(identity, hash);
        }
        Ok(hash)
    }
}

fn identity(file: &File) -> io::Result<Identity> {
    let m = file.metadata()?;
    Ok((m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()))
}

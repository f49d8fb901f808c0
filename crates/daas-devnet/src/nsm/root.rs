//! The root key. Its hash is what a devnet's genesis binds, so it is made once and kept.

use super::NsmError;
use p384::SecretKey;
use p384::pkcs8::{EncodePrivateKey as _, LineEnding};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PublicKeyData as _};
use sha2::{Digest as _, Sha256, Sha384};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const FILE: &str = "tee-root.key";

/// The simulated TEE's root key. Cannot be printed.
pub struct Root {
    pub(super) key: KeyPair,
}

/// Reads the key of `dir`, or makes it (mode 0600). Of two processes that make it at once, both get the same.
pub fn load_or_create(dir: &Path) -> Result<Root, NsmError> {
    let path = dir.join(FILE);
    let failed = |source| NsmError::File { path: path.clone(), source };
    let pem = match fs::read_to_string(&path) {
        Ok(pem) => pem,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
            create(dir, &path, key.serialize_pem().as_bytes()).map_err(failed)?;
            fs::read_to_string(&path).map_err(failed)?
        }
        Err(e) => return Err(failed(e)),
    };
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ECDSA_P384_SHA384)
        .map_err(|cause| NsmError::Root { path, cause: cause.to_string() })?;
    Ok(Root { key })
}

/// Reads the key of `dir`, or makes the one that belongs to `seed`.
pub fn load_or_seed(dir: &Path, seed: u64) -> Result<Root, NsmError> {
    let path = dir.join(FILE);
    let failed = |source| NsmError::File { path: path.clone(), source };
    if !path.exists() {
        let secret =
            Sha384::new().chain_update(b"k3s-daas devnet ").chain_update(FILE).chain_update(seed.to_le_bytes());
        let key = SecretKey::from_slice(&secret.finalize()).map_err(|e| failed(io::Error::other(e)))?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| failed(io::Error::other(e)))?;
        create(dir, &path, pem.as_bytes()).map_err(failed)?;
    }
    load_or_create(dir)
}

/// The file appears whole or not at all, and never replaces one that is already there.
fn create(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|e| io::Error::other(e.to_string()))?;
    let draft = dir.join(format!("{FILE}.{}.draft", hex::encode(unique)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    // A draft that cannot be removed is of no use to anyone; what counts is whether the key was written.
    let _ = fs::remove_file(&draft);
    written
}

// === impl Root ===

impl Root {
    /// SHA-256 of its SubjectPublicKeyInfo: what the genesis names.
    pub fn key_hash(&self) -> [u8; 32] {
        Sha256::digest(self.key.subject_public_key_info()).into()
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Root").finish_non_exhaustive()
    }
}

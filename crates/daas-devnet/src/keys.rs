//! The devnet's own keys: files of hex in the state folder, readable by their owner alone.

use crate::DevnetError;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use sui_crypto::bls12381::Bls12381PrivateKey;
use sui_crypto::ed25519::Ed25519PrivateKey;

const VALIDATOR: &str = "validator.key";
const FAUCET: &str = "faucet.key";

/// The only validator's key.
pub(crate) fn validator(dir: &Path) -> Result<Bls12381PrivateKey, DevnetError> {
    // The scalar must be below the group order 0x73ed…; two clear top bits make sure.
    let mut bytes = secret(&dir.join(VALIDATOR))?;
    bytes[0] &= 0x3f;
    Bls12381PrivateKey::new(bytes).map_err(|_| DevnetError::Key { path: dir.join(VALIDATOR), expected: 64 })
}

/// The key that owns the faucet's coins.
pub(crate) fn faucet(dir: &Path) -> Result<Ed25519PrivateKey, DevnetError> {
    Ok(Ed25519PrivateKey::new(secret(&dir.join(FAUCET))?))
}

fn secret(path: &Path) -> Result<[u8; 32], DevnetError> {
    let file = |source| DevnetError::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text.trim_end(), &mut bytes)
                .map_err(|_| DevnetError::Key { path: path.to_owned(), expected: 64 })?;
            Ok(bytes)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|e| file(std::io::Error::other(e)))?;
            write_private(path, hex::encode(bytes).as_bytes()).map_err(file)?;
            Ok(bytes)
        }
        Err(error) => Err(file(error)),
    }
}

/// Whole or not at all, also when the process is killed between two writes.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

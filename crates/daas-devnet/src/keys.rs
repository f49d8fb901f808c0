//! The devnet's own keys: files of hex in the state folder, readable by their owner alone. They come from the system's
//! random numbers, or all from one seed.

use crate::{DevnetError, files};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use sui_crypto::bls12381::Bls12381PrivateKey;
use sui_crypto::ed25519::Ed25519PrivateKey;

const VALIDATOR: &str = "validator.key";
const FAUCET: &str = "faucet.key";
const LABEL: &[u8] = b"k3s-daas devnet ";

/// What the validator's keys are made from: another one for each epoch, so that the committee changes with it.
pub(crate) struct ValidatorSecret([u8; 32]);

/// The only validator's secret.
pub(crate) fn validator(dir: &Path, seed: Option<u64>) -> Result<ValidatorSecret, DevnetError> {
    secret(&dir.join(VALIDATOR), seed.map(|seed| derived(VALIDATOR, seed))).map(ValidatorSecret)
}

/// The key that owns the faucet's coins.
pub(crate) fn faucet(dir: &Path, seed: Option<u64>) -> Result<Ed25519PrivateKey, DevnetError> {
    secret(&dir.join(FAUCET), seed.map(|seed| derived(FAUCET, seed))).map(Ed25519PrivateKey::new)
}

/// The secret of `name` that belongs to a seed.
pub(crate) fn derived(name: &str, seed: u64) -> [u8; 32] {
    let hash = Sha256::new().chain_update(LABEL).chain_update(name).chain_update(seed.to_le_bytes());
    hash.finalize().into()
}

// === impl ValidatorSecret ===

impl ValidatorSecret {
    /// The secret of somebody who is not this network's validator.
    pub(crate) fn of_a_stranger() -> Self {
        Self(derived("stranger", 0))
    }

    /// The key that signs the checkpoints of `epoch`.
    pub(crate) fn key(&self, epoch: u64) -> Bls12381PrivateKey {
        let mut bytes = self.0;
        if epoch > 0 {
            let hash = Sha256::new().chain_update(LABEL).chain_update(self.0).chain_update(epoch.to_le_bytes());
            bytes = hash.finalize().into();
        }
        // The scalar must be below the group order 0x73ed…; two clear top bits make sure.
        bytes[0] &= 0x3f;
        Bls12381PrivateKey::new(bytes).expect("the scalar must be in the group")
    }
}

/// The content of `path`, made from `wanted` or at random if there is none. With `wanted`, no other content will do.
fn secret(path: &Path, wanted: Option<[u8; 32]>) -> Result<[u8; 32], DevnetError> {
    let file = |source| DevnetError::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text.trim_end(), &mut bytes)
                .map_err(|_| DevnetError::Key { path: path.to_owned(), expected: 64 })?;
            match wanted {
                Some(wanted) if wanted != bytes => Err(DevnetError::ForeignSeed { path: path.to_owned() }),
                _ => Ok(bytes),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut bytes = wanted.unwrap_or_default();
            if wanted.is_none() {
                getrandom::fill(&mut bytes).map_err(|e| file(std::io::Error::other(e)))?;
            }
            files::keep(path, hex::encode(bytes).as_bytes(), 0o600).map_err(file)?;
            Ok(bytes)
        }
        Err(error) => Err(file(error)),
    }
}

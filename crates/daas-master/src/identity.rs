//! What a master is to the world: its signing key, and the two files that say so.

use anyhow::Context as _;
use daas_chain::wallet::Wallet;
use daas_types::join::{ChainPins, JoinFile, Joining};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use sui_crypto::ed25519::Ed25519PrivateKey;
use zeroize::Zeroizing;

/// The master's public values, for whoever registers it on chain. Hex where it is bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `https://host:port`.
    pub endpoint: String,
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo.
    pub ca_spki: String,
    /// Ed25519 public key.
    pub signing_key: String,
    /// Digest of the measured configuration.
    pub config_digest: String,
}

/// The enclave's key. On a devnet it lives in a file, so that a restarted master is the registered one.
pub struct SigningKey(Ed25519PrivateKey);

// === impl SigningKey ===

impl SigningKey {
    /// Reads the key below `data_dir`, or makes one that only this user can read.
    pub fn load_or_create(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("keys/signing.key");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                let key = Ed25519PrivateKey::from_suiprivkey(text.trim())
                    .map_err(|_| anyhow::anyhow!("{}: damaged signing key", path.display()))?;
                Ok(Self(key))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(&path),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
        let key = Ed25519PrivateKey::new(*seed);
        let text = Zeroizing::new(key.to_suiprivkey().context("signing key")?);
        std::fs::create_dir_all(path.parent().context("the key's folder")?)?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(Self(key))
    }

    /// The wallet that it is on chain: its address sends what a master does there.
    pub fn wallet(&self) -> Wallet {
        Wallet::of(self.0.clone().into())
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        *self.0.public_key().inner()
    }
}

/// Writes `identity.json` and `join.json` below `data_dir`.
pub fn publish(data_dir: &Path, identity: &Identity, pins: &ChainPins, ca: &str, how: Joining) -> anyhow::Result<()> {
    let join = pins.clone().into_join_file(identity.endpoint.clone(), ca.to_owned());
    let join = JoinFile { engine: how, ..join };
    write(&data_dir.join("join.json"), &serde_json::to_string_pretty(&join)?)?;
    // Last, because whoever waits for this file then reads the other.
    write(&data_dir.join("identity.json"), &serde_json::to_string_pretty(identity)?)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path).with_context(|| path.display().to_string())
}

//! The Sui CLI's keys: `sui.keystore`, and the names people gave them in `sui.aliases`.

use super::{Wallet, WalletError, private, read};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_types::WalletAddress;
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use sui_crypto::simple::SimpleKeypair;
use zeroize::Zeroizing;

/// Thousands of keys fit.
const MAX_FILE: u64 = 1 << 20;

/// The keys of one keystore file.
#[derive(Clone, Debug)]
pub struct Keystore {
    path: PathBuf,
    keys: Vec<Named>,
}

/// A key, and what its owner calls it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The key.
    pub wallet: Wallet,
    /// Its alias, if it has one.
    pub alias: Option<String>,
}

/// One entry of `sui.aliases`.
#[derive(Deserialize)]
struct Alias {
    alias: String,
    /// `flag ‖ public key`, base64.
    public_key_base64: String,
}

// === impl Keystore ===

impl Keystore {
    /// Reads a keystore, unless anyone but its owner has access to the file, and the aliases beside it if there are any.
    pub fn load(path: &Path) -> Result<Self, WalletError> {
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => WalletError::Missing(path.to_owned()),
            _ => WalletError::File { path: path.to_owned(), cause },
        };
        let file = File::open(path).map_err(failed)?;
        private(&file, path)?;
        let text = read(file, MAX_FILE).map_err(failed)?;
        let keys = keys(&text).map_err(|cause| WalletError::Keystore { path: path.to_owned(), cause })?;
        let aliases = aliases(&path.with_extension("aliases"))?;
        let named = keys.into_iter().map(|(public, wallet)| {
            let alias = aliases.iter().find(|alias| alias.public_key_base64 == public);
            Named { wallet, alias: alias.map(|alias| alias.alias.clone()) }
        });
        Ok(Self { path: path.to_owned(), keys: named.collect() })
    }

    /// All keys, in the file's order.
    pub fn keys(&self) -> &[Named] {
        &self.keys
    }

    /// The key with this address or alias.
    pub fn find(&self, name: &str) -> Result<&Wallet, WalletError> {
        let address: Option<WalletAddress> = name.parse().ok();
        let is = |key: &&Named| Some(key.wallet.address()) == address || key.alias.as_deref() == Some(name);
        let found = self.keys.iter().find(is);
        let missing = || WalletError::NoSuchKey { path: self.path.clone(), name: name.to_owned() };
        found.map(|key| &key.wallet).ok_or_else(missing)
    }
}

/// With each key its public half as `sui.aliases` names it. An error names the entry, never its content.
fn keys(text: &str) -> Result<Vec<(String, Wallet)>, String> {
    // serde's message could quote the file; its position is enough.
    let entries: Vec<Zeroizing<String>> = serde_json::from_str(text)
        .map_err(|e| format!("no array of texts (line {}, column {})", e.line(), e.column()))?;
    let key = |(at, entry): (usize, &Zeroizing<String>)| {
        let key = SimpleKeypair::from_base64(entry).map_err(|_| format!("entry {at} is no key of a known scheme"))?;
        Ok((STANDARD.encode(public_key(&key)), Wallet::of(key)))
    };
    entries.iter().enumerate().map(key).collect()
}

/// `flag ‖ public key`.
fn public_key(key: &SimpleKeypair) -> Vec<u8> {
    use sui_sdk_types::MultisigMemberPublicKey as P;
    let public = key.public_key();
    let bytes = match &public {
        P::Ed25519(key) => key.as_bytes().to_vec(),
        P::Secp256k1(key) => key.as_bytes().to_vec(),
        P::Secp256r1(key) => key.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    [vec![key.scheme() as u8], bytes].concat()
}

/// No file, no aliases.
fn aliases(path: &Path) -> Result<Vec<Alias>, WalletError> {
    let failed = |cause| WalletError::File { path: path.to_owned(), cause };
    let text = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => read(file.map_err(failed)?, MAX_FILE).map_err(failed)?,
    };
    serde_json::from_str(&text).map_err(|e| WalletError::Keystore { path: path.to_owned(), cause: e.to_string() })
}

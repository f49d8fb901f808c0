//! A key in a file that only its owner can read.
//!
//! The file holds one line, the `suiprivkey1…` text that the Sui CLI also reads and writes, of any simple scheme. The Sui
//! CLI's own files are read by [`Keystore`].

mod keystore;
#[cfg(test)]
mod tests;

pub use keystore::{Keystore, Named};

use core::fmt;
use daas_types::{ErrorCode, Problem, WalletAddress};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_crypto::simple::SimpleKeypair;
use sui_crypto::{SignatureError, Signer};
use sui_sdk_types::{SimpleSignature, UserSignature};
use zeroize::Zeroizing;

/// The longest file that can be a wallet; a genuine one has under 100 bytes.
const MAX_FILE: u64 = 1024;

/// A signing key and its address, or the address alone. Its `Debug` shows the address alone.
#[derive(Clone)]
pub struct Wallet {
    key: Option<SimpleKeypair>,
    address: WalletAddress,
}

/// Why a wallet was refused. No variant repeats the file's content.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// There is no such file.
    #[error("there is no wallet at {}", .0.display())]
    Missing(PathBuf),
    /// There is one already; a wallet is never overwritten.
    #[error("there is a wallet at {} already", .0.display())]
    Exists(PathBuf),
    /// Others may read or change it.
    #[error("{} has mode {mode:03o}; nobody but its owner may have access", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a key.
    #[error("{} does not hold one `suiprivkey1…` line", .0.display())]
    Malformed(PathBuf),
    /// It is not a keystore of the Sui CLI, or not its aliases.
    #[error("{}: not as the Sui CLI writes it: {cause}", path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong, without its content.
        cause: String,
    },
    /// The keystore has no such key.
    #[error("{} has no key of {name}", path.display())]
    NoSuchKey {
        /// The keystore.
        path: PathBuf,
        /// The address or alias.
        name: String,
    },
    /// The file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The operating system gives no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

// === impl Wallet ===

impl Wallet {
    /// Makes a fresh Ed25519 key and writes it to `path`, which must not exist yet.
    pub fn create(path: &Path) -> Result<Self, WalletError> {
        let mut seed = Zeroizing::new([0; Ed25519PrivateKey::LENGTH]);
        getrandom::fill(seed.as_mut_slice()).map_err(WalletError::Random)?;
        let wallet = Self::of(Ed25519PrivateKey::new(*seed).into());
        wallet.write(path)?;
        Ok(wallet)
    }

    /// Reads the key at `path`, unless anyone but its owner has access to the file.
    pub fn load(path: &Path) -> Result<Self, WalletError> {
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => WalletError::Missing(path.to_owned()),
            _ => WalletError::File { path: path.to_owned(), cause },
        };
        let file = File::open(path).map_err(failed)?;
        private(&file, path)?;
        let malformed = || WalletError::Malformed(path.to_owned());
        let text = read(file, MAX_FILE).map_err(|_| malformed())?;
        SimpleKeypair::from_suiprivkey(text.trim_end()).map(Self::of).map_err(|_| malformed())
    }

    /// The key at `path`; a fresh one if there is no file.
    pub fn load_or_create(path: &Path) -> Result<Self, WalletError> {
        match Self::load(path) {
            Err(WalletError::Missing(_)) => Self::create(path),
            loaded => loaded,
        }
    }

    /// A wallet of a key that is not in a file.
    pub fn of(key: SimpleKeypair) -> Self {
        let address = WalletAddress(key.verifying_key().derive_address());
        Self { key: Some(key), address }
    }

    /// An address whose key is elsewhere: in a device, on another machine, or shared by several.
    pub fn keyless(address: WalletAddress) -> Self {
        Self { key: None, address }
    }

    /// Whether it can sign.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The address of its key.
    pub fn address(&self) -> WalletAddress {
        self.address
    }

    /// The key appears at `path` all at once, and only if the name is free.
    pub fn write(&self, path: &Path) -> Result<(), WalletError> {
        let failed = |cause: io::Error| WalletError::File { path: path.to_owned(), cause };
        let key = self.key().map_err(|e| failed(io::Error::other(e)))?;
        let text = key.to_suiprivkey().map(Zeroizing::new).map_err(|e| failed(io::Error::other(e)))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let private = std::fs::Permissions::from_mode(0o600);
        let mut file = tempfile::Builder::new().permissions(private).tempfile_in(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => WalletError::Exists(path.to_owned()),
            _ => failed(error.error),
        })?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn key(&self) -> Result<&SimpleKeypair, SignatureError> {
        self.key.as_ref().ok_or_else(|| SignatureError::from_source("the key is elsewhere"))
    }
}

impl Signer<UserSignature> for Wallet {
    fn try_sign(&self, message: &[u8]) -> Result<UserSignature, SignatureError> {
        self.key()?.try_sign(message)
    }
}

impl Signer<SimpleSignature> for Wallet {
    fn try_sign(&self, message: &[u8]) -> Result<SimpleSignature, SignatureError> {
        self.key()?.try_sign(message)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("address", &self.address).finish_non_exhaustive()
    }
}

// === impl WalletError ===

impl From<WalletError> for Problem {
    fn from(error: WalletError) -> Self {
        let code = match &error {
            WalletError::Missing(_) | WalletError::NoSuchKey { .. } => ErrorCode::WalletMissing,
            WalletError::Unsafe { .. } => ErrorCode::WalletUnsafe,
            WalletError::Exists(_)
            | WalletError::Malformed(_)
            | WalletError::Keystore { .. }
            | WalletError::File { .. } => ErrorCode::StateUnreadable,
            WalletError::Random(_) => ErrorCode::Internal,
        };
        Self::new(code, error)
    }
}

/// Refuses a file that anyone but its owner has access to.
fn private(file: &File, path: &Path) -> Result<(), WalletError> {
    let failed = |cause| WalletError::File { path: path.to_owned(), cause };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { Err(WalletError::Unsafe { path: path.to_owned(), mode }) }
}

/// At most `limit` bytes. Sized at once, so that growing leaves no copy of a key behind.
fn read(file: File, limit: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(limit).unwrap_or(0)));
    file.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

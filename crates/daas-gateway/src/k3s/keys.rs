//! Whose keys were seen in requests for certificates.
//!
//! What K3s signs names a process and, of two of three, not even the node; and it lives for a year. So a certificate is worth what
//! is known of its key, and a key is on disk before the agent has the certificate that K3s signed for it. Of each position and kind
//! of certificate a few are kept, because an agent keeps its keys; a request that K3s refuses leaves none and takes none away.

use super::config::K3sError;
use super::routes::Issue;
use crate::refusal::Refusal;
use aws_lc_rs::digest::{SHA256, digest};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use daas_chain::index::Snapshot;
use daas_types::ErrorCode::{StateUnreadable, TooManyRequests};
use daas_types::{PositionId, SealId};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Keys of one position and kind of certificate: those of a machine, of the one before it, and two more.
const OF_ONE: usize = 4;
/// Keys in all: three kinds of some twenty thousand nodes.
const MOST: usize = 65_536;
/// Longest file: each takes less than 256 bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Of the file.
const VERSION: u8 = 1;

/// A public key: SHA-256 of its SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 32]);

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) position: PositionId,
    /// That was shown with it.
    pub(super) seal: SealId,
    /// For what.
    pub(super) issue: Issue,
    /// The change that brought it.
    change: u64,
}

/// What a binding changed, to be taken back if it cannot be written.
struct Change {
    number: u64,
    /// Whose the key was.
    before: Option<Bound>,
    /// What gave way.
    gone: Vec<(KeyId, Bound)>,
}

/// All that are known, and the file that says so.
pub(super) struct Keys(Arc<Shared>);

struct Shared {
    path: PathBuf,
    known: Mutex<Known>,
    /// The last change in the file.
    written: AtomicU64,
    /// Held by who writes it.
    writing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<KeyId, Bound>,
    changes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    /// Oldest first.
    keys: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    position: PositionId,
    seal: SealId,
    issue: Issue,
}

// === impl KeyId ===

impl KeyId {
    /// The key of a certificate; `None` if that cannot be read.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self::of(certificate.public_key().raw))
    }

    /// Of a SubjectPublicKeyInfo.
    pub(super) fn of(spki: &[u8]) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, spki).as_ref());
        Self(id)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

// === impl Keys ===

impl Keys {
    /// Those in this file; none, if there is no file.
    pub(super) fn open(path: &Path) -> Result<Self, K3sError> {
        let known = match fs::File::open(path) {
            Ok(file) => Known::read(path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::default(),
            Err(source) => return Err(K3sError::Keys { path: path.to_owned(), source }),
        };
        let written = known.changes.into();
        let shared = Shared { path: path.to_owned(), known: Mutex::new(known), written, writing: Arc::default() };
        Ok(Self(Arc::new(shared)))
    }

    /// Whose a key is.
    pub(super) fn get(&self, key: KeyId) -> Option<Bound> {
        self.0.lock().keys.get(&key).cloned()
    }

    /// Binds a key that K3s has signed for to the position that showed this Seal with it, and waits until that is on disk. Whose
    /// it was before it is no longer: its owner has moved.
    pub(super) async fn bind(
        &self,
        key: KeyId,
        (position, seal): (PositionId, SealId),
        issue: Issue,
        snapshot: &Snapshot,
    ) -> Result<(), Refusal> {
        let (number, change) = self.0.lock().bind(key, (position, seal), issue, snapshot)?;
        let written = self.write(number).await;
        if let (Err(_), Some(change)) = (&written, change) {
            self.0.lock().take_back(key, change);
        }
        written
    }

    /// Waits until the file has this change: written by whoever is first, with all that came until then.
    async fn write(&self, change: u64) -> Result<(), Refusal> {
        if self.0.written.load(Ordering::Acquire) >= change {
            return Ok(());
        }
        let turn = self.0.writing.clone().lock_owned().await;
        if self.0.written.load(Ordering::Acquire) >= change {
            return Ok(());
        }
        let shared = self.0.clone();
        // The turn goes along: whoever waits for this may be gone before it is done.
        let written = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            shared.write()
        });
        let unwritten = |cause: &dyn fmt::Display| {
            Refusal::unavailable(StateUnreadable, format!("the keys of agents' certificates: {cause}"))
        };
        written.await.map_err(|error| unwritten(&error))?.map_err(|error| unwritten(&error))
    }
}

// === impl Shared ===

impl Shared {
    fn write(&self) -> io::Result<()> {
        // Every request that comes with a certificate waits for this lock, so nothing but the copy is made under it.
        let (keys, changes) = {
            let known = self.lock();
            (known.keys.iter().map(|(key, bound)| (*key, bound.clone())).collect(), known.changes)
        };
        replace(&self.path, &serde_json::to_vec(&File::of(keys))?)?;
        self.written.store(changes, Ordering::Release);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    fn read(path: &Path, file: fs::File) -> Result<Self, K3sError> {
        let damaged = |cause: String| K3sError::KeysDamaged { path: path.to_owned(), cause };
        let mut text = Vec::new();
        let read = file.take(MAX_FILE + 1).read_to_end(&mut text);
        read.map_err(|source| K3sError::Keys { path: path.to_owned(), source })?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(damaged(format!("more than {MAX_FILE} bytes")));
        }
        let File { version, keys } = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if version != VERSION {
            return Err(damaged(format!("version {version}")));
        }
        let mut known = Self::default();
        for Line { key, position, seal, issue } in keys {
            let key = KeyId::parse(&key).ok_or_else(|| damaged("a key is not 64 hex digits".to_owned()))?;
            known.changes += 1;
            known.keys.insert(key, Bound { position, seal, issue, change: known.changes });
        }
        Ok(known)
    }

    /// The last change that the file has to have; and what it was, unless there was none to make.
    fn bind(
        &mut self,
        key: KeyId,
        (position, seal): (PositionId, SealId),
        issue: Issue,
        snapshot: &Snapshot,
    ) -> Result<(u64, Option<Change>), Refusal> {
        let before = self.keys.get(&key).cloned();
        if let Some(bound) = before.as_ref().filter(|b| (b.position, b.seal, b.issue) == (position, seal, issue)) {
            return Ok((bound.change, None));
        }
        let mut gone = self.remove_dead(key, (position, seal), snapshot);
        if before.as_ref().is_none_or(|before| (before.position, before.issue) != (position, issue))
            && let Err(refusal) = self.make_room(position, issue, snapshot, &mut gone)
        {
            self.keys.extend(gone);
            return Err(refusal);
        }
        self.changes += 1;
        self.keys.insert(key, Bound { position, seal, issue, change: self.changes });
        Ok((self.changes, Some(Change { number: self.changes, before, gone })))
    }

    /// Unless somebody else has bound it since.
    fn take_back(&mut self, key: KeyId, Change { number, before, gone }: Change) {
        if self.keys.get(&key).is_none_or(|bound| bound.change != number) {
            return;
        }
        match before {
            Some(before) => drop(self.keys.insert(key, before)),
            None => drop(self.keys.remove(&key)),
        }
        for (key, bound) in gone {
            self.keys.entry(key).or_insert(bound);
        }
        self.changes += 1;
    }

    /// Another Seal of a position takes the place of those that are no more: what was issued to them, perhaps to who had
    /// stolen them, ends.
    fn remove_dead(
        &mut self,
        key: KeyId,
        (position, seal): (PositionId, SealId),
        snapshot: &Snapshot,
    ) -> Vec<(KeyId, Bound)> {
        let now = snapshot.timestamp();
        let lives = |id: SealId| {
            let found = snapshot.seal(id).filter(|(owner, _)| owner.state.position == position);
            found.is_some_and(|(_, record)| now.is_none_or(|now| now < record.expires_ms))
        };
        let dead = |other: &KeyId, bound: &Bound| {
            *other != key && bound.position == position && bound.seal != seal && !lives(bound.seal)
        };
        self.keys.extract_if(|other, bound| dead(other, bound)).collect()
    }

    /// For one more of this position and kind: its oldest gives way, and when there are as many as can be, those of positions
    /// that may have no node.
    fn make_room(
        &mut self,
        position: PositionId,
        issue: Issue,
        snapshot: &Snapshot,
        gone: &mut Vec<(KeyId, Bound)>,
    ) -> Result<(), Refusal> {
        let mut own: Vec<_> = self.keys.iter().filter(|(_, b)| (b.position, b.issue) == (position, issue)).collect();
        own.sort_unstable_by_key(|(_, bound)| bound.change);
        let surplus = own.len().saturating_sub(OF_ONE - 1);
        let oldest: Vec<KeyId> = own.into_iter().take(surplus).map(|(key, _)| *key).collect();
        gone.extend(oldest.iter().filter_map(|key| self.keys.remove_entry(key)));
        if self.keys.len() >= MOST {
            let lives = |bound: &Bound| snapshot.position(bound.position).is_some_and(|live| live.rights.node);
            gone.extend(self.keys.extract_if(|_, bound| !lives(bound)));
        }
        if self.keys.len() >= MOST {
            return Err(Refusal::unavailable(TooManyRequests, "as many keys of agents' certificates as can be kept"));
        }
        Ok(())
    }
}

// === impl File ===

impl File {
    fn of(mut keys: Vec<(KeyId, Bound)>) -> Self {
        keys.sort_unstable_by_key(|(_, bound)| bound.change);
        let line = |(key, bound): (KeyId, Bound)| {
            let Bound { position, seal, issue, change: _ } = bound;
            Line { key: key.to_string(), position, seal, issue }
        };
        Self { version: VERSION, keys: keys.into_iter().map(line).collect() }
    }
}

/// A file of these bytes that its owner alone reads, in place of the old one, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;

//! The chain on disk. A checkpoint, its transactions and the objects they wrote become visible and durable together:
//! one commit of the database, or, if the process dies before it, nothing at all.

mod records;

pub(crate) use records::{Changes, StoredCheckpoint, StoredTransaction};

use crate::StoreError;
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
use sui_sdk_types::{Address, Digest, Object, Owner, Version};
use tokio::sync::watch;

type Bytes = &'static [u8];

/// (id, version) → object. Every version is kept.
const OBJECTS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("objects");
/// id → current version, for objects that exist.
const LIVE: TableDefinition<'_, Bytes, u64> = TableDefinition::new("live");
/// (kind of owner, owner, id) for objects owned by an address or, as dynamic fields, by another object.
const OWNED: TableDefinition<'_, Bytes, ()> = TableDefinition::new("owned");
/// digest → transaction.
const TRANSACTIONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("transactions");
/// sequence number → checkpoint.
const CHECKPOINTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("checkpoints");
/// digest → sequence number.
const CHECKPOINT_DIGESTS: TableDefinition<'_, Bytes, u64> = TableDefinition::new("checkpoint_digests");

/// The newest checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) height: u64,
    pub(crate) timestamp_ms: u64,
}

/// Whose objects are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Objects an address owns.
    Address(Address),
    /// Dynamic fields of an object.
    Object(Address),
}

/// A handle on the chain; clones share it.
#[derive(Clone)]
pub(crate) struct Ledger {
    db: Arc<Database>,
    tip: watch::Sender<Option<Tip>>,
}

/// The chain as of one moment.
pub(crate) struct View {
    txn: ReadTransaction,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Database::create(path)?;
        let txn = db.begin_write()?;
        txn.open_table(OBJECTS)?;
        txn.open_table(LIVE)?;
        txn.open_table(OWNED)?;
        txn.open_table(TRANSACTIONS)?;
        txn.open_table(CHECKPOINTS)?;
        txn.open_table(CHECKPOINT_DIGESTS)?;
        txn.commit()?;
        let ledger = Self { db: Arc::new(db), tip: watch::Sender::new(None) };
        let tip = ledger.view()?.last_checkpoint()?.map(|c| Tip::of(&c));
        ledger.tip.send_replace(tip);
        Ok(ledger)
    }

    /// The chain as it is now.
    pub(crate) fn view(&self) -> Result<View, StoreError> {
        Ok(View { txn: self.db.begin_read()? })
    }

    /// The newest checkpoint; `None` before genesis.
    pub(crate) fn tip(&self) -> Option<Tip> {
        *self.tip.borrow()
    }

    /// Told of each new checkpoint.
    pub(crate) fn follow(&self) -> watch::Receiver<Option<Tip>> {
        self.tip.subscribe()
    }

    /// Appends a checkpoint with its transactions and what they changed.
    pub(crate) fn append(
        &self,
        checkpoint: &StoredCheckpoint,
        transactions: &[StoredTransaction],
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let txn = self.db.begin_write()?;
        apply_changes(&txn, changes)?;
        {
            let mut table = txn.open_table(TRANSACTIONS)?;
            for transaction in transactions {
                table.insert(transaction.digest().as_bytes(), encode(transaction).as_slice())?;
            }
            let sequence = checkpoint.summary.sequence_number;
            txn.open_table(CHECKPOINTS)?.insert(sequence, encode(checkpoint).as_slice())?;
            let digest = checkpoint.summary.digest();
            txn.open_table(CHECKPOINT_DIGESTS)?.insert(digest.as_bytes(), sequence)?;
        }
        txn.commit()?;
        self.tip.send_replace(Some(Tip::of(checkpoint)));
        Ok(())
    }
}

// === impl View ===

impl View {
    /// An object that exists.
    pub(crate) fn object(&self, id: Address) -> Result<Option<Object>, StoreError> {
        let version = self.txn.open_table(LIVE)?.get(id.as_bytes())?.map(|v| v.value());
        version.map_or(Ok(None), |version| self.object_at(id, version))
    }

    /// One version of an object, also of one that no longer exists.
    pub(crate) fn object_at(&self, id: Address, version: Version) -> Result<Option<Object>, StoreError> {
        let table = self.txn.open_table(OBJECTS)?;
        let found = table.get(object_key(id, version).as_slice())?;
        found.map(|bytes| decode("objects", bytes.value())).transpose()
    }

    /// Ids of what `holder` holds, in order, from after `after` on.
    pub(crate) fn held(
        &self,
        holder: Holder,
        after: Option<Address>,
        mut visit: impl FnMut(Address) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let prefix = holder.prefix();
        let from = [prefix.as_slice(), after.as_ref().map_or(&[][..], Address::as_bytes)].concat();
        for entry in self.txn.open_table(OWNED)?.range(from.as_slice()..)? {
            let (key, _) = entry?;
            let Some(id) = key.value().strip_prefix(prefix.as_slice()) else {
                break;
            };
            let id =
                Address::from_bytes(id).map_err(|e| StoreError::Corrupt { table: "owned", cause: e.to_string() })?;
            if Some(id) != after && !visit(id)? {
                break;
            }
        }
        Ok(())
    }

    /// Everything `holder` holds.
    pub(crate) fn held_objects(&self, holder: Holder) -> Result<Vec<Object>, StoreError> {
        let mut found = Vec::new();
        self.held(holder, None, |id| {
            found.extend(self.object(id)?);
            Ok(true)
        })?;
        Ok(found)
    }

    pub(crate) fn transaction(&self, digest: Digest) -> Result<Option<StoredTransaction>, StoreError> {
        let table = self.txn.open_table(TRANSACTIONS)?;
        let found = table.get(digest.as_bytes())?;
        found.map(|bytes| decode("transactions", bytes.value())).transpose()
    }

    pub(crate) fn checkpoint(&self, sequence: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let table = self.txn.open_table(CHECKPOINTS)?;
        let found = table.get(sequence)?;
        found.map(|bytes| decode("checkpoints", bytes.value())).transpose()
    }

    pub(crate) fn checkpoint_by_digest(&self, digest: Digest) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sequence = self.txn.open_table(CHECKPOINT_DIGESTS)?.get(digest.as_bytes())?.map(|s| s.value());
        sequence.map_or(Ok(None), |sequence| self.checkpoint(sequence))
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let table = self.txn.open_table(CHECKPOINTS)?;
        let last = table.last()?;
        last.map(|(_, bytes)| decode("checkpoints", bytes.value())).transpose()
    }
}

// === impl Tip, Holder ===

impl Tip {
    fn of(checkpoint: &StoredCheckpoint) -> Self {
        let summary = &checkpoint.summary;
        Self { height: summary.sequence_number, timestamp_ms: summary.timestamp_ms }
    }
}

impl Holder {
    fn of(owner: &Owner) -> Option<Self> {
        match owner {
            Owner::Address(address) | Owner::ConsensusAddress { owner: address, .. } => Some(Self::Address(*address)),
            Owner::Object(parent) => Some(Self::Object(*parent)),
            _ => None,
        }
    }

    fn prefix(self) -> Vec<u8> {
        let (kind, owner) = match self {
            Self::Address(address) => (0, address),
            Self::Object(parent) => (1, parent),
        };
        [&[kind], owner.as_bytes()].concat()
    }
}

fn apply_changes(txn: &WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
    let mut objects = txn.open_table(OBJECTS)?;
    let mut live = txn.open_table(LIVE)?;
    let mut owned = txn.open_table(OWNED)?;
    for id in changes.written.keys().chain(&changes.deleted) {
        let Some(version) = live.remove(id.as_bytes())?.map(|v| v.value()) else {
            continue;
        };
        let Some(bytes) = objects.get(object_key(*id, version).as_slice())?.map(|b| b.value().to_vec()) else {
            continue;
        };
        let before: Object = decode("objects", &bytes)?;
        if let Some(holder) = Holder::of(before.owner()) {
            owned.remove([holder.prefix().as_slice(), id.as_bytes()].concat().as_slice())?;
        }
    }
    for (id, object) in &changes.written {
        objects.insert(object_key(*id, object.version()).as_slice(), encode(object).as_slice())?;
        live.insert(id.as_bytes(), object.version())?;
        if let Some(holder) = Holder::of(object.owner()) {
            owned.insert([holder.prefix().as_slice(), id.as_bytes()].concat().as_slice(), ())?;
        }
    }
    Ok(())
}

fn object_key(id: Address, version: Version) -> Vec<u8> {
    [id.as_bytes(), &version.to_be_bytes()].concat()
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("ledger records must serialize")
}

fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    bcs::from_bytes(bytes).map_err(|e| StoreError::Corrupt { table, cause: e.to_string() })
}

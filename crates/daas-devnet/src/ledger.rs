//! The chain on disk. A checkpoint, its transactions and the objects they wrote become visible and durable together:
//! one commit of the database, or, if the process dies before it, nothing at all.

mod idle;
mod records;
mod room;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use records::{Changes, StoredCheckpoint, StoredTransaction};
pub(crate) use room::{Free, free_on_disk_of};
pub(crate) use view::View;

use crate::StoreError;
use crate::checkpoint::epoch_after;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, StorageError,
    TableDefinition, WriteTransaction,
};
use room::Room;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use sui_sdk_types::framework::Coin;
use sui_sdk_types::{Address, Digest, Object, Owner, Version};
use tokio::sync::watch;

type Bytes = &'static [u8];

/// (id, version) → object. Every version is kept.
const OBJECTS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("objects");
/// id → current version, for objects that exist.
const LIVE: TableDefinition<'_, Bytes, u64> = TableDefinition::new("live");
/// See [`place`].
const OWNED: TableDefinition<'_, Bytes, ()> = TableDefinition::new("owned");
/// digest → transaction.
const TRANSACTIONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("transactions");
/// Place among all transactions since genesis → digest.
const ORDER: TableDefinition<'_, u64, Bytes> = TableDefinition::new("order");
/// sequence number → checkpoint, see [`idle`].
const CHECKPOINTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("checkpoints");
/// First eight bytes of the digest → sequence number.
const CHECKPOINT_DIGESTS: TableDefinition<'_, u64, u64> = TableDefinition::new("checkpoint_digests");
/// epoch that has ended → sequence number of its last checkpoint.
const EPOCHS: TableDefinition<'_, u64, u64> = TableDefinition::new("epochs");
/// What is no part of the chain.
const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");

/// Of the tables above; other versions of this program may have others.
const FORMAT: &[u8] = b"2";
const FORMAT_KEY: &str = "format";

/// The newest checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) height: u64,
    pub(crate) timestamp_ms: u64,
    /// Of what comes next.
    pub(crate) epoch: u64,
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
    room: Room,
    tip: watch::Sender<Option<Tip>>,
    /// What the database said when a write failed: it takes none after that.
    failed: watch::Sender<Option<String>>,
}

// === impl Ledger ===

impl Ledger {
    /// `free` tells how much room there is, in time before there is none.
    pub(crate) fn open(path: &Path, free: Free) -> Result<Self, StoreError> {
        let room = Room::new(free);
        let db = open(path)?;
        let txn = db.begin_write()?;
        txn.open_table(OBJECTS)?;
        txn.open_table(LIVE)?;
        txn.open_table(OWNED)?;
        txn.open_table(ORDER)?;
        txn.open_table(EPOCHS)?;
        let fresh = txn.open_table(TRANSACTIONS)?.is_empty()?;
        if fresh {
            txn.open_table(CHECKPOINTS)?;
            txn.open_table(CHECKPOINT_DIGESTS)?;
        }
        {
            let mut meta = txn.open_table(META)?;
            let format = meta.get(FORMAT_KEY)?.map(|f| f.value().to_vec());
            if format.is_none() && fresh {
                meta.insert(FORMAT_KEY, FORMAT)?;
            } else if format.as_deref() != Some(FORMAT) {
                return Err(StoreError::Format);
            }
        }
        txn.commit()?;
        let (tip, failed) = (watch::Sender::new(None), watch::Sender::new(None));
        let ledger = Self { db: Arc::new(db), room, tip, failed };
        let tip = ledger.view()?.last_checkpoint()?.map(|c| Tip::of(&c));
        ledger.tip.send_replace(tip);
        Ok(ledger)
    }

    /// The chain as it is now.
    pub(crate) fn view(&self) -> Result<View, StoreError> {
        Ok(View::new(self.db.begin_read()?))
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
        self.write(|txn| {
            apply_changes(txn, changes)?;
            let summary = &checkpoint.summary;
            let mut table = txn.open_table(TRANSACTIONS)?;
            let mut order = txn.open_table(ORDER)?;
            let count = u64::try_from(transactions.len()).unwrap_or(u64::MAX);
            let first = summary.network_total_transactions.saturating_sub(count);
            for (place, transaction) in (first..).zip(transactions) {
                let digest = transaction.digest();
                table.insert(digest.as_bytes(), encode(transaction).as_slice())?;
                order.insert(place, digest.as_bytes())?;
            }
            let sequence = summary.sequence_number;
            let mut checkpoints = txn.open_table(CHECKPOINTS)?;
            let record = idle::encode(&checkpoints, checkpoint)?;
            checkpoints.insert(sequence, record.as_slice())?;
            txn.open_table(CHECKPOINT_DIGESTS)?.insert(prefix(summary.digest()), sequence)?;
            if summary.end_of_epoch_data.is_some() {
                txn.open_table(EPOCHS)?.insert(summary.epoch, sequence)?;
            }
            Ok(())
        })?;
        self.tip.send_replace(Some(Tip::of(checkpoint)));
        Ok(())
    }

    /// Keeps something that is no part of the chain.
    pub(crate) fn keep(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        self.write(|txn| {
            txn.open_table(META)?.insert(key, encode(value).as_slice())?;
            Ok(())
        })
    }

    /// Waits until a write has failed, and answers why.
    pub(crate) async fn failure(&self) -> String {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(cause) => cause.clone().unwrap_or_default(),
            // The sender lives as long as `self`.
            Err(gone) => gone.to_string(),
        }
    }

    fn write(&self, work: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.room.check()?;
        let written = (|| {
            let txn = self.db.begin_write()?;
            work(&txn)?;
            Ok(txn.commit()?)
        })();
        if let Err(StoreError::Database(error)) = &written {
            self.failed.send_modify(|first| {
                first.get_or_insert_with(|| error.to_string());
            });
        }
        written
    }
}

// === impl Tip, Holder ===

impl Tip {
    pub(crate) fn of(checkpoint: &StoredCheckpoint) -> Self {
        let summary = &checkpoint.summary;
        Self { height: summary.sequence_number, timestamp_ms: summary.timestamp_ms, epoch: epoch_after(Some(summary)) }
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

/// The database of `path`, a new one if there is none. Over some damages it panics.
fn open(path: &Path) -> Result<Database, StoreError> {
    let opened = catch_unwind(AssertUnwindSafe(|| Database::create(path)));
    let damaged = |cause: &str| StoreError::Damaged(cause.to_owned());
    match opened.map_err(|_| damaged("it cannot be read"))? {
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse),
        Err(DatabaseError::Storage(StorageError::Io(e))) if e.kind() == ErrorKind::InvalidData => {
            Err(damaged(&e.to_string()))
        }
        Err(DatabaseError::Storage(StorageError::Corrupted(cause))) => Err(damaged(&cause)),
        opened => Ok(opened?),
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
        if let Some(place) = place(&before) {
            owned.remove(place.as_slice())?;
        }
    }
    for (id, object) in &changes.written {
        objects.insert(object_key(*id, object.version()).as_slice(), encode(object).as_slice())?;
        live.insert(id.as_bytes(), object.version())?;
        if let Some(place) = place(object) {
            owned.insert(place.as_slice(), ())?;
        }
    }
    Ok(())
}

/// Where an object stands among those of its holder: dynamic fields by id; what an address owns by type, coins with the
/// largest first, and then by id. Clients take the first coins for the largest.
fn place(object: &Object) -> Option<Vec<u8>> {
    let holder = Holder::of(object.owner())?;
    let order = match (holder, object.as_struct()) {
        (Holder::Address(_), Some(data)) => {
            let balance = Coin::try_from_object(object).map_or(0, |coin| coin.balance());
            [data.object_type().to_string().as_bytes(), &[0], &(!balance).to_be_bytes()].concat()
        }
        _ => vec![],
    };
    Some([holder.prefix().as_slice(), &order, object.object_id().as_bytes()].concat())
}

/// What finds a checkpoint by its digest; whoever looks compares the whole.
fn prefix(digest: Digest) -> u64 {
    digest.inner().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
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

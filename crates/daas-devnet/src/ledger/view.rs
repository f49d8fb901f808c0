//! Reading the chain as of one moment.

use super::{
    CHECKPOINT_DIGESTS, CHECKPOINTS, EPOCHS, Holder, LIVE, META, OBJECTS, ORDER, OWNED, StoredCheckpoint,
    StoredTransaction, TRANSACTIONS, decode, idle, object_key, prefix,
};
use crate::StoreError;
use crate::checkpoint::epoch_after;
use redb::{ReadTransaction, ReadableTable as _};
use serde::de::DeserializeOwned;
use sui_sdk_types::{Address, Digest, DigestParseError, Object, Version};

/// The chain as of one moment.
pub(crate) struct View {
    txn: ReadTransaction,
}

// === impl View ===

impl View {
    pub(super) fn new(txn: ReadTransaction) -> Self {
        Self { txn }
    }

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

    /// Objects that exist, by id, from after `after` on; packages too.
    pub(crate) fn live(&self, after: Option<Address>, count: usize) -> Result<Vec<Object>, StoreError> {
        let from = after.as_ref().map_or(&[][..], Address::as_bytes);
        let mut found = vec![];
        for entry in self.txn.open_table(LIVE)?.range(from..)? {
            let (id, version) = entry?;
            let id = Address::from_bytes(id.value())
                .map_err(|e| StoreError::Corrupt { table: "live", cause: e.to_string() })?;
            if Some(id) != after && found.len() < count {
                found.extend(self.object_at(id, version.value())?);
            }
            if found.len() == count {
                break;
            }
        }
        Ok(found)
    }

    /// The newest version of an object before `version`.
    pub(crate) fn object_before(&self, id: Address, version: Version) -> Result<Option<Object>, StoreError> {
        let table = self.txn.open_table(OBJECTS)?;
        let (first, end) = (object_key(id, 0), object_key(id, version));
        let last = table.range(first.as_slice()..end.as_slice())?.next_back().transpose()?;
        last.map(|(_, bytes)| decode("objects", bytes.value())).transpose()
    }

    /// Places and ids of what `holder` holds, in order, from after the place `after` on, while `visit` wants more.
    pub(crate) fn held(
        &self,
        holder: Holder,
        after: &[u8],
        mut visit: impl FnMut(&[u8], Address) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let prefix = holder.prefix();
        let from = [prefix.as_slice(), after].concat();
        for entry in self.txn.open_table(OWNED)?.range(from.as_slice()..)? {
            let (key, _) = entry?;
            let Some(place) = key.value().strip_prefix(prefix.as_slice()) else {
                break;
            };
            let id = place.last_chunk().map(|id| Address::new(*id));
            let id = id.ok_or_else(|| StoreError::Corrupt { table: "owned", cause: hex::encode(place) })?;
            if place != after && !visit(place, id)? {
                break;
            }
        }
        Ok(())
    }

    /// Everything `holder` holds.
    pub(crate) fn held_objects(&self, holder: Holder) -> Result<Vec<Object>, StoreError> {
        let mut found = Vec::new();
        self.held(holder, &[], |_, id| {
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

    /// Transactions since genesis.
    pub(crate) fn transactions(&self) -> Result<u64, StoreError> {
        Ok(self.txn.open_table(ORDER)?.last()?.map_or(0, |(place, _)| place.value() + 1))
    }

    /// The transaction at a place among all of them.
    pub(crate) fn transaction_at(&self, place: u64) -> Result<Option<StoredTransaction>, StoreError> {
        let digest = self.txn.open_table(ORDER)?.get(place)?.map(|d| Digest::from_bytes(d.value()));
        let corrupt = |e: DigestParseError| StoreError::Corrupt { table: "order", cause: e.to_string() };
        digest.transpose().map_err(corrupt)?.map_or(Ok(None), |digest| self.transaction(digest))
    }

    pub(crate) fn checkpoint(&self, sequence: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let table = self.txn.open_table(CHECKPOINTS)?;
        let found = table.get(sequence)?;
        found.map(|bytes| idle::decode(&table, sequence, bytes.value())).transpose()
    }

    pub(crate) fn checkpoint_by_digest(&self, digest: Digest) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sequence = self.txn.open_table(CHECKPOINT_DIGESTS)?.get(prefix(digest))?.map(|s| s.value());
        let found = sequence.map_or(Ok(None), |sequence| self.checkpoint(sequence))?;
        Ok(found.filter(|c| c.summary.digest() == digest))
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let table = self.txn.open_table(CHECKPOINTS)?;
        let last = table.last()?;
        last.map(|(sequence, bytes)| idle::decode(&table, sequence.value(), bytes.value())).transpose()
    }

    /// The epoch of what comes next.
    pub(crate) fn epoch(&self) -> Result<u64, StoreError> {
        Ok(epoch_after(self.last_checkpoint()?.map(|c| c.summary).as_ref()))
    }

    /// The last checkpoint of an epoch that has ended.
    pub(crate) fn end_of_epoch(&self, epoch: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.txn.open_table(EPOCHS)?.get(epoch)?.map(|sequence| sequence.value()))
    }

    /// What [`super::Ledger::keep`] was given.
    pub(crate) fn kept<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let table = self.txn.open_table(META)?;
        let found = table.get(key)?;
        found.map(|bytes| decode("meta", bytes.value())).transpose()
    }
}

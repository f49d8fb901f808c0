//! The ledger as the gRPC services show it: with every lie there is, the same wherever a thing appears.

use super::lies::Lies;
use crate::StoreError;
use crate::checkpoint::{Sealer, epoch_after};
use crate::ledger::{Holder, StoredCheckpoint, StoredTransaction, Tip, View};
use sui_sdk_types::{Address, Digest, Object, ValidatorCommittee, Version};

/// The ledger as of one moment, as it is shown.
pub(crate) struct Shown {
    view: View,
    lies: Lies,
}

// === impl Shown ===

impl Shown {
    pub(crate) fn new(view: View, lies: Lies) -> Self {
        Self { view, lies }
    }

    /// An object that exists. With an old tip, as it was then; one that was deleted since is gone all the same.
    pub(crate) fn object(&self, id: Address) -> Result<Option<Object>, StoreError> {
        let mut found = self.view.object(id)?;
        while let Some(object) = &found {
            if self.is_shown(object)? {
                return Ok(found);
            }
            found = self.view.object_before(id, object.version())?;
        }
        Ok(None)
    }

    pub(crate) fn object_at(&self, id: Address, version: Version) -> Result<Option<Object>, StoreError> {
        match self.view.object_at(id, version)? {
            Some(object) if self.is_shown(&object)? => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    /// See [`View::held`].
    pub(crate) fn held(
        &self,
        holder: Holder,
        after: &[u8],
        visit: impl FnMut(&[u8], Address) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.view.held(holder, after, visit)
    }

    /// See [`View::held_objects`].
    pub(crate) fn held_objects(&self, holder: Holder) -> Result<Vec<Object>, StoreError> {
        self.view.held_objects(holder)
    }

    pub(crate) fn transaction(&self, digest: Digest) -> Result<Option<StoredTransaction>, StoreError> {
        let found = self.view.transaction(digest)?.filter(|t| self.reaches(t.checkpoint));
        Ok(found.map(|stored| self.lies.transaction(stored)))
    }

    /// What is said of a transaction to the one who has just sent it.
    pub(crate) fn just_executed(&self, stored: StoredTransaction) -> StoredTransaction {
        self.lies.transaction(stored)
    }

    /// Whether this checkpoint is shown.
    pub(crate) fn reaches(&self, checkpoint: u64) -> bool {
        self.lies.tip().is_none_or(|tip| checkpoint <= tip)
    }

    pub(crate) fn checkpoint(&self, sequence: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let found = self.view.checkpoint(sequence)?.filter(|_| self.reaches(sequence));
        found.map(|stored| self.told(stored)).transpose()
    }

    pub(crate) fn checkpoint_by_digest(&self, digest: Digest) -> Result<Option<StoredCheckpoint>, StoreError> {
        let found = self.view.checkpoint_by_digest(digest)?;
        let found = found.filter(|c| self.reaches(c.summary.sequence_number));
        found.map(|stored| self.told(stored)).transpose()
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let last = match self.lies.tip() {
            Some(tip) => self.view.checkpoint(tip)?,
            None => None,
        };
        let last = if last.is_some() { last } else { self.view.last_checkpoint()? };
        last.map(|stored| self.told(stored)).transpose()
    }

    pub(crate) fn tip(&self) -> Result<Option<Tip>, StoreError> {
        Ok(self.last_checkpoint()?.map(|c| Tip::of(&c)))
    }

    /// The epoch of what comes next.
    pub(crate) fn epoch(&self) -> Result<u64, StoreError> {
        Ok(epoch_after(self.last_checkpoint()?.map(|c| c.summary).as_ref()))
    }

    /// The last checkpoint of an epoch that has ended.
    pub(crate) fn end_of_epoch(&self, epoch: u64) -> Result<Option<u64>, StoreError> {
        if let Some(end) = self.lies.forged_end() {
            let of = self.view.checkpoint(end)?.map(|c| c.summary.epoch);
            if let Some(of) = of.filter(|of| epoch >= *of) {
                return Ok((epoch == of).then_some(end).filter(|end| self.reaches(*end)));
            }
        }
        Ok(self.view.end_of_epoch(epoch)?.filter(|end| self.reaches(*end)))
    }

    /// Who signs in `epoch`; `network` are those who really do.
    pub(crate) fn committee(&self, epoch: u64, network: &Sealer) -> Result<ValidatorCommittee, StoreError> {
        let forged = match self.lies.forged_end() {
            Some(end) => self.view.checkpoint(end)?.is_some_and(|c| epoch > c.summary.epoch),
            None => false,
        };
        Ok(if forged { self.lies.forged_committee(epoch) } else { network.committee(epoch) })
    }

    fn told(&self, stored: StoredCheckpoint) -> Result<StoredCheckpoint, StoreError> {
        if self.lies.is_empty() {
            return Ok(stored);
        }
        self.lies.checkpoint(stored, |stored| {
            let mut all = vec![];
            for info in stored.contents.transactions() {
                all.extend(self.transaction(*info.transaction())?);
            }
            Ok(all)
        })
    }

    /// Whether the transaction that wrote this version is shown.
    fn is_shown(&self, object: &Object) -> Result<bool, StoreError> {
        if self.lies.tip().is_none() {
            return Ok(true);
        }
        let written = self.view.transaction(object.previous_transaction())?;
        Ok(written.is_none_or(|t| self.reaches(t.checkpoint)))
    }
}

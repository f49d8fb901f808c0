//! The end of an epoch.

use super::Executor;
use crate::StoreError;
use crate::ledger::{Changes, StoredCheckpoint};
use crate::system;

// === impl Executor ===

impl Executor {
    /// Ends the epoch: its last checkpoint names the next one's committee. Does nothing before genesis.
    pub(crate) fn end_epoch(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let _turn = self.turn();
        let Some(last) = self.ledger.view()?.last_checkpoint()?.map(|c| c.summary) else {
            return Ok(None);
        };
        let now_ms = self.now_ms();
        let changes = Changes::default();
        let transaction = system::change_epoch(&last, now_ms);
        let transactions = [system::executed(transaction, Some(&last), now_ms, &changes)];
        let checkpoint = self.sealer.seal_last(&last, &transactions, now_ms);
        self.ledger.append(&checkpoint, &transactions, &changes)?;
        Ok(Some(checkpoint))
    }
}

//! Reaching the committee of an epoch: the last checkpoint of each epoch before it names the next.

use super::{ChainClient, ChainError, deadline};
use crate::verified::{Check, Committee, Committees, ProofError};
use futures::{StreamExt, stream};
use std::sync::Arc;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::SignedCheckpointSummary;

/// How many ends of epochs are asked for at once.
const AT_ONCE: usize = 16;
/// Longest end of an epoch: it names a committee.
const MAX_ANSWER: usize = 1 << 20;

// === impl ChainClient ===

impl ChainClient {
    pub(crate) fn committees(&self) -> &Committees {
        &self.shared.committees
    }

    /// The committee of `epoch`. An epoch later than the reached ones is reached through the endpoint, step by step; a
    /// server that names one that has not begun gets no further than the truth.
    pub(super) async fn committee(&self, epoch: u64) -> Result<Arc<Committee>, ChainError> {
        let known = self.committees();
        if let Some(committee) = known.of_epoch(epoch) {
            return Ok(committee);
        }
        let mut ends = stream::iter(known.last_epoch()..epoch).map(|e| self.end_of_epoch(e)).buffered(AT_ONCE);
        while let Some(end) = ends.next().await {
            known.advance(end?)?;
        }
        let unknown = Check::UnknownCommittee { epoch, pinned: known.first_epoch() };
        known.of_epoch(epoch).ok_or_else(|| ProofError::unplaced(unknown).into())
    }

    /// What the endpoint says ended `epoch`. It is not checked yet.
    async fn end_of_epoch(&self, epoch: u64) -> Result<SignedCheckpointSummary, ChainError> {
        let request = proto::GetEpochRequest::new(epoch).with_read_mask(FieldMask::from_str("epoch,last_checkpoint"));
        let answer = deadline("get epoch", self.short().ledger_client().get_epoch(request)).await?;
        let last = answer.epoch().last_checkpoint;
        let last = last.ok_or_else(|| ProofError::unplaced(Check::EndOfEpoch { epoch }))?;
        let claim = self.claim(last, &["summary.bcs", "signature"], MAX_ANSWER).await?;
        Ok(claim.signed_summary().map_err(ProofError::at(last))?)
    }
}

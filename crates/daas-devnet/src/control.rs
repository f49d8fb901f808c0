//! Handling a running network: its clock, its checkpoints and epochs, its faults. In this process by [`Control`], from others
//! over the Unix socket `control.sock` of the state folder: a line of JSON is a request, a line of JSON its answer.

mod client;
mod protocol;
mod socket;
#[cfg(test)]
mod tests;

pub use client::{Args, ClientError, run};
pub use protocol::{Answer, ClockStatus, Ended, Made, Request, Status};
pub(crate) use socket::Socket;

use crate::StoreError;
use crate::faults::{Fault, FaultError, Lie, LieKind};
use crate::ledger::StoredCheckpoint;
use crate::node::{Node, blocking};
use std::time::Duration;

/// A handle on a running network; clones share it.
#[derive(Clone)]
pub struct Control {
    node: Node,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Time does not go back.
    #[error("it is {now_ms} ms already: the network's time does not go back to {to_ms}")]
    Past {
        /// The network's time.
        now_ms: u64,
        /// What was asked for.
        to_ms: u64,
    },
    /// A stalled network makes no checkpoint.
    #[error("the network is stalled: clear the fault first")]
    Stalled,
    /// A fault that makes no sense.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Control ===

impl Control {
    pub(crate) fn new(node: Node) -> Self {
        Self { node }
    }

    /// Carries out a request.
    pub async fn ask(&self, request: Request) -> Result<Answer, ControlError> {
        Ok(match request {
            Request::Status => Answer::Status(self.status().await?),
            Request::Clock => Answer::Clock(self.clock()),
            Request::ClockAdvance { ms } => Answer::Clock(self.set_clock(Move::By(ms)).await?),
            Request::ClockSet { ms } => Answer::Clock(self.set_clock(Move::To(ms)).await?),
            Request::ClockManual => Answer::Clock(self.set_clock(Move::Stop).await?),
            Request::ClockReal => Answer::Clock(self.set_clock(Move::Run).await?),
            Request::Checkpoint => Answer::Made(self.checkpoint().await?),
            Request::Epoch => Answer::Ended(self.end_epoch().await?),
            Request::FaultAdd { fault, method, for_ms } => self.add_fault(fault, method.as_deref(), for_ms)?,
            Request::FaultClear { id } => Answer::Cleared { cleared: self.node.faults.clear(id) },
            Request::FaultList => Answer::Faults { faults: self.node.faults.list() },
        })
    }

    async fn status(&self) -> Result<Status, StoreError> {
        let node = self.node.clone();
        let (last, transactions) = blocking(move || {
            let view = node.executor.ledger().view()?;
            Ok::<_, StoreError>((view.last_checkpoint()?, view.transactions()?))
        })
        .await??;
        let checkpoint = last.map(|c| Made::from(&c)).unwrap_or_default();
        Ok(Status {
            chain: self.node.executor.chain().to_string(),
            checkpoint,
            transactions,
            waiting: self.node.faults.waiting(),
            clock: self.clock(),
            faults: self.node.faults.list(),
        })
    }

    fn clock(&self) -> ClockStatus {
        ClockStatus { now_ms: self.node.executor.now_ms(), manual: self.node.time.is_still() }
    }

    async fn set_clock(&self, by: Move) -> Result<ClockStatus, ControlError> {
        let node = self.node.clone();
        blocking(move || {
            let now_ms = node.executor.now_ms();
            match by {
                Move::By(ms) => node.time.set(now_ms.saturating_add(ms))?,
                Move::To(to_ms) if to_ms < now_ms => return Err(ControlError::Past { now_ms, to_ms }),
                Move::To(to_ms) => node.time.set(to_ms)?,
                Move::Stop => node.time.stop(now_ms)?,
                Move::Run => node.time.run(now_ms)?,
            }
            Ok(())
        })
        .await??;
        Ok(self.clock())
    }

    /// An empty checkpoint, at once.
    async fn checkpoint(&self) -> Result<Made, ControlError> {
        if self.node.faults.stalled() {
            return Err(ControlError::Stalled);
        }
        let node = self.node.clone();
        let last = blocking(move || {
            node.executor.tick(0)?;
            node.executor.ledger().view()?.last_checkpoint()
        });
        Ok(last.await??.as_ref().map(Made::from).unwrap_or_default())
    }

    /// The last checkpoint of the epoch.
    async fn end_epoch(&self) -> Result<Ended, ControlError> {
        if self.node.faults.stalled() {
            return Err(ControlError::Stalled);
        }
        let node = self.node.clone();
        let last = blocking(move || node.executor.end_epoch()).await??;
        let last_checkpoint = last.as_ref().map(Made::from).unwrap_or_default();
        Ok(Ended { epoch: last_checkpoint.epoch + 1, last_checkpoint })
    }

    fn add_fault(&self, mut fault: Fault, method: Option<&str>, for_ms: Option<u64>) -> Result<Answer, ControlError> {
        if let Fault::Lie(Lie { lie: LieKind::OldTip | LieKind::ForgedEpoch, checkpoint: about @ None, .. }) =
            &mut fault
        {
            *about = self.node.executor.ledger().tip().map(|tip| tip.height);
        }
        let once = fault == Fault::DropStreams;
        let id = self.node.faults.add(fault, method, for_ms.map(Duration::from_millis))?;
        if once {
            self.node.faults.clear(Some(id));
            return Ok(Answer::Dropped { dropped: self.node.faults.drop_streams() });
        }
        Ok(Answer::Added { id })
    }
}

/// How the clock moves.
#[derive(Clone, Copy)]
enum Move {
    By(u64),
    To(u64),
    Stop,
    Run,
}

impl From<&StoredCheckpoint> for Made {
    fn from(checkpoint: &StoredCheckpoint) -> Self {
        let summary = &checkpoint.summary;
        Self {
            checkpoint: summary.sequence_number,
            digest: summary.digest().to_string(),
            timestamp_ms: summary.timestamp_ms,
            epoch: summary.epoch,
        }
    }
}

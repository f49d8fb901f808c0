use super::raw::Method;
use super::{ChainClient, ChainError, fields};
use crate::verified::{Check, Claim, Header, Packages, ProofError, Proven, VerifiedCheckpoint, prove};
use bytes::Bytes;
use core::time::Duration;
use daas_types::PackageId;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tonic::{Code, Streaming};

/// All that a checkpoint's events take to verify.
const WHOLE: [&str; 5] =
    ["summary.bcs", "signature", "contents.bcs", "transactions.effects.bcs", "transactions.events.bcs"];
/// All that the digests of a checkpoint's transactions take to verify.
const HEADER: [&str; 3] = ["summary.bcs", "signature", "contents.bcs"];

/// Longest checkpoint that is read: Sui has them up to 30 MiB (`max_checkpoint_size_bytes`), and of that only effects and
/// events are asked for.
const MAX_CHECKPOINT: usize = 32 << 20;
/// Most are shorter than this. Longer ones are read one at a time: catching up asks for many at once.
const MANY: usize = 2 << 20;

/// Checkpoints as they are made.
pub(crate) struct Tip {
    stream: Streaming<Bytes>,
    client: ChainClient,
}

// === impl ChainClient ===

impl ChainClient {
    /// One checkpoint, verified, with the events of `package`'s first version in it.
    pub async fn checkpoint(&self, package: PackageId, sequence: u64) -> Result<VerifiedCheckpoint, ChainError> {
        Ok(self.proven(sequence).await?.read(&Packages::of(package))?)
    }

    /// One checkpoint, verified.
    pub(crate) async fn proven(&self, sequence: u64) -> Result<Proven, ChainError> {
        let (claim, _alone) = self.claim_in_turn(sequence, &WHOLE).await?;
        self.prove(sequence, claim).await
    }

    /// Summary and contents of one checkpoint, verified.
    pub(super) async fn header(&self, sequence: u64) -> Result<Header, ChainError> {
        let (claim, _alone) = self.claim_in_turn(sequence, &HEADER).await?;
        let committee = self.committee(claim.epoch().map_err(ProofError::at(sequence))?).await?;
        let header = off_the_runtime(move || Ok(Header::prove(sequence, &claim, &committee)?)).await?;
        self.count_verified();
        Ok(header)
    }

    /// What the endpoint says of one checkpoint, and of no other as long as that, until the permit is dropped.
    async fn claim_in_turn(
        &self,
        sequence: u64,
        fields: &[&str],
    ) -> Result<(Claim, Option<SemaphorePermit<'_>>), ChainError> {
        match self.claim(sequence, fields, MANY).await {
            Err(ChainError::Refused { code: Code::OutOfRange, .. }) => {
                let alone = self.shared.long.acquire().await.ok();
                Ok((self.claim(sequence, fields, MAX_CHECKPOINT).await?, alone))
            }
            claim => Ok((claim?, None)),
        }
    }

    /// What the endpoint says of one checkpoint, in no more bytes than the `largest`.
    pub(super) async fn claim(&self, sequence: u64, fields: &[&str], largest: usize) -> Result<Claim, ChainError> {
        let method = Method { call: "get checkpoint", path: "/sui.rpc.v2.LedgerService/GetCheckpoint", largest };
        let request = proto::GetCheckpointRequest::by_sequence_number(sequence)
            .with_read_mask(FieldMask::from_paths(fields.iter().copied()));
        let answer = self.raw(method, request).await?;
        let read = fields::checkpoint(&answer, 1).map_err(|e| ChainError::malformed(method.call, e))?;
        Ok(read.claim)
    }

    /// Every checkpoint from now on.
    pub(crate) async fn subscribe(&self) -> Result<Tip, ChainError> {
        const METHOD: Method = Method {
            call: "subscribe to checkpoints",
            path: "/sui.rpc.v2.SubscriptionService/SubscribeCheckpoints",
            largest: MAX_CHECKPOINT,
        };
        let mask = WHOLE.iter().copied().chain(["sequence_number"]);
        let request = proto::SubscribeCheckpointsRequest::default().with_read_mask(FieldMask::from_paths(mask));
        Ok(Tip { stream: self.raw_stream(METHOD, request).await?, client: self.clone() })
    }

    async fn prove(&self, sequence: u64, claim: Claim) -> Result<Proven, ChainError> {
        let committee = self.committee(claim.epoch().map_err(ProofError::at(sequence))?).await?;
        let proven = off_the_runtime(move || Ok(prove(sequence, &claim, &committee)?)).await?;
        self.count_verified();
        if let Some(end) = proven.end_of_epoch() {
            self.committees().advance(end.clone())?;
        }
        Ok(proven)
    }
}

// === impl Tip ===

impl Tip {
    /// The next checkpoint that is not before `next`. None for `limit` is an error: an idle chain still makes checkpoints,
    /// and the same ones again are no sign of life.
    pub(crate) async fn next(&mut self, next: u64, limit: Duration) -> Result<Proven, ChainError> {
        const CALL: &str = "next checkpoint";
        let unreachable = |cause: String| ChainError::Unreachable { call: CALL, cause };
        let end = Instant::now() + limit;
        let mut replayed = None;
        loop {
            let Ok(frame) = tokio::time::timeout_at(end, self.stream.message()).await else {
                let last = next.saturating_sub(1);
                let again = |at| ProofError::at(at)(Check::Replayed { last }).into();
                return Err(replayed.map_or_else(|| unreachable(format!("none for {limit:?}")), again));
            };
            let frame = frame.map_err(|status| ChainError::of(CALL, &status))?;
            let frame = frame.ok_or_else(|| unreachable("the stream has ended".to_owned()))?;
            let read = fields::checkpoint(&frame, 2).map_err(|e| ChainError::malformed(CALL, e))?;
            let sequence = read.sequence.ok_or_else(|| ChainError::malformed(CALL, "no sequence number"))?;
            if sequence >= next {
                return self.client.prove(sequence, read.claim).await;
            }
            replayed = Some(sequence);
        }
    }
}

/// A signature takes about a millisecond to check, and catching up checks thousands: others are not to wait meanwhile.
async fn off_the_runtime<T: Send + 'static>(
    check: impl FnOnce() -> Result<T, ChainError> + Send + 'static,
) -> Result<T, ChainError> {
    let checked = tokio::task::spawn_blocking(check).await;
    checked.map_err(|e| ChainError::malformed("verify", format!("the check ended: {e}")))?
}

//! Objects, with the checkpoint that has them.

#[cfg(test)]
mod tests;

use super::asked::{Asked, LATE};
use super::raw::Method;
use super::{ChainClient, ChainError, fields};
use crate::verified::{Check, ClaimedObject, ProofError, ProvenEffects, ProvenObject};
use bytes::Bytes;
use daas_types::{Address, Digest};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::StructTag;
use tokio::time::Instant;
use tonic::Code;

/// Longest object, and longest effects, that are read: Sui has objects up to 250 KiB (`max_move_object_size`), packages up to
/// 100 KiB (`max_move_package_size`), effects up to 512 KiB (`max_serialized_tx_effects_size_bytes`).
const MAX_ANSWER: usize = 1 << 20;
/// Checkpoints that are kept for further proofs.
const MAX_KEPT: usize = 1024;

type Answer<'q, T> = BoxFuture<'q, Result<T, ChainError>>;
/// By transaction, the digest of its effects.
type Committed = Arc<HashMap<Digest, Digest>>;

/// Proves objects. Keeps the checkpoints it verified, since objects that are read together were often written together.
pub(super) struct Prover {
    endpoints: Vec<Asked>,
    /// So many have to answer.
    enough: usize,
    kept: Mutex<HashMap<u64, Committed>>,
}

// === impl Prover ===

impl Prover {
    /// Asks each of `endpoints`, of which there is at least one.
    pub(super) fn new(endpoints: Vec<ChainClient>) -> Self {
        Self { endpoints: endpoints.into_iter().map(Asked::new).collect(), enough: 1, kept: Mutex::default() }
    }

    /// So many endpoints have to answer, or to be caught lying.
    pub(super) fn needing(self, enough: usize) -> Self {
        Self { enough: enough.max(1), ..self }
    }

    /// How many endpoints there are.
    pub(super) fn count(&self) -> usize {
        self.endpoints.len()
    }

    /// How many of them were caught lying.
    pub(super) fn liars(&self) -> usize {
        self.endpoints.iter().filter(|asked| asked.has_lied()).count()
    }

    /// Asks all endpoints the same. The answers of those that gave a good one, if enough did; the others are told off. Once
    /// enough have answered, each of the others has [`LATE`] left, and whoever takes longer what is left of its
    /// [`Asked::patience`].
    pub(super) async fn ask<'q, T>(
        &self,
        question: impl Fn(ChainClient) -> Answer<'q, T>,
    ) -> Result<Vec<T>, ChainError> {
        let mut silent = self.to_ask();
        let mut waiting = FuturesUnordered::new();
        for asked in silent.iter().copied() {
            waiting.push(question(asked.client.clone()).map(move |answer| (asked, answer)));
        }
        let (mut good, mut answered, mut worst) = (Vec::new(), Vec::new(), None);
        let (mut end, mut late) = (None, Vec::new());
        loop {
            let next = match end {
                None => waiting.next().await,
                Some(end) => tokio::time::timeout_at(end, waiting.next()).await.unwrap_or(None),
            };
            let Some((asked, answer)) = next else {
                let patience = silent.iter().map(|asked| asked.patience()).max();
                let Some(patience) = patience.filter(|_| late.is_empty()) else { break };
                late = silent.iter().map(|asked| asked.late()).collect();
                end = Some(Instant::now() + patience);
                continue;
            };
            silent.retain(|other| !other.is(asked));
            late.retain(|late| !late.is_of(asked));
            match answer {
                Ok(answer) => {
                    good.push(answer);
                    answered.push(asked);
                }
                Err(error) => {
                    self.tell_off(asked, &error);
                    if worst.is_none() || error.is_lie() {
                        worst = Some(error);
                    }
                }
            }
            if end.is_none() && self.are_enough(&answered) {
                end = Some(Instant::now() + LATE);
            }
        }
        drop(late);
        for asked in silent {
            self.tell_off(asked, &ChainError::late());
        }
        match worst {
            Some(error) if good.is_empty() => Err(error),
            _ if self.are_enough(&answered) => Ok(good),
            _ => Err(ChainError::too_few(good.len(), self.enough)),
        }
    }

    /// Whoever lied counts too, as it was not the honest one. Nobody counts twice: an endpoint that answered one question
    /// may be caught lying in the next.
    fn are_enough(&self, answered: &[&Asked]) -> bool {
        let caught = |asked: &&Asked| asked.has_lied() && !answered.iter().any(|other| other.is(asked));
        let caught = self.endpoints.iter().filter(caught).count();
        !answered.is_empty() && answered.len().saturating_add(caught) >= self.enough
    }

    /// Those who are neither known to lie nor slow; the slow ones too, if those are not enough; all, if all lie.
    fn to_ask(&self) -> Vec<&Asked> {
        let honest: Vec<_> = self.endpoints.iter().filter(|asked| !asked.has_lied()).collect();
        let quick: Vec<_> = honest.iter().copied().filter(|asked| !asked.is_slow()).collect();
        if self.are_enough(&quick) {
            quick
        } else if honest.is_empty() {
            self.endpoints.iter().collect()
        } else {
            honest
        }
    }

    /// Where there is no other endpoint, whoever asked learns of the error and tells.
    fn tell_off(&self, asked: &Asked, error: &ChainError) {
        if self.endpoints.len() > 1 {
            asked.tell_off(error);
        }
    }

    /// The object, if any endpoint has it: the highest version that is in a verified checkpoint. That a still higher one
    /// exists, only an endpoint that has it can tell; one honest endpoint is enough.
    pub(super) async fn object(&self, id: Address) -> Result<Option<ProvenObject>, ChainError> {
        let found = self.ask(|endpoint| self.object_of(endpoint, id).boxed()).await?;
        Ok(found.into_iter().flatten().max_by_key(|proven| proven.object().version()))
    }

    /// The object, if it exists and is a `tag`.
    pub(super) async fn typed<T: DeserializeOwned>(
        &self,
        id: Address,
        tag: &StructTag,
    ) -> Result<Option<T>, ChainError> {
        let Some(bytes) = self.contents(id, tag).await? else {
            return Ok(None);
        };
        let decoded = bcs::from_bytes(&bytes);
        decoded.map(Some).map_err(|e| ChainError::malformed("get object", format!("{tag} {id}: {e}")))
    }

    /// The object, which is to exist.
    pub(super) async fn existing<T: DeserializeOwned>(
        &self,
        what: &'static str,
        id: Address,
        tag: &StructTag,
    ) -> Result<T, ChainError> {
        self.typed(id, tag).await?.ok_or(ChainError::Missing { what, id })
    }

    /// The BCS of an object's Move struct, if it exists and is a `tag`.
    pub(super) async fn contents(&self, id: Address, tag: &StructTag) -> Result<Option<Vec<u8>>, ChainError> {
        let Some(proven) = self.object(id).await? else {
            return Ok(None);
        };
        match proven.object().as_struct() {
            Some(object) if object.object_type() == tag => Ok(Some(object.contents().to_vec())),
            other => {
                let got = other.map_or_else(|| "package".to_owned(), |object| object.object_type().to_string());
                Err(ChainError::WrongType { id, expected: tag.to_string(), got })
            }
        }
    }

    async fn object_of(&self, endpoint: ChainClient, id: Address) -> Result<Option<ProvenObject>, ChainError> {
        let Some(object) = endpoint.claimed_object(id).await? else {
            return Ok(None);
        };
        let done = self.done(&endpoint, object.transaction).await?;
        let proven = object.prove(&done)?;
        endpoint.count_verified();
        Ok(Some(proven))
    }

    /// What a transaction did. Some endpoints forget old transactions; then whichever of the others knows may say. What
    /// another one says that does not verify is held against that one, and against nobody else: who has forgotten may well
    /// be honest.
    async fn done(&self, endpoint: &ChainClient, transaction: Digest) -> Result<ProvenEffects, ChainError> {
        let forgotten = match self.done_by(endpoint, transaction).await {
            Err(error @ ChainError::Refused { code: Code::NotFound, .. }) => error,
            Err(error @ ChainError::Unproven(_)) if !error.convicts() => error,
            known => return known,
        };
        let others = endpoint.others().into_iter();
        let mut answers: FuturesUnordered<_> = others
            .map(async |other| {
                let answer = self.done_by(&other, transaction).await;
                (other, answer)
            })
            .collect();
        while let Some((other, answer)) = answers.next().await {
            match answer {
                Ok(done) => return Ok(done),
                Err(error) if error.is_lie() => {
                    tracing::warn!(%error, rpc.url = other.url(), %transaction, "RPC endpoint passed over");
                    other.blame(&error);
                }
                Err(error) => tracing::debug!(%error, rpc.url = other.url(), %transaction, "it does not know either"),
            }
        }
        Err(forgotten)
    }

    /// What a transaction did, by the words of this endpoint alone.
    async fn done_by(&self, endpoint: &ChainClient, transaction: Digest) -> Result<ProvenEffects, ChainError> {
        let (checkpoint, effects) = endpoint.written_in(transaction).await?;
        let committed = self.committed(endpoint, checkpoint).await?;
        Ok(ProvenEffects::prove(checkpoint, transaction, &committed, effects.as_ref())?)
    }

    async fn committed(&self, endpoint: &ChainClient, checkpoint: u64) -> Result<Committed, ChainError> {
        if let Some(kept) = self.kept().get(&checkpoint) {
            return Ok(kept.clone());
        }
        let committed = Arc::new(endpoint.header(checkpoint).await?.into_effects());
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(checkpoint, committed.clone());
        Ok(committed)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Committed>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ChainClient ===

impl ChainClient {
    /// An object, if it exists: the highest version that a verified checkpoint has.
    pub(crate) async fn proven_object(&self, id: Address) -> Result<Option<ProvenObject>, ChainError> {
        self.prover().object(id).await
    }

    /// Whether a verified checkpoint has the transaction as one that failed.
    pub(crate) async fn proven_to_fail(&self, transaction: Digest) -> Result<bool, ChainError> {
        Ok(self.prover().done(self, transaction).await?.failed())
    }

    /// Proves what all endpoints say.
    pub(super) fn prover(&self) -> Prover {
        Prover::new(self.each())
    }

    pub(super) async fn claimed_object(&self, id: Address) -> Result<Option<ClaimedObject>, ChainError> {
        const METHOD: Method =
            Method { call: "get object", path: "/sui.rpc.v2.LedgerService/GetObject", largest: MAX_ANSWER };
        let mask = FieldMask::from_str("bcs,previous_transaction");
        let request = proto::GetObjectRequest::new(&id).with_read_mask(mask);
        let answer = match self.raw(METHOD, request).await {
            Err(ChainError::Refused { code: Code::NotFound, .. }) => return Ok(None),
            answer => answer?,
        };
        let object = fields::object(&answer).map_err(|e| ChainError::malformed(METHOD.call, e))?;
        let absent = |what| ProofError::unplaced(Check::Absent(what));
        let bytes = object.bcs.ok_or_else(|| absent("object"))?;
        let transaction = object.previous_transaction.unwrap_or_default();
        let transaction = core::str::from_utf8(&transaction).ok().and_then(|digest| digest.parse().ok());
        let transaction = transaction.ok_or_else(|| absent("object's previous transaction"))?;
        Ok(Some(ClaimedObject { id, bytes, transaction }))
    }

    /// In which checkpoint a transaction is said to be, and what it is said to have done.
    async fn written_in(&self, transaction: Digest) -> Result<(u64, Option<Bytes>), ChainError> {
        const METHOD: Method =
            Method { call: "get transaction", path: "/sui.rpc.v2.LedgerService/GetTransaction", largest: MAX_ANSWER };
        let mask = FieldMask::from_str("checkpoint,effects.bcs");
        let request = proto::GetTransactionRequest::new(&transaction).with_read_mask(mask);
        let answer = self.raw(METHOD, request).await?;
        let got = fields::transaction(&answer).map_err(|e| ChainError::malformed(METHOD.call, e))?;
        let checkpoint = got.checkpoint.ok_or_else(|| ChainError::Unreachable {
            call: METHOD.call,
            cause: format!("{transaction} is in no checkpoint yet"),
        })?;
        Ok((checkpoint, got.effects))
    }
}

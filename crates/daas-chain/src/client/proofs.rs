//! Objects, with the checkpoint that has them.

#[cfg(test)]
mod tests;

use super::raw::Method;
use super::{ChainClient, ChainError, DEADLINE, fields};
use crate::verified::{Check, ClaimedObject, ProofError, ProvenObject};
use bytes::Bytes;
use core::time::Duration;
use daas_types::{Address, Digest};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How long the others are waited for once enough have answered.
const SLOWEST: Duration = DEADLINE;

/// Proves objects. Keeps the checkpoints it verified, since objects that are read together were often written together.
pub(super) struct Prover {
    endpoints: Vec<Asked>,
    /// So many have to answer.
    enough: usize,
    kept: Mutex<HashMap<u64, Committed>>,
}

struct Asked {
    client: ChainClient,
    /// It is asked no more, unless all have.
    lied: AtomicBool,
    /// The others were waiting for it: it is asked no more as long as they are enough.
    slow: AtomicBool,
}

// === impl Prover ===

impl Prover {
    /// Asks each of `endpoints`, of which there is at least one.
    pub(super) fn new(endpoints: Vec<ChainClient>) -> Self {
        let asked = |client| Asked { client, lied: AtomicBool::new(false), slow: AtomicBool::new(false) };
        Self { endpoints: endpoints.into_iter().map(asked).collect(), enough: 1, kept: Mutex::default() }
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
        self.endpoints.iter().filter(|asked| asked.lied.load(Ordering::Relaxed)).count()
    }

    /// Asks all endpoints the same. The answers of those that gave a good one, if enough did; the others are told off. Once
    /// enough have answered, the slowest have [`SLOWEST`] left.
    pub(super) async fn ask<'q, T>(
        &self,
        question: impl Fn(ChainClient) -> Answer<'q, T>,
    ) -> Result<Vec<T>, ChainError> {
        let mut silent = self.to_ask();
        let mut waiting = FuturesUnordered::new();
        for asked in silent.iter().copied() {
            waiting.push(question(asked.client.clone()).map(move |answer| (asked, answer)));
        }
        let (mut good, mut worst, mut end) = (Vec::new(), None, None);
        loop {
            let next = match end {
                None => waiting.next().await,
                Some(end) => match tokio::time::timeout_at(end, waiting.next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            let Some((asked, answer)) = next else { break };
            silent.retain(|other| !core::ptr::eq(*other, asked));
            match answer {
                Ok(answer) => good.push(answer),
                Err(error) => {
                    self.tell_off(asked, &error);
                    if worst.is_none() || error.is_lie() {
                        worst = Some(error);
                    }
                }
            }
            if end.is_none() && self.are_enough(good.len()) {
                end = Some(Instant::now() + SLOWEST);
            }
        }
        for asked in silent {
            asked.slow.store(true, Ordering::Relaxed);
            let cause = format!("no answer {} s after the others'", SLOWEST.as_secs());
            self.tell_off(asked, &ChainError::Unreachable { call: "ask every endpoint", cause });
        }
        match worst {
            Some(error) if good.is_empty() => Err(error),
            _ if self.are_enough(good.len()) => Ok(good),
            _ => Err(ChainError::too_few(good.len(), self.enough)),
        }
    }

    fn are_enough(&self, answered: usize) -> bool {
        answered > 0 && answered.saturating_add(self.liars()) >= self.enough
    }

    /// Those who are neither known to lie nor slow; the slow ones too, if those are not enough; all, if all lie.
    fn to_ask(&self) -> Vec<&Asked> {
        let honest: Vec<_> = self.endpoints.iter().filter(|asked| !asked.lied.load(Ordering::Relaxed)).collect();
        let quick: Vec<_> = honest.iter().copied().filter(|asked| !asked.slow.load(Ordering::Relaxed)).collect();
        if self.are_enough(quick.len()) {
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
            tracing::warn!(%error, rpc.url = asked.client.url(), "RPC endpoint passed over");
            asked.client.blame(error);
            asked.lied.fetch_or(error.is_lie(), Ordering::Relaxed);
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
        let (checkpoint, effects) = endpoint.written_in(object.transaction).await?;
        let committed = self.committed(&endpoint, checkpoint).await?;
        Ok(Some(object.prove(checkpoint, &committed, effects.as_ref())?))
    }

    async fn committed(&self, endpoint: &ChainClient, checkpoint: u64) -> Result<Committed, ChainError> {
        if let Some(kept) = self.kept().get(&checkpoint) {
            return Ok(kept.clone());
        }
        let header = endpoint.whoever_knows(|client| async move { client.header(checkpoint).await }.boxed()).await?;
        let committed = Arc::new(header.into_effects());
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

    /// Proves what all endpoints say.
    pub(super) fn prover(&self) -> Prover {
        Prover::new(self.each())
    }

    async fn claimed_object(&self, id: Address) -> Result<Option<ClaimedObject>, ChainError> {
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

    /// In which checkpoint a transaction is said to be, and what it is said to have done. Any endpoint may know: some
    /// forget old transactions.
    async fn written_in(&self, transaction: Digest) -> Result<(u64, Option<Bytes>), ChainError> {
        const METHOD: Method =
            Method { call: "get transaction", path: "/sui.rpc.v2.LedgerService/GetTransaction", largest: MAX_ANSWER };
        let mask = FieldMask::from_str("checkpoint,effects.bcs");
        let request = proto::GetTransactionRequest::new(&transaction).with_read_mask(mask);
        let answer = self
            .whoever_knows(|client| {
                let request = request.clone();
                async move { client.raw(METHOD, request).await }.boxed()
            })
            .await?;
        let got = fields::transaction(&answer).map_err(|e| ChainError::malformed(METHOD.call, e))?;
        let checkpoint = got.checkpoint.ok_or_else(|| ChainError::Unreachable {
            call: METHOD.call,
            cause: format!("{transaction} is in no checkpoint yet"),
        })?;
        Ok((checkpoint, got.effects))
    }

    /// Asks this endpoint, and the others if it does not know.
    async fn whoever_knows<'q, T>(&self, ask: impl Fn(Self) -> Answer<'q, T>) -> Result<T, ChainError> {
        let mut answer = ask(self.clone()).await;
        for other in self.others() {
            match answer {
                Err(ChainError::Refused { code: Code::NotFound, .. }) => answer = ask(other).await,
                known => return known,
            }
        }
        answer
    }
}

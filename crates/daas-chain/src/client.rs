//! Reading the chain over `sui.rpc.v2`. Every call has a deadline.
//!
//! Checkpoints and objects are verified before anyone sees them. Lists, balances and what a transaction is said to have
//! done are the RPC endpoint's word.

mod anchors;
mod asked;
mod base;
mod checkpoints;
mod committees;
mod endpoints;
mod error;
mod events;
mod fields;
mod objects;
mod proofs;
mod raw;
mod reads;

pub use error::ChainError;
pub use reads::{Caps, Coin};

pub(crate) use events::{TRANSACTION_EVENTS, decode_events};
pub(crate) use objects::{MAX_PAGE, Reference};

use crate::verified::Committees;
use core::time::Duration;
use daas_types::Digest;
use daas_types::genesis::Genesis;
use endpoints::Endpoints;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::CheckpointSummary;
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::transport::Channel;

/// Longest wait for the answer to one call, and for a connection.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A connection to the pinned network through one of its RPC endpoints. Cheap to clone; clones share the connection, the
/// choice of the endpoint, and the committees that were reached.
#[derive(Clone)]
pub struct ChainClient {
    shared: Arc<Shared>,
    /// The endpoint that this clone keeps to. Otherwise the one that all share.
    fixed: Option<usize>,
}

struct Shared {
    genesis: Genesis,
    committees: Committees,
    endpoints: Endpoints,
    /// Who has it reads a long checkpoint.
    long: Semaphore,
    verified: AtomicU64,
}

// === impl ChainClient ===

impl ChainClient {
    /// Connects to `rpc_url` and checks that it serves the network that `genesis` pins, by the full digest.
    pub async fn connect(rpc_url: &str, genesis: &Genesis) -> Result<Self, ChainError> {
        Self::connect_any([rpc_url], genesis).await
    }

    /// Connects to the first of `rpc_urls` that answers and serves the network that `genesis` pins. The others stand by.
    pub async fn connect_any<U: Into<String>>(
        rpc_urls: impl IntoIterator<Item = U>,
        genesis: &Genesis,
    ) -> Result<Self, ChainError> {
        let client = Self::unchecked(rpc_urls, genesis)?;
        let mut checked = client.check_genesis().await;
        for _ in 1..client.shared.endpoints.count() {
            let Err(error) = &checked else { break };
            tracing::warn!(%error, rpc.url = client.url(), "RPC endpoint passed over");
            client.shared.endpoints.blame(client.at(), error);
            client.shared.endpoints.move_on()?;
            checked = client.check_genesis().await;
        }
        checked.map(|()| client)
    }

    /// Nothing is sent yet, and nobody asked what the endpoints serve.
    pub(crate) fn unchecked<U: Into<String>>(
        rpc_urls: impl IntoIterator<Item = U>,
        genesis: &Genesis,
    ) -> Result<Self, ChainError> {
        let committees = Committees::pinned(genesis).ok_or(ChainError::NoCommittee(genesis.digest()))?;
        let committees = committees.map_err(ChainError::BadCommittee)?;
        let (genesis, endpoints, long) = (genesis.clone(), Endpoints::new(rpc_urls)?, Semaphore::new(1));
        let shared = Shared { genesis, committees, endpoints, long, verified: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared), fixed: None })
    }

    /// The pinned network.
    pub fn genesis(&self) -> &Genesis {
        &self.shared.genesis
    }

    /// Where it is connected to.
    pub fn url(&self) -> &str {
        self.shared.endpoints.url(self.at())
    }

    /// A handle for calls this type has no method for.
    pub(crate) fn rpc(&self) -> Client {
        self.shared.endpoints.rpc(self.at())
    }

    /// How many checkpoints and objects have verified so far: whether anything comes of what is asked.
    pub(crate) fn verified(&self) -> u64 {
        self.shared.verified.load(Ordering::Relaxed)
    }

    fn count_verified(&self) {
        self.shared.verified.fetch_add(1, Ordering::Relaxed);
    }

    /// Reaches one of its endpoints by another way than its address.
    #[cfg(test)]
    pub(crate) fn through(self, at: usize, channel: Channel) -> Self {
        self.shared.endpoints.connect(at, channel);
        self
    }

    fn channel(&self) -> Channel {
        self.shared.endpoints.channel(self.at())
    }

    /// One client for each endpoint, which keeps to it. The current one is first.
    pub(crate) fn each(&self) -> Vec<Self> {
        if self.fixed.is_some() {
            return vec![self.clone()];
        }
        let (first, count) = (self.at(), self.shared.endpoints.count());
        let fixed = |step| Self { shared: self.shared.clone(), fixed: Some((first + step) % count) };
        (0..count).map(fixed).collect()
    }

    /// The endpoints that this client is not asking.
    pub(crate) fn others(&self) -> Vec<Self> {
        let all = Self { fixed: None, ..self.clone() }.each();
        all.into_iter().filter(|other| other.at() != self.at()).collect()
    }

    /// Whether there are endpoints beside the one that is asked.
    pub(crate) fn has_others(&self) -> bool {
        self.shared.endpoints.count() > 1
    }

    /// What it says verified.
    pub(crate) fn praise(&self) {
        self.shared.endpoints.praise(self.at());
    }

    /// Holds `error` against the endpoint.
    pub(crate) fn blame(&self, error: &ChainError) {
        self.shared.endpoints.blame(self.at(), error);
    }

    /// Connects anew: to the endpoint with the least against it, checked again. Another network may stand at that address
    /// by now.
    pub(crate) async fn move_on(&self) -> Result<(), ChainError> {
        self.shared.endpoints.move_on()?;
        self.check_genesis().await
    }

    fn at(&self) -> usize {
        self.fixed.unwrap_or_else(|| self.shared.endpoints.current())
    }

    /// Tells an endpoint of another network at once. What it says later has to verify all the same.
    async fn check_genesis(&self) -> Result<(), ChainError> {
        const CALL: &str = "get checkpoint 0";
        let got = match self.claim(0, &["summary.bcs"], MAX_PAGE).await {
            Ok(claim) => {
                let summary = bcs::from_bytes::<CheckpointSummary>(&claim.summary.unwrap_or_default());
                summary.map_err(|_| ChainError::malformed(CALL, "its summary does not decode"))?.digest()
            }
            Err(ChainError::Refused { code: Code::NotFound, .. }) => self.named_genesis().await?,
            Err(error) => return Err(error),
        };
        let expected = self.genesis().digest();
        if got == expected { Ok(()) } else { Err(ChainError::Foreign { expected, got }) }
    }

    /// The genesis as an endpoint names it that has forgotten checkpoint 0.
    async fn named_genesis(&self) -> Result<Digest, ChainError> {
        const CALL: &str = "get service info";
        let request = proto::GetServiceInfoRequest::default();
        let info = deadline(CALL, self.short().ledger_client().get_service_info(request)).await?;
        // Fewer bytes than a digest has would parse too.
        let named = info.chain_id().parse().ok().filter(|named: &Digest| named.to_string() == info.chain_id());
        named.ok_or_else(|| ChainError::malformed(CALL, "no full digest of the genesis"))
    }
}

impl core::fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainClient").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Waits for one call, no longer than [`DEADLINE`].
pub(crate) async fn deadline<T>(
    call: &'static str,
    answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ChainError> {
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(ChainError::of(call, &status)),
        Err(_) => Err(ChainError::Unreachable { call, cause: format!("no answer within {} s", DEADLINE.as_secs()) }),
    }
}

//! Reading the chain over `sui.rpc.v2`. Every call has a deadline. What comes back is the RPC endpoint's word.

mod checkpoints;
mod error;
mod objects;
mod reads;

pub use error::ChainError;
pub use reads::{Caps, Coin};

pub(crate) use checkpoints::{TRANSACTION_EVENTS, decode_events};
pub(crate) use objects::Reference;

use core::time::Duration;
use daas_types::Digest;
use daas_types::genesis::Genesis;
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;

/// Longest wait for the answer to one call, and for a connection.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Largest answer that is read. A checkpoint with many transactions is well above gRPC's default of 4 MiB.
const MAX_ANSWER: usize = 64 << 20;

/// A connection to one RPC endpoint of the pinned network. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct ChainClient {
    url: String,
    genesis: Genesis,
    rpc: Client,
}

// === impl ChainClient ===

impl ChainClient {
    /// Connects to `rpc_url` and checks that it serves the network that `genesis` pins, by the full digest.
    pub async fn connect(rpc_url: &str, genesis: &Genesis) -> Result<Self, ChainError> {
        let rpc = Client::new(rpc_url)
            .map_err(|status| ChainError::Unreachable { call: "connect", cause: status.message().to_owned() })?
            .with_response_headers_timeout(DEADLINE)
            .with_body_idle_timeout(DEADLINE)
            .with_max_decoding_message_size(MAX_ANSWER);
        let client = Self { url: rpc_url.to_owned(), genesis: genesis.clone(), rpc };
        client.check_genesis().await?;
        Ok(client)
    }

    /// A new connection to the same endpoint, checked again.
    pub async fn reconnect(&self) -> Result<Self, ChainError> {
        Self::connect(&self.url, &self.genesis).await
    }

    /// The pinned network.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Where it is connected to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A handle for calls this type has no method for.
    pub(crate) fn rpc(&self) -> Client {
        self.rpc.clone()
    }

    async fn check_genesis(&self) -> Result<(), ChainError> {
        let request = proto::GetCheckpointRequest::by_sequence_number(0).with_read_mask(FieldMask::from_str("digest"));
        let answer = deadline("get checkpoint 0", self.rpc().ledger_client().get_checkpoint(request)).await?;
        let got = answer.checkpoint().digest();
        let got: Digest = got.parse().map_err(|_| ChainError::malformed("get checkpoint 0", "no digest"))?;
        let expected = self.genesis.digest();
        if got == expected { Ok(()) } else { Err(ChainError::Foreign { expected, got }) }
    }
}

impl core::fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainClient").field("url", &self.url).finish_non_exhaustive()
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

use crate::client::{ChainError, DEADLINE, MAX_PAGE, deadline};
use daas_types::genesis::{Genesis, GenesisError};
use daas_types::{Digest, ErrorCode, Problem};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::ValidatorCommittee;
use tonic::Code;

/// What RPC endpoints say of the network they serve. Nobody vouches for it: whoever founds a cluster compares the digest
/// and the committee with what others say before the join file is given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The network, with the committee of the present epoch pinned.
    pub genesis: Genesis,
    /// BCS of the genesis checkpoint's summary, if the digest alone does not say which network it is and it is served.
    pub summary: Option<Vec<u8>>,
    /// The committee of the present epoch. A development network's is in its genesis.
    pub committee: ValidatorCommittee,
    /// Endpoints that did not answer, and why.
    pub silent: Vec<(String, String)>,
}

/// Why there is no network to pin.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// An endpoint cannot be asked.
    #[error("{url}: {error}")]
    Chain {
        /// The endpoint.
        url: String,
        /// Why not.
        error: ChainError,
    },
    /// Two endpoints differ, so one of them is wrong.
    #[error("{0} and {1} do not serve the same network, or name other committees")]
    Disagree(String, String),
    /// What an endpoint says of the genesis contradicts itself.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// No endpoint was named.
    #[error("no RPC endpoint was named")]
    NoEndpoint,
}

/// One endpoint's words.
#[derive(PartialEq, Eq)]
struct Said {
    digest: Digest,
    summary: Option<Vec<u8>>,
    committee: ValidatorCommittee,
}

impl From<DiscoverError> for Problem {
    fn from(error: DiscoverError) -> Self {
        let code = match &error {
            DiscoverError::Chain { error, .. } => error.code(),
            DiscoverError::Disagree(..) | DiscoverError::Genesis(_) => ErrorCode::ChainForeign,
            DiscoverError::NoEndpoint => ErrorCode::NetworkUnknown,
        };
        Self::new(code, error)
    }
}

/// Asks every one of `urls` which network it serves. All that answer must say the same.
pub async fn discover(urls: &[String]) -> Result<Discovered, DiscoverError> {
    let mut first: Option<(&String, Said)> = None;
    let mut silent = Vec::new();
    for url in urls {
        let said = match ask(url).await {
            Ok(said) => said,
            Err(error @ ChainError::Unreachable { .. }) if silent.len() + 1 < urls.len() => {
                silent.push((url.clone(), error.to_string()));
                continue;
            }
            Err(error) => return Err(DiscoverError::Chain { url: url.clone(), error }),
        };
        match &first {
            None => first = Some((url, said)),
            Some((other, before)) if !before.agrees(&said) => {
                return Err(DiscoverError::Disagree((*other).clone(), url.clone()));
            }
            Some(_) => {}
        }
    }
    let (_, Said { digest, summary, committee }) = first.ok_or(DiscoverError::NoEndpoint)?;
    let genesis = match &summary {
        Some(summary) => Genesis::pinned(digest, summary)?,
        None => Genesis::of_digest(digest),
    };
    // A development network's genesis names its first committee itself, and only that one.
    let named = genesis.committee().is_some();
    let genesis = if named { genesis } else { genesis.with_committee(committee.clone())? };
    Ok(Discovered { genesis, summary, committee, silent })
}

// === impl Said ===

impl Said {
    /// Endpoints may differ by an epoch, and not all keep the genesis; whatever both have must be the same.
    fn agrees(&self, other: &Self) -> bool {
        let epochs = (self.committee.epoch, other.committee.epoch);
        self.digest == other.digest && (epochs.0 != epochs.1 || self.committee == other.committee)
    }
}

async fn ask(url: &str) -> Result<Said, ChainError> {
    let client = Client::new(url)
        .map_err(|status| ChainError::Unreachable { call: "connect", cause: status.message().to_owned() })?
        .with_response_headers_timeout(DEADLINE)
        .with_body_idle_timeout(DEADLINE)
        .with_max_decoding_message_size(MAX_PAGE);
    let summary = summary(&client).await?;
    let digest = match &summary {
        Some(summary) => digest_of(summary)?,
        None => named(&client).await?,
    };
    Ok(Said { digest, summary, committee: committee(&client).await? })
}

async fn summary(client: &Client) -> Result<Option<Vec<u8>>, ChainError> {
    let request = proto::GetCheckpointRequest::by_sequence_number(0).with_read_mask(FieldMask::from_str("summary.bcs"));
    match deadline("get checkpoint 0", client.clone().ledger_client().get_checkpoint(request)).await {
        Ok(answer) => Ok(Some(answer.checkpoint().summary().bcs().value().to_vec())),
        Err(ChainError::Refused { code: Code::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn digest_of(summary: &[u8]) -> Result<Digest, ChainError> {
    let summary: sui_sdk_types::CheckpointSummary = bcs::from_bytes(summary)
        .map_err(|_| ChainError::malformed("get checkpoint 0", "its summary does not decode"))?;
    Ok(summary.digest())
}

/// The genesis as an endpoint names it that has forgotten checkpoint 0.
async fn named(client: &Client) -> Result<Digest, ChainError> {
    const CALL: &str = "get service info";
    let request = proto::GetServiceInfoRequest::default();
    let info = deadline(CALL, client.clone().ledger_client().get_service_info(request)).await?;
    info.chain_id().parse().map_err(|_| ChainError::malformed(CALL, "no full digest of the genesis"))
}

async fn committee(client: &Client) -> Result<ValidatorCommittee, ChainError> {
    const CALL: &str = "get epoch";
    let request = proto::GetEpochRequest::latest().with_read_mask(FieldMask::from_str("epoch,committee"));
    let answer = deadline(CALL, client.clone().ledger_client().get_epoch(request)).await?;
    ValidatorCommittee::try_from(answer.epoch().committee()).map_err(|e| ChainError::malformed(CALL, e))
}

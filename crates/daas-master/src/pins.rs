//! The chain this master is pinned to, and which chains it may be.

use crate::config::Config;
use anyhow::Context as _;
use daas_types::genesis::Genesis;
use daas_types::join::ChainPins;
use daas_types::{ErrorCode, Problem, RpcUrls};

/// The chain this master is pinned to. Only a devnet's, until the datastore is encrypted.
pub(crate) fn load(config: &Config) -> anyhow::Result<(ChainPins, Genesis)> {
    let path = &config.sui.pins;
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut pins: ChainPins = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if !config.sui.rpc_endpoint.is_empty() {
        pins.rpc = config.sui.rpc_endpoint.parse().map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    }
    let genesis = pins.anchor().map_err(Problem::of(ErrorCode::ClusterFileBad))?;
    require_devnet(&genesis)?;
    require_others(&genesis, &pins.rpc)?;
    tracing::warn!("datastore: not encrypted");
    Ok((pins, genesis))
}

fn require_devnet(genesis: &Genesis) -> Result<(), Problem> {
    if genesis.devnet().is_some() {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::DatastoreNotEncrypted, format!("the genesis is {}", genesis.digest())))
}

/// One endpoint alone could start a master from objects that were true once. A devnet is one endpoint.
fn require_others(genesis: &Genesis, rpc: &RpcUrls) -> Result<(), Problem> {
    if genesis.devnet().is_some() {
        return Ok(());
    }
    if let Some(url) = rpc.unencrypted() {
        let cause = format!("{url}: without TLS its host's network decides what it says; use https://");
        return Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    }
    if rpc.count() > 1 {
        return Ok(());
    }
    let cause = format!("{rpc} is one endpoint; a master needs two, of different people, in `rpc` of its pins");
    Err(Problem::new(ErrorCode::ConfigInvalid, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_devnet_may_run_unencrypted() {
        for digest in [daas_types::genesis::MAINNET, daas_types::genesis::TESTNET] {
            let genesis = Genesis::of_digest(digest.parse().unwrap());
            assert_eq!(require_devnet(&genesis).unwrap_err().code, ErrorCode::DatastoreNotEncrypted);
        }
    }

    #[test]
    fn one_endpoint_of_a_real_network_is_not_enough() {
        let genesis = Genesis::of_digest(daas_types::genesis::TESTNET.parse().unwrap());
        for one in ["https://a", "https://a,https://a:443/", "https://a,http://b"] {
            let refused = require_others(&genesis, &one.parse().unwrap()).unwrap_err();
            assert_eq!(refused.code, ErrorCode::ConfigInvalid);
        }
        require_others(&genesis, &"https://a,https://b".parse().unwrap()).unwrap();
    }
}

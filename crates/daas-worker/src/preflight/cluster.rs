use super::Finding;
use crate::config::{WorkerConfig, seal_path};
use crate::stake::{Standing, jail_cause, standing};
use crate::worker::load_wallet;
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::ops::{TxError, network_time};
use daas_client::{ClusterInfo, SealFile, VerifiedMaster, client_config, connect};
use daas_types::onchain::PositionState;
use daas_types::{ErrorCode, Mist, Problem, UnixMs, WalletAddress};
use std::sync::Arc;

/// Beside the stake, for the first transactions.
const GAS: Mist = Mist(50_000_000);
/// What tokens tolerate.
const SKEW: Duration = Duration::from_mins(1);

/// What a node needs of its cluster, its network and its owner's wallet.
pub async fn cluster(config: &WorkerConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut see = |what, found| findings.push(Finding { what, found });
    let owner = load_wallet(config, &config.state_dir).and_then(|wallet| {
        config.check_wallet(wallet.address())?;
        Ok(wallet.address())
    });
    let address = owner.as_ref().ok().copied();
    see("wallet", owner.map(|address| address.to_string()));
    let cluster = match load(config) {
        Ok(cluster) => cluster,
        Err(problem) => {
            see("cluster file", Err(problem));
            return findings;
        }
    };
    see("cluster file", Ok(cluster.join.cluster.to_string()));
    let gateway = gateway(&cluster).await;
    let closed = gateway.is_err();
    see("gateway", gateway);
    let chain = match cluster.chain().await {
        Ok(chain) => chain,
        Err(problem) => {
            see("network", Err(problem));
            return findings;
        }
    };
    see("network", Ok(cluster.genesis.digest().to_string()));
    see("clock", time(&chain).await);
    if let Some(address) = address {
        see("stake", stake(config, &cluster, &chain, address).await);
    }
    match master(&cluster).await {
        // It was said of the gateway.
        Err(problem) if closed && problem.code == ErrorCode::MasterUnreachable => {}
        found => see("master", found),
    }
    findings
}

fn load(config: &WorkerConfig) -> Result<ClusterInfo, Problem> {
    let mut cluster = ClusterInfo::load(&config.cluster)?;
    config.apply_to(&mut cluster.join)?;
    Ok(cluster)
}

async fn gateway(cluster: &ClusterInfo) -> Result<String, Problem> {
    let join = &cluster.join;
    if join.endpoint.is_empty() || join.ca.is_empty() {
        return Err(Problem::new(ErrorCode::ClusterFileUnfinished, "it has no `endpoint` or no `ca`"));
    }
    connect(&join.endpoint, &Arc::new(client_config(&join.ca, &[b"http/1.1"])?)).await?;
    Ok(format!("{} is the cluster's", join.endpoint))
}

async fn time(chain: &ChainClient) -> Result<String, Problem> {
    let network = network_time(chain).await?;
    apart(clock::now(), network)
}

fn apart(here: UnixMs, network: UnixMs) -> Result<String, Problem> {
    let (apart, way) = if here < network { (network.since(here), "behind") } else { (here.since(network), "ahead of") };
    if apart <= SKEW {
        return Ok("as the network's".to_owned());
    }
    let cause = format!("this machine's clock is {} s {way} the network's", apart.as_secs());
    Err(Problem::new(ErrorCode::ClockSkew, cause))
}

/// What there is, or whether the wallet can pay for it.
async fn stake(
    config: &WorkerConfig,
    cluster: &ClusterInfo,
    chain: &ChainClient,
    address: WalletAddress,
) -> Result<String, Problem> {
    let path = seal_path(&config.state_dir);
    if path.exists()
        && let Some(position) = chain.position(&cluster.ids(), SealFile::load(&path)?.position).await?
    {
        let minimum = chain.cluster(&cluster.ids()).await?.policy.node_minimum;
        return judged(&position.at(clock::now()), minimum);
    }
    let coins = chain.coins(address).await?;
    let have = coins.iter().fold(Mist(0), |sum, coin| sum.saturating_add(coin.balance));
    let need = config.stake.saturating_add(GAS);
    if have < need {
        return Err(TxError::InsufficientFunds { address, have, need }.into());
    }
    Ok(format!("the wallet has {have} SUI, the stake is {} SUI", config.stake))
}

/// What a worker that starts now makes of its position.
fn judged(position: &PositionState, node_minimum: Mist) -> Result<String, Problem> {
    match (standing(position, node_minimum), jail_cause(position)) {
        (Standing::Slashed(cause), _) => Err(Problem::new(ErrorCode::StakeSlashed, cause)),
        (Standing::Lost(code, cause), _) => Err(Problem::new(code, cause)),
        (Standing::Good, Some(cause)) => Err(Problem::new(ErrorCode::NodeJailed, cause)),
        (Standing::Good, None) => Ok(format!("{} SUI are staked, position {}", position.active, position.position)),
    }
}

async fn master(cluster: &ClusterInfo) -> Result<String, Problem> {
    let masters = cluster.masters().await?;
    let verified = VerifiedMaster::connect(cluster, &masters, clock::now()).await?;
    Ok(format!("{} has proved what it runs", verified.record().endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Staker;
    use daas_types::Permissions;
    use daas_types::onchain::Status;

    #[test]
    fn only_a_position_that_lets_its_node_in_is_in_order() {
        let code = |change: fn(&mut PositionState)| {
            let mut state = Staker::new(1, "5", Permissions::NODE).state;
            change(&mut state);
            judged(&state, Mist::from_sui(1)).err().map(|problem| problem.code)
        };
        assert_eq!(code(|_| ()), None);
        assert_eq!(code(|state| state.status = Status::Closed), Some(ErrorCode::PositionClosed));
        assert_eq!(code(|state| state.status = Status::Suspended), Some(ErrorCode::StakeSlashed));
        assert_eq!(code(|state| state.status = Status::Slashed), Some(ErrorCode::StakeSlashed));
        assert_eq!(code(|state| state.active = Mist(1)), Some(ErrorCode::StakeTooLow));
        assert_eq!(code(|state| state.jailed_until_ms = UnixMs(77)), Some(ErrorCode::NodeJailed));
    }

    #[test]
    fn a_minute_either_way_is_tolerated() {
        let second = |n: u64| UnixMs(n * 1000);
        for network in [940, 1000, 1060] {
            assert!(apart(second(1000), second(network)).is_ok(), "{network}");
        }
        let slow = apart(second(1000), second(1061)).unwrap_err();
        assert_eq!(
            (slow.code, slow.cause.as_str()),
            (ErrorCode::ClockSkew, "this machine's clock is 61 s behind the network's")
        );
        assert!(apart(second(1000), second(939)).unwrap_err().cause.contains("ahead of"));
    }
}

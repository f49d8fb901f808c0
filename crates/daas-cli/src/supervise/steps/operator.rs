//! The operator's side of the chain: the wallets of the cluster's offices, package, cluster, and the one position that makes
//! the operator `super` and its node the operator's pool.

use super::Start;
use super::network::Network;
use crate::chain::{Staker, wallet_at};
use crate::paths::Office;
use crate::{contract, minting};
use daas_chain::clock;
use daas_chain::index::IndexIds;
use daas_chain::ops::{ClusterSpec, Ops, faucet};
use daas_chain::wallet::Wallet;
use daas_client::{SealFile, write_private};
use daas_types::join::ChainPins;
use daas_types::{
    ClusterId, ErrorCode, Mist, NautilusId, NodeId, PackageId, Permissions, Problem, RegistryId, RpcUrls, WalletAddress,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

const CLUSTER_NAME: &str = "k3s-daas";
const NODE: &str = "operator";
/// The super tier's threshold under the devnet's policy.
const STAKE: Mist = Mist::from_sui(10);
/// Stake and gas, with room; below it the faucet is asked.
const PURSE: Mist = Mist::from_sui(20);
/// Gas for those who only propose and judge.
const SMALL_PURSE: Mist = Mist::from_sui(1);

/// `cluster.json`: what was made here. The capabilities are found on chain by owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// The compiler's digest of the package.
    digest: String,
    package: PackageId,
    /// Not there if the start ended between the two transactions.
    cluster: Option<MadeCluster>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeCluster {
    cluster: ClusterId,
    registry: RegistryId,
    nautilus: NautilusId,
}

/// The operator's wallet, and the addresses of the other offices.
pub(super) struct Wallets {
    operator: Wallet,
    proposer: WalletAddress,
    judge: WalletAddress,
    treasury: WalletAddress,
}

/// The wallets of the cluster's offices, with money in those that send transactions.
pub(super) async fn wallets(start: &Start<'_>, network: &Network) -> Result<(Wallets, String), Problem> {
    let [operator, proposer, judge, treasury] = Office::ALL.map(|office| wallet_at(&start.state.wallet(office)));
    let (operator, proposer, judge, treasury) = (operator?, proposer?.address(), judge?.address(), treasury?.address());
    let balance = fill(network, operator.address(), PURSE).await?;
    for office in [proposer, judge] {
        fill(network, office, SMALL_PURSE).await?;
    }
    let detail = format!("operator {}, {balance} SUI; {}", operator.address(), start.state.wallets().display());
    Ok((Wallets { operator, proposer, judge, treasury }, detail))
}

/// Asks the faucet until `address` has `enough`, or it shows that it is dry. Answers what the address has.
async fn fill(network: &Network, address: WalletAddress, enough: Mist) -> Result<Mist, Problem> {
    for _ in 0..5 {
        if network.client.balance(address).await? >= enough {
            break;
        }
        faucet(&network.client, &network.faucet, address).await?;
    }
    Ok(network.client.balance(address).await?)
}

/// Publishes the package and makes the cluster, each once; writes the pins that a master starts from.
pub(super) async fn contract(
    start: &Start<'_>,
    network: &Network,
    wallets: Wallets,
) -> Result<(Staker, String), Problem> {
    let ops = Ops::new(network.client.clone(), wallets.operator.clone());
    let made = published(&ops, &start.state.cluster()).await?;
    let MadeCluster { cluster, registry, nautilus } = match made.cluster {
        Some(cluster) => cluster,
        None => created(&ops, &start.state.cluster(), &made, &wallets).await?,
    };
    let ids = IndexIds { package: made.package, cluster, registry, nautilus };
    write_pins(start, network, &ids)?;
    let staker = Staker::on(network.client.clone(), ids, wallets.operator).await?;
    Ok((staker, format!("package digest {}, cluster {cluster}", made.digest)))
}

async fn published(ops: &Ops, path: &Path) -> Result<Made, Problem> {
    let compiled = contract::compiled()?;
    match read_made(path)? {
        None => {
            let (package, _) = ops.publish(&compiled).await?;
            save_made(path, Made { digest: compiled.digest, package, cluster: None })
        }
        Some(made) if made.digest == compiled.digest => Ok(made),
        Some(made) => {
            let cause = format!("the cluster's package is {}, this program's is {}", made.digest, compiled.digest);
            Err(Problem::new(ErrorCode::PackageMismatch, cause))
        }
    }
}

async fn created(ops: &Ops, path: &Path, made: &Made, wallets: &Wallets) -> Result<MadeCluster, Problem> {
    let spec = ClusterSpec::devnet(CLUSTER_NAME, wallets.treasury, wallets.proposer, wallets.judge);
    let (ids, _) = ops.create_cluster(made.package, &spec).await?;
    let cluster = MadeCluster { cluster: ids.cluster, registry: ids.registry, nautilus: ids.nautilus };
    save_made(path, Made { cluster: Some(cluster), ..made.clone() })?;
    Ok(cluster)
}

/// Stakes for the operator, once, and names the position as the operator's pool: it then may answer for a master.
pub(super) async fn stake(start: &Start<'_>, operator: &Staker) -> Result<(SealFile, String), Problem> {
    let path = start.state.operator_seal();
    let mut seal = if path.exists() {
        SealFile::load(&path)?
    } else {
        // No master is needed for a stake, so none is known yet.
        let join = read_pins(start)?.into_join_file(String::new(), String::new());
        let seal = SealFile::prepare(&join, operator.ops.sender(), Permissions::USER, Some(node_id()))?;
        seal.save(&path)?;
        seal
    };
    let state = minting::settle(operator, &mut seal, &path, STAKE).await?;
    if operator.ops.client().cluster(&operator.ids).await?.operator_positions != [seal.position] {
        operator.ops.set_operator_positions(&operator.ids, &[seal.position]).await?;
    }
    let tier = state.rights(&operator.policy, clock::now()).tier.map_or("no tier", daas_types::Tier::as_str);
    let detail = format!("{} SUI, {tier}, position {}", state.active, state.position);
    Ok((seal, detail))
}

/// The name of the operator's own node.
pub(crate) fn node_id() -> NodeId {
    NODE.parse().expect("the constant must be a node id")
}

fn write_pins(start: &Start<'_>, network: &Network, ids: &IndexIds) -> Result<(), Problem> {
    let pins = ChainPins {
        version: 1,
        genesis: network.genesis.digest(),
        genesis_summary: Some(network.summary.clone()),
        committee: None,
        rpc: RpcUrls::new([network.rpc.clone()]).map_err(Problem::of(ErrorCode::Internal))?,
        package: ids.package,
        cluster: ids.cluster,
        registry: ids.registry,
        nautilus: ids.nautilus,
    };
    write_json(&start.state.pins(), &pins)
}

fn read_pins(start: &Start<'_>) -> Result<ChainPins, Problem> {
    let path = start.state.pins();
    let bad = |error: &dyn std::fmt::Display| {
        Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|e| bad(&e))?;
    serde_json::from_str(&text).map_err(|e| bad(&e))
}

fn read_made(path: &Path) -> Result<Option<Made>, Problem> {
    let bad = |error: &dyn std::fmt::Display| {
        Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| bad(&e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(&error)),
    }
}

fn save_made(path: &Path, made: Made) -> Result<Made, Problem> {
    write_json(path, &made)?;
    Ok(made)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Problem> {
    let text = serde_json::to_vec_pretty(value).map_err(Problem::of(ErrorCode::Internal))?;
    write_private(path, &text)
        .map_err(|error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.json");
        assert_eq!(read_made(&path).unwrap(), None);
        let package = PackageId(daas_types::Address::from_static("0x7"));
        let made = save_made(&path, Made { digest: "d".to_owned(), package, cluster: None }).unwrap();
        assert_eq!(read_made(&path).unwrap(), Some(made));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read_made(&path).unwrap_err().code, ErrorCode::StateUnreadable);
    }
}

//! The operator's side of the chain: wallet, package, cluster, and the one position that makes the operator `super` and
//! its node the operator's pool.

use super::Start;
use super::network::Network;
use crate::chain::{Staker, wallet_at};
use crate::minting;
use daas_chain::index::IndexIds;
use daas_chain::ops::{ClusterSpec, CompiledPackage, Ops, faucet};
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, SealFile, write_private};
use daas_types::join::ChainPins;
use daas_types::{ClusterId, ErrorCode, Mist, NautilusId, NodeId, PackageId, Permissions, Problem, RegistryId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Compiled by the real compiler, checked in.
const COMPILED: &str = include_str!("../../../../../contracts/k3s_daas/compiled.json");
const CLUSTER_NAME: &str = "k3s-daas";
const NODE: &str = "operator";
/// The super tier's threshold under the devnet's policy.
const STAKE: Mist = Mist::from_sui(10);
/// Stake and gas, with room; below it the faucet is asked.
const PURSE: Mist = Mist::from_sui(20);

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

/// The cluster with the operator's Seal.
pub(super) struct Operated {
    pub(super) info: ClusterInfo,
    pub(super) seal: SealFile,
}

/// The operator's wallet, with money in it.
pub(super) async fn wallet(start: &Start<'_>, network: &Network) -> Result<(Wallet, String), Problem> {
    let wallet = wallet_at(&start.state.operator_wallet())?;
    let address = wallet.address();
    // A faucet gives what it gives; a few rounds reach the purse or show that it is dry.
    for _ in 0..5 {
        if network.client.balance(address).await? >= PURSE {
            break;
        }
        faucet(&network.client, &network.faucet, address).await?;
    }
    let balance = network.client.balance(address).await?;
    Ok((wallet, format!("{address}, {balance} SUI")))
}

/// Publishes the package and makes the cluster, each once; writes the pins that a master starts from.
pub(super) async fn contract(
    start: &Start<'_>,
    network: &Network,
    wallet: Wallet,
) -> Result<(Staker, String), Problem> {
    let ops = Ops::new(network.client.clone(), wallet.clone());
    let made = published(&ops, &start.state.cluster()).await?;
    let MadeCluster { cluster, registry, nautilus } = match made.cluster {
        Some(cluster) => cluster,
        None => created(&ops, &start.state.cluster(), &made).await?,
    };
    let ids = IndexIds { package: made.package, cluster, registry, nautilus };
    write_pins(start, network, &ids)?;
    let staker = Staker::on(network.client.clone(), ids, wallet).await?;
    Ok((staker, format!("package digest {}, cluster {cluster}", made.digest)))
}

async fn published(ops: &Ops, path: &Path) -> Result<Made, Problem> {
    let compiled = CompiledPackage::parse(COMPILED).map_err(Problem::of(ErrorCode::Internal))?;
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

async fn created(ops: &Ops, path: &Path, made: &Made) -> Result<MadeCluster, Problem> {
    let (ids, _) = ops.create_cluster(made.package, &ClusterSpec::devnet(CLUSTER_NAME)).await?;
    let cluster = MadeCluster { cluster: ids.cluster, registry: ids.registry, nautilus: ids.nautilus };
    save_made(path, Made { cluster: Some(cluster), ..made.clone() })?;
    Ok(cluster)
}

/// Stakes for the operator, once, and names the position as the operator's pool.
pub(super) async fn stake(start: &Start<'_>, operator: &Staker) -> Result<(Operated, String), Problem> {
    let info = ClusterInfo::load(&start.state.join())?;
    let path = start.state.operator_seal();
    let mut seal = if path.exists() {
        SealFile::load(&path)?
    } else {
        let seal = SealFile::prepare(&info.join, operator.ops.wallet().address(), Permissions::USER, Some(node_id()))?;
        seal.save(&path)?;
        seal
    };
    let state = minting::settle(operator, &mut seal, &path, STAKE).await?;
    if operator.policy.operator_positions != [seal.position] {
        operator.ops.set_operator_positions(&operator.ids, &[seal.position]).await?;
    }
    let tier = state.rights(&operator.policy).tier.map_or("no tier", daas_types::Tier::as_str);
    let detail = format!("{} SUI, {tier}, position {}", state.active, state.position);
    Ok((Operated { info, seal }, detail))
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
        rpc: network.rpc.clone(),
        package: ids.package,
        cluster: ids.cluster,
        registry: ids.registry,
        nautilus: ids.nautilus,
    };
    write_json(&start.state.pins(), &pins)
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

    #[test]
    fn the_checked_in_package_is_one() {
        let compiled = CompiledPackage::parse(COMPILED).unwrap();
        assert!(compiled.modules.contains_key("staking"));
    }
}

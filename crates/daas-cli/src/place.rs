//! Which Sui network a command is about, who sends there, and which cluster is meant.

use crate::cli::send::{NetworkName, PlaceFlags, SendFlags};
use crate::context::Context;
use crate::sui_cli::SuiCli;
use clap::ValueEnum;
use daas_chain::client::ChainClient;
use daas_chain::index::IndexIds;
use daas_chain::ops::{Discovered, Ops, discover};
use daas_chain::wallet::{Wallet, WalletError};
use daas_client::ClusterInfo;
use daas_types::genesis::Network;
use daas_types::{ErrorCode, Problem, WalletAddress};

/// Where our development network and the Sui CLI's local one listen unless told otherwise.
const LOCAL: &str = "http://127.0.0.1:9000";
const MAINNET: &str = "https://fullnode.mainnet.sui.io:443";
const TESTNET: &str = "https://fullnode.testnet.sui.io:443";

/// A network, and perhaps a cluster on it.
pub(crate) struct Place {
    pub(crate) client: ChainClient,
    /// The endpoints, as they go into a join file.
    pub(crate) urls: Vec<String>,
    /// The join file, if one says which cluster.
    pub(crate) cluster: Option<ClusterInfo>,
    /// What the endpoints said of the network, where no join file pins it.
    pub(crate) discovered: Option<Discovered>,
    /// The flags that name it, to be typed again.
    pub(crate) typed: String,
}

// === impl Place ===

impl Place {
    /// Connects. A join file pins the network; without one its endpoints are asked which it is.
    pub(crate) async fn find(context: &Context, flags: &PlaceFlags) -> Result<Self, Problem> {
        let cluster = cluster(context, flags)?;
        let urls = urls(flags, cluster.as_ref())?;
        let typed = typed(context, flags);
        let place = if let Some(cluster) = cluster {
            let client = ChainClient::connect_any(urls.clone(), &cluster.genesis).await?;
            Self { client, urls, cluster: Some(cluster), discovered: None, typed }
        } else {
            let discovered = discover(&urls).await?;
            for (url, why) in &discovered.silent {
                context.output.note(format!("passed over {url}: {why}"));
            }
            let client = ChainClient::connect_any(urls.clone(), &discovered.genesis).await?;
            Self { client, urls, cluster: None, discovered: Some(discovered), typed }
        };
        place.check(flags.network)?;
        Ok(place)
    }

    /// The cluster's objects.
    pub(crate) fn ids(&self) -> Result<IndexIds, Problem> {
        let missing = || Problem::new(ErrorCode::ClusterFileMissing, "which cluster is meant is not known");
        Ok(self.cluster.as_ref().ok_or_else(missing)?.ids())
    }

    /// Transactions of a wallet there.
    pub(crate) fn ops(&self, wallet: Wallet) -> Ops {
        Ops::new(self.client.clone(), wallet)
    }

    /// The network must be the one that was named.
    fn check(&self, named: Option<NetworkName>) -> Result<(), Problem> {
        let network = self.client.genesis().network();
        let right = match named {
            None => true,
            Some(NetworkName::Mainnet) => *network == Network::Mainnet,
            Some(NetworkName::Testnet) => *network == Network::Testnet,
            Some(NetworkName::Devnet) => matches!(network, Network::Devnet(_)),
            Some(NetworkName::Localnet) => *network == Network::Other,
        };
        if right {
            return Ok(());
        }
        let cause = format!("{} serves {}", self.client.url(), crate::sending::network(&self.client));
        Err(Problem::new(ErrorCode::ChainForeign, cause))
    }
}

/// The join file that was named; without one, and without a word about the network, that of the cluster on this machine.
fn cluster(context: &Context, flags: &PlaceFlags) -> Result<Option<ClusterInfo>, Problem> {
    let silent = flags.network.is_none() && flags.rpc.is_empty();
    if context.names_cluster() || (silent && context.cluster_path().exists()) {
        return context.cluster().map(Some);
    }
    Ok(None)
}

fn urls(flags: &PlaceFlags, cluster: Option<&ClusterInfo>) -> Result<Vec<String>, Problem> {
    if !flags.rpc.is_empty() {
        return Ok(flags.rpc.clone());
    }
    if let Some(cluster) = cluster {
        return Ok(cluster.join.rpc.iter().map(str::to_owned).collect());
    }
    let url = match flags.network {
        Some(NetworkName::Mainnet) => MAINNET.to_owned(),
        Some(NetworkName::Testnet) => TESTNET.to_owned(),
        Some(NetworkName::Devnet | NetworkName::Localnet) => LOCAL.to_owned(),
        None => match SuiCli::load()?.as_ref().and_then(SuiCli::active_env) {
            Some(env) => env.rpc.clone(),
            None => return Err(Problem::new(ErrorCode::NetworkUnknown, "no network, no endpoint and no join file")),
        },
    };
    Ok(vec![url])
}

fn typed(context: &Context, flags: &PlaceFlags) -> String {
    let network = flags.network.as_ref().and_then(ValueEnum::to_possible_value);
    let rpc = flags.rpc.iter().map(|url| ("rpc", url.clone()));
    let network = network.map(|name| ("network", name.get_name().to_owned()));
    let text = rpc.chain(network).fold(String::new(), |text, (flag, value)| text + " --" + flag + " " + &value);
    text + &context.typed()
}

/// Who sends: the wallet or key that was named; else this program's own wallet; else the Sui CLI's active address.
pub(crate) fn sender(context: &Context, flags: &SendFlags) -> Result<Wallet, Problem> {
    if let Some(name) = context.from() {
        return key_named(name, flags);
    }
    match Wallet::load(&context.wallet_path()?) {
        Err(WalletError::Missing(path)) if !context.names_wallet() => {
            let active = SuiCli::load()?.map(|sui| sui.active()).transpose()?.flatten();
            active.ok_or_else(|| WalletError::Missing(path).into())
        }
        loaded => Ok(loaded?),
    }
}

/// A key of the Sui CLI's. Where nothing is signed here, any address will do.
fn key_named(name: &str, flags: &SendFlags) -> Result<Wallet, Problem> {
    let found = match SuiCli::load()? {
        Some(sui) => sui.keystore()?.find(name).cloned().map_err(Problem::from),
        None => {
            Err(Problem::new(ErrorCode::WalletMissing, format!("there is no Sui CLI configuration to find {name} in")))
        }
    };
    match (found, name.parse::<WalletAddress>()) {
        (Err(_), Ok(address)) if flags.needs_no_key() => Ok(Wallet::keyless(address)),
        (found, _) => found,
    }
}

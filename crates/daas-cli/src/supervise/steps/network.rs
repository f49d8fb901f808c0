use super::Start;
use crate::supervise::children::{Children, Name};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_chain::client::ChainClient;
use daas_types::genesis::Genesis;
use daas_types::{Digest, ErrorCode, Problem};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// The network this cluster lives on.
pub(super) struct Network {
    pub(super) genesis: Genesis,
    /// BCS of the genesis summary, base64, for the join file.
    pub(super) summary: String,
    pub(super) rpc: String,
    pub(super) faucet: String,
    pub(super) client: ChainClient,
}

/// `genesis.json` of the devnet.
#[derive(Deserialize)]
struct GenesisFile {
    digest: Digest,
    summary: String,
}

/// Starts the development network and connects to it.
pub(super) async fn start(start: &Start<'_>, children: &mut Children) -> Result<(Network, String), Problem> {
    let folder = start.state.devnet();
    let (listen, faucet) = (start.settings.devnet_listen, start.settings.devnet_faucet);
    let args =
        ["serve".into(), "--state-dir".into(), folder.clone().into(), "--listen".into(), listen.to_string().into()];
    children.start(Name::Devnet, args.into_iter().chain(["--faucet".into(), faucet.to_string().into()]).collect())?;
    let (rpc, faucet) = (url(start, listen), url(start, faucet));
    let network = children
        .until(Name::Devnet, LIMIT, ErrorCode::ChainUnreachable, async || {
            let (genesis, summary) = read_genesis(&folder.join("genesis.json"))?;
            let client = ChainClient::connect(&rpc, &genesis).await.map_err(|e| e.to_string())?;
            Ok(Network { genesis, summary, rpc: rpc.clone(), faucet: faucet.clone(), client })
        })
        .await?;
    start.reporter.change(|report| report.faucet.clone_from(&network.faucet));
    let detail = format!("devnet at {}, genesis {}", network.rpc, network.genesis.digest());
    Ok((network, detail))
}

fn read_genesis(path: &Path) -> Result<(Genesis, String), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let file: GenesisFile = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let summary = STANDARD.decode(&file.summary).map_err(|e| e.to_string())?;
    let genesis = Genesis::pinned(file.digest, &summary).map_err(|e| e.to_string())?;
    Ok((genesis, file.summary))
}

/// Where others reach a listener: one on every address is named by this machine's.
fn url(start: &Start<'_>, listen: SocketAddr) -> String {
    let ip = if listen.ip().is_unspecified() { start.advertise } else { listen.ip() };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

//! The operator's own node: a Seal for it alone, and its worker.

use super::Start;
use super::operator::{Operated, node_id};
use crate::chain::Staker;
use crate::gateway;
use crate::minting;
use crate::supervise::children::{Children, Name};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::{ErrorCode, Mist, Permissions, Problem};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

/// Starts the worker and waits until the API server calls its node Ready.
pub(super) async fn start(
    start: &Start<'_>,
    children: &mut Children,
    operator: &Staker,
    cluster: &Operated,
) -> Result<((), String), Problem> {
    let folder = start.state.node(&node_id());
    seal(operator, cluster, &folder.join("seal.json")).await?;
    children.start(Name::Worker, arguments(start, &folder))?;
    let ask = async || gateway::node_ready(&cluster.info, &cluster.seal, &node_id(), clock::now()).await;
    let versions = children.until(Name::Worker, LIMIT, ErrorCode::NodeFailed, ask).await?;
    Ok(((), format!("{}: {versions}", node_id())))
}

/// A Seal of its own on the operator's position, so that the node's machine never holds the operator's rights, and its
/// renewal never voids the operator's kubeconfig.
async fn seal(operator: &Staker, cluster: &Operated, path: &Path) -> Result<(), Problem> {
    let mut seal = if path.exists() {
        SealFile::load(path)?
    } else {
        let seal = SealFile { permissions: Permissions::NODE, ..cluster.seal.renewed()? };
        seal.save(path)?;
        seal
    };
    // The position exists, so this mints at most; it never stakes.
    minting::settle(operator, &mut seal, path, Mist(0)).await.map(drop)
}

fn arguments(start: &Start<'_>, folder: &Path) -> Vec<OsString> {
    let pairs: [(&str, OsString); 5] = [
        ("--cluster", start.state.join().into()),
        ("--state-dir", folder.into()),
        ("--node-id", node_id().as_str().into()),
        ("--wallet", start.state.operator_wallet().into()),
        ("--node-ip", start.advertise.to_string().into()),
    ];
    let flags = pairs.into_iter().flat_map(|(name, value)| [name.into(), value]);
    [OsString::from("run")].into_iter().chain(flags).collect()
}

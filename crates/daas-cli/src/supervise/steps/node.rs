//! The operator's own node: a Seal for it alone, and its worker.

use super::Start;
use super::master::Operated;
use super::operator::node_id;
use crate::gateway;
use crate::paths::Office;
use crate::supervise::children::{Children, Name};
use daas_chain::clock;
use daas_types::{ErrorCode, Permissions, Problem};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(3);

/// Starts the worker and waits until the API server calls its node Ready.
pub(super) async fn start(
    start: &Start<'_>,
    children: &mut Children,
    cluster: &Operated,
) -> Result<((), String), Problem> {
    let folder = start.state.node(&node_id());
    seal(cluster, &folder.join("seal.json"))?;
    let begun = clock::now();
    children.start(Name::Worker, arguments(start, &folder))?;
    let ask = async || gateway::node_ready(&cluster.info, &cluster.seal, &node_id(), begun).await;
    let versions = children.until(Name::Worker, LIMIT, ErrorCode::NodeFailed, ask).await?;
    Ok(((), format!("{}: {versions}", node_id())))
}

/// A Seal of its own on the operator's position, which the worker mints: the node's files never hold the operator's
/// rights, and its renewals never void the operator's kubeconfig.
fn seal(cluster: &Operated, path: &Path) -> Result<(), Problem> {
    if path.exists() {
        return Ok(());
    }
    let mut seal = cluster.seal.renewed()?;
    seal.permissions = Permissions::NODE;
    seal.save(path)
}

fn arguments(start: &Start<'_>, folder: &Path) -> Vec<OsString> {
    let pairs: [(&str, OsString); 5] = [
        ("--cluster", start.state.join().into()),
        ("--state-dir", folder.into()),
        ("--node-id", node_id().as_str().into()),
        ("--wallet", start.state.wallet(Office::Operator).into()),
        ("--node-ip", start.advertise.to_string().into()),
    ];
    let flags = pairs.into_iter().flat_map(|(name, value)| [name.into(), value]);
    [OsString::from("run")].into_iter().chain(flags).collect()
}

//! A new cluster, and the join file that everything later rests on.

use super::Counter;
use crate::cli::chain::{InitArgs, Preset};
use crate::output::done;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_chain::index::IndexIds;
use daas_chain::ops::ClusterSpec;
use daas_types::join::ChainPins;
use daas_types::onchain::Policy;
use daas_types::{ErrorCode, Problem, RpcUrls};
use serde::Serialize;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

pub(super) async fn run(counter: &Counter<'_>, args: &InitArgs) -> Result<(), Problem> {
    let ca = match &args.ca {
        Some(path) => read(path)?,
        None => String::new(),
    };
    let mut written = [Some(&args.output), args.pins.as_ref()].into_iter().flatten();
    if let Some(path) = written.find(|path| path.exists()) {
        return Err(unusable(path, &"it is there already; name another"));
    }
    // What is pinned here, everyone rests on: all endpoints that were named must agree on it.
    if let Some((url, why)) = counter.place.discovered.as_ref().and_then(|found| found.silent.first()) {
        return Err(Problem::new(ErrorCode::ChainUnreachable, format!("{url}: {why}")));
    }
    let ops = counter.ops()?;
    let spec = ClusterSpec {
        name: args.name.clone(),
        policy: policy(counter, args)?,
        proposer: args.proposer,
        judge: args.judge,
    };
    let what = format!("found the cluster {}", args.name);
    let Some((ids, outcome)) = counter.send(&what, ops.create_cluster(args.package, &spec)).await? else {
        return Ok(());
    };
    keep(args, pins(counter, &ids)?, ca).map_err(|problem| {
        // It is there and paid for: what is not written down is said.
        let IndexIds { package, cluster, registry, nautilus } = ids;
        let made = format!("package {package}, cluster {cluster}, registry {registry}, nautilus {nautilus}");
        Problem::new(problem.code, format!("{}; the cluster is made: {made}", problem.cause))
    })?;
    let text = format!(
        "{}\n  join file {}: compare its genesis and committee with what others see before you give it away",
        done(format!("cluster {}", ids.cluster)),
        args.output.display()
    );
    let more = json!({
        "package": ids.package, "cluster": ids.cluster, "registry": ids.registry, "nautilus": ids.nautilus,
        "join_file": args.output, "pins_file": args.pins,
    });
    counter.sending.receipt(text, &outcome, more);
    Ok(())
}

/// Writes what everyone else starts from.
fn keep(args: &InitArgs, pins: ChainPins, ca: String) -> Result<(), Problem> {
    if let Some(path) = &args.pins {
        write(path, &pins)?;
    }
    write(&args.output, &pins.into_join_file(args.endpoint.clone().unwrap_or_default(), ca))
}

fn policy(counter: &Counter<'_>, args: &InitArgs) -> Result<Policy, Problem> {
    let beneficiary = args.policy.beneficiary.ok_or_else(|| {
        Problem::new(ErrorCode::ConfigInvalid, "--beneficiary ADDRESS: who is paid the slashed money must be named")
    })?;
    let devnet = counter.place.client.genesis().devnet().is_some();
    let preset = args.preset.unwrap_or(if devnet { Preset::Devnet } else { Preset::Production });
    Ok(args.policy.over(match preset {
        Preset::Devnet => Policy::devnet(beneficiary),
        Preset::Production => Policy::production(beneficiary),
    }))
}

/// What a master and everyone else are pinned to.
fn pins(counter: &Counter<'_>, ids: &IndexIds) -> Result<ChainPins, Problem> {
    let place = &counter.place;
    let genesis = place.client.genesis();
    let devnet = genesis.devnet().is_some();
    // Of a cluster on the same network, what was pinned before; else what the endpoints said.
    let (genesis_summary, committee) = match (&place.cluster, &place.discovered) {
        (Some(known), _) => (known.join.genesis_summary.clone(), known.join.committee.clone()),
        (None, Some(found)) => {
            let committee = bcs::to_bytes(&found.committee).map_err(Problem::of(ErrorCode::Internal))?;
            let summary = found.summary.as_ref().map(|summary| STANDARD.encode(summary));
            (summary, (!devnet).then(|| STANDARD.encode(committee)))
        }
        (None, None) => (None, None),
    };
    Ok(ChainPins {
        version: 1,
        genesis: genesis.digest(),
        genesis_summary,
        committee,
        rpc: RpcUrls::new(place.urls.iter().cloned()).map_err(Problem::of(ErrorCode::ConfigInvalid))?,
        package: ids.package,
        cluster: ids.cluster,
        registry: ids.registry,
        nautilus: ids.nautilus,
    })
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|e| unusable(path, &e))
}

/// Never over a file that is there.
fn write(path: &Path, value: &impl Serialize) -> Result<(), Problem> {
    let mut text = serde_json::to_vec_pretty(value).map_err(Problem::of(ErrorCode::Internal))?;
    text.push(b'\n');
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(&text)).map_err(|e| unusable(path, &e))
}

fn unusable(path: &Path, cause: &dyn core::fmt::Display) -> Problem {
    Problem::new(ErrorCode::StateUnreadable, format!("{}: {cause}", path.display()))
}

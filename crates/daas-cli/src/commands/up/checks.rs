//! What would fail later, found out first and said at once.

use crate::cli::Settings;
use crate::machine;
use crate::paths::{StateDir, sibling};
use daas_types::{ErrorCode, Problem};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a running cluster needs at least.
const RUN_SPACE: u64 = 512 << 20;

/// Before minutes are spent on a build.
pub(super) fn before_build(state: &StateDir, settings: &Settings) -> Result<(), Problem> {
    super::engine_name(settings.engine)?;
    for program in ["k3s-daas-devnet", "k3s-daas-master", "k3s-daas-worker"] {
        sibling(program)?;
    }
    if !settings.no_node {
        node(settings)?;
    }
    space(state)?;
    before_start(state, settings)
}

/// Before the supervisor starts: the ports may have been taken meanwhile.
pub(super) fn before_start(_state: &StateDir, settings: &Settings) -> Result<(), Problem> {
    let gateway = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), settings.port);
    for address in [gateway, settings.devnet_listen, settings.devnet_faucet, settings.admin] {
        machine::port_free(address)?;
    }
    Ok(())
}

fn node(_settings: &Settings) -> Result<(), Problem> {
    if !machine::is_root() {
        return Err(Problem::new(ErrorCode::RootNeeded, "this machine is to be a node, and a node starts containers"));
    }
    Ok(())
}

fn space(state: &StateDir) -> Result<(), Problem> {
    match machine::free_space(state.path()) {
        Some(free) if free < RUN_SPACE => Err(Problem::new(
            ErrorCode::DiskFull,
            format!("{}: {} MiB are free, {} are needed", state.path().display(), free >> 20, RUN_SPACE >> 20),
        )),
        _ => Ok(()),
    }
}

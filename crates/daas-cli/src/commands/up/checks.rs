//! What would fail later, found out first and said at once.

use crate::cli::Settings;
use crate::machine;
use crate::paths::{StateDir, sibling};
use daas_engine::{Engine, EngineError, Need, Role, build, k3s};
use daas_types::{ErrorCode, Problem};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a running cluster needs at least.
const RUN_SPACE: u64 = 512 << 20;

/// Before minutes are spent on a build.
pub(super) fn before_build(state: &StateDir, settings: &Settings) -> Result<(), Problem> {
    let engine = super::chosen_engine(settings.engine);
    if engine == Engine::K3s {
        k3s_there(settings)?;
    }
    for program in ["k3s-daas-devnet", "k3s-daas-master", "k3s-daas-worker"] {
        sibling(program)?;
    }
    machine_has(engine, if settings.no_node { Role::Server } else { Role::Node })?;
    space(state)?;
    before_start(settings)
}

/// Before the supervisor starts: the ports may have been taken meanwhile.
pub(super) fn before_start(settings: &Settings) -> Result<(), Problem> {
    let gateway = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), settings.port);
    for address in [gateway, settings.devnet_listen, settings.devnet_faucet, settings.admin] {
        machine::port_free(address)?;
    }
    Ok(())
}

/// K3s is not built, and has its nodes on other machines.
fn k3s_there(settings: &Settings) -> Result<(), Problem> {
    if !settings.no_node {
        let cause = "with `--engine k3s` this machine runs the control plane alone: add `--no-node`; nodes join from others: `k3s-daas join`";
        return Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    }
    let cache = build::default_cache_dir().ok();
    let found = k3s::locate(cache.as_deref()).and_then(|found| found.ok_or(k3s::K3sError::NotFound));
    found.map(drop).map_err(Problem::of(ErrorCode::K3sMissing))
}

fn machine_has(engine: Engine, role: Role) -> Result<(), Problem> {
    match engine.check(role) {
        Ok(()) => Ok(()),
        Err(EngineError::Prerequisites(missing)) if missing.needs.contains(&Need::Root) => {
            Err(Problem::new(ErrorCode::RootNeeded, missing))
        }
        Err(error) => Err(Problem::of(ErrorCode::ToolMissing)(error)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;
    use std::path::Path;

    #[test]
    fn a_master_of_k3s_has_no_node_on_its_machine() {
        let typed = Cli::parse_from(["k3s-daas", "up", "--engine", "k3s"]).command;
        let Command::Up(up) = typed else { panic!("must be up") };
        let state = StateDir::new(Path::new("/nonexistent")).unwrap();
        let problem = before_build(&state, &up.settings).unwrap_err();
        assert_eq!(problem.code, ErrorCode::ConfigInvalid);
        assert!(problem.cause.contains("--no-node"), "{problem}");
    }
}

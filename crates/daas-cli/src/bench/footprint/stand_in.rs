//! What a master is given as its engine's programs while the real ones run: whoever connects to the port that it was told
//! to listen on speaks with the API server that is up.

use crate::bench::API_PORT;
use clap::Args;
use daas_engine::build::{self, Program};
use daas_types::{ErrorCode, Problem};
use sha2::{Digest as _, Sha256};
use std::future::pending;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The flag of Kubernetes' servers that says where they listen; the datastore has none.
const PORT_FLAG: &str = "--secure-port=";
/// Connections at once; a master has a few to each.
const CONNECTIONS: usize = 64;

/// Arguments of `bench stand-in`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StandInArgs {
    /// The flags of the program that it stands in for
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Leads whoever connects to the API server, until it is stopped.
pub(in crate::bench) async fn stand_in(args: &StandInArgs) -> Result<(), Problem> {
    let Some(port) = port(&args.flags) else { return pending().await };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(Problem::of(ErrorCode::PortBusy))?;
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.map_err(Problem::of(ErrorCode::Internal))?;
        while connections.len() >= CONNECTIONS && connections.join_next().await.is_some() {}
        connections.spawn(async move {
            // Whatever breaks is seen by the two who speak.
            if let Ok(mut server) = TcpStream::connect(("127.0.0.1", API_PORT)).await
                && client.set_nodelay(true).and(server.set_nodelay(true)).is_ok()
            {
                drop(copy_bidirectional(&mut client, &mut server).await);
            }
        });
    }
}

/// Writes a cache of an engine whose programs are all this one.
pub(super) fn engine(cache: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let build = cache.join("k3s-daas/engine").join(build::cache_key());
    std::fs::create_dir_all(build.join("bin"))?;
    let script = format!("#!/bin/sh\nexec '{}' bench stand-in -- \"$@\"\n", own.display());
    let hash = hex::encode(Sha256::digest(&script));
    let mut manifest = Vec::new();
    for program in Program::BUILT {
        let path = build.join("bin").join(program.file_name());
        std::fs::write(&path, &script)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        manifest.push(format!("{hash}  {}\n", program.file_name()));
    }
    std::fs::write(build.join("manifest"), manifest.concat())?;
    Ok(())
}

fn port(flags: &[String]) -> Option<u16> {
    flags.iter().find_map(|flag| flag.strip_prefix(PORT_FLAG)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_port_and_the_datastore_has_none() {
        let flags = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(port(&flags(&["--v=1", "--secure-port=26444"])), Some(26444));
        assert_eq!(port(&flags(&["--listen-address=unix:///k.sock"])), None);
    }

    #[tokio::test]
    async fn the_engine_is_complete_as_far_as_a_master_can_tell() {
        let cache = tempfile::tempdir().unwrap();
        engine(cache.path()).unwrap();
        let found = build::find(&cache.path().join("k3s-daas/engine")).await.unwrap().unwrap();
        assert_eq!(found.manifest().lines().count(), Program::BUILT.len());
    }
}

//! The simulated TEE: a Nitro Security Module on a Unix socket, with a root of its own.
//!
//! It answers the module's CBOR requests byte for byte, and its documents differ from AWS' in their root alone. PCR0 and
//! PCR2 are of the executable that the connecting process runs, so a changed master has another measurement. That
//! proves something to nobody but the devnet whose genesis names [`root::Root::key_hash`].

mod chain;
mod document;
mod measure;
pub mod root;
mod server;
mod wire;

pub use measure::measure;
pub use server::Simulation;

use crate::Clock;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// `k3s-daas-devnet nsm`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Unix socket to listen on; made with mode 0600
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Folder of the root key, the devnet's own
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// The engine's manifest, measured into PCR0 with the executable
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
}

/// Why the simulation cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NsmError {
    /// A file or the socket.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process answers there.
    #[error("{0} is in use by another simulated security module")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{0} exists and is no socket: it is left alone")]
    NotASocket(PathBuf),
    /// The root key's file holds something else.
    #[error("{path} holds no P-384 key in PKCS#8 PEM: {cause}")]
    Root {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A certificate could not be made.
    #[error("cannot issue the simulated chain: {0}")]
    Issue(#[from] rcgen::Error),
    /// A socket call.
    #[error("the socket failed: {0}")]
    Socket(std::io::Error),
}

/// Serves until `shutdown`.
pub async fn run(args: Args, clock: Clock, shutdown: CancellationToken) -> Result<(), NsmError> {
    Simulation::bind(args, clock)?.run(shutdown).await
}

#[cfg(test)]
mod tests;

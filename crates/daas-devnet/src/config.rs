use crate::Origin;
use daas_types::UnixMs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the network's time comes from. A test hands in its own and moves it.
pub type Clock = Arc<dyn Fn() -> UnixMs + Send + Sync>;

/// What a devnet is started with.
#[derive(Clone)]
pub struct Config {
    /// Keys and ledger are kept here, and `genesis.json` and `endpoints.json` for others to read.
    pub state_dir: PathBuf,
    /// Address of the gRPC services; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Address of the faucet; port 0 takes any free one.
    pub faucet: SocketAddr,
    /// SHA-256 of the simulated TEE root's SubjectPublicKeyInfo. Only the first start writes it into the genesis; a
    /// later start with another one is refused.
    pub tee_root: [u8; 32],
    /// The machine's time, which the network's follows unless it is told otherwise.
    pub clock: Clock,
    /// Makes the keys, and with them everything else, follow from this number; a new network's clock then stands still.
    pub seed: Option<u64>,
    /// A new network's clock stands still until it is told to move.
    pub manual_clock: bool,
    /// Whose pages in a browser may call, beside those of this machine.
    pub allow_origins: Vec<Origin>,
}

impl Config {
    /// Any free ports on the loopback interface.
    pub fn on_free_ports(state_dir: PathBuf, tee_root: [u8; 32], clock: Clock) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            state_dir,
            listen: any,
            faucet: any,
            tee_root,
            clock,
            seed: None,
            manual_clock: false,
            allow_origins: Vec::new(),
        }
    }
}

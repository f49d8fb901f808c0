//! Doubles of both sides of K3s' join: no K3s is in them. They say what K3s v1.36.2 was seen to say, call by call, so that the
//! gateway between them is tried in one process; a real K3s is another test's.

mod agent;
mod authenticator;
mod node;
mod routes;
pub mod simulated;
mod supervisor;

pub use agent::{ScriptedAgent, Tunnel};
pub use node::{Beat, ScriptedNode};
pub use supervisor::{Asked, ScriptedSupervisor};

use crate::pki::Ca;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::net::SocketAddr;
use std::path::Path;

/// The agent token of every scripted supervisor.
pub const AGENT_TOKEN: &str = "the-agent-token-of-a-double";

/// A fresh agent's calls, in K3s' order, and how each ends.
pub const JOIN: &str = include_str!("k3s/join.transcript");
/// The same of an agent that starts again with the certificates it has.
pub const RESTART: &str = include_str!("k3s/restart.transcript");
/// What a supervisor is asked meanwhile, with a gateway before it.
pub const ASKED: &str = include_str!("k3s/asked.transcript");

/// What a supervisor is told.
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// `--token`.
    pub token: String,
    /// `--agent-token`.
    pub agent_token: String,
    /// `--requestheader-allowed-names` of its API server.
    pub allowed_names: Vec<String>,
    /// `--advertise-address` and `--advertise-port`.
    pub advertised: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: "the-server-token-of-a-double".to_owned(),
            agent_token: AGENT_TOKEN.to_owned(),
            allowed_names: ["system:auth-proxy", "daas:gateway"].map(str::to_owned).into(),
            advertised: "127.0.0.1:6443".to_owned(),
        }
    }
}

/// K3s' CAs.
pub struct Authorities {
    /// Of servers.
    pub server: Ca,
    /// Of clients.
    pub client: Ca,
    /// Of front proxies.
    pub request_header: Ca,
}

// === impl Authorities ===

impl Authorities {
    /// New ones.
    pub fn new() -> Self {
        let [server, client, request_header] = ["k3s-server-ca", "k3s-client-ca", "k3s-request-header-ca"].map(Ca::new);
        Self { server, client, request_header }
    }

    /// Those in K3s' folder `server/tls`.
    pub fn load(folder: &Path) -> Self {
        let [server, client, request_header] = ["server-ca", "client-ca", "request-header-ca"].map(|name| {
            let read = |end: &str| std::fs::read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
            Ca::load(&read("crt"), &read("key"))
        });
        Self { server, client, request_header }
    }
}

impl Default for Authorities {
    fn default() -> Self {
        Self::new()
    }
}

/// `Authorization` of an agent with this token.
pub fn basic(token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("node:{token}")))
}

/// A transcript's calls: what is no comment.
pub fn calls(transcript: &str) -> Vec<String> {
    let lines = transcript.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

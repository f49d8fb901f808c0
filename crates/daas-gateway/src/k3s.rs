//! K3s behind the gateway: its agents join with a Seal where they would show K3s' own token, and live by the certificates that
//! K3s gives them then. `docs/k3s.md` has the whole table.
//!
//! | what | module |
//! |---|---|
//! | which paths are open, and to whom | [`routes`] |
//! | a Seal out of `Basic node:<SEAL>` | [`basic`] |
//! | a client's certificate: asked for, not insisted on | [`tls`], [`certificate`] |
//! | the key in a request for a certificate, and whether the answer is of that key | [`signing`] |
//! | whom a certificate may not be for | [`claims`] |
//! | a certificate as a server, which K3s does not issue here; the Node | [`joining`] |
//! | whose key that was, on disk before K3s hears of it | [`keys`] |
//! | no more at once than K3s answers | [`queue`] |
//!
//! Without [`K3sConfig`] none of this is asked.

mod answer;
mod basic;
mod certificate;
mod claims;
mod config;
mod joining;
mod keys;
mod queue;
mod routes;
mod signing;
mod tls;

pub(crate) use basic::seal as basic_seal;
pub(crate) use certificate::Presented;
pub use config::{AgentToken, K3sConfig, K3sError, K3sServer};
pub use keys::KeyId;
pub(crate) use routes::Route;
pub use tls::server_config as k3s_server_config;

use bytes::Bytes;
use claims::Own;
use http::HeaderValue;
use keys::Keys;
use queue::Queue;
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the gateway knows of the K3s behind it.
pub(crate) struct K3s {
    /// `Basic node:<agent token>`.
    token: HeaderValue,
    server_ca: Bytes,
    server: Option<K3sServer>,
    issuers: Arc<dyn ClientCertVerifier>,
    own: Own,
    keys: Keys,
    queue: Arc<Queue>,
    /// Own what K3s was asked, until it has answered.
    tasks: TaskTracker,
    kill: CancellationToken,
}

// === impl K3s ===

impl K3s {
    /// Reads the keys that were seen before. `tasks` owns what is spawned, `kill` ends it.
    pub(crate) fn open(config: &K3sConfig, tasks: &TaskTracker, kill: &CancellationToken) -> Result<Self, K3sError> {
        let K3sConfig { agent_token, server_ca, client_ca, keys, server, own_names, own_addresses } = config;
        let names = own_names.iter().map(String::as_str);
        Ok(Self {
            token: agent_token.authorization()?,
            server_ca: server_ca.clone(),
            server: server.clone(),
            issuers: tls::issuers(client_ca)?,
            own: Own::new(names.chain(server.iter().map(|server| server.node.as_str())), own_addresses),
            keys: Keys::open(keys)?,
            queue: Arc::default(),
            tasks: tasks.clone(),
            kill: kill.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::pki::Ca;
    use std::path::Path;

    /// One that believes this CA.
    pub(super) fn k3s(client_ca: &Ca, folder: &Path) -> K3s {
        let config = K3sConfig {
            agent_token: AgentToken::parse("token").unwrap(),
            server_ca: Bytes::new(),
            client_ca: vec![client_ca.cert()],
            keys: folder.join("keys.json"),
            server: None,
            own_names: Vec::new(),
            own_addresses: Vec::new(),
        };
        K3s::open(&config, &TaskTracker::new(), &CancellationToken::new()).unwrap()
    }
}

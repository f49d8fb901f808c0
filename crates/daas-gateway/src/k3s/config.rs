use super::keys::KeyId;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use core::fmt;
use daas_types::NodeId;
use http::HeaderValue;
use rustls_pki_types::CertificateDer;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The K3s behind a gateway. It is reached where [`crate::UpstreamConfig`] says: with the front-proxy certificate, and by agents
/// that join with K3s' own agent token in place of their Seal.
#[derive(Debug)]
pub struct K3sConfig {
    /// `--agent-token`, which has to be another than the server's: that one is an administrator's.
    pub agent_token: AgentToken,
    /// `server/tls/server-ca.crt`, byte for byte: agents pin its hash.
    pub server_ca: Bytes,
    /// `server/tls/client-ca.crt`: who signs agents' certificates.
    pub client_ca: Vec<CertificateDer<'static>>,
    /// Where the keys of agents' certificates are kept. Nobody else may write there.
    pub keys: PathBuf,
    /// K3s' server as a node: it takes its tunnel to where agents take theirs.
    pub server: Option<K3sServer>,
    /// What the gateway is called by who connects to it. No node has one of these names in a certificate.
    pub own_names: Vec<String>,
    /// Where the gateway is reached, and the API server as a service (`10.43.0.1`). No node has one of these in a certificate.
    pub own_addresses: Vec<IpAddr>,
}

/// K3s' agent token. Cannot be printed, wiped on drop.
pub struct AgentToken(Zeroizing<String>);

/// Who opens K3s' own tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct K3sServer {
    /// Its `--node-name`.
    pub node: NodeId,
    /// The key of its `client-kubelet.crt`.
    pub key: KeyId,
}

/// Why the gateway cannot stand before this K3s.
#[derive(Debug, thiserror::Error)]
pub enum K3sError {
    /// Not a token that agents join with.
    #[error("K3s' agent token is {0}")]
    Token(&'static str),
    /// The client CA, or a certificate of it.
    #[error("K3s' client CA: {0}")]
    ClientCa(String),
    /// The keys cannot be read.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keys are not as the gateway wrote them.
    #[error("{}: not the keys of agents' certificates ({cause}); without the file every node joins anew", path.display())]
    KeysDamaged {
        /// The file.
        path: PathBuf,
        /// Where.
        cause: String,
    },
}

// === impl AgentToken ===

impl AgentToken {
    /// As K3s' `agent-token` file has it: bare, or `K10<hash>::node:<token>`.
    pub fn parse(text: &str) -> Result<Self, K3sError> {
        let text = text.trim();
        let bare = match text.strip_prefix("K10").and_then(|rest| rest.split_once("::")) {
            Some((_, credentials)) => credentials
                .strip_prefix("node:")
                .ok_or(K3sError::Token("not a node's, and a server's opens everything"))?,
            None => text,
        };
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(K3sError::Token("empty, or has characters that no token has"));
        }
        Ok(Self(Zeroizing::new(bare.to_owned())))
    }

    /// As agents show it.
    pub(super) fn authorization(&self) -> Result<HeaderValue, K3sError> {
        let credentials = Zeroizing::new(format!("node:{}", self.0.as_str()));
        let text =
            Zeroizing::new(format!("Basic {}", Zeroizing::new(STANDARD.encode(credentials.as_bytes())).as_str()));
        let mut value = HeaderValue::from_str(&text).map_err(|_| K3sError::Token("no header value"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for AgentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_token_is_shown_as_agents_show_it_and_never_printed() {
        for text in ["secret:of.agents", "secret:of.agents\n", "K10abcd::node:secret:of.agents"] {
            let token = AgentToken::parse(text).unwrap();
            let value = token.authorization().unwrap();
            assert_eq!(value.as_bytes(), b"Basic bm9kZTpzZWNyZXQ6b2YuYWdlbnRz");
            assert!(value.is_sensitive());
            assert_eq!(format!("{token:?}"), "AgentToken(…)");
        }
    }

    #[test]
    fn what_is_no_agents_token_is_refused() {
        for text in ["", "\n", "K10abcd::server:secret", "K10abcd::node:", "two words", "ä"] {
            assert!(AgentToken::parse(text).is_err(), "{text}");
        }
    }
}

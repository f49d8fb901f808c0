//! TLS 1.3 towards clients; two client configurations towards the API server, one of which proves who we are.

use crate::config::{ConfigError, UpstreamConfig};
use http::uri::Authority;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;

pub(crate) const H2: &[u8] = b"h2";
pub(crate) const HTTP11: &[u8] = b"http/1.1";

/// What clients meet: TLS 1.3 alone, h2 before HTTP/1.1, no client certificates asked for, no early data.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, ConfigError> {
    serving(chain, key, WebPkiClientVerifier::no_client_auth())
}

/// The same, with whatever is done about client certificates.
pub(crate) fn serving(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, ConfigError> {
    let what = "the gateway's certificate";
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| ConfigError::Tls { what, source })?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|source| ConfigError::Tls { what, source })?;
    config.alpn_protocols = vec![H2.to_vec(), HTTP11.to_vec()];
    config.max_early_data_size = 0;
    // What a client brings back holds its session, so that however many come none is forgotten and none costs memory.
    config.ticketer = Ticketer::new().map_err(|source| ConfigError::Tls { what, source })?;
    Ok(Arc::new(config))
}

/// Client configurations for one kind of upstream traffic.
#[derive(Clone)]
pub(crate) struct UpstreamTls {
    pub(crate) h2: Arc<ClientConfig>,
    pub(crate) http11: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    /// The same, as a URI has it.
    pub(crate) authority: Authority,
}

// === impl UpstreamTls ===

impl UpstreamTls {
    /// With the front-proxy certificate.
    pub(crate) fn identity(config: &UpstreamConfig) -> Result<Self, ConfigError> {
        let client = builder(config)?
            .with_client_auth_cert(config.front_proxy.chain.clone(), config.front_proxy.key.clone_key())
            .map_err(|source| ConfigError::Tls { what: "the front-proxy certificate", source })?;
        Self::new(config, client)
    }

    /// Without any certificate.
    pub(crate) fn pass_through(config: &UpstreamConfig) -> Result<Self, ConfigError> {
        Self::new(config, builder(config)?.with_no_client_auth())
    }

    fn new(config: &UpstreamConfig, mut client: ClientConfig) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::ServerName(config.server_name.clone());
        let name = ServerName::try_from(config.server_name.clone()).map_err(|_| wrong())?;
        let text = name.to_str();
        let text = if text.contains(':') { format!("[{text}]") } else { text.into_owned() };
        let authority = Authority::try_from(text).map_err(|_| wrong())?;
        // A resumed session would carry the identity it began with: with none there is nothing to mix up.
        client.resumption = Resumption::disabled();
        let mut http11 = client.clone();
        http11.alpn_protocols = vec![HTTP11.to_vec()];
        client.alpn_protocols = vec![H2.to_vec()];
        Ok(Self { h2: Arc::new(client), http11: Arc::new(http11), name, authority })
    }
}

fn builder(
    config: &UpstreamConfig,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, ConfigError> {
    let tls = |source| ConfigError::Tls { what: "the API server's CA", source };
    let mut roots = RootCertStore::empty();
    for root in &config.roots {
        roots.add(root.clone()).map_err(tls)?;
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(tls)?
        .with_root_certificates(roots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::pki::Ca;
    use rustls::{ClientConnection, HandshakeKind, ServerConnection};

    /// A handshake in memory, and the tickets after it.
    fn connect(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
        let mut client = ClientConnection::new(client.clone(), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut server = ServerConnection::new(server.clone()).unwrap();
        let mut wire = Vec::new();
        while client.wants_write() || server.wants_write() {
            client.write_tls(&mut wire).unwrap();
            let mut bytes = &wire[..];
            while !bytes.is_empty() {
                server.read_tls(&mut bytes).unwrap();
                server.process_new_packets().unwrap();
            }
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            let mut bytes = &wire[..];
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).unwrap();
                client.process_new_packets().unwrap();
            }
            wire.clear();
        }
        client.handshake_kind().unwrap()
    }

    #[test]
    fn a_session_is_resumed_however_many_came_in_between() {
        let ca = Ca::new("cluster");
        let leaf = ca.server(&["localhost"]);
        let server = server_config(leaf.chain, leaf.key).unwrap();
        let client = || {
            let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
            let builder = builder.with_protocol_versions(&[&TLS13]).unwrap();
            Arc::new(builder.with_root_certificates(ca.roots()).with_no_client_auth())
        };
        let first = client();
        assert_eq!(connect(&first, &server), HandshakeKind::Full);
        // More than rustls remembers by itself.
        for _ in 0..300 {
            assert_eq!(connect(&client(), &server), HandshakeKind::Full);
        }
        assert_eq!(connect(&first, &server), HandshakeKind::Resumed);
    }
}

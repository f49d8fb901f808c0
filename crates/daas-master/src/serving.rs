//! The gateway of this master: what it is told, and what it tells nodes.

use crate::config::Config;
use anyhow::Context as _;
use daas_audit::Log;
use daas_daemon::raise_open_files;
use daas_engine::{AgentEndpoints, Cidr, ServerEndpoints};
use daas_gateway::{
    AgentToken, FrontProxyIdentity, GatewayConfig, K3sConfig, K3sServer, KeyId, Limits, Namespaces,
    ServiceAccountConfig, UpstreamConfig, k3s_server_config, server_config,
};
use daas_types::api::ClusterSettings;
use daas_types::join::ChainPins;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whose the keys of agents' certificates are, below the state folder.
const KEYS: &str = "k3s-keys.json";

/// What clients see of TLS.
pub(crate) fn tls(endpoints: &ServerEndpoints) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let serving = &endpoints.gateway_serving;
    let (chain_shown, key) = (chain(&serving.cert)?, private_key(&serving.key)?);
    Ok(match &endpoints.agents {
        Some(agents) => k3s_server_config(chain_shown, key, &chain(&agents.client_ca)?)?,
        None => server_config(chain_shown, key)?,
    })
}

pub(crate) fn gateway(
    config: &Config,
    pins: &ChainPins,
    endpoints: &ServerEndpoints,
    namespaces: Namespaces,
    audit: Log,
) -> anyhow::Result<GatewayConfig> {
    Ok(GatewayConfig {
        listen: SocketAddr::new(config.api.bind, config.api.port),
        cluster: pins.cluster,
        node_stale_grace: Duration::from_secs(config.gateway.node_stale_grace),
        upstream: UpstreamConfig {
            addr: endpoints.api,
            server_name: endpoints.api.ip().to_string(),
            roots: chain(&endpoints.server_ca)?,
            front_proxy: FrontProxyIdentity {
                chain: chain(&endpoints.front_proxy.cert)?,
                key: private_key(&endpoints.front_proxy.key)?,
            },
        },
        service_account: Some(ServiceAccountConfig {
            issuer: endpoints.service_account_issuer.clone(),
            public_key: endpoints.service_account_public_key_pem.clone(),
        }),
        namespaces,
        audit,
        k3s: endpoints.agents.as_ref().map(|agents| agents_config(config, endpoints, agents)).transpose()?,
        limits: Limits { threads: threads(), ..config.gateway.limits() }.within(raise_open_files()),
    })
}

/// What K3s' agents need to join through the gateway.
fn agents_config(config: &Config, endpoints: &ServerEndpoints, agents: &AgentEndpoints) -> anyhow::Result<K3sConfig> {
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    let token = Zeroizing::new(read(&agents.token)?);
    let certificates = chain(&agents.server_cert)?;
    let key = certificates.first().and_then(KeyId::of_certificate);
    let key = key.with_context(|| format!("{}: no certificate", agents.server_cert.display()))?;
    // An address that a node's certificate has is one that the node can pretend to be.
    let service =
        config.k3s.service_cidr.parse::<Cidr>().ok().and_then(|cidr| cidr.nth(1)).context("k3s.service_cidr")?;
    let is_name = |san: &&String| san.parse::<IpAddr>().is_err();
    Ok(K3sConfig {
        agent_token: AgentToken::parse(std::str::from_utf8(&token)?)?,
        server_ca: read(&endpoints.server_ca)?.into(),
        client_ca: chain(&agents.client_ca)?,
        keys: config.k3s.data_dir.join(KEYS),
        server: Some(K3sServer { node: agents.server_node.parse()?, key }),
        own_names: config.api.sans.iter().filter(is_name).cloned().collect(),
        own_addresses: own_addresses(config).into_iter().chain([IpAddr::V4(service)]).collect(),
    })
}

pub(crate) fn settings(config: &Config, version: String) -> ClusterSettings {
    ClusterSettings {
        cluster_cidr: config.k3s.cluster_cidr.clone(),
        service_cidr: config.k3s.service_cidr.clone(),
        cluster_dns: config.k3s.cluster_dns.to_string(),
        cluster_domain: config.k3s.cluster_domain.clone(),
        version,
        attestation_interval: config.tee.attestation_interval,
    }
}

pub(crate) fn own_addresses(config: &Config) -> Vec<IpAddr> {
    let mut own = vec![config.api.advertise];
    own.extend(config.api.sans.iter().filter_map(|san| san.parse::<IpAddr>().ok()));
    own.extend(Some(config.api.bind).filter(|bind| !bind.is_unspecified()));
    own
}

fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.with_context(|| path.display().to_string())
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| path.display().to_string())
}

/// One for each core that this process may use.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests;

//! The gateway of this master: what it is told, and what it tells nodes.

use crate::config::Config;
use anyhow::Context as _;
use daas_audit::Log;
use daas_daemon::raise_open_files;
use daas_engine::{ServerEndpoints, build};
use daas_gateway::{
    FrontProxyIdentity, GatewayConfig, Limits, Namespaces, ServiceAccountConfig, UpstreamConfig, server_config,
};
use daas_types::api::ClusterSettings;
use daas_types::join::ChainPins;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What clients see of TLS.
pub(crate) fn tls(endpoints: &ServerEndpoints) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let serving = &endpoints.gateway_serving;
    Ok(server_config(chain(&serving.cert)?, private_key(&serving.key)?)?)
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
        k3s: None,
        limits: Limits { threads: threads(), ..config.gateway.limits() }.within(raise_open_files()),
    })
}

pub(crate) fn settings(config: &Config) -> ClusterSettings {
    ClusterSettings {
        cluster_cidr: config.k3s.cluster_cidr.clone(),
        service_cidr: config.k3s.service_cidr.clone(),
        cluster_dns: config.k3s.cluster_dns.to_string(),
        cluster_domain: config.k3s.cluster_domain.clone(),
        version: build::KUBERNETES_VERSION.to_owned(),
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

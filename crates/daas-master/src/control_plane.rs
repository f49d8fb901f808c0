//! The control plane behind the gateway: its settings, its keys, its start.

use crate::config::Config;
use crate::controllers::Controllers;
use crate::{kubernetes, problems};
use anyhow::Context as _;
use daas_chain::clock;
use daas_chain::index::Index;
use daas_engine::build;
use daas_engine::k3s::K3sError;
use daas_engine::pki::{CertFiles, Pki};
use daas_engine::{Engine, EngineKind, Role, Server, ServerConfig, ServerPorts, TlsVersion};
use daas_gateway::Namespaces;
use daas_types::{ErrorCode, Problem};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

/// The promised limit for a control plane to become ready.
const READY: Duration = Duration::from_mins(2);

/// The engine's settings, and the cluster's keys.
pub(crate) fn settings(config: &Config) -> anyhow::Result<(ServerConfig, Pki)> {
    let invalid = |cause: String| Problem::new(ErrorCode::ConfigInvalid, cause);
    let IpAddr::V4(advertise) = config.api.advertise else {
        return Err(invalid("api.advertise: this engine needs an IPv4 address".to_owned()).into());
    };
    if config.k3s.bind_address != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let cause = "k3s.bind_address: the API server listens on 127.0.0.1 alone, behind the gateway (api.bind)";
        return Err(invalid(cause.to_owned()).into());
    }
    let k3s = &config.k3s;
    if k3s.cluster_init && k3s.engine.parse::<EngineKind>().map_err(problems::engine)?.resolve() != Engine::K3s {
        let cause = "k3s.cluster_init: etcd comes with K3s: set `k3s.engine: k3s`, or leave it out";
        return Err(invalid(cause.to_owned()).into());
    }
    let cidr = |text: &str, key: &str| text.parse().map_err(|e| invalid(format!("{key}: {e}")));
    let settings = ServerConfig {
        state_dir: k3s.data_dir.clone(),
        ports: ServerPorts { api: k3s.https_port, ..ServerPorts::default() },
        advertise_address: advertise,
        advertise_port: config.api.port,
        gateway_sans: config.api.sans.iter().cloned().chain([advertise.to_string()]).collect(),
        cluster_cidr: cidr(&k3s.cluster_cidr, "k3s.cluster_cidr")?,
        service_cidr: cidr(&k3s.service_cidr, "k3s.service_cidr")?,
        cluster_dns: k3s.cluster_dns,
        domain: k3s.cluster_domain.clone(),
        tls_min_version: if k3s.tls_min_version == "VersionTLS12" { TlsVersion::Tls12 } else { TlsVersion::Tls13 },
        cipher_suites: k3s.cipher_suites.clone(),
        cluster_init: k3s.cluster_init,
        log_level: if config.logging.level.contains("debug") { 4 } else { 1 },
    };
    std::fs::create_dir_all(&k3s.data_dir).map_err(|e| Problem::new(ErrorCode::StateUnreadable, e))?;
    let now = UNIX_EPOCH + Duration::from_millis(clock::now().0);
    let pki = Pki::load_or_create(&settings.state_dir, &settings.pki_names(), now)?;
    Ok((settings, pki))
}

/// One that is ready, and in which everything of ours is in place.
pub(crate) struct ControlPlane {
    pub(crate) server: Server,
    /// Of Kubernetes.
    pub(crate) version: String,
    pub(crate) controllers: Controllers,
}

/// Starts it, waits until it is ready, and brings everything of ours in place.
pub(crate) async fn start(
    config: &Config,
    settings: ServerConfig,
    pki: &Pki,
    index: &Index,
    namespaces: &Namespaces,
) -> anyhow::Result<ControlPlane> {
    let (server, version) = start_server(config, settings, pki).await?;
    match prepare(config, &server, index, namespaces).await {
        Ok(controllers) => Ok(ControlPlane { server, version, controllers }),
        Err(error) => {
            server.stop().await;
            Err(error)
        }
    }
}

async fn prepare(
    config: &Config,
    server: &Server,
    index: &Index,
    namespaces: &Namespaces,
) -> anyhow::Result<Controllers> {
    let endpoints = server.endpoints();
    let CertFiles { cert, key } = &endpoints.controller;
    let client = kubernetes::client(&format!("https://{}", endpoints.api), &endpoints.server_ca, cert, key).await?;
    let controllers = Controllers {
        client,
        index: index.clone(),
        gateway: (config.api.advertise, config.api.port),
        // K3s makes the Service of its CoreDNS itself, and cannot where there is one already.
        cluster_dns: endpoints.agents.is_none().then_some(config.k3s.cluster_dns),
        namespaces: namespaces.clone(),
    };
    controllers.prepare().await.context("preparing Kubernetes")?;
    Ok(controllers)
}

async fn start_server(config: &Config, settings: ServerConfig, pki: &Pki) -> anyhow::Result<(Server, String)> {
    let kind = config.k3s.engine.parse::<EngineKind>().map_err(problems::engine)?;
    let engine = kind.resolve();
    engine.check(Role::Server).map_err(problems::engine)?;
    let found = engine.find_programs(&build::default_cache_dir()?).await.map_err(problems::engine)?;
    let programs = found.ok_or_else(|| match engine {
        Engine::Kubernetes => Problem::new(ErrorCode::EngineBuildFailed, "the engine is not built; run `make engine`"),
        Engine::K3s => problems::engine(K3sError::NotFound.into()),
    })?;
    let version = programs.version().to_owned();
    engine.cleanup_server(&settings.state_dir).await.map_err(problems::engine)?;
    let mut server = engine.start_server(settings, programs, pki).await.map_err(problems::engine)?;
    tracing::info!(engine = engine.name(), engine.version = version, "control plane starting");
    if let Err(error) = server.wait_ready(READY).await {
        server.stop().await;
        return Err(problems::engine(error).into());
    }
    Ok((server, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load_text;

    #[test]
    fn etcd_comes_with_k3s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let of = |engine: &str, more: &str| {
            let data = folder.path().display();
            let k3s = format!("k3s: {{data_dir: '{data}', engine: {engine}{more}}}");
            let text = format!("api: {{advertise: 10.0.0.1}}\nsui: {{pins: /a}}\n{k3s}\n");
            settings(&load_text(&text).unwrap().config).map(|(settings, _)| settings.cluster_init)
        };
        assert!(of("k3s", ", cluster_init: true").unwrap());
        for engine in ["k3s", "kubernetes", "auto"] {
            assert!(!of(engine, "").unwrap(), "{engine}");
        }
        for engine in ["kubernetes", "auto"] {
            let error = of(engine, ", cluster_init: true").unwrap_err();
            let problem = error.downcast_ref::<Problem>().unwrap();
            assert_eq!(problem.code, ErrorCode::ConfigInvalid, "{engine}");
            assert!(problem.cause.contains("k3s.cluster_init"), "{problem}");
        }
    }
}

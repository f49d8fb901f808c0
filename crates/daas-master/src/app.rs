//! Wiring: what is started, in which order, and what ends it.

use crate::attest::Attestor;
use crate::config::{self, Config};
use crate::controllers::Controllers;
use crate::identity::{self, Identity, SigningKey};
use crate::kubernetes;
use crate::local::MasterEndpoints;
use crate::nodes::Nodes;
use crate::presence::Presence;
use crate::problems;
use crate::registration::{Registrar, Registration};
use crate::warden::Warden;
use anyhow::Context as _;
use daas_attest::{Binding, Roots};
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::follow::{Follower, until_fresh};
use daas_chain::index::{Index, IndexIds};
use daas_chain::ops::Ops;
use daas_chain::store::Store;
use daas_daemon::admin::Admin;
use daas_daemon::config::Loaded;
use daas_daemon::{Readiness, TaskEnd, Tasks, raise_open_files};
use daas_engine::build;
use daas_engine::pki::{CertFiles, Pki};
use daas_engine::{EngineKind, Server, ServerConfig, ServerEndpoints, ServerPorts, TlsVersion};
use daas_gateway::{
    FrontProxyIdentity, Gateway, GatewayConfig, Limits, Namespaces, ServiceAccountConfig, UpstreamConfig, server_config,
};
use daas_types::api::ClusterSettings;
use daas_types::genesis::Genesis;
use daas_types::join::ChainPins;
use daas_types::{ErrorCode, Problem, RpcUrls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// The promised limit for a control plane to become ready.
const CONTROL_PLANE: Duration = Duration::from_mins(2);
/// A chain of which nothing verifies for this long is not waited for.
const NOTHING_VERIFIED: Duration = Duration::from_mins(1);
/// Requests in flight at shutdown have this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs a master until `shutdown`, or until a part of it ends.
pub async fn run(loaded: Loaded<Config>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Loaded { config, shown, .. } = loaded;
    let (pins, genesis) = pins(&config)?;
    let measured = config::digest(&shown, &pins, &genesis);
    let position = config.position()?;
    let key = SigningKey::load_or_create(&config.k3s.data_dir)?;
    let registration = Registration::new(key.public(), key.wallet().address());
    let presence = Arc::new(Presence::default());
    let readiness = Readiness::default();
    let ready = readiness.awaits("control plane, chain and gateway");
    let registered = readiness.awaits("registration on chain");
    let mut tasks = Tasks::new(shutdown.clone());
    serve_admin(&config, readiness, &registration, &presence, &mut tasks, &shutdown).await?;

    let (server_settings, pki) = server(&config)?;
    let binding = binding(&genesis, &pins, measured, &pki, &key);
    let attestor = Attestor::new(config.tee.device.clone(), Roots::for_genesis(&genesis), binding);
    // A device that gives nothing now would give clients nothing later: better to say so before anything runs.
    let pcrs = attestor.expect(&config.tee.kind).await;
    let pcrs = pcrs.map_err(|refusal| Problem::new(refusal.code(), refusal.cause()))?;
    registration.measured(pcrs.clone());
    publish(&config, &pins, &binding, &pki)?;

    let (index, client) = follow(&config, &pins, &genesis, &mut tasks, &shutdown).await?;
    let onchain = OnChain { ops: Ops::new(client, key.wallet()), ids: index.ids(), registration, presence };
    // Beside the control plane's start: whoever answers for this master waits for neither.
    let registrar = Registrar {
        ops: onchain.ops.clone(),
        ids: onchain.ids,
        index: index.clone(),
        attestor: attestor.clone(),
        binding,
        pcrs,
        endpoint: config.endpoint(),
        position,
        refused: Vec::new(),
        registration: onchain.registration.clone(),
        ready: Some(registered),
    };
    tasks.spawn("registration", registrar.run(shutdown.clone()));
    let mut engine = start_engine(&config, server_settings, &pki).await?;
    let served = serve(&config, &pins, &index, attestor, pki, &mut engine, onchain, &mut tasks, &shutdown).await;
    let end = match served {
        Ok(()) => {
            drop(ready);
            tracing::info!(endpoint = config.endpoint(), "ready");
            tasks.run().await
        }
        Err(error) => TaskEnd::Task { name: "start", result: Err(error) },
    };
    shutdown.cancel();
    tasks.drain(DRAIN + Duration::from_secs(2)).await;
    engine.stop().await;
    match end {
        TaskEnd::Shutdown => Ok(()),
        TaskEnd::Task { name, result } => {
            result.with_context(|| format!("{name} ended"))?;
            anyhow::bail!("{name} ended without a reason")
        }
    }
}

/// What the enclave's documents are bound to.
fn binding(genesis: &Genesis, pins: &ChainPins, config_digest: [u8; 32], pki: &Pki, key: &SigningKey) -> Binding {
    Binding {
        genesis: genesis.digest(),
        cluster: pins.cluster,
        package: pins.package,
        config_digest,
        ca_spki: pki.server_ca_spki_sha256(),
        signing_key: key.public(),
    }
}

/// What a master does on chain with, and tells about it.
struct OnChain {
    ops: Ops,
    ids: IndexIds,
    registration: Registration,
    presence: Arc<Presence>,
}

/// Opens the admin listener: whoever answers for this master learns there who it is.
async fn serve_admin(
    config: &Config,
    readiness: Readiness,
    registration: &Registration,
    presence: &Arc<Presence>,
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let admin = Admin::bind(config.admin.listen, readiness).await.map_err(|e| port_busy(config.admin.listen, &e))?;
    let (registration, presence) = (registration.clone(), presence.clone());
    let admin = admin
        .with_json("/enclave", move || json(&registration.status()))
        .with_json("/nodes", move || json(&presence.all()));
    tasks.spawn("admin", admin.run(shutdown.clone()));
    Ok(())
}

fn json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The chain this master is pinned to. Only a devnet's, until the datastore is encrypted.
fn pins(config: &Config) -> anyhow::Result<(ChainPins, Genesis)> {
    let path = &config.sui.pins;
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut pins: ChainPins = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if !config.sui.rpc_endpoint.is_empty() {
        pins.rpc = config.sui.rpc_endpoint.parse().map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    }
    let genesis = pins.anchor().map_err(Problem::of(ErrorCode::ClusterFileBad))?;
    require_devnet(&genesis)?;
    require_others(&genesis, &pins.rpc)?;
    tracing::warn!("datastore: not encrypted");
    Ok((pins, genesis))
}

fn require_devnet(genesis: &Genesis) -> Result<(), Problem> {
    if genesis.devnet().is_some() {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::DatastoreNotEncrypted, format!("the genesis is {}", genesis.digest())))
}

/// One endpoint alone could start a master from objects that were true once. A devnet is one endpoint.
fn require_others(genesis: &Genesis, rpc: &RpcUrls) -> Result<(), Problem> {
    if genesis.devnet().is_some() {
        return Ok(());
    }
    if let Some(url) = rpc.unencrypted() {
        let cause = format!("{url}: without TLS its host's network decides what it says; use https://");
        return Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    }
    if rpc.count() > 1 {
        return Ok(());
    }
    let cause = format!("{rpc} is one endpoint; a master needs two, of different people, in `rpc` of its pins");
    Err(Problem::new(ErrorCode::ConfigInvalid, cause))
}

/// The engine's settings, and the cluster's keys.
fn server(config: &Config) -> anyhow::Result<(ServerConfig, Pki)> {
    let invalid = |cause: String| Problem::new(ErrorCode::ConfigInvalid, cause);
    let IpAddr::V4(advertise) = config.api.advertise else {
        return Err(invalid("api.advertise: this engine needs an IPv4 address".to_owned()).into());
    };
    if config.k3s.bind_address != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let cause = "k3s.bind_address: the API server listens on 127.0.0.1 alone, behind the gateway (api.bind)";
        return Err(invalid(cause.to_owned()).into());
    }
    let k3s = &config.k3s;
    let cidr = |text: &str, key: &str| text.parse().map_err(|e| invalid(format!("{key}: {e}")));
    let settings = ServerConfig {
        state_dir: k3s.data_dir.clone(),
        ports: ServerPorts { api: k3s.https_port, ..ServerPorts::default() },
        advertise_address: advertise,
        gateway_sans: config.api.sans.iter().cloned().chain([advertise.to_string()]).collect(),
        cluster_cidr: cidr(&k3s.cluster_cidr, "k3s.cluster_cidr")?,
        service_cidr: cidr(&k3s.service_cidr, "k3s.service_cidr")?,
        cluster_dns: k3s.cluster_dns,
        domain: k3s.cluster_domain.clone(),
        tls_min_version: if k3s.tls_min_version == "VersionTLS12" { TlsVersion::Tls12 } else { TlsVersion::Tls13 },
        cipher_suites: k3s.cipher_suites.clone(),
        log_level: if config.logging.level.contains("debug") { 4 } else { 1 },
    };
    std::fs::create_dir_all(&k3s.data_dir).map_err(|e| Problem::new(ErrorCode::StateUnreadable, e))?;
    let now = UNIX_EPOCH + Duration::from_millis(clock::now().0);
    let pki = Pki::load_or_create(&settings.state_dir, &settings.pki_names(), now)?;
    Ok((settings, pki))
}

fn publish(config: &Config, pins: &ChainPins, binding: &Binding, pki: &Pki) -> anyhow::Result<()> {
    let identity = Identity {
        endpoint: config.endpoint(),
        ca_spki: hex::encode(binding.ca_spki),
        signing_key: hex::encode(binding.signing_key),
        config_digest: hex::encode(binding.config_digest),
    };
    identity::publish(&config.k3s.data_dir, &identity, pins, pki.server_ca_pem())
}

/// Follows the chain, and waits until the index knows it.
async fn follow(
    config: &Config,
    pins: &ChainPins,
    genesis: &Genesis,
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> anyhow::Result<(Index, ChainClient)> {
    let ids =
        IndexIds { package: pins.package, cluster: pins.cluster, registry: pins.registry, nautilus: pins.nautilus };
    let client = ChainClient::connect_any(pins.rpc.iter(), genesis).await.map_err(Problem::from)?;
    let index = Index::new(ids);
    let store = Store::open(&config.k3s.data_dir.join("index.redb"), genesis, ids)?;
    let follower = Follower::new(client.clone(), index.clone()).with_store(store)?;
    let stop = shutdown.clone();
    tasks.spawn("chain", async move { Ok(follower.run(stop).await?) });

    if !until_fresh(&index, &client, NOTHING_VERIFIED).await {
        let cause = format!("{}: nothing that verifies within 60 s", pins.rpc);
        return Err(Problem::new(ErrorCode::ChainUnreachable, cause).into());
    }
    Ok((index, client))
}

async fn start_engine(config: &Config, settings: ServerConfig, pki: &Pki) -> anyhow::Result<Server> {
    let kind = config.k3s.engine.parse::<EngineKind>().map_err(problems::engine)?;
    let engine = kind.resolve().map_err(problems::engine)?;
    let programs = build::find(&build::default_cache_dir()?)
        .await?
        .ok_or_else(|| Problem::new(ErrorCode::EngineBuildFailed, "the engine is not built; run `make engine`"))?;
    engine.cleanup_server(&settings.state_dir).await.map_err(problems::engine)?;
    let mut server = engine.start_server(settings, programs, pki).await.map_err(problems::engine)?;
    tracing::info!(engine = engine.name(), "control plane starting");
    if let Err(error) = server.wait_ready(CONTROL_PLANE).await {
        server.stop().await;
        return Err(problems::engine(error).into());
    }
    Ok(server)
}

/// Prepares Kubernetes, then opens the gateway.
#[expect(clippy::too_many_arguments, reason = "wiring: each is a part made above, and used here alone")]
async fn serve(
    config: &Config,
    pins: &ChainPins,
    index: &Index,
    attestor: Attestor,
    pki: Pki,
    engine: &mut Server,
    onchain: OnChain,
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let endpoints = engine.endpoints().clone();
    let api = format!("https://{}", endpoints.api);
    let CertFiles { cert, key } = &endpoints.controller;
    let client = kubernetes::client(&api, &endpoints.server_ca, cert, key).await?;
    let gateway = (config.api.advertise, config.api.port);
    let namespaces = Namespaces::default();
    let controllers = Controllers {
        client: client.clone(),
        index: index.clone(),
        gateway,
        cluster_dns: config.k3s.cluster_dns,
        namespaces: namespaces.clone(),
    };
    controllers.prepare().await.context("preparing Kubernetes")?;

    let local = MasterEndpoints {
        attestor,
        index: index.clone(),
        nodes: Mutex::new(Nodes::new(client.clone())),
        presence: onchain.presence.clone(),
        pki,
        endpoint: config.endpoint(),
        own_addresses: own_addresses(config),
        settings: settings(config),
    };
    let tls = server_config(chain(&endpoints.gateway_serving.cert)?, private_key(&endpoints.gateway_serving.key)?)?;
    let bound =
        Gateway::bind(gateway_config(config, pins, &endpoints, namespaces)?, tls, index.clone(), Arc::new(local))
            .await
            .map_err(Problem::of(ErrorCode::PortBusy))?;
    let stop = shutdown.clone();
    tasks.spawn("gateway", async move {
        bound.run(stop, DRAIN).await;
        Ok(())
    });
    let OnChain { ops, ids, registration, presence } = onchain;
    let warden = Warden { client, index: index.clone(), ops, ids, presence, registration };
    tasks.spawn("warden", warden.run(shutdown.clone()));
    tasks.spawn("revocation", controllers.clone().run_revocation(shutdown.clone()));
    tasks.spawn("namespaces", controllers.clone().run_namespaces(shutdown.clone()));
    tasks.spawn("controllers", controllers.run_rounds(shutdown.clone()));
    Ok(())
}

fn gateway_config(
    config: &Config,
    pins: &ChainPins,
    endpoints: &ServerEndpoints,
    namespaces: Namespaces,
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
        limits: Limits { rates: config.gateway.rates(), ..Limits::default() }.within(raise_open_files()),
    })
}

fn settings(config: &Config) -> ClusterSettings {
    ClusterSettings {
        cluster_cidr: config.k3s.cluster_cidr.clone(),
        service_cidr: config.k3s.service_cidr.clone(),
        cluster_dns: config.k3s.cluster_dns.to_string(),
        cluster_domain: config.k3s.cluster_domain.clone(),
        version: build::KUBERNETES_VERSION.to_owned(),
        attestation_interval: config.tee.attestation_interval,
    }
}

fn own_addresses(config: &Config) -> Vec<IpAddr> {
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

fn port_busy(addr: SocketAddr, error: &std::io::Error) -> Problem {
    Problem::new(ErrorCode::PortBusy, format!("{addr}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_devnet_may_run_unencrypted() {
        for digest in [daas_types::genesis::MAINNET, daas_types::genesis::TESTNET] {
            let genesis = Genesis::of_digest(digest.parse().unwrap());
            assert_eq!(require_devnet(&genesis).unwrap_err().code, ErrorCode::DatastoreNotEncrypted);
        }
    }

    #[test]
    fn one_endpoint_of_a_real_network_is_not_enough() {
        let genesis = Genesis::of_digest(daas_types::genesis::TESTNET.parse().unwrap());
        for one in ["https://a", "https://a,https://a:443/", "https://a,http://b"] {
            let refused = require_others(&genesis, &one.parse().unwrap()).unwrap_err();
            assert_eq!(refused.code, ErrorCode::ConfigInvalid);
        }
        require_others(&genesis, &"https://a,https://b".parse().unwrap()).unwrap();
    }
}

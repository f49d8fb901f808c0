//! Wiring: what is started, in which order, and what ends it.

use crate::attest::Attestor;
use crate::audit::{Audit, Auditing, LAST_ANCHOR, Sender};
use crate::config::{self, Config};
use crate::control_plane::ControlPlane;
use crate::identity::{self, Identity, SigningKey};
use crate::local::MasterEndpoints;
use crate::nodes::Nodes;
use crate::presence::Presence;
use crate::registration::{Registrar, Registration};
use crate::warden::Warden;
use crate::{control_plane, pins, problems, serving};
use anyhow::Context as _;
use daas_attest::{Binding, Roots};
use daas_audit::{EnclaveKey, Log, LogId};
use daas_chain::client::ChainClient;
use daas_chain::follow::{Follower, until_fresh};
use daas_chain::index::{Index, IndexIds};
use daas_chain::ops::Ops;
use daas_chain::store::Store;
use daas_daemon::admin::Admin;
use daas_daemon::config::Loaded;
use daas_daemon::{Notifier, Readiness, TaskEnd, Tasks};
use daas_engine::pki::Pki;
use daas_engine::{EngineKind, Server};
use daas_gateway::{Gateway, Namespaces};
use daas_types::genesis::Genesis;
use daas_types::join::{ChainPins, Joining};
use daas_types::onchain::Pcrs;
use daas_types::{ErrorCode, Problem};
use futures::future::{Either, select};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A chain of which nothing verifies for this long is not waited for.
const NOTHING_VERIFIED: Duration = Duration::from_mins(1);
/// Requests in flight at shutdown have this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs a master until `shutdown`, or until a part of it ends.
pub async fn run(loaded: Loaded<Config>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Loaded { config, shown, .. } = loaded;
    let (pins, genesis) = pins::load(&config)?;
    let measured = config::digest(&shown, &pins, &genesis);
    let position = config.position()?;
    let key = SigningKey::load_or_create(&config.k3s.data_dir)?;
    let registration = Registration::new(key.public(), key.wallet().address());
    let (presence, auditing) = (Arc::new(Presence::default()), Auditing::default());
    let readiness = Readiness::default();
    let ready = readiness.awaits("control plane, chain and gateway");
    let registered = readiness.awaits("registration on chain");
    let mut tasks = Tasks::new(shutdown.clone());
    // Cancelled when the gateway has ended, or never was.
    let served = CancellationToken::new();
    serve_admin(&config, readiness, &registration, &presence, &auditing, &mut tasks, (&shutdown, &served)).await?;
    let serving = served.drop_guard();

    let (server_settings, pki) = control_plane::settings(&config)?;
    let binding = binding(&genesis, &pins, measured, &pki, &key);
    let (attestor, pcrs) = attested(&config, &genesis, binding).await?;
    registration.measured(pcrs.clone());
    publish(&config, &pins, &binding, &pki)?;

    let index = Index::new(ids(&pins));
    // It is locked: another master's control plane would be taken for one that was left behind.
    let store = Store::open(&config.k3s.data_dir.join("index.redb"), &genesis, index.ids())?;
    let namespaces = Namespaces::default();
    let kubernetes = control_plane::start(&config, server_settings, &pki, &index, &namespaces);
    let chain = async {
        let client = follow(&pins, &genesis, &index, store, &mut tasks, &shutdown).await?;
        let log = LogId { cluster: pins.cluster, key: EnclaveKey(key.public()) };
        let audit = Audit::open(&config, log, &client, &index.ids()).await?;
        let ops = Ops::new(client, key.wallet());
        let registrar = Registrar {
            ops: ops.clone(),
            ids: index.ids(),
            index: index.clone(),
            attestor: attestor.clone(),
            binding,
            pcrs,
            endpoint: config.endpoint(),
            position,
            refused: Vec::new(),
            registration: registration.clone(),
            ready: Some(registered),
        };
        // Whoever answers for this master does not wait for Kubernetes.
        tasks.spawn("registration", registrar.run(shutdown.clone()));
        Ok((Sender { ops, ids: index.ids(), index: index.clone(), log }, audit))
    };
    let ((sender, audit), engine) = Box::pin(both(chain, kubernetes)).await?;
    let onchain = OnChain { ops: sender.ops.clone(), registration, presence };
    let (log, written) = audit.start(sender, &auditing, &mut tasks);
    let audit = (log, [written, serving]);
    let served =
        serve(&config, &pins, &index, attestor, pki, &engine, namespaces, onchain, audit, &mut tasks, &shutdown);
    let served = served.await;
    let served = served.inspect(|()| tracing::info!(endpoint = config.endpoint(), "ready")).map(|()| drop(ready));
    finish(served, tasks, shutdown, engine.server).await
}

/// Waits until a part of it ends, if all of it began, and stops everything in order.
async fn finish(
    served: anyhow::Result<()>,
    mut tasks: Tasks,
    shutdown: CancellationToken,
    server: Server,
) -> anyhow::Result<()> {
    let end = match served {
        Ok(()) => tasks.run().await,
        Err(error) => TaskEnd::Task { name: "start", result: Err(error) },
    };
    shutdown.cancel();
    tasks.drain(DRAIN + LAST_ANCHOR + Duration::from_secs(2)).await;
    server.stop().await;
    outcome(end)
}

/// A device that gives nothing now would give clients nothing later: better to say so before anything runs.
async fn attested(config: &Config, genesis: &Genesis, binding: Binding) -> anyhow::Result<(Attestor, Pcrs)> {
    let attestor = Attestor::new(config.tee.device.clone(), Roots::for_genesis(genesis), binding);
    let pcrs = attestor.expect(&config.tee.kind).await;
    Ok((attestor, pcrs.map_err(|refusal| Problem::new(refusal.code(), refusal.cause()))?))
}

/// Only a shutdown is a good end.
fn outcome(end: TaskEnd) -> anyhow::Result<()> {
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
    registration: Registration,
    presence: Arc<Presence>,
}

/// Opens the admin listener, where whoever answers for this master learns who it is; tells the service manager the same.
async fn serve_admin(
    config: &Config,
    readiness: Readiness,
    registration: &Registration,
    presence: &Arc<Presence>,
    auditing: &Auditing,
    tasks: &mut Tasks,
    (shutdown, served): (&CancellationToken, &CancellationToken),
) -> anyhow::Result<()> {
    let telling = Notifier::from_env().run(readiness.clone(), shutdown.clone(), served.clone());
    tasks.spawn("service manager", telling);
    let admin = Admin::bind(config.admin.listen, readiness).await.map_err(|e| port_busy(config.admin.listen, &e))?;
    let (registration, presence, auditing) = (registration.clone(), presence.clone(), auditing.clone());
    let admin = admin
        .with_json("/enclave", move || json(&registration.status()))
        .with_json("/nodes", move || json(&presence.all()))
        .with_json("/audit", move || json(&auditing.status()));
    tasks.spawn("admin", admin.run(shutdown.clone(), served.clone()));
    Ok(())
}

fn json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn publish(config: &Config, pins: &ChainPins, binding: &Binding, pki: &Pki) -> anyhow::Result<()> {
    let identity = Identity {
        endpoint: config.endpoint(),
        ca_spki: hex::encode(binding.ca_spki),
        signing_key: hex::encode(binding.signing_key),
        config_digest: hex::encode(binding.config_digest),
    };
    let engine = config.k3s.engine.parse::<EngineKind>().map_err(problems::engine)?.resolve();
    let how = if engine.has_agents() { Joining::K3s } else { Joining::Kubernetes };
    identity::publish(&config.k3s.data_dir, &identity, pins, pki.server_ca_pem(), how)
}

/// What both give, at the same time: one waits for a checkpoint, the other for an API server. With either missing the other
/// is of no use, and Kubernetes is stopped.
async fn both<T>(
    chain: impl Future<Output = anyhow::Result<T>>,
    kubernetes: impl Future<Output = anyhow::Result<ControlPlane>>,
) -> anyhow::Result<(T, ControlPlane)> {
    let (known, started) = match select(pin!(chain), pin!(kubernetes)).await {
        // Not left half done: its processes would be nobody's.
        Either::Left((known, kubernetes)) => (known, kubernetes.await),
        Either::Right((Ok(started), chain)) => (chain.await, Ok(started)),
        Either::Right((Err(error), _)) => return Err(error),
    };
    match (known, started) {
        (Ok(known), Ok(started)) => Ok((known, started)),
        (Err(error), Ok(started)) => {
            started.server.stop().await;
            Err(error)
        }
        (Err(error), Err(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

fn ids(pins: &ChainPins) -> IndexIds {
    IndexIds { package: pins.package, cluster: pins.cluster, registry: pins.registry, nautilus: pins.nautilus }
}

/// Follows the chain, and waits until the index knows it.
async fn follow(
    pins: &ChainPins,
    genesis: &Genesis,
    index: &Index,
    store: Store,
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> anyhow::Result<ChainClient> {
    let client = ChainClient::connect_any(pins.rpc.iter(), genesis).await.map_err(Problem::from)?;
    let follower = Follower::new(client.clone(), index.clone()).with_store(store)?;
    let stop = shutdown.clone();
    tasks.spawn("chain", async move { Ok(follower.run(stop).await?) });

    if !until_fresh(index, &client, NOTHING_VERIFIED).await {
        let cause = format!("{}: nothing that verifies within 60 s", pins.rpc);
        return Err(Problem::new(ErrorCode::ChainUnreachable, cause).into());
    }
    Ok(client)
}

/// Opens the gateway.
#[expect(clippy::too_many_arguments, reason = "wiring: each is a part made above, and used here alone")]
async fn serve(
    config: &Config,
    pins: &ChainPins,
    index: &Index,
    attestor: Attestor,
    pki: Pki,
    engine: &ControlPlane,
    namespaces: Namespaces,
    onchain: OnChain,
    (audit, served): (Log, [DropGuard; 2]),
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let endpoints = engine.server.endpoints().clone();
    let controllers = engine.controllers.clone();
    let local = MasterEndpoints {
        attestor,
        index: index.clone(),
        nodes: Mutex::new(Nodes::new(controllers.client.clone())),
        presence: onchain.presence.clone(),
        pki,
        endpoint: config.endpoint(),
        own_addresses: serving::own_addresses(config),
        agents: endpoints.agents.is_some(),
        settings: serving::settings(config, engine.version.clone()),
    };
    let gateway = serving::gateway(config, pins, &endpoints, namespaces, audit)?;
    let bound = Gateway::bind(gateway, serving::tls(&endpoints)?, index.clone(), Arc::new(local))
        .await
        .map_err(Problem::of(ErrorCode::PortBusy))?;
    let stop = shutdown.clone();
    tasks.spawn("gateway", async move {
        bound.run(stop, DRAIN).await;
        // Every request has ended: nothing more is to be written, and nobody asks whether this master is ready.
        drop(served);
        Ok(())
    });
    let OnChain { ops, registration, presence } = onchain;
    let client = controllers.client.clone();
    let warden = Warden { client, index: index.clone(), ops, ids: index.ids(), presence, registration };
    tasks.spawn("warden", warden.run(shutdown.clone()));
    tasks.spawn("revocation", controllers.clone().run_revocation(shutdown.clone()));
    tasks.spawn("namespaces", controllers.clone().run_namespaces(shutdown.clone()));
    tasks.spawn("controllers", controllers.run_rounds(shutdown.clone()));
    Ok(())
}

fn port_busy(addr: SocketAddr, error: &std::io::Error) -> Problem {
    Problem::new(ErrorCode::PortBusy, format!("{addr}: {error}"))
}

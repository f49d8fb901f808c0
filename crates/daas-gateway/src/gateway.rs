use crate::authenticate::Authenticator;
use crate::config::{ConfigError, GatewayConfig, Limits};
use crate::connection::{Places, Server};
use crate::forward::Forwarder;
use crate::freshness::Watch;
use crate::k3s::K3s;
use crate::limits::{Holder, Limiter, Payer, Purse, Strangers};
use crate::local::{LocalEndpoints, Unread};
use crate::measure::Requests;
use crate::request::App;
use crate::threads::Threads;
use core::time::Duration;
use daas_chain::index::{Index, Snapshot};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often idle upstream connections are closed, and connections of those who lost their stake are strangers' again.
const TRIM: Duration = Duration::from_mins(1);

/// The gateway, not yet bound.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that has its port. Connections wait in the kernel until [`BoundGateway::run`].
pub struct BoundGateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    server: Server,
    threads: Threads,
}

/// Why a gateway could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is not to be had.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread or no runtime for one.
    #[error("no thread to serve connections on: {0}")]
    Threads(#[source] io::Error),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

// === impl Gateway ===

impl Gateway {
    /// Takes the port. `tls` is best made by [`crate::server_config`].
    pub async fn bind(
        config: GatewayConfig,
        tls: Arc<rustls::ServerConfig>,
        index: Index,
        local: Arc<dyn LocalEndpoints>,
    ) -> Result<BoundGateway, BindError> {
        let (tasks, kill) = (TaskTracker::new(), CancellationToken::new());
        let Limits { connections, connections_per_address, connections_per_holder, rates, .. } = config.limits;
        let forwarder = Forwarder::new(&config, &tasks, &kill)?;
        let places = Places::new(connections, connections_per_address, connections_per_holder);
        let k3s =
            config.k3s.as_ref().map(|k3s| K3s::open(k3s, &tasks, &kill)).transpose().map_err(ConfigError::from)?;
        let app = Arc::new(App {
            k3s,
            watch: Watch::new(index, config.node_stale_grace, config.namespaces.clone()),
            authenticator: Authenticator::new(
                config.cluster,
                config.service_account.as_ref(),
                config.limits.token_cache,
            )?,
            limiter: Limiter::new(rates),
            strangers: Strangers::new(rates),
            places: places.clone(),
            local,
            audit: config.audit.clone(),
            requests: Requests::default(),
            unread: Unread::new(64, 2),
            nodes_unread: Unread::new(1024, 4),
        });
        let GatewayConfig { listen: addr, limits, .. } = config;
        let listener = TcpListener::bind(addr).await.map_err(|source| BindError::Listen { addr, source })?;
        let local_addr = listener.local_addr().map_err(|source| BindError::Listen { addr, source })?;
        let threads = Threads::start(limits.threads, || forwarder.another()).map_err(BindError::Threads)?;
        let server = Server {
            app,
            acceptor: TlsAcceptor::from(tls),
            places,
            limits: Arc::new(limits),
            tasks,
            drain: CancellationToken::new(),
            kill,
        };
        Ok(BoundGateway { listener, local_addr, server, threads })
    }
}

// === impl BoundGateway ===

impl BoundGateway {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`; then takes nothing new, lets what is open end within `grace`, and ends the rest.
    pub async fn run(self, shutdown: CancellationToken, grace: Duration) {
        let Self { listener, server, mut threads, .. } = self;
        // If this future is dropped, everything it owns ends with it.
        let _kill = server.kill.clone().drop_guard();
        let _drain = server.drain.clone().drop_guard();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = server.accept(listener, &threads) => {}
            () = housekeeping(&server, &threads) => {}
            () = threads.failed() => tracing::error!("a thread that serves connections has ended"),
        }
        server.drain.cancel();
        server.tasks.close();
        tokio::select! {
            () = server.app.watch.run() => {}
            ended = tokio::time::timeout(grace, clients_gone(&server)) => if ended.is_err() {
                tracing::info!(grace.ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), "streams outlived the grace and are cut");
            },
        }
        server.kill.cancel();
        server.tasks.wait().await;
        threads.end().await;
    }
}

async fn housekeeping(server: &Server, threads: &Threads) {
    let trim = async {
        let mut tick = tokio::time::interval(TRIM);
        loop {
            tick.tick().await;
            threads.trim();
            let snapshot = server.app.watch.view().snapshot;
            server.places.lapse(|holder| lives(holder, &snapshot));
        }
    };
    tokio::join!(server.app.watch.run(), trim);
}

/// Whether this holder has the right still for which it was let in.
fn lives((purse, position): Holder, snapshot: &Snapshot) -> bool {
    if (purse, position) == Payer::control_plane().holder() {
        return true;
    }
    snapshot.position(position).is_some_and(|position| match purse {
        Purse::Person | Purse::Pods => position.rights.tier.is_some(),
        Purse::Node | Purse::System => position.rights.node,
    })
}

/// Connections and tunnels hold places; upstream connections do not, and would never end by themselves.
async fn clients_gone(server: &Server) {
    server.places.empty().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Chain;
    use daas_types::Permissions;

    #[test]
    fn a_holder_lives_as_long_as_the_right() {
        let chain = Chain::new();
        let (mut staker, viewer) = (chain.staker(1, "5", Permissions::BOTH), chain.staker(2, "0.1", Permissions::BOTH));
        let lives = |position| {
            let snapshot = chain.index.snapshot();
            [Purse::Person, Purse::Pods, Purse::Node, Purse::System].map(|purse| lives((purse, position), &snapshot))
        };
        assert_eq!(lives(staker.state.position), [true; 4]);
        assert_eq!(lives(viewer.state.position), [false; 4], "too little stake");
        chain.suspend(&mut staker);
        assert_eq!(lives(staker.state.position), [false; 4]);
        let own = super::lives(Payer::control_plane().holder(), &chain.index.snapshot());
        assert!(own, "K3s' own server has no stake to lose");
    }
}

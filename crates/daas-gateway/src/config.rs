use crate::k3s::{K3sConfig, K3sError};
use crate::namespaces::Namespaces;
use core::fmt;
use core::time::Duration;
use daas_audit::Log;
use daas_types::{ClusterId, Tier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;

/// Streams that one upstream connection carries, at least.
const STREAMS: usize = 96;

/// What a gateway needs to know.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Where it listens; port 0 for any.
    pub listen: SocketAddr,
    /// The audience of every token.
    pub cluster: ClusterId,
    /// How old the last verified checkpoint may be for nodes that were active at it. (For people the index's own
    /// bound holds.)
    pub node_stale_grace: Duration,
    /// The API server.
    pub upstream: UpstreamConfig,
    /// Who signs service-account tokens; without it every such token is refused.
    pub service_account: Option<ServiceAccountConfig>,
    /// Whose namespaces are, for service accounts. Whoever made this keeps it true.
    pub namespaces: Namespaces,
    /// Every request is recorded here. Whoever opened it writes it, and stops when the gateway has ended.
    pub audit: Log,
    /// Where the API server is K3s': what its agents need to join through here.
    pub k3s: Option<K3sConfig>,
    /// Bounds on what one client or all may take.
    pub limits: Limits,
}

/// The API server behind the gateway.
#[derive(Debug)]
pub struct UpstreamConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The name in its certificate.
    pub server_name: String,
    /// The CAs that may have signed its certificate.
    pub roots: Vec<CertificateDer<'static>>,
    /// What proves to it that identity headers come from the gateway.
    pub front_proxy: FrontProxyIdentity,
}

/// A client certificate of the request-header CA. Its key cannot be printed.
pub struct FrontProxyIdentity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// The issuer of service-account tokens.
#[derive(Clone, Debug)]
pub struct ServiceAccountConfig {
    /// `--service-account-issuer`.
    pub issuer: String,
    /// Its public key, PEM: P-256 or RSA.
    pub public_key: String,
}

/// Bounds, with defaults for a cluster of some hundred people and nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that connections are served on, each with its own connections to the API server. 0: the runtime on which the gateway
    /// runs.
    pub threads: usize,
    /// Client connections at once.
    pub connections: usize,
    /// Client connections at once of one address, or of one /64 of IPv6.
    pub connections_per_address: usize,
    /// Client connections at once of one position; of its node as many more, of its pods, and of what of the cluster itself runs
    /// there.
    pub connections_per_holder: usize,
    /// Streams at once of one client connection.
    pub streams_per_connection: u32,
    /// A TLS handshake ends within this.
    pub handshake: Duration,
    /// An HTTP/2 connection without a stream for this long, or up to twice as long, is closed.
    pub idle: Duration,
    /// A connection on which nothing was admitted for this long is closed, so that strangers cannot hold all places.
    pub unproven: Duration,
    /// A request's head arrives within this.
    pub header_read: Duration,
    /// Of a client that takes nothing of what has come for it for this long, the stream is reset, or over HTTP/1.1 the
    /// connection closed. A watch on which nothing happens may be silent for ever.
    pub stalled: Duration,
    /// Upstream connections of one pool, of all threads together; one of each thread at least.
    pub upstream_connections: usize,
    /// Streams and tunnels at once.
    pub streams: Streams,
    /// An upstream connection is made within this.
    pub upstream_connect: Duration,
    /// The API server answers with a head within this.
    pub upstream_response: Duration,
    /// Verified tokens that are remembered.
    pub token_cache: usize,
    /// Requests.
    pub rates: Rates,
}

/// How many streams and tunnels a position may have open at once, by its tier. Its pods may have as many together, in
/// whatever namespaces they are; its node as many, and what of the cluster itself runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// A viewer.
    pub viewer: usize,
    /// A developer.
    pub developer: usize,
    /// An admin.
    pub admin: usize,
    /// A super.
    pub super_user: usize,
}

/// A bucket of requests: as many as `burst` at once, filled again at `per_minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How fast it fills.
    pub per_minute: u32,
    /// How much is in it when it is full.
    pub burst: u32,
}

/// How fast requests may come: of a position, by its tier, to each master. Its pods have a bucket of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// A viewer's.
    pub viewer: Rate,
    /// A developer's.
    pub developer: Rate,
    /// An admin's.
    pub admin: Rate,
    /// A super's.
    pub super_user: Rate,
    /// A node's.
    pub node: Rate,
    /// Requests that are not let through and tokens not seen before, from one address, or one /64 of IPv6. Most refusals count
    /// for ten.
    pub address: Rate,
    /// Tokens not seen before from all addresses from which nobody was admitted yet.
    pub strangers: Rate,
    /// New connections from one address, or one /64 of IPv6, from which nobody was admitted who still has that right.
    pub handshakes: Rate,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The API server's name is neither a DNS name nor an address.
    #[error("upstream server name `{0}` is neither a DNS name nor an address")]
    ServerName(String),
    /// Certificates or keys that TLS refuses.
    #[error("{what}: {source}")]
    Tls {
        /// Which.
        what: &'static str,
        /// Why.
        source: rustls::Error,
    },
    /// Not a P-256 or RSA public key in PEM.
    #[error("the service-account issuer's public key is neither a P-256 nor an RSA key in PEM")]
    ServiceAccountKey,
    /// What K3s' agents need cannot be had.
    #[error(transparent)]
    K3s(#[from] K3sError),
}

// === impl Limits ===

impl Limits {
    /// The same, with no more connections than a process that may open so many files can serve: a tunnel needs two.
    #[must_use]
    pub fn within(self, open_files: u64) -> Self {
        let files = usize::try_from(open_files).unwrap_or(usize::MAX);
        // There are four pools, of two lanes each.
        let upstream_connections = self.upstream_connections.min(files.div_euclid(16)).max(1);
        let others = upstream_connections.max(self.threads).saturating_mul(8).saturating_add(256);
        let room = files.saturating_sub(others).div_euclid(2).max(1);
        let connections = self.connections.min(room);
        // However few there are, no address and no holder has them all.
        let connections_per_address = self.connections_per_address.min(connections.div_ceil(4));
        let connections_per_holder = self.connections_per_holder.min(connections.div_ceil(8));
        // Nor has one of them a lane.
        let streams = self.streams.at_most(upstream_connections.saturating_mul(STREAMS).div_euclid(15).max(1));
        Self { connections, connections_per_address, connections_per_holder, upstream_connections, streams, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            threads: 0,
            connections: 10_000,
            connections_per_address: 1_000,
            connections_per_holder: 256,
            streams_per_connection: 250,
            handshake: Duration::from_secs(10),
            idle: Duration::from_mins(10),
            unproven: Duration::from_secs(10),
            // Over HTTP/1.1 it is also how long a connection may be idle: a node says every thirty seconds that it lives.
            // One on which nobody was admitted is ended before.
            header_read: Duration::from_secs(100),
            stalled: Duration::from_mins(5),
            upstream_connections: 128,
            streams: Streams::default(),
            upstream_connect: Duration::from_secs(5),
            upstream_response: Duration::from_secs(90),
            token_cache: 10_000,
            rates: Rates::default(),
        }
    }
}

// === impl Streams ===

impl Streams {
    fn at_most(self, most: usize) -> Self {
        let Self { viewer, developer, admin, super_user } = self;
        let [viewer, developer, admin, super_user] = [viewer, developer, admin, super_user].map(|one| one.min(most));
        Self { viewer, developer, admin, super_user }
    }

    /// A tier's.
    pub fn of(&self, tier: Tier) -> usize {
        match tier {
            Tier::Viewer => self.viewer,
            Tier::Developer => self.developer,
            Tier::Admin => self.admin,
            Tier::Super => self.super_user,
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        // A client that shows a cluster watches each kind of object, a hundred or so; a kubelet each Secret and ConfigMap
        // of its pods. Eighty viewers have what the upstream connections carry of people's, and forty of their nodes, which have
        // a developer's share at least, what they carry of nodes'.
        Self { viewer: 150, developer: 300, admin: 500, super_user: 800 }
    }
}

// === impl Rates ===

impl Rates {
    /// A tier's.
    pub fn of(&self, tier: Tier) -> Rate {
        match tier {
            Tier::Viewer => self.viewer,
            Tier::Developer => self.developer,
            Tier::Admin => self.admin,
            Tier::Super => self.super_user,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |per_minute, burst| Rate { per_minute, burst };
        Self {
            // kubectl asks for all there is in one burst; a client left to itself sends 300 a minute.
            viewer: rate(100, 300),
            developer: rate(600, 600),
            admin: rate(3_000, 1_500),
            super_user: rate(12_000, 3_000),
            // A kubelet sends up to 50 a second, a hundred at once, and after a restart opens a watch for each Secret.
            node: rate(6_000, 3_000),
            address: rate(6_000, 3_000),
            // A tenth of a core's time.
            strangers: rate(120_000, 4_000),
            // A handshake takes a third of a millisecond: a third of a core's time.
            handshakes: rate(60_000, 3_000),
        }
    }
}

// === impl FrontProxyIdentity ===

impl fmt::Debug for FrontProxyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontProxyIdentity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_position_takes_much_of_what_the_upstream_carries() {
        let Limits { upstream_connections, streams, .. } = Limits::default();
        let carries = upstream_connections * STREAMS;
        assert!(streams.of(Tier::Super) * 15 <= carries);
        assert!(streams.of(Tier::Viewer) * 80 <= carries);
        let tiers = [Tier::Viewer, Tier::Developer, Tier::Admin, Tier::Super].map(|tier| streams.of(tier));
        assert!(tiers.is_sorted_by(|less, more| less < more));
    }

    #[test]
    fn connections_fit_into_the_files_that_may_be_open() {
        let connections = |files| Limits::default().within(files).connections;
        assert_eq!(connections(1 << 20), 10_000);
        assert_eq!(connections(4096), (4096 - 1280) / 2);
        assert_eq!(connections(64), 1);
        let few = Limits::default().within(1024);
        assert_eq!((few.connections, few.connections_per_address, few.connections_per_holder), (128, 32, 16));
        assert_eq!((few.upstream_connections, few.streams.of(Tier::Super)), (64, 64 * 96 / 15));
    }
}

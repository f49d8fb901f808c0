//! To the API server, as whom the permit says.
//!
//! Two kinds of connection that never mix: with the front-proxy certificate for traffic whose identity the gateway
//! asserts, and without any for callers that bring their own token. On the second, forged identity headers are
//! nothing to the API server, so a mistake here would be harmless there.

mod body;
mod dial;
mod exchange;
mod head;
mod link;
mod pool;
mod share;
mod tunnel;
mod upgrade;
mod websocket;

pub(crate) use body::{GatewayBody, RequestBody};
pub(crate) use upgrade::UpgradeRequest;

use crate::admit::{CutReason, Lease, Permit, Upstream};
use crate::config::{ConfigError, GatewayConfig};
use crate::limits::Payer;
use crate::measure;
use crate::refusal::Refusal;
use crate::tls::UpstreamTls;
use core::pin::pin;
use core::time::Duration;
use daas_types::ErrorCode::ApiServerUnavailable;
use dial::Dialer;
use exchange::{Received, exchange, unprocessed};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as _;
use link::Slot;
use pool::{Lane, Pool};
use share::Shares;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The way to the API server.
pub(crate) struct Forwarder {
    identity: Route,
    /// Apart from people's, so that whatever they have open, nodes go on saying that they live.
    nodes: Route,
    pass_through: Route,
    /// Apart from people's pods, too: the cluster's own, and K3s' agents that join, without which a node is none.
    system: Route,
    response: Duration,
    shares: Arc<Shares>,
    tasks: TaskTracker,
    kill: CancellationToken,
}

/// One kind of upstream traffic.
struct Route {
    pool: Pool,
    dialer: Dialer,
}

// === impl Forwarder ===

impl Forwarder {
    /// `tasks` owns what is spawned, `kill` ends it.
    pub(crate) fn new(
        config: &GatewayConfig,
        tasks: &TaskTracker,
        kill: &CancellationToken,
    ) -> Result<Self, ConfigError> {
        let route = |tls| {
            let dialer = Dialer { addr: config.upstream.addr, tls, within: config.limits.upstream_connect };
            let most = (config.limits.upstream_connections, config.limits.threads.max(1));
            Route { pool: Pool::new(dialer.clone(), most, tasks.clone(), kill.clone()), dialer }
        };
        Ok(Self {
            identity: route(UpstreamTls::identity(&config.upstream)?),
            nodes: route(UpstreamTls::identity(&config.upstream)?),
            pass_through: route(UpstreamTls::pass_through(&config.upstream)?),
            system: route(UpstreamTls::pass_through(&config.upstream)?),
            response: config.limits.upstream_response,
            shares: Shares::new(config.limits.streams),
            tasks: tasks.clone(),
            kill: kill.clone(),
        })
    }

    /// Another, for another thread: its connections are its own, and what is bounded is so together with this one's.
    pub(crate) fn another(&self) -> Self {
        Self {
            identity: self.identity.another(),
            nodes: self.nodes.another(),
            pass_through: self.pass_through.another(),
            system: self.system.another(),
            response: self.response,
            shares: self.shares.clone(),
            tasks: self.tasks.clone(),
            kill: self.kill.clone(),
        }
    }

    /// Sends an ordinary request and gives the answer as it streams. `parts` is scrubbed already; `lease` is the permit's.
    pub(crate) async fn forward(
        &self,
        permit: &Permit,
        parts: request::Parts,
        body: RequestBody,
        lease: &mut Lease,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let lane = Lane::of(&parts.uri);
        let share = self.shares.take(permit, lane)?;
        // Pinned here, because a future that is handed on is there twice.
        let exchange = pin!(self.exchange(permit, (lane, share.shard()), parts, body));
        let response = tokio::select! {
            biased;
            reason = lease => return Err(lost(reason)),
            response = tokio::time::timeout(self.response, exchange) => response.map_err(|_| {
                let cause = format!("no answer within {} s", self.response.as_secs());
                Refusal::new(ApiServerUnavailable, StatusCode::GATEWAY_TIMEOUT, cause)
            })??,
        };
        Ok(head::answer(response.map(|(body, slot)| (body, slot.with(share)))))
    }

    /// Closes connections that carry nothing, all but one of each kind.
    pub(crate) fn trim(&self) {
        self.identity.pool.trim();
        self.nodes.pool.trim();
        self.pass_through.pool.trim();
        self.system.pool.trim();
    }

    async fn exchange(
        &self,
        permit: &Permit,
        (lane, shard): (Lane, usize),
        mut parts: request::Parts,
        body: RequestBody,
    ) -> Result<Response<(Received, Slot)>, Refusal> {
        let route = self.route(permit);
        let authority = &route.dialer.tls.authority;
        let idempotent =
            matches!(parts.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS);
        // What was not processed may be sent again; of a body, some may have left and nothing was kept. Kept as the client sent it: of
        // the identity, which all requests of a token share, each copy costs the other threads something too.
        parts.extensions.clear();
        let mut again = (idempotent && body.is_end_stream()).then(|| parts.clone());
        head::for_h2(&mut parts, authority, permit)?;
        let mut request = Request::from_parts(parts, body);
        loop {
            let (mut sender, slot) = route.pool.slot(lane, shard).await?;
            let error = match exchange(&mut sender, request, &self.tasks).await {
                Ok(response) => return Ok(response.map(|body| (body, slot))),
                Err(error) => error,
            };
            match again.take().filter(|_| unprocessed(&error)) {
                Some(mut parts) => {
                    head::for_h2(&mut parts, authority, permit)?;
                    request = Request::from_parts(parts, RequestBody::empty());
                }
                None => return Err(Refusal::unavailable(ApiServerUnavailable, chain(&error))),
            }
        }
    }

    fn route(&self, permit: &Permit) -> &Route {
        match (permit.upstream(), permit.payer()) {
            (Upstream::FrontProxy(_), Payer::Node(..)) => &self.nodes,
            (Upstream::FrontProxy(_), _) => &self.identity,
            (Upstream::PassThrough(_), Payer::System(..)) | (Upstream::Join(..), _) => &self.system,
            (Upstream::PassThrough(_), _) => &self.pass_through,
        }
    }
}

// === impl Route ===

impl Route {
    fn another(&self) -> Self {
        Self { pool: self.pool.another(), dialer: self.dialer.clone() }
    }
}

/// What a client is told whose right ended while it waited for an answer.
#[track_caller]
pub(crate) fn lost(reason: CutReason) -> Refusal {
    measure::cut(reason);
    match reason {
        CutReason::Stale => Refusal::unavailable(reason.code(), reason),
        CutReason::RightLost | CutReason::Expired => Refusal::forbidden(reason.code(), reason),
    }
}

fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

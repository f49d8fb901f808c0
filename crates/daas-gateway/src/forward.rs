//! To the API server, as whom the permit says.
//!
//! Two kinds of connection that never mix: with the front-proxy certificate for traffic whose identity the gateway
//! asserts, and without any for callers that bring their own token. On the second, forged identity headers are
//! nothing to the API server, so a mistake here would be harmless there.

mod body;
mod head;
mod pool;
mod share;
mod tunnel;
mod upgrade;
mod websocket;

pub(crate) use body::GatewayBody;
pub(crate) use upgrade::UpgradeRequest;

use crate::admit::{CutReason, Permit, Upstream};
use crate::config::{ConfigError, GatewayConfig};
use crate::measure;
use crate::refusal::Refusal;
use crate::tls::UpstreamTls;
use body::RequestBody;
use core::time::Duration;
use daas_types::ErrorCode::{ApiServerUnavailable, RightLost};
use daas_types::UnixMs;
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as _;
use hyper::body::Incoming;
use pool::{Lane, Pool};
use share::Shares;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The way to the API server.
pub(crate) struct Forwarder {
    identity: Route,
    pass_through: Route,
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

/// How to reach the API server.
#[derive(Clone)]
pub(crate) struct Dialer {
    addr: SocketAddr,
    tls: UpstreamTls,
    within: Duration,
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
            let most = config.limits.upstream_connections;
            Route { pool: Pool::new(dialer.clone(), most, tasks.clone(), kill.clone()), dialer }
        };
        Ok(Self {
            identity: route(UpstreamTls::identity(&config.upstream)?),
            pass_through: route(UpstreamTls::pass_through(&config.upstream)?),
            response: config.limits.upstream_response,
            shares: Shares::new(config.limits.streams_per_holder),
            tasks: tasks.clone(),
            kill: kill.clone(),
        })
    }

    /// Sends an ordinary request and gives the answer as it streams. `parts` is scrubbed already.
    pub(crate) async fn forward(
        &self,
        permit: &Permit,
        mut parts: request::Parts,
        body: Incoming,
        now: UnixMs,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let lane = Lane::of(&parts.uri);
        let route = self.route(permit);
        let share = self.shares.take(permit)?;
        head::for_h2(&mut parts, &route.dialer.tls.name, permit)?;
        let mut lease = permit.leash().lease(now);
        let exchange = self.exchange(route, permit, lane, parts, body, now);
        let response = tokio::select! {
            biased;
            reason = &mut lease => return Err(lost(reason)),
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
        self.pass_through.pool.trim();
    }

    async fn exchange(
        &self,
        route: &Route,
        permit: &Permit,
        lane: Lane,
        parts: request::Parts,
        body: Incoming,
        now: UnixMs,
    ) -> Result<Response<(Incoming, pool::Slot)>, Refusal> {
        let idempotent =
            matches!(parts.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS);
        // Only a request without a body can be sent again after it left; see `retriable`.
        let again = (idempotent && body.is_end_stream()).then(|| parts.clone());
        let body = RequestBody::new(body, || permit.leash().lease(now));
        let mut request = Request::from_parts(parts, body);
        for last in [false, true] {
            let (mut sender, slot) = route.pool.slot(lane).await?;
            let error = match sender.try_send_request(request).await {
                Ok(response) => return Ok(response.map(|body| (body, slot))),
                Err(error) => error,
            };
            let mut error = error;
            let unsent = error.take_message();
            let error = error.into_error();
            let unprocessed = unsent.is_some() || retriable(&error);
            let next = unsent.or_else(|| again.clone().map(|parts| Request::from_parts(parts, RequestBody::empty())));
            match next {
                Some(next) if !last && idempotent && unprocessed => request = next,
                _ => return Err(Refusal::unavailable(ApiServerUnavailable, chain(&error))),
            }
        }
        Err(Refusal::unavailable(ApiServerUnavailable, "two connections ended before the request was sent"))
    }

    fn route(&self, permit: &Permit) -> &Route {
        match permit.upstream() {
            Upstream::FrontProxy(_) => &self.identity,
            Upstream::PassThrough(_) => &self.pass_through,
        }
    }
}

/// What a client is told whose right ended while it waited for an answer.
pub(crate) fn lost(reason: CutReason) -> Refusal {
    measure::cut(reason);
    match reason {
        CutReason::Stale => Refusal::unavailable(daas_types::ErrorCode::ChainStale, reason),
        CutReason::RightLost | CutReason::Expired => Refusal::forbidden(RightLost, reason),
    }
}

/// The API server says that it did not look at the request.
fn retriable(error: &hyper::Error) -> bool {
    let mut source: Option<&dyn core::error::Error> = Some(error);
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return h2.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        source = inner.source();
    }
    false
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

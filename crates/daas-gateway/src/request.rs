//! One request, from its head to the head of its answer.

use crate::admit::{Permit, View, admit};
use crate::audit::{Entry, Recorded};
use crate::authenticate::{Authenticator, Caller, Shown};
use crate::connection::{Place, Places, cord};
use crate::credential::{self, Bearer};
use crate::forward::{Forwarder, GatewayBody, RequestBody, UpgradeRequest};
use crate::freshness::Watch;
use crate::k3s::{self, K3s, Presented};
use crate::limits::{Limiter, Payer, Renewals, Strangers};
use crate::local::{ConnectionInfo, Endpoint, LocalEndpoints, Unread};
use crate::refusal::Refusal;
use crate::{hygiene, measure};
use core::convert::Infallible;
use core::time::Duration;
use daas_audit::Log;
use daas_types::ErrorCode::{AddressLimited, TokenMissing, TooManyRequests};
use daas_types::PositionId;
use daas_types::pop::Usage;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection that is to end is heard this often while it goes on asking: `kubectl` may ask for as much at once.
const HEARD_OUT: u32 = 16;

/// What every request shares.
pub(crate) struct App {
    pub(crate) watch: Watch,
    pub(crate) authenticator: Authenticator,
    pub(crate) limiter: Limiter,
    pub(crate) strangers: Strangers,
    pub(crate) places: Arc<Places>,
    pub(crate) local: Arc<dyn LocalEndpoints>,
    pub(crate) audit: Log,
    /// Where the API server is K3s'.
    pub(crate) k3s: Option<K3s>,
    pub(crate) requests: measure::Requests,
    /// Bodies without a token before them.
    pub(crate) unread: Unread<IpAddr>,
    /// Those of nodes.
    pub(crate) nodes_unread: Unread<PositionId>,
}

/// What the requests of one connection share.
pub(crate) struct Context {
    /// Through the connection: its count of users is each thread's to change, and a request would change it thrice.
    pub(crate) app: Arc<App>,
    pub(crate) info: ConnectionInfo,
    /// Of the thread that serves it.
    pub(crate) forwarder: Arc<Forwarder>,
    /// Held by a tunnel beyond the end of the connection's own task.
    pub(crate) place: Arc<Place>,
    /// How often it was said that too much came from its address.
    limited: AtomicU32,
    /// Then it takes no new requests.
    enough: CancellationToken,
    /// Of the position whose it is.
    renewals: Renewals,
    /// With K3s: the certificate that was shown at its beginning.
    presented: Option<Box<Presented>>,
    shown: Shown,
}

/// How an answer came about.
pub(crate) struct Answer {
    pub(crate) response: Response<GatewayBody>,
    pub(crate) outcome: &'static str,
}

/// Answers; a refusal is an answer too. Whatever becomes of it is in the audit log.
pub(crate) async fn serve(context: Arc<Context>, request: Request<Incoming>) -> Result<Response<Recorded>, Infallible> {
    let (app, begun) = (&context.app, Instant::now());
    let mut entry = Entry::of(&app.audit, context.info.peer, &request);
    let method = request.method().clone();
    let watch = is_watch(request.uri());
    let version = request.version();
    // Over HTTP/2 there is none.
    if version < Version::HTTP_2 {
        cord::untie();
    }
    let (answer, reason) = match app.answer(&context, request, &mut entry).await {
        Ok(answer) => (answer, Cow::Borrowed("")),
        Err(refusal) => {
            let peer = context.info.peer.ip();
            let refusal =
                if entry.is_let_in() { refusal } else { app.strangers.refused(peer, entry.is_known(), refusal) };
            let limited = refusal.code() == AddressLimited;
            tracing::debug!(peer = %context.info.peer, %refusal, "refused");
            let (outcome, reason) = (refusal.code().name(), refusal.reason());
            // A head without a body answers a HEAD.
            let mut response = refusal.into_response();
            if limited {
                context.hang_up(version, &mut response);
            }
            let response = if method == Method::HEAD { response.map(|_| bytes::Bytes::new()) } else { response };
            (Answer { response: response.map(GatewayBody::from), outcome }, Cow::Owned(reason))
        }
    };
    let Answer { response, outcome } = answer;
    app.requests.count(&method, watch, response.status().as_u16(), outcome, begun.elapsed());
    Ok(entry.answered(response, reason))
}

// === impl Context ===

impl Context {
    pub(crate) fn new(
        app: Arc<App>,
        info: ConnectionInfo,
        forwarder: Arc<Forwarder>,
        place: Place,
        presented: Option<Box<Presented>>,
    ) -> Self {
        let (place, limited, enough) = (Arc::new(place), AtomicU32::new(0), CancellationToken::new());
        let (renewals, shown) = (Renewals::default(), Shown::default());
        Self { app, info, forwarder, place, limited, enough, renewals, presented, shown }
    }

    /// The certificate that was shown at its beginning.
    pub(crate) fn presented(&self) -> Option<&Presented> {
        self.presented.as_deref()
    }

    /// Somebody with a right is on it. Costs a load where that is known.
    pub(crate) fn prove(&self, payer: Payer) -> Result<(), Refusal> {
        if self.place.is_proven() || self.place.prove(payer.holder()) {
            return Ok(());
        }
        let cause = "as many connections as one holder may have";
        Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause))
    }

    /// Too much came from its address. Whoever goes on has to come anew, which costs more than to ask.
    fn hang_up<B>(&self, version: Version, response: &mut Response<B>) {
        if version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return;
        }
        self.enough.cancel();
        if self.limited.fetch_add(1, Ordering::Relaxed) >= HEARD_OUT {
            self.place.give_up();
        }
    }

    /// Ends when it is to take no new requests.
    pub(crate) async fn enough(&self) {
        self.enough.cancelled().await;
    }

    /// Ends after `limit` if no request has been admitted by then, and otherwise never.
    pub(crate) async fn unproven(&self, limit: Duration) {
        tokio::time::sleep(limit).await;
        if self.place.is_proven() {
            core::future::pending::<()>().await;
        }
    }
}

// === impl App ===

impl App {
    pub(crate) fn since_checkpoint(&self) -> Duration {
        self.watch.age()
    }

    pub(crate) fn authenticate(
        &self,
        context: &Context,
        bearer: &Bearer,
        opaque: Usage,
        view: &View<'_>,
    ) -> Result<Caller, Refusal> {
        let may_verify = |position: Option<PositionId>| {
            let own = position.is_some_and(|position| context.place.is_of(position));
            if own && self.strangers.may_renew(&context.renewals) {
                return Ok(());
            }
            let address = context.info.peer.ip();
            self.strangers.may_verify(address, self.places.knows(address))
        };
        self.authenticator.authenticate(bearer, opaque, &view.snapshot, view.now, may_verify)
    }

    /// A request of one whose right was found. What is refused before this is drawn from the address' bucket.
    pub(crate) fn let_in(&self, context: &Context, payer: Payer, entry: &mut Entry) -> Result<(), Refusal> {
        self.limiter.draw(payer)?;
        context.prove(payer)?;
        entry.let_in();
        Ok(())
    }

    async fn answer(
        &self,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Answer, Refusal> {
        hygiene::check_form(&request)?;
        hygiene::check_host(&request, context.info.server_name.as_deref())?;
        if let Some(endpoint) = Endpoint::of(request.method(), request.uri().path()) {
            // Boxed: every request would carry room for it.
            return Box::pin(endpoint.answer(self, context, request, entry)).await.map(Answer::local);
        }
        if let Some(k3s) = &self.k3s
            && let Some(route) = k3s::Route::of(request.method(), request.uri())?
        {
            return Box::pin(k3s.answer(route, self, context, request, entry)).await;
        }
        self.kubernetes(context, request, entry, |parts, entry| {
            let view = self.watch.view();
            let caller = self.caller(context, parts, &view)?;
            admit(&caller, &view).inspect_err(|_| entry.known(&caller))
        })
        .await
    }

    fn caller(&self, context: &Context, parts: &request::Parts, view: &View<'_>) -> Result<Caller, Refusal> {
        let token = credential::alone(&parts.headers);
        let again = token.and_then(|token| self.authenticator.again(&context.shown, token, &view.snapshot, view.now));
        if let Some(caller) = again {
            return caller;
        }
        let bearer = Bearer::from_headers(&parts.headers)?;
        match (bearer, &self.k3s, context.presented()) {
            (Some(bearer), ..) => {
                let caller = self.authenticate(context, &bearer, Usage::User, view)?;
                self.authenticator.counted(&context.shown, &bearer);
                Ok(caller)
            }
            (None, Some(k3s), Some(presented)) => k3s.caller(presented, view),
            (None, ..) => Err(Refusal::unauthorized(TokenMissing, "no Authorization header")),
        }
    }

    /// To the API server, with the permit that is made of the request's head as it came.
    pub(crate) async fn kubernetes(
        &self,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
        permit: impl FnOnce(&request::Parts, &mut Entry) -> Result<Permit, Refusal>,
    ) -> Result<Answer, Refusal> {
        let (mut parts, body) = request.into_parts();
        let permit = permit(&parts, entry)?;
        let upgrade = UpgradeRequest::of(&mut parts);
        // First, so that the log has what the API server is told and not what `Connection` takes away.
        hygiene::scrub(&mut parts.headers)?;
        entry.admitted(&permit, &parts.headers);
        self.let_in(context, permit.payer(), entry)?;
        let upgrade = upgrade?;
        let mut lease = permit.leash().lease();
        entry.begin().await?;
        let response = match upgrade {
            None => {
                let body = RequestBody::new(body, || permit.leash().lease());
                entry.counted_by(body.counter());
                context.forwarder.forward(&permit, parts, body, &mut lease).await?
            }
            Some(upgrade) => {
                // Boxed: they are rare, and every request would carry room for it.
                let place = context.place.clone();
                Box::pin(context.forwarder.upgrade(&permit, parts, upgrade, place, entry)).await?
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // The tunnel has a leash of its own.
            return Ok(Answer { response, outcome: "tunnel" });
        }
        cord::tie(lease);
        Ok(Answer { response, outcome: measure::FORWARDED })
    }
}

// === impl Answer ===

impl Answer {
    fn local(response: Response<GatewayBody>) -> Self {
        Self { response, outcome: "local" }
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1"))
}

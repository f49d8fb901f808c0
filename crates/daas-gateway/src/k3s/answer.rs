//! What becomes of a request for one of K3s' routes.

use super::claims::{address, check_name};
use super::joining::Joining;
use super::queue::Place;
use super::routes::{Issue, Route};
use super::signing::{MAX_REQUEST, requested_key};
use super::{K3s, basic_seal};
use crate::admit::{Lease, Permit, Upstream, View, admit, admit_join};
use crate::audit::Entry;
use crate::authenticate::Caller;
use crate::forward::{Forwarder, GatewayBody, RequestBody, lost};
use crate::local::NodeCaller;
use crate::refusal::Refusal;
use crate::request::{Answer, App, Context};
use crate::{hygiene, local, measure};
use bytes::Bytes;
use core::future::Future;
use core::time::Duration;
use daas_types::ErrorCode::{ApiServerUnavailable, CertificateRefused, TokenMissing, UsageNotPermitted};
use daas_types::pop::Usage;
use http::header::{AUTHORIZATION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

/// Longest answer: the configuration, or a few certificates.
const MAX_ANSWER: usize = 1024 * 1024;
/// Its body arrives within this.
const BODY: Duration = Duration::from_secs(10);

// === impl K3s ===

impl K3s {
    /// Answers, by itself or by K3s. A refusal is told as K3s' agents understand it.
    pub(crate) async fn answer(
        &self,
        route: Route,
        app: &App,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Answer, Refusal> {
        let answer = match route {
            Route::CaCerts => open(app, context, entry, self.server_ca.clone()).await,
            Route::Ping => open(app, context, entry, Bytes::from_static(b"pong")).await,
            Route::Connect => {
                let permit = |parts: &request::Parts, entry: &mut Entry| {
                    let view = app.watch.view();
                    self.tunnel(context, &parts.headers, &view, entry)
                };
                app.kubernetes(context, request, entry, permit).await
            }
            Route::Read | Route::Issue(_) => self.join(route, app, context, request, entry).await,
        };
        answer.map_err(Refusal::for_agents)
    }

    /// Whose a tunnel is: told to K3s by name, which is how it tells tunnels apart. No agent shows its Seal for it.
    fn tunnel(
        &self,
        context: &Context,
        headers: &HeaderMap,
        view: &View<'_>,
        entry: &mut Entry,
    ) -> Result<Permit, Refusal> {
        if headers.contains_key(AUTHORIZATION) {
            return Err(Refusal::unauthorized(CertificateRefused, "the tunnel is opened by a certificate alone"));
        }
        let presented = context.presented().ok_or_else(|| nothing_shown())?;
        if let Some(permit) = self.server(presented, view) {
            return permit;
        }
        let caller = self.caller(presented, view)?;
        if !presented.is_kubelets() {
            return Err(Refusal::unauthorized(CertificateRefused, "only a kubelet's opens the tunnel"));
        }
        admit(&caller, view).inspect_err(|_| entry.known(&caller))
    }

    /// A Seal is judged first, whatever certificate stands beside it: K3s lets an agent in by the one that holds, and a
    /// certificate lives for a year.
    fn permit(
        &self,
        route: Route,
        app: &App,
        context: &Context,
        headers: &HeaderMap,
        view: &View<'_>,
        entry: &mut Entry,
    ) -> Result<Permit, Refusal> {
        if let Some(seal) = basic_seal(headers)? {
            let caller = kubelet(app.authenticate(context, &seal, Usage::Kubelet, view)?, entry)?;
            return admit_join(&caller, self.token.clone(), view).inspect_err(|_| entry.known(&caller));
        }
        let presented = context.presented().ok_or_else(|| nothing_shown())?;
        let caller = self.caller(presented, view)?;
        if !presented.is_kubelets() {
            return Err(Refusal::unauthorized(CertificateRefused, "only a kubelet's opens K3s' routes"));
        }
        if let Route::Issue(_) = route {
            let cause = "a certificate is issued to a Seal, and not to a certificate";
            return Err(Refusal::unauthorized(CertificateRefused, cause));
        }
        admit(&caller, view).inspect_err(|_| entry.known(&caller))
    }

    async fn join(
        &self,
        route: Route,
        app: &App,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Answer, Refusal> {
        let (mut parts, body) = request.into_parts();
        let view = app.watch.view();
        let permit = self.permit(route, app, context, &parts.headers, &view, entry)?;
        if parts.headers.contains_key(UPGRADE) {
            return Err(Refusal::form("Upgrade where K3s has no tunnel"));
        }
        hygiene::scrub(&mut parts.headers)?;
        entry.admitted(&permit, &parts.headers);
        app.let_in(context, permit.payer(), entry)?;
        self.check_claims(route, &parts.headers, &permit)?;
        let place = self.queue.enter(permit.payer().position())?;
        let mut lease = permit.leash().lease();
        let Route::Issue(issue) = route else {
            if !body.is_end_stream() {
                return Err(Refusal::form("a body where none is read"));
            }
            entry.begin().await?;
            let forwarder = context.forwarder.clone();
            let asked = async move { ask(&forwarder, &permit, parts, Bytes::new()).await };
            return self.in_turn(route, place, &mut lease, asked).await.map(forwarded);
        };
        let body = local::read(body, MAX_REQUEST, entry).await?;
        let key = requested_key(&body)?;
        entry.begin().await?;
        let (position, seal) = (permit.payer().position(), permit.identity().and_then(crate::Identity::seal));
        let seal = seal.ok_or_else(|| nothing_shown())?;
        let crate::Kind::Node { id, .. } = permit.kind() else { return Err(nothing_shown()) };
        let node = NodeCaller { position, node_id: id.clone(), seal };
        let address = address(&parts.headers, context.info.peer.ip());
        let joining = Joining { local: app.local.clone(), connection: context.info.clone(), node, address, key };
        let forwarder = context.forwarder.clone();
        let issued = async move {
            if issue == Issue::Serving {
                return joining.serve(&body).await;
            }
            joining.take(issue, ask(&forwarder, &permit, parts, body).await?).await
        };
        let answer = self.in_turn(route, place, &mut lease, issued).await?;
        // A kubelet's as a server opens nothing here.
        if issue == Issue::Serving {
            return Ok(Answer { response: answer.map(GatewayBody::from), outcome: "local" });
        }
        if answer.status().is_success() {
            // By what is known now: K3s may have taken its time.
            self.keys.bind(key, (position, seal), issue, &app.watch.view().snapshot).await?;
        }
        Ok(forwarded(answer))
    }

    fn check_claims(&self, route: Route, headers: &HeaderMap, permit: &Permit) -> Result<(), Refusal> {
        let crate::Kind::Node { id, .. } = permit.kind() else { return Err(nothing_shown()) };
        check_name(matches!(route, Route::Issue(Issue::Serving | Issue::Kubelet)), id, headers)?;
        if matches!(route, Route::Issue(_)) { self.own.check(id, headers) } else { Ok(()) }
    }

    /// Asks K3s, and the master, when there is room: which is somebody else's as soon as they have answered, however slowly the
    /// agent reads, and not before, whether the agent waits for it or not. So whoever asks and hangs up has no more of them than
    /// others.
    async fn in_turn(
        &self,
        route: Route,
        place: Place,
        lease: &mut Lease,
        asked: impl Future<Output = Result<Response<Bytes>, Refusal>> + Send + 'static,
    ) -> Result<Response<Bytes>, Refusal> {
        let turn = tokio::select! {
            biased;
            reason = &mut *lease => return Err(lost(reason)),
            turn = place.turn(route) => turn?,
        };
        let kill = self.kill.clone();
        let asked = self.tasks.spawn(async move {
            let answer = kill.run_until_cancelled(asked).await;
            drop((turn, place));
            answer.unwrap_or_else(|| Err(unread()))
        });
        tokio::select! {
            biased;
            reason = lease => Err(lost(reason)),
            answer = asked => answer.unwrap_or_else(|_| Err(unread())),
        }
    }
}

/// Ends with K3s' answer, or when that took too long.
async fn ask(
    forwarder: &Forwarder,
    permit: &Permit,
    parts: request::Parts,
    body: Bytes,
) -> Result<Response<Bytes>, Refusal> {
    let answer = forwarder.forward(permit, parts, RequestBody::read(body), &mut Permit::unhurried()).await?;
    let (head, body) = answer.into_parts();
    let read = timeout(BODY, Limited::new(body, MAX_ANSWER).collect()).await;
    let body = read.ok().and_then(Result::ok).ok_or_else(|| unread())?.to_bytes();
    if head.status == StatusCode::UNAUTHORIZED && matches!(permit.upstream(), Upstream::Join(..)) {
        // Nothing that the agent could mend.
        return Err(Refusal::unavailable(ApiServerUnavailable, "K3s refused the gateway's agent token"));
    }
    Ok(Response::from_parts(head, body))
}

/// Whoever joins is given a kubelet's identity, so it has to show a kubelet's token; a Seal's secret counts as that.
fn kubelet(caller: Caller, entry: &mut Entry) -> Result<Caller, Refusal> {
    if matches!(&caller, Caller::Seal(holder) if holder.usage == Usage::Kubelet) {
        return Ok(caller);
    }
    entry.known(&caller);
    Err(Refusal::forbidden(UsageNotPermitted, "only a kubelet's token joins"))
}

/// What anyone may know.
async fn open(app: &App, context: &Context, entry: &mut Entry, text: Bytes) -> Result<Answer, Refusal> {
    app.strangers.may_fetch(context.info.peer.ip())?;
    entry.begin().await?;
    let mut response = Response::new(GatewayBody::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(Answer { response, outcome: "local" })
}

fn forwarded(answer: Response<Bytes>) -> Answer {
    Answer { response: answer.map(GatewayBody::from), outcome: measure::FORWARDED }
}

#[track_caller]
fn nothing_shown() -> Refusal {
    Refusal::unauthorized(TokenMissing, "neither a Seal nor a client certificate")
}

#[track_caller]
fn unread() -> Refusal {
    Refusal::unavailable(ApiServerUnavailable, "K3s' answer did not arrive")
}

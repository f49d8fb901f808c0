//! What the audit log has of one request: one start and one end, whichever way the request takes.
//!
//! ```text
//! head read ─► Entry ─ identify ─ begin ─► forwarded ─► Recorded, the answer's body ─► its end
//!                │                             └─ 101 ─► the tunnel's task ─────────────► its end
//!                └─ refused, aborted: recorded with what was known by then
//! ```
//!
//! Costs a request one allocation for the start, one for the API server's `Audit-ID`, and the queue's lock twice.

mod recorded;

pub(crate) use recorded::Recorded;

use crate::admit::{KUBE_PROXY, Kind, Leash, Permit};
use crate::authenticate::Caller;
use crate::forward::GatewayBody;
use crate::refusal::Refusal;
use core::mem;
use core::sync::atomic::AtomicU64;
use daas_audit::{Arrival, Log, Ticket, What, Who};
use daas_types::SealId;
use daas_types::pop::Usage;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use recorded::End;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// A request on its way to its answer. Dropped on the way, it is recorded as aborted.
pub(crate) struct Entry {
    state: State,
    /// The answer to a HEAD has no body, whatever its head says.
    head: bool,
    known: bool,
    let_in: bool,
    received: Option<Arc<AtomicU64>>,
    /// What cuts the answer short.
    until: Option<Leash>,
}

enum State {
    Arrived(Arrival),
    Begun(Ticket),
    /// Somebody else has the ticket.
    HandedOver,
}

// === impl Entry ===

impl Entry {
    /// Of a request whose head was read.
    pub(crate) fn of<B>(log: &Log, peer: SocketAddr, request: &Request<B>) -> Self {
        let uri = request.uri();
        let arrival = log.arrive(peer, &What::of(request.method().as_str(), uri.path(), uri.query()));
        let head = request.method() == Method::HEAD;
        Self { state: State::Arrived(arrival), head, known: false, let_in: false, received: None, until: None }
    }

    /// A credential held, of whom is known; what it opens is not.
    pub(crate) fn known(&mut self, caller: &Caller) {
        self.known = true;
        match caller {
            Caller::Seal(holder) => {
                let state = &holder.position.state;
                let (kind, tier) = match holder.usage {
                    Usage::User => (daas_audit::Caller::Person, holder.position.rights.tier),
                    Usage::Kubelet | Usage::KubeProxy | Usage::Worker => (daas_audit::Caller::Node, None),
                };
                // As the API server would have been told.
                let user = match (holder.usage, holder.position.node()) {
                    (Usage::KubeProxy, _) => KUBE_PROXY.to_owned(),
                    (Usage::Kubelet | Usage::Worker, Some(node)) => format!("system:node:{node}"),
                    (Usage::User | Usage::Kubelet | Usage::Worker, _) => state.owner.to_string(),
                };
                self.identify(&Who {
                    kind,
                    user: user.into(),
                    position: Some(state.position),
                    tier,
                    seal: Some(holder.seal.id),
                    ..Who::default()
                });
            }
            Caller::Certificate(holder) => self.identify(&Who {
                kind: daas_audit::Caller::Node,
                user: holder.position.node().map_or_else(String::new, |node| holder.role.user(&node)).into(),
                position: Some(holder.position.state.position),
                seal: Some(holder.seal),
                ..Who::default()
            }),
            Caller::ServiceAccount { token, .. } => self.identify(&Who {
                kind: daas_audit::Caller::ServiceAccount,
                user: service_account(&token.namespace, &token.name).into(),
                ..Who::default()
            }),
        }
    }

    /// Whether that was said.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// It was admitted.
    pub(crate) fn admitted(&mut self, permit: &Permit, headers: &HeaderMap) {
        self.known = true;
        let (kind, tier) = match permit.kind() {
            Kind::Person { tier } => (daas_audit::Caller::Person, Some(*tier)),
            Kind::Node { .. } => (daas_audit::Caller::Node, None),
            Kind::ServiceAccount { .. } => (daas_audit::Caller::ServiceAccount, None),
        };
        let user = match (permit.identity(), permit.kind()) {
            (Some(identity), _) => Cow::Borrowed(identity.user()),
            (None, Kind::ServiceAccount { namespace, name }) => service_account(namespace, name).into(),
            (None, Kind::Person { .. } | Kind::Node { .. }) => Cow::Borrowed(""),
        };
        let acting_as = headers.get(IMPERSONATE_USER).map_or(Cow::Borrowed(""), |name| text(name));
        let seal: Option<SealId> = permit.identity().and_then(crate::Identity::seal);
        let position = Some(permit.payer().position()).filter(|_| !permit.payer().is_control_plane());
        self.identify(&Who { kind, user, position, tier, seal, acting_as });
        self.until = Some(permit.leash().clone());
    }

    /// It is let through, and nobody's but its holder's to pay for.
    pub(crate) fn let_in(&mut self) {
        self.let_in = true;
        if let State::Arrived(arrival) = &mut self.state {
            arrival.let_in();
        }
    }

    /// Whether that was said.
    pub(crate) fn is_let_in(&self) -> bool {
        self.let_in
    }

    /// It changes nothing, although it is a POST.
    pub(crate) fn changes_nothing(&mut self) {
        if let State::Arrived(arrival) = &mut self.state {
            arrival.changes_nothing();
        }
    }

    /// To be awaited before anything is done for it: its start is recorded and, if it changes something, on disk.
    pub(crate) async fn begin(&mut self) -> Result<(), Refusal> {
        let arrival = match mem::replace(&mut self.state, State::HandedOver) {
            State::Arrived(arrival) => arrival,
            begun => {
                self.state = begun;
                return Ok(());
            }
        };
        let (ticket, refused) = match arrival.begin().await {
            Ok(ticket) => (ticket, None),
            Err(refused) => (refused.ticket, Some(refused.why)),
        };
        self.state = State::Begun(ticket);
        refused.map_or(Ok(()), |why| Err(Refusal::unavailable(why.code(), why)))
    }

    /// So many bytes came with it.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = Some(Arc::new(u64::try_from(bytes).unwrap_or(u64::MAX).into()));
    }

    /// Who counts the request's body.
    pub(crate) fn counted_by(&mut self, received: Option<Arc<AtomicU64>>) {
        self.received = received;
    }

    /// A 101 goes to the client: from here on the tunnel has the request's end.
    pub(crate) fn hand_over<B>(&mut self, response: &Response<B>) -> Option<Ticket> {
        let mut ticket = self.ticket()?;
        ticket.outcome().status = response.status().as_u16();
        ticket.outcome().audit_id = audit_id(response.headers());
        Some(ticket)
    }

    /// The request's answer. Its end is the body's. `reason` is empty where nothing was refused.
    pub(crate) fn answered(
        mut self,
        mut response: Response<GatewayBody>,
        reason: Cow<'static, str>,
    ) -> Response<Recorded> {
        let Some(mut ticket) = self.ticket() else {
            return response.map(|body| Recorded { body, tail: None, end: None });
        };
        ticket.outcome().status = response.status().as_u16();
        let id = audit_id(response.headers());
        if let (true, Some(sequence)) = (id.is_empty(), ticket.sequence()) {
            // An answer of ours is found in the log by the number of its start.
            response.headers_mut().insert(AUDIT_ID, HeaderValue::from(sequence));
        }
        ticket.outcome().audit_id = id;
        let Self { head: whole, received, until, .. } = self;
        response.map(|body| Recorded { body, tail: None, end: Some(End { ticket, received, until, reason, whole }) })
    }

    fn identify(&mut self, who: &Who<'_>) {
        if let State::Arrived(arrival) = &mut self.state {
            arrival.identify(who);
        }
    }

    fn ticket(&mut self) -> Option<Ticket> {
        match mem::replace(&mut self.state, State::HandedOver) {
            State::Arrived(arrival) => Some(arrival.start()),
            State::Begun(ticket) => Some(ticket),
            State::HandedOver => None,
        }
    }
}

fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

fn audit_id(headers: &HeaderMap) -> String {
    headers.get(AUDIT_ID).map_or_else(String::new, |id| text(id).into_owned())
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

//! The endpoints the gateway answers itself: exact method and path, so that nothing of Kubernetes' is shadowed.
//! (Kubernetes has no POST on a named node, so a node called `heartbeat` stays reachable.)

mod security;
mod staking;
mod unread;

pub(crate) use unread::Unread;

use crate::admit::admit_worker;
use crate::audit::Entry;
use crate::connection::network;
use crate::credential::Bearer;
use crate::forward::GatewayBody;
use crate::limits::Payer;
use crate::refusal::Refusal;
use crate::request::{App, Context};
use async_trait::async_trait;
use bytes::Bytes;
use core::fmt;
use core::time::Duration;
use daas_types::ErrorCode::{Internal, NodeIdMismatch, TokenMissing};
use daas_types::api::{
    AttestationRequest, AttestationResponse, HeartbeatRequest, HeartbeatResponse, RegisterWorkerRequest,
    RegisterWorkerResponse,
};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, NodeId, PositionId, SealId, Tier};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Largest body of a worker, and of a question for evidence, which is a nonce.
const MAX_BODY: usize = 64 * 1024;
const MAX_QUESTION: usize = 1024;
/// A body arrives within this.
const BODY: Duration = Duration::from_secs(10);
/// An endpoint answers within this.
const ANSWER: Duration = Duration::from_secs(30);

/// What the gateway's owner does for these endpoints.
#[async_trait]
pub trait LocalEndpoints: Send + Sync + 'static {
    /// Evidence for this connection. `informative`: no nonce was given, so the answer proves nothing.
    async fn attest(
        &self,
        connection: &ConnectionInfo,
        request: AttestationRequest,
        informative: bool,
    ) -> Result<AttestationResponse, Refusal>;

    /// A node joins. Its right and its node id have been checked.
    async fn register_worker(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        request: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal>;

    /// A node that joins by K3s' own protocol asks for its certificate as a server, at this address as it says. Its right, its node
    /// id and the request's signature (PKCS #10, DER) have been checked. The certificate and its issuer's, as PEM.
    async fn agent_serves(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal>;

    /// A node joins by K3s' own protocol, from this address as it says. Its right, its node id and its password have been
    /// checked; it has its certificate when this is done.
    async fn agent_joins(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
    ) -> Result<(), Refusal>;

    /// A node lives. Its right and its node id have been checked.
    async fn heartbeat(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal>;

    /// A kubeconfig for anyone: server, CA and the name of the program that mints tokens, which verifies both.
    fn kubectl_config(&self) -> String;
}

/// The connection a request came on.
#[derive(Clone)]
pub struct ConnectionInfo {
    /// The other end, as seen here.
    pub peer: SocketAddr,
    /// The name that TLS was asked for, if it was for one.
    pub server_name: Option<Arc<str>>,
    /// The TLS session's exported key under [`daas_types::api::EXPORTER_LABEL`].
    pub exporter: [u8; 32],
}

/// A node whose token and right were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCaller {
    /// Its position.
    pub position: PositionId,
    /// Its node id.
    pub node_id: NodeId,
    /// The Seal it showed.
    pub seal: SealId,
}

/// One of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Attest,
    RegisterWorker,
    Heartbeat,
    StakingStatus,
    SecurityContext,
    KubectlConfig,
}

// === impl Endpoint ===

impl Endpoint {
    /// The endpoint with exactly this method and path, as the bytes are.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::GET | &Method::POST, "/api/v1/attestation") => Some(Self::Attest),
            (&Method::POST, "/api/v1/register-worker") => Some(Self::RegisterWorker),
            (&Method::POST, "/api/v1/nodes/heartbeat") => Some(Self::Heartbeat),
            (&Method::GET, "/api/v1/staking/status") => Some(Self::StakingStatus),
            (&Method::GET, "/api/v1/security-context") => Some(Self::SecurityContext),
            (&Method::GET, "/kubectl/config") => Some(Self::KubectlConfig),
            _ => None,
        }
    }

    pub(crate) async fn answer(
        self,
        app: &App,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let late = |_| Refusal::new(Internal, StatusCode::GATEWAY_TIMEOUT, format!("no answer within {ANSWER:?}"));
        tokio::time::timeout(ANSWER, self.answer_in_time(app, context, request, entry)).await.map_err(late)?
    }

    async fn answer_in_time(
        self,
        app: &App,
        context: &Context,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let connection = &context.info;
        let (http::request::Parts { headers, .. }, body) = request.into_parts();
        if self != Self::RegisterWorker {
            // A question for evidence and a sign of life leave everything as it is. On a full disk a node that says that it
            // lives must be heard, or it is jailed for it.
            entry.changes_nothing();
        }
        match self {
            Self::Attest => {
                app.strangers.may_send(connection.peer.ip())?;
                // Of one who is slow nothing is kept but the body.
                drop(headers);
                let body = read(body, MAX_QUESTION, entry).await?;
                let request: AttestationRequest =
                    if body.is_empty() { AttestationRequest::default() } else { parse(&body)? };
                let informative = request.nonce.is_none();
                entry.begin().await?;
                json(&app.local.attest(connection, request, informative).await?)
            }
            Self::RegisterWorker => {
                let (bearer, body) = read_workers(app, context, headers, body, true, entry).await?;
                let request: RegisterWorkerRequest = parse(&body)?;
                let bearer = Bearer::or_field(bearer, request.seal_token.as_deref())?;
                let caller = node(app, context, bearer, &request.node_id, true, entry)?;
                entry.begin().await?;
                json(&app.local.register_worker(connection, &caller, request).await?)
            }
            Self::Heartbeat => {
                let (bearer, body) = read_workers(app, context, headers, body, false, entry).await?;
                let request: HeartbeatRequest = parse(&body)?;
                let bearer = Bearer::or_field(bearer, request.seal_token.as_deref())?;
                let caller = node(app, context, bearer, &request.node_id, false, entry)?;
                entry.begin().await?;
                json(&app.local.heartbeat(connection, &caller, request).await?)
            }
            Self::StakingStatus => {
                let status = staking::status(app, context, &headers, entry)?;
                entry.begin().await?;
                json(&status)
            }
            Self::SecurityContext => {
                let context = security::context(app, context, &headers, entry).await?;
                entry.begin().await?;
                json(&context)
            }
            Self::KubectlConfig => {
                app.strangers.may_ask(connection.peer.ip())?;
                entry.begin().await?;
                // JSON, which is YAML too.
                Ok(answer(app.local.kubectl_config()))
            }
        }
    }
}

// === impl ConnectionInfo ===

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A worker's body, and the token before it: at once if that is a node's, and else when there is room for a stranger's. Of the
/// head nothing else is kept while the body comes.
async fn read_workers(
    app: &App,
    context: &Context,
    headers: HeaderMap,
    body: Incoming,
    joins: bool,
    entry: &mut Entry,
) -> Result<(Option<Bearer>, Bytes), Refusal> {
    let bearer = Bearer::of_node(&headers)?;
    drop(headers);
    if let Some(bearer) = &bearer {
        let view = app.watch.view();
        // One of a Seal that is no node's is read with the strangers': its body may hold another token, which is to be said first.
        let caller = app.authenticate(context, bearer, Usage::Worker, &view)?;
        if let Ok(node) = admit_worker(&caller, joins, &view) {
            entry.known(&caller);
            app.let_in(context, payer(node.position), entry)?;
            let reading = app.nodes_unread.take(node.position)?;
            let body = reading.of(read(body, MAX_BODY, entry)).await?;
            return Ok((Some(bearer.clone()), body));
        }
    }
    app.strangers.may_send(context.info.peer.ip())?;
    let reading = app.unread.take(network(context.info.peer.ip()))?;
    Ok((bearer, reading.of(read(body, MAX_BODY, entry)).await?))
}

fn node(
    app: &App,
    context: &Context,
    bearer: Option<Bearer>,
    node_id: &str,
    joins: bool,
    entry: &mut Entry,
) -> Result<NodeCaller, Refusal> {
    let bearer = bearer.ok_or_else(|| Refusal::unauthorized(TokenMissing, "no Seal token"))?;
    let view = app.watch.view();
    let caller = app.authenticate(context, &bearer, Usage::Worker, &view)?;
    entry.known(&caller);
    let caller = admit_worker(&caller, joins, &view)?;
    if !entry.is_let_in() {
        app.let_in(context, payer(caller.position), entry)?;
    }
    if node_id != caller.node_id.as_str() {
        // The claimed id is not repeated: it is text from anyone.
        let cause = format!("the Seal's node is {}", caller.node_id);
        return Err(Refusal::forbidden(NodeIdMismatch, cause));
    }
    Ok(caller)
}

/// Nothing it asks for here lasts, and a node's bucket is the same whatever its stake.
fn payer(node: PositionId) -> Payer {
    Payer::Node(node, Tier::Viewer)
}

pub(crate) async fn read(body: Incoming, most: usize, entry: &mut Entry) -> Result<Bytes, Refusal> {
    let collect = Limited::new(body, most).collect();
    let collected = tokio::time::timeout(BODY, collect)
        .await
        .map_err(|_| unread(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
    let collected = collected.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => unread(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes")),
        None => unread(StatusCode::BAD_REQUEST, "the body did not arrive"),
    })?;
    let body = collected.to_bytes();
    entry.received(body.len());
    Ok(body)
}

#[track_caller]
fn unread(status: StatusCode, cause: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::PathRefused, status, cause)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // Where, not what: the body may hold a token.
    serde_json::from_slice(body).map_err(|error| {
        Refusal::form(format!("the body is not the JSON expected, at line {} column {}", error.line(), error.column()))
    })
}

fn json(value: &impl Serialize) -> Result<Response<GatewayBody>, Refusal> {
    let internal = |error| Refusal::new(Internal, StatusCode::INTERNAL_SERVER_ERROR, error);
    serde_json::to_vec(value).map_err(internal).map(answer)
}

fn answer(json: impl Into<Bytes>) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::from(json.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;

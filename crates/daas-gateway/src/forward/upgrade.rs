//! WebSocket and SPDY: opaque tunnels, each on a connection of its own. Not one byte goes through before the API
//! server has said 101.

use super::body::{GatewayBody, RequestBody};
use super::pool::Lane;
use super::share::Share;
use super::tunnel::ClientEnd;
use super::websocket::CloseCode;
use super::{Forwarder, head, lost};
use crate::admit::{Lease, Permit};
use crate::audit::Entry;
use crate::connection::Place;
use crate::refusal::Refusal;
use crate::{hygiene, measure};
use core::time::Duration;
use daas_types::ErrorCode::ApiServerUnavailable;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;

/// How long either side may take from 101 to handing its connection over.
const HANDOVER: Duration = Duration::from_secs(10);

/// Why a tunnel ended, for the audit log: the gateway stopped, or one side broke off.
const STOPPED: &str = "Stopped";
/// Whoever proved the connection lost the right, and another has its place.
const GAVE_WAY: &str = "GaveWay";
const BROKEN: &str = "Aborted";

/// A request that asks for a tunnel in a form that cannot be mistaken.
pub(crate) struct UpgradeRequest {
    protocol: HeaderValue,
    client: OnUpgrade,
}

// === impl UpgradeRequest ===

impl UpgradeRequest {
    /// What `parts` asks for; `None` for an ordinary request. Reads the head as it came, before it is scrubbed.
    pub(crate) fn of(parts: &mut request::Parts) -> Result<Option<Self>, Refusal> {
        let client = parts.extensions.remove::<OnUpgrade>();
        let headers = &parts.headers;
        if !headers.contains_key(UPGRADE) {
            return Ok(None);
        }
        let mut protocols = headers.get_all(UPGRADE).into_iter();
        let protocol = protocols.next().filter(|_| protocols.next().is_none());
        let protocol = protocol.filter(|protocol| {
            let name = protocol.as_bytes();
            name.eq_ignore_ascii_case(b"websocket") || name.eq_ignore_ascii_case(b"SPDY/3.1")
        });
        let protocol =
            protocol.ok_or_else(|| Refusal::form("Upgrade to something other than websocket or SPDY/3.1"))?;
        if !hygiene::connection_tokens(headers)?.contains(&UPGRADE) {
            return Err(Refusal::form("Upgrade without Connection: Upgrade"));
        }
        if !matches!(parts.method, Method::GET | Method::POST) || has_body(headers) {
            return Err(Refusal::form("Upgrade in a request with a body, or neither GET nor POST"));
        }
        let client = client.filter(|_| parts.version == Version::HTTP_11);
        let client = client.ok_or_else(|| Refusal::form("Upgrade outside HTTP/1.1"))?;
        Ok(Some(Self { protocol: protocol.clone(), client }))
    }
}

// === impl Forwarder ===

impl Forwarder {
    /// Sends the upgrade request; a 101 becomes a tunnel, anything else an ordinary answer. `parts` is scrubbed.
    pub(crate) async fn upgrade(
        &self,
        permit: &Permit,
        mut parts: request::Parts,
        upgrade: UpgradeRequest,
        place: Arc<Place>,
        entry: &mut Entry,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let UpgradeRequest { protocol, client } = upgrade;
        let share = self.shares.take(permit, Lane::Long)?;
        let dialer = &self.route(permit).dialer;
        head::for_http11(&mut parts, &dialer.tls.name, permit)?;
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, protocol.clone());
        let mut lease = permit.leash().lease();
        let send = async {
            let (mut sender, connection) = dialer.dial_http11().await?;
            let kill = self.kill.clone();
            self.tasks.spawn(async move {
                // Its end shows where it matters: at the response or in the tunnel.
                let _ = kill.run_until_cancelled_owned(connection.with_upgrades()).await;
            });
            sender.send_request(Request::from_parts(parts, RequestBody::empty())).await.map_err(io::Error::other)
        };
        let response = tokio::select! {
            biased;
            reason = &mut lease => return Err(lost(reason)),
            response = tokio::time::timeout(self.response, send) => response.map_err(|_| {
                let cause = format!("no answer within {} s", self.response.as_secs());
                Refusal::new(ApiServerUnavailable, StatusCode::GATEWAY_TIMEOUT, cause)
            })?,
        };
        let response = response.map_err(|error| Refusal::unavailable(ApiServerUnavailable, super::chain(&error)))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.tunnel(response, &protocol, client, lease, (place, share), entry);
        }
        let mut response = response.map(|body| GatewayBody::Apart { body, _share: share });
        hygiene::scrub_response(response.headers_mut());
        // The client may have sent tunnel bytes already; on this connection nothing more is read as a request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(response)
    }

    fn tunnel(
        &self,
        mut response: Response<Incoming>,
        protocol: &HeaderValue,
        client: OnUpgrade,
        lease: Lease,
        held: (Arc<Place>, Share),
        entry: &mut Entry,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let agreed = response.headers().get(UPGRADE).cloned();
        let agreed = agreed.filter(|agreed| agreed.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()));
        let other = || Refusal::unavailable(ApiServerUnavailable, "it switched to another protocol than asked for");
        let agreed = agreed.ok_or_else(other)?;
        let upstream = hyper::upgrade::on(&mut response);
        let websocket = agreed.as_bytes().eq_ignore_ascii_case(b"websocket");
        let kill = self.kill.clone();
        let (ticket, given_up) = (entry.hand_over(&response), held.0.given_up());
        self.tasks.spawn(async move {
            let open = measure::tunnel();
            let mut ends = None;
            let (cut, reason) = tokio::select! {
                biased;
                () = kill.cancelled() => (Some((CloseCode::GoingAway, "the gateway ends".to_owned())), STOPPED),
                () = given_up.cancelled() => {
                    (Some((CloseCode::GoingAway, "another has its place".to_owned())), GAVE_WAY)
                }
                reason = lease => {
                    measure::cut(reason);
                    (Some((CloseCode::PolicyViolation, reason.to_string())), reason.code().name())
                }
                result = copy(client, upstream, websocket, &mut ends) => {
                    if let Err(error) = &result {
                        tracing::debug!(%error, "a tunnel ended");
                    }
                    (None, if result.is_ok() { "" } else { BROKEN })
                }
            };
            let mut counts = (0, 0);
            if let Some((client, upstream)) = ends {
                drop(upstream);
                counts = client.counts();
                if let Some((code, reason)) = cut {
                    client.close(code, &reason).await;
                }
            }
            if let Some(mut ticket) = ticket {
                (ticket.outcome().received, ticket.outcome().sent) = counts;
                ticket.finish(StatusCode::SWITCHING_PROTOCOLS.as_u16(), reason);
            }
            drop((open, held));
        });
        hygiene::scrub_response(response.headers_mut());
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        response.headers_mut().insert(UPGRADE, agreed);
        Ok(response.map(|_| GatewayBody::from(bytes::Bytes::new())))
    }
}

/// Both ways, each half closed as its source closes. `ends` are both, once they are there.
async fn copy(
    client: OnUpgrade,
    upstream: OnUpgrade,
    websocket: bool,
    ends: &mut Option<(ClientEnd<TokioIo<Upgraded>>, TokioIo<Upgraded>)>,
) -> io::Result<()> {
    let both = futures::future::try_join(client, upstream);
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "a side did not hand its connection over");
    let both = tokio::time::timeout(HANDOVER, both).await.map_err(late)?;
    let (client, upstream): (Upgraded, Upgraded) = both.map_err(io::Error::other)?;
    let (client, upstream) = ends.insert((ClientEnd::new(TokioIo::new(client), websocket), TokioIo::new(upstream)));
    tokio::io::copy_bidirectional(client, upstream).await.map(drop)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get_all(CONTENT_LENGTH).into_iter().any(|length| length.as_bytes() != b"0");
    length || headers.contains_key(TRANSFER_ENCODING)
}

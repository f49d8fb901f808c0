//! What a client may not say. Runs before any identity header is set, because what a client lists in `Connection`
//! is removed by every HTTP implementation on the way, ours included.

use crate::credential::{X_SEAL_TOKEN, without_bearers};
use crate::refusal::Refusal;
use daas_types::ErrorCode;
use http::header::{
    AUTHORIZATION, CONNECTION, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Version};
use std::borrow::Cow;
use std::net::IpAddr;

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Beside those that begin like them, what speaks of identity, of origin, or of which request it is.
static SPEAKING: [HeaderName; 3] =
    [HeaderName::from_static("x-real-ip"), HeaderName::from_static("audit-id"), FORWARDED];

/// They list others that are hop-by-hop.
static LISTS: [HeaderName; 2] = [CONNECTION, PROXY_CONNECTION];

static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    PROXY_CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Most lines of a head. What they say is bounded in bytes, but each takes memory of its own.
pub(crate) const MAX_HEADERS: usize = 100;

/// Refuses requests whose form alone is a trick. Decides nothing about paths beyond that they are paths: they go on
/// byte for byte.
pub(crate) fn check_form<B>(request: &Request<B>) -> Result<(), Refusal> {
    let (uri, headers) = (request.uri(), request.headers());
    if request.method() == Method::CONNECT || request.extensions().get::<hyper::ext::Protocol>().is_some() {
        return Err(Refusal::form("CONNECT is not served"));
    }
    if uri.path_and_query().is_none_or(|path| !path.as_str().starts_with('/')) {
        return Err(Refusal::form("the request target is not a path"));
    }
    if headers.len() > MAX_HEADERS {
        let cause = format!("more than {MAX_HEADERS} headers");
        return Err(Refusal::new(ErrorCode::PathRefused, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, cause));
    }
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::form("two Host headers"));
    }
    if let (Some(authority), Some(host)) = (uri.authority(), host)
        && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
    {
        return Err(Refusal::form("the request target names another host"));
    }
    if request.version() < Version::HTTP_2 && uri.authority().is_some() && host.is_none() {
        return Err(Refusal::form("an absolute request target without Host"));
    }
    if request.version() < Version::HTTP_11 && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::form("Transfer-Encoding in HTTP/1.0"));
    }
    connection_tokens(headers).map(drop)
}

/// Refuses a host that TLS was not asked for: the request is meant for another server, or for two. An address is no name,
/// so TLS cannot have been asked for it.
pub(crate) fn check_host<B>(request: &Request<B>, server_name: Option<&str>) -> Result<(), Refusal> {
    let host = request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let (Some(name), Some(host)) = (server_name, request.uri().authority().cloned().or(host)) else { return Ok(()) };
    let host = host.host().trim_matches(['[', ']']);
    if host.eq_ignore_ascii_case(name) || host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let cause = "the request names another host than TLS was asked for";
    Err(Refusal::new(ErrorCode::PathRefused, StatusCode::MISDIRECTED_REQUEST, cause))
}

/// What else of a request ends here: credentials, and what was said to the gateway.
static OURS: [HeaderName; 5] = [AUTHORIZATION, X_SEAL_TOKEN, EXPECT, HOST, SEC_WEBSOCKET_PROTOCOL];

/// Removes everything hop-by-hop, everything that speaks of identity or origin, and every credential; and `Audit-ID`, by which
/// the API server would call the request in its own log: a client could give its requests the name of another's.
pub(crate) fn scrub(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let listed = connection_tokens(headers)?;
    let protocols = without_bearers(headers);
    remove(headers, &listed, |name| {
        let name = &*dashed(name);
        HOP_BY_HOP.contains(name) || OURS.contains(name) || speaks_of_identity(name)
    });
    if let Some(kept) = protocols {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, kept);
    }
    Ok(())
}

/// Removes what belongs to the hop between API server and gateway.
pub(crate) fn scrub_response(headers: &mut HeaderMap) {
    // An unreadable Connection of the API server cannot name anything.
    let listed = connection_tokens(headers).unwrap_or_default();
    remove(headers, &listed, |name| HOP_BY_HOP.contains(name));
}

/// Looks at each header there is: those are fewer than those there may not be.
fn remove(headers: &mut HeaderMap, listed: &[HeaderName], doomed: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> =
        headers.keys().filter(|name| doomed(name) || listed.contains(name)).cloned().collect();
    for name in &doomed {
        headers.remove(name);
    }
}

/// Names listed in every `Connection` line, and in `Proxy-Connection`, which some hops treat alike.
pub(crate) fn connection_tokens(headers: &HeaderMap) -> Result<Vec<HeaderName>, Refusal> {
    let mut names = Vec::new();
    for (_, value) in headers.iter().filter(|(name, _)| LISTS.contains(name)) {
        let text = value.to_str().map_err(|_| Refusal::form("Connection is not visible ASCII"))?;
        for token in text.split(',').map(str::trim).filter(|token| !token.is_empty()) {
            let name = HeaderName::try_from(token).map_err(|_| Refusal::form("Connection lists what is no header"))?;
            names.push(name);
        }
    }
    Ok(names)
}

fn speaks_of_identity(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("x-remote-") || text.starts_with("x-forwarded-") || SPEAKING.contains(name)
}

/// `X_Remote_User` reaches some servers as `X-Remote-User`, so underscores count as dashes.
fn dashed(name: &HeaderName) -> Cow<'_, HeaderName> {
    if !name.as_str().contains('_') {
        return Cow::Borrowed(name);
    }
    // With dashes it is as good a name as without.
    HeaderName::try_from(name.as_str().replace('_', "-")).map_or(Cow::Borrowed(name), Cow::Owned)
}

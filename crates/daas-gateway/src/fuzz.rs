//! What foreign bytes reach before anyone is believed, as functions of bytes. Each panics on a broken promise.
//!
//! What is promised is said here a second time and in other words, so that a mistake has to be made twice.

mod k3s;

pub use k3s::k3s;

use crate::authenticate::Issuer;
use crate::config::ServiceAccountConfig;
use crate::credential::{self, Bearer, Token};
use crate::forward::UpgradeRequest;
use crate::hygiene;
use crate::local::Endpoint;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use daas_types::UnixMs;
use daas_types::pop::{PREFIX, PopToken};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use std::sync::LazyLock;

/// Tokens that are genuine, in the three schemes: for any cluster's gateway they are foreign and long over.
const GENUINE: [&str; 3] =
    [include_str!("fuzz/ed25519.token"), include_str!("fuzz/secp256k1.token"), include_str!("fuzz/secp256r1.token")];
/// Nobody has kept the private half.
const ISSUER: &str = include_str!("fuzz/issuer.pem");
const SUBPROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

static SERVICE_ACCOUNTS: LazyLock<Issuer> = LazyLock::new(|| {
    let config = ServiceAccountConfig { issuer: "https://issuer".to_owned(), public_key: ISSUER.to_owned() };
    Issuer::new(&config).expect("the key in this folder must be one")
});

/// Anyone's credential, in headers or, after a zero byte, as `n`, `n` bytes of claims, and a signature: nothing is
/// genuine that was not signed, and each credential has one spelling.
pub fn token(bytes: &[u8]) {
    if let [0, length, rest @ ..] = bytes {
        let (claims, signature) = rest.split_at(usize::from(*length).min(rest.len()));
        return pop(&format!("{PREFIX}{}.{}", B64.encode(claims), B64.encode(signature)));
    }
    let Some(request) = head(bytes) else { return };
    if let Some(shown) = credential::alone(request.headers()) {
        // What a connection showed before is compared with this and then not read again.
        let token = core::str::from_utf8(shown).ok().and_then(|token| Bearer::new(token).ok());
        let read = Bearer::from_headers(request.headers());
        assert!(token.is_none() || matches!(read, Ok(Some(bearer)) if bearer.is(shown)), "another one was read");
    }
    let field = request.uri().query();
    let Ok(Some(bearer)) = Bearer::of_node(request.headers()).and_then(|bearer| Bearer::or_field(bearer, field)) else {
        return;
    };
    let shown = bearer.authorization().expect("what was read from a header must fit into one");
    assert!(shown.is_sensitive(), "a credential can be printed");
    let places = request.headers().get_all("authorization").iter().count();
    assert!(places < 2 || Bearer::from_headers(request.headers()).is_err(), "one of two credentials was chosen");
    match bearer.token() {
        Ok(Token::Pop(text)) => pop(text),
        Ok(Token::Opaque(secret)) => {
            assert_eq!(
                shown.as_bytes(),
                format!("Bearer {}", secret.expose_hex().as_str()).as_bytes(),
                "two spellings"
            );
        }
        Ok(Token::Jwt(text)) => {
            let _ = SERVICE_ACCOUNTS.check_claims(text, UnixMs(0));
            assert!(SERVICE_ACCOUNTS.verify(text).is_err(), "a forged service account");
        }
        Err(_) => {}
    }
}

/// Anyone's head: what goes on carries no identity, origin, credential or hop-by-hop header, nor what `Connection`
/// lists; all else is as it came.
pub fn headers(bytes: &[u8]) {
    let Some(mut request) = head(bytes) else { return };
    let came = request.headers().clone();
    if hygiene::check_form(&request).is_err() || hygiene::scrub(request.headers_mut()).is_err() {
        return;
    }
    let listed = listed(&came);
    let goes = |name: &str| !must_go(name) && !listed.iter().any(|listed| listed == name);
    for (name, value) in request.headers() {
        assert!(goes(name.as_str()), "{name} went on");
        let text = String::from_utf8_lossy(value.as_bytes());
        let bearer = name == "sec-websocket-protocol" && text.split(',').any(|p| p.trim().starts_with(SUBPROTOCOL));
        assert!(!bearer, "a bearer went on");
    }
    for name in came.keys().filter(|name| goes(name.as_str()) && *name != "sec-websocket-protocol") {
        let lines = |headers: &HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(lines(&came), lines(request.headers()), "{name} is not as it came");
    }
}

/// Anyone's request target: it is the API server's byte for byte, or one of our endpoints, spelled exactly.
pub fn path(bytes: &[u8]) {
    let Some(request) = head(bytes) else { return };
    if hygiene::check_form(&request).is_err() {
        return;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let goes = request.uri().path_and_query().map_or("", |path| path.as_str()).as_bytes();
    assert!(goes.starts_with(b"/"), "the target is not a path");
    if target.starts_with(b"/") {
        // A fragment is no part of a request target; it is gone before anyone decides.
        let target = target.split(|byte| *byte == b'#').next().unwrap_or_default();
        assert_eq!(target, goes, "the target is not as it came");
    }
    let path = goes.split(|byte| *byte == b'?').next().unwrap_or_default();
    let exact: &[&[u8]] = match request.method().as_str() {
        "GET" => &[b"/api/v1/attestation", b"/api/v1/staking/status", b"/api/v1/security-context", b"/kubectl/config"],
        "POST" => &[b"/api/v1/attestation", b"/api/v1/register-worker", b"/api/v1/nodes/heartbeat"],
        _ => &[],
    };
    let ours = Endpoint::of(request.method(), request.uri().path()).is_some();
    assert_eq!(ours, exact.contains(&path), "another path than is forwarded was decided on");
}

/// Anyone's wish for a tunnel: granted only in the one form that cannot be mistaken for a request with a body.
pub fn upgrade(bytes: &[u8]) {
    let Some(request) = head(bytes) else { return };
    let (mut parts, ()) = request.into_parts();
    let headers = parts.headers.clone();
    let lines = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    let wishes = lines("upgrade");
    match UpgradeRequest::of(&mut parts) {
        Ok(None) => assert!(wishes.is_empty(), "a wish was overlooked"),
        Err(_) => assert!(!wishes.is_empty(), "an ordinary request was refused"),
        Ok(Some(_)) => {
            assert_eq!(wishes.len(), 1, "two protocols");
            let known = wishes[0].eq_ignore_ascii_case(b"websocket") || wishes[0].eq_ignore_ascii_case(b"spdy/3.1");
            assert!(known, "an unknown protocol");
            assert!(listed(&headers).iter().any(|listed| listed == "upgrade"), "not a hop's wish");
            assert!(parts.version == Version::HTTP_11, "not HTTP/1.1");
            assert!(parts.method == Method::GET || parts.method == Method::POST, "not GET, not POST");
            let empty = lines("content-length").iter().all(|length| length == b"0");
            assert!(empty && lines("transfer-encoding").is_empty(), "a body before the tunnel");
        }
    }
    assert!(parts.extensions.is_empty(), "someone else can take the connection over");
}

fn pop(text: &str) {
    if PopToken::verify(text).is_ok() {
        assert!(GENUINE.iter().any(|genuine| genuine.trim_end() == text), "not signed by a holder, or spelled anew");
    }
}

/// `METHOD target version`, then a header a line, as hyper would give it; `None` for what hyper would refuse.
fn head(bytes: &[u8]) -> Option<Request<()>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(first.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(first.next()?).ok()?;
    *request.version_mut() = match first.next()? {
        b"0" => Version::HTTP_10,
        b"2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        request.headers_mut().append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    // One that leads nowhere, as hyper puts it beside every request that could be upgraded.
    let upgrade = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(upgrade);
    Some(request)
}

/// What `Connection` and `Proxy-Connection` list, in lower case.
fn listed(headers: &HeaderMap) -> Vec<String> {
    let lines = ["connection", "proxy-connection"].into_iter().flat_map(|name| headers.get_all(name));
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase()).collect();
    lines.iter().flat_map(|line| line.split(',')).map(|name| name.trim().to_owned()).collect()
}

fn must_go(name: &str) -> bool {
    let dashed = name.replace('_', "-");
    // Spelled so it is nobody's subprotocols, but may hold a bearer.
    dashed != name && dashed == "sec-websocket-protocol"
        || dashed.starts_with("x-remote-")
        || dashed.starts_with("x-forwarded-")
        || matches!(
            dashed.as_str(),
            "forwarded"
                | "x-real-ip"
                | "audit-id"
                | "authorization"
                | "x-seal-token"
                | "expect"
                | "host"
                | "connection"
                | "proxy-connection"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
                | "http2-settings"
        )
}

//! Exactly one credential out of a request.

use crate::refusal::Refusal;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use core::fmt;
use daas_types::ErrorCode::{TokenAmbiguous, TokenMalformed, TokenMissing};
use daas_types::{SealSecret, pop};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// The original API's header on `register-worker` and `heartbeat`.
pub(crate) const X_SEAL_TOKEN: HeaderName = HeaderName::from_static("x-seal-token");

/// How a browser, which cannot set `Authorization` on a WebSocket, carries a bearer.
const SUBPROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";
/// Longest service-account token that is looked at.
const MAX_JWT: usize = 8 * 1024;

/// A bearer as it came. Cannot be printed, wiped on drop.
#[derive(Clone)]
pub(crate) struct Bearer(Zeroizing<String>);

/// What kind of credential it is, by its form.
pub(crate) enum Token<'a> {
    /// `daas1.…`.
    Pop(&'a str),
    /// 64 hex characters. That a Sui object id looks the same does not matter: an id is no preimage of a commitment.
    Opaque(SealSecret),
    /// A service account's.
    Jwt(&'a str),
}

// === impl Bearer ===

impl Bearer {
    /// From `Authorization` or the WebSocket subprotocol; both, or one twice, is refused.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let given = headers.get_all(AUTHORIZATION).into_iter().map(authorization);
        let asked = subprotocols(headers).filter_map(|p| p.strip_prefix(SUBPROTOCOL)).map(subprotocol);
        let mut all = given.chain(asked);
        let found = all.next().transpose()?;
        match all.next() {
            None => Ok(found),
            Some(_) => Err(Refusal::unauthorized(TokenAmbiguous, "more than one credential")),
        }
    }

    /// The same with the original API's header, which may repeat the token but not differ.
    pub(crate) fn of_node(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut found: Vec<Self> = Self::from_headers(headers)?.into_iter().collect();
        for value in headers.get_all(X_SEAL_TOKEN) {
            let text = value.to_str().map_err(|_| malformed("X-Seal-Token is not visible ASCII"))?;
            found.push(Self::new(text)?);
        }
        Self::one(found)
    }

    /// What a node's head has, with the original API's field in the body, which may repeat it but not differ.
    pub(crate) fn or_field(bearer: Option<Self>, field: Option<&str>) -> Result<Option<Self>, Refusal> {
        Self::one(bearer.into_iter().chain(field.map(Self::new).transpose()?).collect())
    }

    fn one(mut found: Vec<Self>) -> Result<Option<Self>, Refusal> {
        if found.windows(2).any(|pair| pair[0].0 != pair[1].0) {
            let cause = "Authorization, X-Seal-Token and seal_token differ";
            return Err(Refusal::unauthorized(TokenAmbiguous, cause));
        }
        Ok(found.pop())
    }

    /// Whether it is this one. How long that takes says nothing about it.
    pub(crate) fn is(&self, token: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), token).is_ok()
    }

    /// What it is.
    pub(crate) fn token(&self) -> Result<Token<'_>, Refusal> {
        let text = self.0.as_str();
        if pop::PopToken::is_pop(text) {
            return Ok(Token::Pop(text));
        }
        if text.len() > 64 && text.starts_with("eyJ") && text.bytes().filter(|b| *b == b'.').count() == 2 {
            return Ok(Token::Jwt(text));
        }
        text.parse().map(Token::Opaque).map_err(|error| malformed(error))
    }

    /// `Bearer …` again, marked so that nothing prints it.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// From what stands behind the scheme.
    pub(crate) fn new(text: &str) -> Result<Self, Refusal> {
        let longest = if text.starts_with("eyJ") { MAX_JWT } else { pop::MAX_LENGTH };
        if text.is_empty() {
            return Err(Refusal::unauthorized(TokenMissing, "the credential is empty"));
        }
        if text.len() > longest {
            return Err(malformed(format!("{} characters, at most {longest} are looked at", text.len())));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("characters that no token has"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// The token of a request that has `Authorization: Bearer …` and no other place for one. None where it has to be looked at more
/// closely.
pub(crate) fn alone(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).into_iter();
    let token = all.next()?.as_bytes().strip_prefix(b"Bearer ")?;
    (all.next().is_none() && !headers.contains_key(SEC_WEBSOCKET_PROTOCOL)).then_some(token)
}

/// The WebSocket subprotocols, in order, without bearers; `None` if none is left.
pub(crate) fn without_bearers(headers: &HeaderMap) -> Option<HeaderValue> {
    let kept: Vec<_> = subprotocols(headers).filter(|p| !p.starts_with(SUBPROTOCOL)).collect();
    if kept.is_empty() { None } else { HeaderValue::from_str(&kept.join(", ")).ok() }
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty())
}

fn authorization(value: &HeaderValue) -> Result<Bearer, Refusal> {
    let text = value.to_str().map_err(|_| malformed("Authorization is not visible ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed("the Authorization scheme is not Bearer"));
    }
    Bearer::new(token.trim_matches(' '))
}

fn subprotocol(encoded: &str) -> Result<Bearer, Refusal> {
    let bad = || malformed("the bearer subprotocol is not base64url");
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| bad())?);
    Bearer::new(core::str::from_utf8(&bytes).map_err(|_| bad())?)
}

#[track_caller]
fn malformed(cause: impl fmt::Display) -> Refusal {
    Refusal::unauthorized(TokenMalformed, cause)
}

//! Heads of requests on their way up and of answers on their way down.

use super::body::GatewayBody;
use super::exchange::Received;
use super::link::Slot;
use crate::admit::{GROUP, Permit, Upstream};
use crate::hygiene;
use crate::refusal::Refusal;
use daas_types::ErrorCode;
use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, Version, request};
use rustls_pki_types::ServerName;

/// Turns a scrubbed head into one for the API server over HTTP/2.
pub(super) fn for_h2(parts: &mut request::Parts, authority: &Authority, permit: &Permit) -> Result<(), Refusal> {
    parts.uri = absolute(&parts.uri, authority)?;
    parts.version = Version::HTTP_2;
    parts.extensions.clear();
    assert_identity(&mut parts.headers, permit.upstream());
    Ok(())
}

/// The same over HTTP/1.1, for upgrades.
pub(super) fn for_http11(parts: &mut request::Parts, name: &ServerName<'_>, permit: &Permit) -> Result<(), Refusal> {
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map(Uri::from).ok_or_else(|| internal("a request without a path"))?;
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let host = HeaderValue::from_str(&name.to_str()).map_err(|_| internal("the API server's name"))?;
    parts.headers.insert(HOST, host);
    assert_identity(&mut parts.headers, permit.upstream());
    Ok(())
}

/// An answer as the client may see it.
pub(super) fn answer(response: Response<(Received, Slot)>) -> Response<GatewayBody> {
    let mut response = response.map(|(body, slot)| GatewayBody::Upstream { body, _slot: slot });
    hygiene::scrub_response(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Of a scrubbed head, which has none of these.
fn assert_identity(headers: &mut HeaderMap, upstream: &Upstream) {
    match upstream {
        Upstream::PassThrough(authorization) | Upstream::Join(_, authorization) => {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Upstream::FrontProxy(identity) => {
            // At once, because each growing moves what is there.
            headers.reserve(identity.headers().len());
            for (name, value) in identity.headers() {
                if *name == GROUP {
                    headers.append(name, value.clone());
                } else {
                    headers.insert(name, value.clone());
                }
            }
        }
    }
}

/// Path and query stay as they came, byte for byte.
fn absolute(uri: &Uri, authority: &Authority) -> Result<Uri, Refusal> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).map_err(|_| internal("the request target"))
}

#[track_caller]
fn internal(what: &str) -> Refusal {
    Refusal::new(ErrorCode::Internal, StatusCode::INTERNAL_SERVER_ERROR, what)
}

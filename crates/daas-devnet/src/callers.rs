//! Who may call the network from a browser. Whoever listens on this machine alone is still within reach of every page that a
//! browser on it has open, and the faucet would give such a page all the stake it wants.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use core::net::IpAddr;
use core::str::FromStr;
use std::sync::Arc;
use tower_http::cors::{AllowOrigin, Any, CorsLayer, ExposeHeaders};

/// Whose pages, as browsers say it: `https://app.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    host: String,
}

/// Not what a browser calls an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: give scheme, host and port, such as https://app.example or http://app.example:3000")]
pub struct OriginError(String);

/// The pages that are let in beside this machine's own.
#[derive(Clone)]
pub(crate) struct Callers {
    allowed: Arc<[Origin]>,
}

// === impl Origin ===

impl Origin {
    /// Whether it is of this machine: nobody else can serve a page there.
    fn is_local(&self) -> bool {
        match ip(&self.host) {
            Some(ip) => ip.is_loopback(),
            None => is_localhost(&self.host),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let bad = || OriginError(text.to_owned());
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
        let whole = format!("{}://{authority}", uri.scheme_str().ok_or_else(bad)?);
        if whole == text { Ok(Self { host: authority.host().to_owned(), text }) } else { Err(bad()) }
    }
}

// === impl Callers ===

impl Callers {
    pub(crate) fn new(allowed: Vec<Origin>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// `router`, for programs and for the pages that are let in. Their scripts may read the headers `exposed`.
    pub(crate) fn admit(&self, router: Router, exposed: impl Into<ExposeHeaders>) -> Router {
        let callers = self.clone();
        let origins = AllowOrigin::predicate(move |origin, _| callers.is_let_in(origin));
        let cors = CorsLayer::new().allow_origin(origins).allow_headers(Any).allow_methods(Any).expose_headers(exposed);
        // What is called last stands first.
        router.layer(cors).layer(from_fn_with_state(self.clone(), check))
    }

    /// Why a request is not served, if it is not.
    fn refuses(&self, request: &Request) -> Option<String> {
        let headers = request.headers();
        if let Some(origin) = headers.get_all(header::ORIGIN).iter().find(|origin| !self.is_let_in(origin)) {
            return Some(format!("pages of {origin:?} are not let in"));
        }
        // HTTP/2 says it in the request line.
        let said = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let mut hosts: Vec<&str> = said.collect();
        hosts.extend(request.uri().authority().map(Authority::as_str));
        let known = !hosts.is_empty() && hosts.iter().all(|host| self.is_own_name(host));
        (!known).then(|| "this network does not answer to that host name".to_owned())
    }

    fn is_let_in(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Origin>().ok());
        origin.is_some_and(|origin| origin.is_local() || self.allowed.contains(&origin))
    }

    /// Whether it is called by a name that nobody else can point at this machine: else a page of that name would be taken for
    /// one of the network's own. An address is no name.
    fn is_own_name(&self, authority: &str) -> bool {
        let Ok(uri) = format!("http://{authority}").parse::<Uri>() else { return false };
        let Some(host) = uri.host().map(str::to_ascii_lowercase) else { return false };
        ip(&host).is_some() || is_localhost(&host) || self.allowed.iter().any(|allowed| allowed.host == host)
    }
}

async fn check(State(callers): State<Callers>, request: Request, next: Next) -> Response {
    match callers.refuses(&request) {
        Some(cause) => (StatusCode::FORBIDDEN, format!("{cause}; see --allow-origin\n")).into_response(),
        None => next.run(request).await,
    }
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Browsers and resolvers keep these to the machine itself.
fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for good in ["https://app.example", "http://App.example:3000/", "chrome-extension://abcdef", "http://[::1]:80"]
        {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in ["", "*", "null", "app.example", "https://", "https://app.example/path", "https://a@app.example"] {
            assert_eq!(bad.parse::<Origin>().unwrap_err(), OriginError(bad.to_owned()), "{bad}");
        }
    }

    #[test]
    fn pages_of_this_machine_and_named_ones_are_let_in() {
        let callers = Callers::new(vec!["https://app.example".parse().unwrap()]);
        let let_in = |origin: &'static str| callers.is_let_in(&HeaderValue::from_static(origin));
        for origin in [
            "http://localhost:5173",
            "http://app.localhost",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://app.example",
        ] {
            assert!(let_in(origin), "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "https://evil.app.example",
            "http://localhost.evil",
            "http://127.0.0.1.evil",
            "http://192.168.0.7",
            "null",
            "",
        ] {
            assert!(!let_in(origin), "{origin}");
        }
    }

    #[test]
    fn a_name_that_others_may_point_here_is_not_answered_to() {
        let callers = Callers::new(vec!["https://app.example".parse().unwrap()]);
        for host in ["localhost:9000", "LOCALHOST", "127.0.0.1:9000", "[::1]:9000", "10.0.0.1", "app.example:9000"] {
            assert!(callers.is_own_name(host), "{host}");
        }
        for host in ["", "evil.example:9000", "localhost.evil:9000", "127.0.0.1.evil", "a b"] {
            assert!(!callers.is_own_name(host), "{host}");
        }
    }
}

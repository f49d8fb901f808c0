//! Which paths a K3s behind the gateway is asked for. K3s routes by the path as it decodes it, has routes for itself alone among
//! them, one that believes whoever comes from loopback (`/db/info`), takes any word for the `k3s` in `/v1-k3s/`, and hands what it
//! does not know to the API server. So a path is open that stands here as it came, byte for byte, or that begins as the API
//! server's do and cannot be read as another.

use crate::refusal::Refusal;
use daas_types::ErrorCode::RouteRefused;
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A route of K3s' that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Anyone's: the CA that agents pin. Answered here.
    CaCerts,
    /// Anyone's: whether somebody is there. Answered here.
    Ping,
    /// A node's, by its Seal or by its kubelet's certificate.
    Read,
    /// A certificate, for a Seal alone.
    Issue(Issue),
    /// The tunnel: a kubelet's certificate; and K3s' own server's.
    Connect,
}

/// Which certificate. By these names in the file of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Issue {
    /// A kubelet's as a server, which opens nothing here.
    Serving,
    /// A kubelet's.
    Kubelet,
    /// A kube-proxy's, by a name that all nodes have.
    KubeProxy,
    /// An agent's own, by a name that all nodes have.
    Controller,
}

/// How often a path may be decoded before it stays as it is. Of those that clients send, the names are encoded, which is once; one
/// that is encoded over and over would cost its square.
const DECODINGS: usize = 3;
/// What the API server's paths begin with.
const KUBERNETES: [&str; 15] = [
    "",
    ".well-known",
    "api",
    "apis",
    "debug",
    "flagz",
    "healthz",
    "livez",
    "logs",
    "metrics",
    "openapi",
    "openid",
    "readyz",
    "statusz",
    "version",
];

// === impl Route ===

impl Route {
    /// K3s' route; `None` for the API server's.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Result<Option<Self>, Refusal> {
        let path = uri.path();
        let Some((only, route)) = named(path) else {
            return if is_kubernetes(path) {
                Ok(None)
            } else {
                Err(closed("the path is neither K3s' nor the API server's"))
            };
        };
        if method != only {
            // Asked without a request to sign, K3s gives away a private key that all nodes share.
            return Err(closed(format!("only {only} is open there")));
        }
        if uri.query().is_some() {
            return Err(closed("K3s' routes have no query"));
        }
        Ok(Some(route))
    }
}

fn named(path: &str) -> Option<(&'static Method, Route)> {
    let issue = |issue| (&Method::POST, Route::Issue(issue));
    Some(match path {
        "/cacerts" => (&Method::GET, Route::CaCerts),
        "/ping" => (&Method::GET, Route::Ping),
        "/v1-k3s/config"
        | "/v1-k3s/client-ca.crt"
        | "/v1-k3s/server-ca.crt"
        | "/v1-k3s/apiservers"
        | "/v1-k3s/readyz" => (&Method::GET, Route::Read),
        "/v1-k3s/serving-kubelet.crt" => issue(Issue::Serving),
        "/v1-k3s/client-kubelet.crt" => issue(Issue::Kubelet),
        "/v1-k3s/client-kube-proxy.crt" => issue(Issue::KubeProxy),
        "/v1-k3s/client-k3s-controller.crt" => issue(Issue::Controller),
        "/v1-k3s/connect" => (&Method::GET, Route::Connect),
        _ => return None,
    })
}

/// Whether it is the API server's, however often it is decoded and cleaned; none that goes on changing is.
fn is_kubernetes(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    if !KUBERNETES.contains(&first) || first.is_empty() && path != "/" {
        return false;
    }
    let mut read = Cow::Borrowed(path);
    for _ in 0..=DECODINGS {
        if read.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return false;
        }
        let decoded = percent_decode_str(&read).decode_utf8_lossy().into_owned();
        if decoded == *read {
            return true;
        }
        read = Cow::Owned(decoded);
    }
    false
}

#[track_caller]
fn closed(cause: impl core::fmt::Display) -> Refusal {
    Refusal::forbidden(RouteRefused, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(method: &str, path: &str) -> Result<Option<Route>, Refusal> {
        Route::of(&method.parse().unwrap(), &path.parse().unwrap())
    }

    #[test]
    fn what_agents_ask_for_is_open_and_by_that_method_alone() {
        let issue = Route::Issue;
        let open = [
            ("GET", "/cacerts", Route::CaCerts),
            ("GET", "/ping", Route::Ping),
            ("GET", "/v1-k3s/config", Route::Read),
            ("GET", "/v1-k3s/client-ca.crt", Route::Read),
            ("GET", "/v1-k3s/server-ca.crt", Route::Read),
            ("GET", "/v1-k3s/apiservers", Route::Read),
            ("GET", "/v1-k3s/readyz", Route::Read),
            ("POST", "/v1-k3s/serving-kubelet.crt", issue(Issue::Serving)),
            ("POST", "/v1-k3s/client-kubelet.crt", issue(Issue::Kubelet)),
            ("POST", "/v1-k3s/client-kube-proxy.crt", issue(Issue::KubeProxy)),
            ("POST", "/v1-k3s/client-k3s-controller.crt", issue(Issue::Controller)),
            ("GET", "/v1-k3s/connect", Route::Connect),
        ];
        for (method, path, route) in open {
            assert_eq!(of(method, path).unwrap(), Some(route), "{path}");
            for other in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"] {
                assert!(other == method || of(other, path).is_err(), "{other} {path}");
            }
            assert!(of(method, &format!("{path}?a=b")).is_err());
            assert!(of(method, &format!("{path}/")).is_err());
            assert!(of(method, &format!("/{path}")).is_err());
            let (rest, last) = path.split_at(path.len() - 1);
            assert!(of(method, &format!("{rest}%{:02x}", last.as_bytes()[0])).is_err());
            assert!(of(method, &path.to_uppercase()).is_err());
        }
    }

    #[test]
    fn what_is_k3s_own_is_closed_whatever_it_is_written_like() {
        let closed = [
            "/db/info",
            "/db/snapshot",
            "/db",
            "/%64b/info",
            "/d%62/info",
            "//db/info",
            "/./db/info",
            "/api/../db/info",
            "/api/%2e%2e/db/info",
            "/api/%2E./db/info",
            "/api/%252e%252e/db/info",
            "/api%2f..%2fdb/info",
            "/api/..%2fdb/info",
            "/api\\..\\db/info",
            "/api/..\\db",
            "/api;/../db/info",
            "/DB/info",
            "/v1-k3s/server-bootstrap",
            "/v1-k3s/token",
            "/v1-k3s/encrypt/status",
            "/v1-k3s/encrypt/config",
            "/v1-k3s/cert/cacerts",
            "/v1-k3s/p2p",
            "/v1-k3s",
            "/v1-k3s/",
            "/v1-k3s//config",
            "/v1-k3s/../db/info",
            "/v1-rke2/config",
            "/v1-K3S/config",
            "/V1-k3s/config",
            "/v1-k3s/client-rke2-controller.crt",
            "/static/charts/x.tgz",
            "/v2/",
            "/kubectl/other",
            "//",
            "//api",
        ];
        for path in closed {
            for method in ["GET", "POST", "PUT", "CONNECT"] {
                let Ok(uri) = path.parse() else { continue };
                let refusal = Route::of(&method.parse().unwrap(), &uri).unwrap_err();
                assert_eq!((refusal.code(), refusal.status().as_u16()), (RouteRefused, 403), "{path}");
            }
        }
    }

    #[test]
    fn the_api_servers_paths_are_its_own() {
        let paths = [
            "/",
            "/api",
            "/api/v1/namespaces/default/pods/p/log?container=c",
            "/apis/apps/v1/deployments?watch=true",
            "/readyz?verbose",
            "/version",
            "/openapi/v3",
            "/.well-known/openid-configuration",
            "/api/v1/nodes/a%2Fb",
            "/api/v1/namespaces/n/configmaps/..data",
            "/api/v1/x%",
        ];
        for path in paths {
            assert_eq!(of("GET", path).unwrap(), None, "{path}");
            assert_eq!(of("POST", path).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn the_table_in_the_documents_has_every_open_route() {
        let guide = include_str!("../../../../docs/k3s.md");
        let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let told: Vec<_> =
            rows.filter_map(|(route, _)| route.split_once(' ')).filter(|(_, p)| p.starts_with('/')).collect();
        assert_eq!(told.len(), 12);
        for (method, path) in told {
            assert!(of(method, path).unwrap().is_some(), "{method} {path}");
        }
    }

    /// What Go makes of a path: decoded once, then perhaps cleaned.
    fn cleaned(path: &str) -> String {
        let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let mut kept: Vec<&str> = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(kept.pop()),
                other => kept.push(other),
            }
        }
        format!("/{}", kept.join("/"))
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_closed_path_is_the_api_servers(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("/"), Just("//"), Just("."), Just(".."), Just("%2e"), Just("%2F"), Just("%252e"), Just("\\"), Just("db"),
                    Just("%64b"), Just("info"), Just("api"), Just("apis"), Just("v1-k3s"), Just("v1-x"), Just("token"), Just("config"),
                    Just("cacerts"), Just("connect"), Just("static"), Just("%"), Just(";"), Just("version"),
                ],
                0..9,
            )
        ) {
            let path = format!("/{}", pieces.concat());
            let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
            let Ok(route) = Route::of(&Method::GET, &uri) else { return Ok(()) };
            let clean = cleaned(uri.path());
            let first = clean.split('/').nth(1).unwrap_or_default();
            if route.is_some() {
                // No second spelling.
                prop_assert_eq!(clean, path);
            } else {
                prop_assert!(KUBERNETES.contains(&first), "{path} is {clean} to K3s");
            }
        }

        #[test]
        fn what_goes_on_changing_is_nobodys(times in 1..5000_usize, code in prop_oneof![Just("41"), Just("2e"), Just("2F")]) {
            // Each decoding takes one `25` away.
            let path = format!("/api/a%{}{code}b", "25".repeat(times - 1));
            prop_assert_eq!(of("GET", &path).is_ok(), times <= DECODINGS, "{}", times);
        }

        #[test]
        fn foreign_bytes_never_panic(path in "[ -~]{0,60}") {
            if let Ok(uri) = path.parse::<Uri>() {
                let _ = Route::of(&Method::GET, &uri);
            }
        }
    }
}

//! Requests that a web page makes its reader's browser send are none of the owner's: they carry an `Origin`, or the name of
//! a foreign host that was made to lead here.

use core::net::IpAddr;
use daas_types::{ErrorCode, Problem};
use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};

/// What this machine is called.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<String>);

// === impl Names ===

impl Names {
    /// `localhost` and these.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let all = std::iter::once("localhost".to_owned()).chain(names);
        Self(all.map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Refuses a request for another host than this, which was reached under the address `local`.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), Problem> {
        let refused = |cause: &str| Err(Problem::new(ErrorCode::ApiOriginRefused, cause));
        if headers.contains_key(ORIGIN) {
            return refused("the request has an Origin header");
        }
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return refused("the request has no Host header, or several");
        };
        let host = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        let named = host.as_ref().is_some_and(|host| self.is_own(host, local));
        let addressed = uri.authority().is_none_or(|host| self.is_own(host, local));
        if named && addressed { Ok(()) } else { refused("the request is for another host") }
    }

    /// Which port it names does not matter: it may be forwarded from another.
    fn is_own(&self, authority: &Authority, local: IpAddr) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.0.contains(&host) || address.is_ok_and(|address| address.to_canonical() == local.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn check(uri: &str, host: &str, local: &str) -> Result<(), Problem> {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        let names = Names::new(["Worker-1".to_owned(), "203.0.113.7".to_owned()]);
        names.check(&uri.parse().unwrap(), &headers, local.parse().unwrap())
    }

    #[test]
    fn this_machine_is_known_by_name_and_by_the_address_it_was_reached_under() {
        for (host, local) in [
            ("127.0.0.1:8080", "127.0.0.1"),
            ("LOCALHOST", "127.0.0.1"),
            ("localhost:9999", "127.0.0.1"),
            ("[::1]:8080", "::1"),
            ("worker-1:8080", "10.0.0.9"),
            ("10.0.0.9:8080", "::ffff:10.0.0.9"),
            ("203.0.113.7:8080", "10.0.0.9"),
        ] {
            check("/health", host, local).unwrap_or_else(|problem| panic!("{host}: {problem}"));
        }
    }

    #[test]
    fn every_other_host_is_foreign() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.2", "me@localhost", "worker-1@evil", "", "a b"]
        {
            let problem = check("/health", host, "127.0.0.1").unwrap_err();
            assert_eq!(problem.code, ErrorCode::ApiOriginRefused, "{host}");
        }
        assert!(check("http://evil.example/health", "localhost", "127.0.0.1").is_err());
        check("http://localhost/health", "localhost", "127.0.0.1").unwrap();
    }

    #[test]
    fn no_host_two_hosts_and_any_origin_are_refused() {
        let (names, uri, local) = (Names::new([]), Uri::from_static("/"), "127.0.0.1".parse().unwrap());
        assert!(names.check(&uri, &HeaderMap::new(), local).is_err());
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        names.check(&uri, &headers, local).unwrap();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(names.check(&uri, &headers, local).is_err());
        for origin in ["null", "http://localhost:8080", ""] {
            let origin = (ORIGIN, HeaderValue::from_static(origin));
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost")), origin]);
            assert!(names.check(&uri, &headers, local).unwrap_err().cause.contains("Origin"));
        }
    }
}

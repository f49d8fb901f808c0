//! What an agent says of its node when it asks for a certificate. By this address the API server calls its kubelet, and by this
//! name K3s tells tunnels apart. So none is the gateway's own, or K3s'.

use crate::refusal::Refusal;
use daas_types::ErrorCode::{AddressRefused, CsrRefused, NodeIdMismatch};
use daas_types::NodeId;
use http::{HeaderMap, HeaderName};
use std::collections::HashSet;
use std::net::IpAddr;

/// As which node a certificate is asked for.
const NODE_NAME: HeaderName = HeaderName::from_static("k3s-node-name");
/// For which addresses: one after the other, with commas between.
const NODE_IP: HeaderName = HeaderName::from_static("k3s-node-ip");
/// What K3s' own server is called.
const SERVERS: [&str; 2] = ["kubernetes", "localhost"];

/// Names and addresses that are no node's.
pub(super) struct Own {
    names: HashSet<String>,
    addresses: HashSet<IpAddr>,
}

// === impl Own ===

impl Own {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, addresses: &[IpAddr]) -> Self {
        let names = SERVERS.into_iter().chain(names);
        let names = names.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        Self { names, addresses: addresses.iter().map(IpAddr::to_canonical).collect() }
    }

    /// A certificate for this node, and for what is said of it.
    pub(super) fn check(&self, id: &NodeId, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.names.contains(id.as_str()) {
            let cause = format!("{id} is what the gateway or K3s' server is called, and no node");
            return Err(Refusal::unauthorized(CsrRefused, cause));
        }
        let mut lines = headers.get_all(NODE_IP).into_iter();
        let Some(line) = lines.next() else { return Ok(()) };
        if lines.next().is_some() {
            return Err(refused("more than one k3s-Node-IP"));
        }
        let text = line.to_str().map_err(|_| refused("k3s-Node-IP is not visible ASCII"))?;
        text.split(',').try_for_each(|part| self.check_address(part))
    }

    fn check_address(&self, text: &str) -> Result<(), Refusal> {
        // The claimed address is not repeated unless it is one: it is text from anyone.
        let address: IpAddr = text.parse().map_err(|_| refused("k3s-Node-IP has what is no address"))?;
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() || self.addresses.contains(&address) {
            return Err(refused(&format!("k3s-Node-IP has {address}, which is no node's")));
        }
        Ok(())
    }
}

/// Where a node says that it is, first of all; where it is seen, if it does not say. To be asked after [`Own::check`].
pub(super) fn address(headers: &HeaderMap, seen: IpAddr) -> IpAddr {
    let line = headers.get(NODE_IP).and_then(|line| line.to_str().ok());
    let first = line.and_then(|line| line.split(',').next()?.parse().ok());
    first.unwrap_or(seen)
}

/// A node's certificate is its Seal's node's.
pub(super) fn check_name(needed: bool, id: &NodeId, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut names = headers.get_all(NODE_NAME).into_iter();
    let right = match (names.next(), names.next()) {
        (Some(name), None) => name.as_bytes() == id.as_str().as_bytes(),
        (None, _) => !needed,
        (Some(_), Some(_)) => false,
    };
    // The claimed name is not repeated: it is text from anyone.
    let cause = || format!("the Seal's node is {id}: start the agent with `--node-name {id}`");
    if right { Ok(()) } else { Err(Refusal::unauthorized(NodeIdMismatch, cause())) }
}

#[track_caller]
fn refused(cause: &str) -> Refusal {
    Refusal::unauthorized(AddressRefused, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::ErrorCode;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn own() -> Own {
        Own::new(["Gateway.", "the-server"], &["10.43.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()])
    }

    fn check(id: &str, lines: &[&[u8]]) -> Result<(), ErrorCode> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(NODE_IP, HeaderValue::from_bytes(line).unwrap());
        }
        own().check(&id.parse().unwrap(), &headers).map_err(|refusal| {
            assert_eq!(refusal.status().as_u16(), 401);
            refusal.code()
        })
    }

    #[test]
    fn a_nodes_own_addresses_are_its_own_affair() {
        let lines: [&[u8]; 4] = [b"10.0.0.9", b"10.0.0.9,2001:db8::9", b"::ffff:10.0.0.9", b"10.43.0.2"];
        for line in lines {
            assert_eq!(check("worker-1", &[line]), Ok(()));
        }
        assert_eq!(check("worker-1", &[]), Ok(()));
        assert_eq!(check("gateway-1", &[]), Ok(()));
    }

    #[test]
    fn what_is_the_gateways_or_k3s_is_no_nodes() {
        for id in ["kubernetes", "localhost", "gateway", "the-server"] {
            assert_eq!(check(id, &[b"10.0.0.9"]), Err(CsrRefused), "{id}");
        }
        let lines: [&[u8]; 18] = [
            b"10.43.0.1",
            b"::ffff:10.43.0.1",
            b"2001:db8::1",
            b"2001:0db8:0:0:0:0:0:1",
            b"10.0.0.9,10.43.0.1",
            b"127.0.0.1",
            b"127.8.8.8",
            b"::ffff:127.0.0.1",
            b"::1",
            b"0.0.0.0",
            b"::",
            b"",
            b"10.0.0.9,",
            b"10.0.0.9, 10.0.0.8",
            b"10.0.0.9;10.0.0.8",
            b"010.0.0.9",
            b"fe80::1%eth0",
            b"\xff",
        ];
        for line in lines {
            assert_eq!(check("worker-1", &[line]), Err(AddressRefused), "{}", line.escape_ascii());
        }
        assert_eq!(check("worker-1", &[b"10.0.0.9", b"10.0.0.9"]), Err(AddressRefused));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(text in "[0-9a-f:.,% ]{0,40}") {
            let claimed = |part: &str| part.parse::<IpAddr>().map(|address| address.to_canonical());
            if check("worker-1", &[text.as_bytes()]).is_ok() {
                prop_assert!(text.split(',').all(|part| claimed(part).is_ok_and(|address| !address.is_loopback())));
            }
        }
    }
}

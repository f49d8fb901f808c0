//! The BCS of what every request has: a start and an end. By hand, because serde hands over an id byte by byte, and both ids of an
//! asker took as long as all else of its record.

use super::{End, What, Who};
use crate::hash::Digest;
use daas_types::Tier;
use std::net::SocketAddr;

/// Variants of [`super::Entry`], as BCS numbers them.
const START: u8 = 1;
const END: u8 = 2;

/// Appends a start but for who asks.
pub(crate) fn start(to: &mut Vec<u8>, peer: SocketAddr, what: &What<'_>) {
    to.push(START);
    match peer {
        SocketAddr::V4(peer) => {
            to.push(0);
            to.extend_from_slice(&peer.ip().octets());
        }
        SocketAddr::V6(peer) => {
            to.push(1);
            to.extend_from_slice(&peer.ip().octets());
        }
    }
    to.extend_from_slice(&peer.port().to_le_bytes());
    let What { method, path, target, query, withheld, command } = what;
    let super::Target { verb, group, version, namespace, resource, subresource, name } = target;
    for word in [method, path, verb, group, version, namespace, resource, subresource, name] {
        text(to, word);
    }
    length(to, query.len());
    for (key, value) in query {
        text(to, key);
        text(to, value);
    }
    to.extend_from_slice(&withheld.to_le_bytes());
    id(to, command.as_ref().map(|Digest(bytes)| bytes));
}

/// Appends who asks.
pub(crate) fn who(to: &mut Vec<u8>, who: &Who<'_>) {
    let Who { kind, user, position, tier, seal, acting_as } = who;
    to.push(match kind {
        super::Caller::Unknown => 0,
        super::Caller::Person => 1,
        super::Caller::Node => 2,
        super::Caller::ServiceAccount => 3,
        super::Caller::Master => 4,
    });
    text(to, user);
    id(to, position.as_ref().map(|position| position.0.inner()));
    match tier {
        None => to.push(0),
        Some(tier) => to.extend_from_slice(&[1, tier_number(*tier)]),
    }
    id(to, seal.as_ref().map(|seal| seal.0.inner()));
    text(to, acting_as);
}

/// Appends an end.
pub(crate) fn end(to: &mut Vec<u8>, end: &End<'_>) {
    let End { start, status, reason, received, sent, audit_id } = end;
    to.push(END);
    to.extend_from_slice(&start.to_le_bytes());
    to.extend_from_slice(&status.to_le_bytes());
    text(to, reason);
    to.extend_from_slice(&received.to_le_bytes());
    to.extend_from_slice(&sent.to_le_bytes());
    text(to, audit_id);
}

fn tier_number(tier: Tier) -> u8 {
    match tier {
        Tier::Viewer => 0,
        Tier::Developer => 1,
        Tier::Admin => 2,
        Tier::Super => 3,
    }
}

fn id(to: &mut Vec<u8>, id: Option<&[u8; 32]>) {
    match id {
        None => to.push(0),
        Some(bytes) => {
            to.push(1);
            to.extend_from_slice(bytes);
        }
    }
}

fn text(to: &mut Vec<u8>, text: &str) {
    length(to, text.len());
    to.extend_from_slice(text.as_bytes());
}

/// As ULEB128: seven bits a byte, the lowest first.
fn length(to: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        to.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    to.push(length.to_le_bytes()[0]);
}

//! Numbers. Labels are of bounded kinds; none names a person, a token or a path.

use crate::admit::CutReason;
use core::time::Duration;
use http::Method;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use std::sync::OnceLock;

/// What of requests is counted. Looking a number up by its labels costs as much as deciding on a request, so those of
/// forwarded requests are kept once they are there.
#[derive(Default)]
pub(crate) struct Requests {
    forwarded: [[OnceLock<Counter>; CODES.len()]; VERBS.len()],
    head: [OnceLock<Histogram>; VERBS.len()],
}

/// What a label says of the outcome of most requests.
pub(crate) const FORWARDED: &str = "forwarded";
const VERBS: [&str; 4] = ["watch", "read", "write", "other"];
const CODES: [&str; 8] = ["101", "2xx", "3xx", "401", "403", "429", "4xx", "5xx"];

// === impl Requests ===

impl Requests {
    /// One request answered. `outcome` is `forwarded`, `tunnel`, `local`, or the name of the refusal.
    pub(crate) fn count(&self, method: &Method, watch: bool, status: u16, outcome: &'static str, took: Duration) {
        let (verb, code) = (verb_class(method, watch), code_class(status));
        let counter = || {
            let (verb, code) = (VERBS[verb], CODES[code]);
            counter!("daas_gateway_requests_total", "verb" => verb, "code" => code, "outcome" => outcome)
        };
        if outcome == FORWARDED {
            self.forwarded[verb][code].get_or_init(counter).increment(1);
        } else {
            counter().increment(1);
        }
        let head = || histogram!("daas_gateway_head_seconds", "verb" => VERBS[verb]);
        self.head[verb].get_or_init(head).record(took);
    }
}

/// Something open was cut.
pub(crate) fn cut(reason: CutReason) {
    counter!("daas_gateway_cuts_total", "reason" => name(reason)).increment(1);
}

/// From the making of the last verified checkpoint to a stream's end because of it.
pub(crate) fn revocation(reason: CutReason, since_checkpoint: Duration) {
    cut(reason);
    if reason == CutReason::RightLost {
        histogram!("daas_gateway_revocation_seconds").record(since_checkpoint);
    }
}

/// An answer was ended of which the client took nothing.
pub(crate) fn stalled() {
    counter!("daas_gateway_cuts_total", "reason" => "stalled").increment(1);
}

/// A connection was accepted, or not.
pub(crate) fn connection(outcome: &'static str) {
    counter!("daas_gateway_connections_total", "outcome" => outcome).increment(1);
}

/// Counts an open tunnel until dropped.
pub(crate) fn tunnel() -> Open {
    Open::new("daas_gateway_tunnels_open")
}

/// Counts something open until dropped.
pub(crate) struct Open(&'static str);

// === impl Open ===

impl Open {
    pub(crate) fn new(name: &'static str) -> Self {
        gauge!(name).increment(1);
        Self(name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1);
    }
}

fn name(reason: CutReason) -> &'static str {
    match reason {
        CutReason::RightLost => "right_lost",
        CutReason::Stale => "stale",
        CutReason::Expired => "expired",
    }
}

/// Place in [`VERBS`].
fn verb_class(method: &Method, watch: bool) -> usize {
    match *method {
        Method::GET | Method::HEAD if watch => 0,
        Method::GET | Method::HEAD | Method::OPTIONS => 1,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => 2,
        _ => 3,
    }
}

/// Place in [`CODES`].
fn code_class(status: u16) -> usize {
    match status {
        101 => 0,
        200..300 => 1,
        300..400 => 2,
        401 => 3,
        403 => 4,
        429 => 5,
        400..500 => 6,
        _ => 7,
    }
}

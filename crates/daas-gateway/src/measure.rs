//! Numbers. Labels are of bounded kinds; none names a person, a token or a path.

use crate::admit::CutReason;
use core::time::Duration;
use http::Method;
use metrics::{counter, gauge, histogram};

/// One request answered. `outcome` is `forwarded`, `tunnel`, `local`, or the name of the refusal.
pub(crate) fn request(method: &Method, watch: bool, status: u16, outcome: &'static str, took: Duration) {
    let verb = verb_class(method, watch);
    let code = code_class(status);
    counter!("daas_gateway_requests_total", "verb" => verb, "code" => code, "outcome" => outcome).increment(1);
    histogram!("daas_gateway_head_seconds", "verb" => verb).record(took);
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

fn verb_class(method: &Method, watch: bool) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if watch => "watch",
        Method::GET | Method::HEAD | Method::OPTIONS => "read",
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => "write",
        _ => "other",
    }
}

fn code_class(status: u16) -> &'static str {
    match status {
        101 => "101",
        200..300 => "2xx",
        300..400 => "3xx",
        401 => "401",
        403 => "403",
        429 => "429",
        400..500 => "4xx",
        _ => "5xx",
    }
}

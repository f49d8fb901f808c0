//! The gateway between real TLS clients and a stand-in API server, in one process.
#![expect(clippy::unwrap_used, reason = "whatever a test's own helper does not get fails the test")]

mod framing;
mod harness;
mod headers;
mod identity;
mod life;
mod limits;
mod local;
mod refusals;
mod service_account;
mod streams;
mod upgrades;

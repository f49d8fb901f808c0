//! The gateway between real TLS clients and a stand-in API server, in one process.
#![expect(clippy::unwrap_used, reason = "whatever a test's own helper does not get fails the test")]
#![expect(clippy::too_many_lines, reason = "tables of bad input are long and flat")]

mod framing;
mod harness;
mod headers;
mod identity;
mod life;
mod local;
mod refusals;
mod service_account;
mod streams;
mod upgrades;

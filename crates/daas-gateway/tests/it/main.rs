//! The gateway between real TLS clients and a stand-in API server, in one process.
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

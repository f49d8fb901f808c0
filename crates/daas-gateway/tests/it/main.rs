//! The gateway between real TLS clients and a stand-in API server, in one process.

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

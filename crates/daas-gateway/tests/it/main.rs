//! The gateway between real TLS clients and a stand-in API server, in one process.
#![expect(clippy::unwrap_used, reason = "whatever a test's own helper does not get fails the test")]

mod audit;
mod cuts;
mod fuzz;
mod harness;
mod identity;
mod items;
mod k3s;
mod killed;
mod life;
mod limits;
mod local;
mod pool;
mod refusals;
mod service_account;
mod streams;
mod tls;
mod upgrades;

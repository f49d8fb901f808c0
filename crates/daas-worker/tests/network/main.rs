//! A worker and its owner on a served network that has a cluster and no master.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod orders;
mod owner;
mod page;
mod runtime;
mod world;

const NODE: &str = "worker-001";

//! The chain crate against the embedded network: real gRPC, real transactions, the native twin of the contracts.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

mod bootstrap;
mod epochs;
mod faults;
mod follow;
mod liar;
mod lies;
mod log;
mod lossy;
mod lost;
mod money;
mod others;
mod pruned;
mod reads;
mod silent;
mod whole_way;
mod world;

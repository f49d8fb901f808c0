//! The chain crate against the embedded network: real gRPC, real transactions, the native twin of the contracts.

mod follow;
mod lost;
mod money;
mod reads;
mod whole_way;
mod world;

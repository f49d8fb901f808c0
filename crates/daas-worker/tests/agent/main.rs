//! A worker's node in a cluster of K3s: `k3s agent`, through a gateway that is the product's. What says what K3s says, on both
//! sides, are doubles.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;
mod life;
mod traces;
mod world;

//! The commands that found and govern a cluster, as people and scripts type them, against a served network.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod govern;
mod newcomer;
mod places;
mod signed;
mod walk;
mod world;

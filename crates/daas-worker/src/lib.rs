//! The staker's host: stakes, receives its Seal, verifies the master, runs a Kubernetes node, and stops when its stake
//! is gone.

pub mod config;
pub mod state;

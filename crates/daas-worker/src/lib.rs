//! The staker's host: stakes, receives its Seal, verifies the master, runs a Kubernetes node, and stops when its stake
//! is gone.
//!
//! [`state`] decides, [`worker`] does, [`run`] connects the two with what happens meanwhile ([`interrupts`]).

pub mod adopt;
pub mod api;
pub mod config;
pub mod credential;
mod driver;
pub mod heartbeat;
pub mod host;
pub mod install;
pub mod interrupts;
pub mod kube;
pub mod peers;
pub mod preflight;
pub mod run;
pub mod stake;
pub mod state;
pub mod store;
pub mod usage;
pub mod worker;

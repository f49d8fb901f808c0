//! An embedded Sui network for development and tests: the real `sui.rpc.v2` services, a faucet, a one-validator BLS
//! committee that signs every checkpoint, and the `k3s_daas` package executed natively.
//!
//! One transaction is one checkpoint is one durable commit of the ledger. What a client can see is signed, and what was
//! signed survives the process.
//!
//! - [`Devnet::start`]: everything, in this process.
//! - `execute`: checks and execution; `twin`: the Move package; `ledger`: what is kept; `rpc`: the services.

mod callers;
mod checkpoint;
mod config;
pub mod control;
mod describe;
mod devnet;
mod error;
mod execute;
mod faucet;
mod faults;
mod files;
mod genesis;
mod keys;
mod layout;
mod ledger;
mod node;
pub mod nsm;
mod objects;
mod rpc;
mod system;
mod time;
mod twin;
mod web;

pub use callers::{Origin, OriginError};
pub use config::{Clock, Config};
pub use devnet::{Devnet, RunningDevnet};
pub use error::{DevnetError, StoreError};
pub use faults::{Active, Fault, FaultError, Fit, Lie, LieKind};

//! Fakes that speak the real protocols over real TLS, for tests only. Nothing that ships depends on them.
#![expect(clippy::unwrap_used, reason = "a failing fake must fail its test at once")]

pub mod audit;
pub mod bench;
pub mod chain;
pub mod client;
pub mod cri;
pub mod docker;
pub mod join;
pub mod k3s;
pub mod pki;
mod unix;
pub mod upstream;

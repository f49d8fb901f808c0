//! The devnet as the official client sees it.
#![expect(clippy::unwrap_used, reason = "a test's unwrap is an assertion")]

mod clients;
mod cluster;
mod contract;
mod control;
mod epochs;
mod faults;
mod full;
mod killed;
mod ledger;
mod lies;
mod masters;
mod money;
mod process;
mod requests;
mod seeded;
mod slash;
mod stake;
mod streams;
mod support;
mod typescript;
mod web;
mod wrong;

//! The devnet as the official client sees it.
#![expect(clippy::unwrap_used, reason = "a test's unwrap is an assertion")]

mod cluster;
mod killed;
mod ledger;
mod money;
mod slash;
mod streams;
mod support;

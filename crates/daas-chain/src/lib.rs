//! The chain as the rest of the program sees it: an index of live positions, fed by verified checkpoints; typed reads;
//! wallets; transactions.
//!
//! Decisions read [`index::Index`] and never the network. What the index believes comes out of
//! [`verified::VerifiedCheckpoint`]s, whose fields are private, and of objects that verified checkpoints have. Lists and
//! balances by [`client::ChainClient`] are the RPC endpoint's word: good for showing and for building transactions.
#![warn(missing_docs)]

pub mod client;
pub mod clock;
pub mod follow;
pub mod index;
pub mod ops;
pub mod store;
pub mod verified;
pub mod wallet;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

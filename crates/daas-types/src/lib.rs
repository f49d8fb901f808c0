//! The vocabulary every other crate speaks: ids, amounts, tiers, tokens, on-chain layouts, wire messages
//! and the error catalogue.
//!
//! Nothing here does I/O, reads a clock or knows an async runtime. What a decision needs is an argument,
//! so the same bytes give the same answer on every machine.
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)
)]

mod amount;
pub mod api;
mod catalogue;
pub mod genesis;
mod ids;
pub mod join;
pub mod move_bytecode;
mod node_id;
mod node_labels;
pub mod onchain;
pub mod pop;
mod problem;
pub mod replacement;
mod rpc_urls;
mod seal;
mod tier;
mod time;
pub mod worker;

pub use amount::{AmountError, Mist};
pub use catalogue::ErrorCode;
pub use ids::{
    AnchorsId, CapId, ClusterId, NautilusId, PackageId, PositionId, RegistryId, RequestId, SealId, WalletAddress,
};
pub use node_id::{NodeId, NodeIdError};
pub use node_labels::{NodeMarks, NodeMarksError, NodeTaint, TaintEffect};
pub use problem::Problem;
pub use rpc_urls::{RpcUrls, RpcUrlsError};
pub use seal::{Commitment, Locator, Permissions, SEAL_LIFETIME, SealSecret, SealSecretError};
pub use sui_sdk_types::{Address, Digest};
pub use tier::{Rights, Thresholds, Tier};
pub use time::UnixMs;

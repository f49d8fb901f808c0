//! The Move package's objects and events, byte for byte (BCS), one file per Move module or two. The sources are in
//! `contracts/k3s_daas/sources/`; a test holds every struct here against the layout of the compiled bytecode, and golden
//! vectors hold the bytes.
//!
//! What expires on chain is written away by whoever comes next; until then a reader has to know it by itself. So what
//! depends on time takes it: [`PositionState::at`], [`PositionState::rights`], [`MasterRecord::is_current`].

mod attestation;
mod cluster;
mod code;
mod event;
mod gateway;
mod nautilus;
mod policy;
mod position;
mod seal_token;
mod slashing;

pub use attestation::{AuditRoot, IntentMessage, offence, registration_nonce};
pub use cluster::{Cluster, ClusterState};
pub use event::{
    ClusterEvent, Event, EventError, NautilusEvent, PositionEvent, RequestEvent, RootAnchored, TreasuryPaid,
};
pub use gateway::{Anchor, AuditAnchors, RequestKey, RequestState, RequestStatus, request_id};
pub use nautilus::{
    Endorsement, MasterRecord, Measurement, MeasurementStatus, Nautilus, NautilusInfo, NautilusState, Pcrs,
};
pub use policy::{Announcement, NUMBERS, Policy};
pub use position::{Maintenance, PositionKey, PositionState, Registry, Status, Trial, position_id};
pub use seal_token::{SealRecord, SealToken, Session};
pub use slashing::{Proposal, Stage};

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// Move package name, and the address its modules are named under before publication.
pub const PACKAGE: &str = "k3s_daas";

/// A Move `Table`: its entries are dynamic fields of `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Parent of the entries' dynamic fields.
    pub id: Address,
    /// Number of entries.
    pub size: u64,
}

/// BCS of `vector<u8>` is the same as of `Vec<u8>`; JSON shows it as hex.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&hex::encode(bytes)) } else { bytes.serialize(s) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        if d.is_human_readable() {
            hex::decode(String::deserialize(d)?).map_err(D::Error::custom)
        } else {
            Vec::deserialize(d)
        }
    }
}

#[cfg(test)]
mod tests;

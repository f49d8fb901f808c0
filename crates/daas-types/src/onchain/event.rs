//! What the package's events say.

use super::{NautilusState, Policy, PositionState};
use crate::{ClusterId, Mist, NautilusId, RegistryId, SealId};
use serde::{Deserialize, Serialize};

/// Everything the package says, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A cluster was made.
    ClusterCreated(ClusterCreated),
    /// A cluster's rules changed.
    PolicyChanged(PolicyChanged),
    /// A position changed; `name` is the Move event's name, such as `SlashProposed`.
    Position {
        /// The Move event's name.
        name: PositionEvent,
        /// Full state after it.
        state: PositionState,
    },
    /// Measurements or masters changed.
    Nautilus(NautilusState),
}

/// `k3s_daas::cluster::ClusterCreated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCreated {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its registry.
    pub registry: RegistryId,
    /// Its measurements and masters.
    pub nautilus: NautilusId,
    /// Its name.
    pub name: String,
    /// Its rules.
    pub policy: Policy,
}

/// `k3s_daas::cluster::PolicyChanged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChanged {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its generation after the change.
    pub generation: u64,
    /// Its rules after the change.
    pub policy: Policy,
}

/// The names of `k3s_daas::staking`'s events. Each is `{ state: PositionState, … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the Move event of that name")]
pub enum PositionEvent {
    Staked,
    Restaked,
    SealRefreshed,
    Unstaked,
    Withdrawn,
    SlashProposed,
    SlashAppealed,
    SlashUpheld,
    SlashCancelled,
    SlashExecuted,
}

/// Why an event's bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not an event of this package's known modules.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// The bytes are not of that type.
    #[error("event {kind} does not decode: {cause}")]
    Layout {
        /// `module::Name`.
        kind: String,
        /// BCS' words.
        cause: String,
    },
}

// === impl PositionEvent ===

impl PositionEvent {
    /// By Move name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "Staked" => Self::Staked,
            "Restaked" => Self::Restaked,
            "SealRefreshed" => Self::SealRefreshed,
            "Unstaked" => Self::Unstaked,
            "Withdrawn" => Self::Withdrawn,
            "SlashProposed" => Self::SlashProposed,
            "SlashAppealed" => Self::SlashAppealed,
            "SlashUpheld" => Self::SlashUpheld,
            "SlashCancelled" => Self::SlashCancelled,
            "SlashExecuted" => Self::SlashExecuted,
            _ => return None,
        })
    }
}

// === impl Event ===

impl Event {
    /// Decodes an event of module `module`, type `name`, from its BCS bytes.
    pub fn decode(module: &str, name: &str, bcs_bytes: &[u8]) -> Result<Self, EventError> {
        let kind = format!("{module}::{name}");
        let layout = |cause: bcs::Error| EventError::Layout { kind: kind.clone(), cause: cause.to_string() };
        match (module, name) {
            ("cluster", "ClusterCreated") => bcs::from_bytes(bcs_bytes).map(Self::ClusterCreated).map_err(layout),
            ("cluster", "PolicyChanged") => bcs::from_bytes(bcs_bytes).map(Self::PolicyChanged).map_err(layout),
            ("nautilus", "MeasurementsChanged" | "MastersChanged") => {
                bcs::from_bytes(bcs_bytes).map(Self::Nautilus).map_err(layout)
            }
            ("staking", name) => {
                let event = PositionEvent::from_name(name).ok_or_else(|| EventError::UnknownType(kind.clone()))?;
                let state = match event {
                    PositionEvent::Unstaked | PositionEvent::Withdrawn | PositionEvent::SlashExecuted => {
                        bcs::from_bytes::<(PositionState, Mist)>(bcs_bytes).map_err(layout)?.0
                    }
                    PositionEvent::SealRefreshed => {
                        bcs::from_bytes::<(PositionState, SealId)>(bcs_bytes).map_err(layout)?.0
                    }
                    PositionEvent::SlashAppealed => {
                        bcs::from_bytes::<(PositionState, String)>(bcs_bytes).map_err(layout)?.0
                    }
                    PositionEvent::Staked
                    | PositionEvent::Restaked
                    | PositionEvent::SlashProposed
                    | PositionEvent::SlashUpheld
                    | PositionEvent::SlashCancelled => bcs::from_bytes(bcs_bytes).map_err(layout)?,
                };
                Ok(Self::Position { name: event, state })
            }
            _ => Err(EventError::UnknownType(kind)),
        }
    }
}

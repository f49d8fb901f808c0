//! What the package's events say.

use super::{Anchor, ClusterState, NautilusState, PositionState, RequestState, bytes};
use crate::{ClusterId, Mist, SealId, UnixMs, WalletAddress};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Everything the package says, decoded. `name` is the Move event's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an event is decoded, applied and dropped")]
pub enum Event {
    /// A cluster was made or changed.
    Cluster {
        /// What happened.
        name: ClusterEvent,
        /// Full state after it.
        state: ClusterState,
    },
    /// The treasury was paid out.
    TreasuryPaid(TreasuryPaid),
    /// A position was made or changed.
    Position {
        /// What happened.
        name: PositionEvent,
        /// Full state after it.
        state: PositionState,
    },
    /// Measurements, endorsements or masters changed.
    Nautilus {
        /// What happened.
        name: NautilusEvent,
        /// Full state after it.
        state: NautilusState,
    },
    /// A request was made, answered or cancelled.
    Request {
        /// What happened.
        name: RequestEvent,
        /// Full state after it.
        state: RequestState,
    },
    /// A master anchored the root of its audit log.
    RootAnchored(RootAnchored),
}

/// `k3s_daas::cluster::TreasuryPaid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreasuryPaid {
    /// The cluster.
    pub cluster: ClusterId,
    /// How much.
    pub amount: Mist,
    /// To whom.
    pub beneficiary: WalletAddress,
}

/// `k3s_daas::k8s_gateway::RootAnchored`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootAnchored {
    /// The cluster.
    pub cluster: ClusterId,
    /// Whose log it is: the enclave's Ed25519 public key.
    #[serde(with = "bytes")]
    pub signing_key: Vec<u8>,
    /// The anchor.
    pub anchor: Anchor,
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

/// The names of the events of one kind of object, with their modules.
macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($module:literal: $($name:ident),+;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the Move event of that name")]
        pub enum $kind {
            $($($name,)+)+
        }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// By Move module and name.
            pub fn from_name(module: &str, name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|event| event.module() == module && event.as_str() == name)
            }

            /// The Move name.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)+ }
            }

            /// The module that emits it.
            pub const fn module(self) -> &'static str {
                match self { $($(Self::$name => $module,)+)+ }
            }
        }
    };
}

names! {
    /// Events that carry a [`ClusterState`].
    ClusterEvent {
        "cluster": ClusterCreated, PolicyAnnounced, PolicyRecalled, PolicyApplied, PauseChanged, OperatorsChanged,
            OfficesChanged, ClusterMigrated;
    }
}

names! {
    /// Events that carry a [`PositionState`].
    PositionEvent {
        "staking": Staked, Restaked, SealRefreshed, SealRevoked, AllSealsRevoked, Unstaked, Withdrawn, OperatorChanged,
            OwnershipOffered, OwnershipAccepted, SlashProposed, SlashAppealed,
            SlashUpheld, SlashReduced, SlashCancelled, SlashLapsed, SlashExecuted;
        "node": Jailed, Unjailed, MaintenanceAnnounced;
        "k8s_gateway": WorkerSealCreated;
    }
}

names! {
    /// Events that carry a [`NautilusState`].
    NautilusEvent {
        "nautilus": MeasurementsChanged, MasterEndorsed, MastersChanged;
    }
}

names! {
    /// Events that carry a [`RequestState`].
    RequestEvent {
        "k8s_gateway": RequestSubmitted, RequestAnswered, RequestCancelled;
    }
}

// === impl Event ===

impl Event {
    /// Decodes an event of module `module`, type `name`, from its BCS bytes.
    pub fn decode(module: &str, name: &str, bcs_bytes: &[u8]) -> Result<Self, EventError> {
        let kind = format!("{module}::{name}");
        let decoded = if let Some(name) = PositionEvent::from_name(module, name) {
            name.decode(bcs_bytes).map(|state| Self::Position { name, state })
        } else if let Some(name) = ClusterEvent::from_name(module, name) {
            bcs::from_bytes(bcs_bytes).map(|state| Self::Cluster { name, state })
        } else if let Some(name) = NautilusEvent::from_name(module, name) {
            bcs::from_bytes(bcs_bytes).map(|state| Self::Nautilus { name, state })
        } else if let Some(name) = RequestEvent::from_name(module, name) {
            bcs::from_bytes(bcs_bytes).map(|state| Self::Request { name, state })
        } else {
            match (module, name) {
                ("cluster", "TreasuryPaid") => bcs::from_bytes(bcs_bytes).map(Self::TreasuryPaid),
                ("k8s_gateway", "RootAnchored") => bcs::from_bytes(bcs_bytes).map(Self::RootAnchored),
                _ => return Err(EventError::UnknownType(kind)),
            }
        };
        decoded.map_err(|cause| EventError::Layout { kind, cause: cause.to_string() })
    }

    /// The cluster it is of.
    pub fn cluster(&self) -> ClusterId {
        match self {
            Self::Cluster { state, .. } => state.cluster,
            Self::TreasuryPaid(paid) => paid.cluster,
            Self::Position { state, .. } => state.cluster,
            Self::Nautilus { state, .. } => state.cluster,
            Self::Request { state, .. } => state.cluster,
            Self::RootAnchored(anchored) => anchored.cluster,
        }
    }
}

// === impl PositionEvent ===

impl PositionEvent {
    /// The state, before whatever else the event says.
    fn decode(self, bcs_bytes: &[u8]) -> Result<PositionState, bcs::Error> {
        fn and<T: DeserializeOwned>(bcs_bytes: &[u8]) -> Result<PositionState, bcs::Error> {
            bcs::from_bytes::<(PositionState, T)>(bcs_bytes).map(|(state, _)| state)
        }
        match self {
            Self::Unstaked | Self::Withdrawn | Self::SlashExecuted => and::<Mist>(bcs_bytes),
            Self::SealRefreshed | Self::SealRevoked | Self::WorkerSealCreated => and::<SealId>(bcs_bytes),
            Self::SlashAppealed => and::<String>(bcs_bytes),
            Self::Jailed => and::<UnixMs>(bcs_bytes),
            Self::Staked
            | Self::Restaked
            | Self::AllSealsRevoked
            | Self::OperatorChanged
            | Self::OwnershipOffered
            | Self::OwnershipAccepted
            | Self::Unjailed
            | Self::MaintenanceAnnounced
            | Self::SlashProposed
            | Self::SlashUpheld
            | Self::SlashReduced
            | Self::SlashCancelled
            | Self::SlashLapsed => bcs::from_bytes(bcs_bytes),
        }
    }
}

//! The Move package's objects and events, byte for byte (BCS). `contracts/k3s_daas/sources/` is the source; golden
//! vectors in `contracts/k3s_daas/` hold the two together.

mod event;

pub use event::{ClusterCreated, Event, EventError, PolicyChanged, PositionEvent};

use crate::{
    ClusterId, Locator, Mist, NautilusId, NodeId, Permissions, PositionId, RegistryId, Rights, SealId, Thresholds,
    Tier, UnixMs, WalletAddress,
};
use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Identifier, StructTag};

/// Move package name, and the address its modules are named under before publication.
pub const PACKAGE: &str = "k3s_daas";

/// A cluster's rules, `k3s_daas::cluster::Policy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Least active stake of each tier.
    pub thresholds: Thresholds,
    /// Least amount of a new stake.
    pub min_stake: Mist,
    /// Least active stake with which a node may be in the cluster.
    pub node_minimum: Mist,
    /// Share of a position that a slash freezes, in 1/10,000.
    pub slash_bps: u64,
    /// How long an owner may appeal, in ms.
    pub appeal_window_ms: u64,
    /// How long unstaked money stays slashable, in ms.
    pub unbonding_ms: u64,
    /// Longest life of a Seal, in ms.
    pub max_seal_lifetime_ms: u64,
    /// Oldest evidence a slash may rest on, in ms.
    pub evidence_max_age_ms: u64,
    /// Whether the super tier is `system:masters`.
    pub super_is_masters: bool,
    /// Positions whose nodes are the operator's pool.
    pub operator_positions: Vec<PositionId>,
}

/// A Move `Table`: its entries are dynamic fields of `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Parent of the entries' dynamic fields.
    pub id: Address,
    /// Number of entries.
    pub size: u64,
}

/// `k3s_daas::cluster::Cluster`, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Object id.
    pub id: ClusterId,
    /// Package version that may touch it.
    pub version: u64,
    /// The operator's name for it.
    pub name: String,
    /// +1 with each change of policy.
    pub generation: u64,
    /// Its registry.
    pub registry: RegistryId,
    /// Its measurements and masters.
    pub nautilus: NautilusId,
    /// The rules.
    pub policy: Policy,
    /// Slashed money.
    pub treasury: Mist,
}

/// `k3s_daas::cluster::Registry`, shared: every position ever made, and the node ids in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Object id.
    pub id: RegistryId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// `Table<u64, ID>`: 0..size → position.
    pub positions: Table,
    /// `Table<String, ID>`: node id → position.
    pub nodes: Table,
}

/// `k3s_daas::cluster::PositionKey(address, u64)`: the key a position's id is derived from, so that a client knows
/// the id, and with it the commitment, before it stakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionKey(pub WalletAddress, pub u64);

/// Where a position stands. `u8` on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Status {
    /// Its stake counts.
    Active,
    /// A slash is proposed: nothing counts.
    Suspended,
    /// A slash was executed; the owner must restake.
    Slashed,
    /// Restaked after a slash; the owner must refresh the Seal.
    Recovering,
    /// All unstaked.
    Closed,
}

/// A pending slash, `k3s_daas::staking::Proposal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Typed reason, see `staking.move`.
    pub reason: u8,
    /// Digest of the evidence.
    #[serde(with = "bytes")]
    pub evidence_hash: Vec<u8>,
    /// Where the evidence is.
    pub uri: String,
    /// Amount frozen.
    pub amount: Mist,
    /// How much of it came from unbonding stake.
    pub from_unbonding: Mist,
    /// When it was proposed.
    pub proposed_ms: UnixMs,
    /// Until when the owner may appeal.
    pub appeal_until_ms: UnixMs,
    /// Whether the owner has.
    pub appealed: bool,
    /// Whether a judge upheld it after an appeal.
    pub upheld: bool,
    /// The status a cancellation restores.
    pub prior_status: Status,
}

/// One Seal of a position, `k3s_daas::seal_token::SealRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    /// The `SealToken` object.
    pub id: SealId,
    /// What it may be used for.
    pub permissions: Permissions,
    /// 16 bytes, see [`Locator`].
    #[serde(with = "bytes")]
    pub locator: Vec<u8>,
    /// 32 bytes, see [`crate::Commitment`].
    #[serde(with = "bytes")]
    pub commitment: Vec<u8>,
    /// Address of the key that may sign PoP tokens beside the owner's.
    pub session: Option<WalletAddress>,
    /// When it ends.
    pub expires_ms: UnixMs,
}

/// `k3s_daas::staking::StakePosition` (shared) without its id wrapper, and the state every staking event carries:
/// the two have the same fields in the same order after the leading ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionState {
    /// The position.
    pub position: PositionId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// +1 with each change.
    pub generation: u64,
    /// The staker.
    pub owner: WalletAddress,
    /// Empty when it has no node.
    pub node_id: String,
    /// Where it stands.
    pub status: Status,
    /// Stake that counts.
    pub active: Mist,
    /// Stake a proposed slash holds.
    pub frozen: Mist,
    /// Stake on its way out, still slashable.
    pub unbonding: Mist,
    /// When it may be withdrawn.
    pub unbonding_until_ms: UnixMs,
    /// The pending slash.
    pub proposal: Option<Proposal>,
    /// Its Seals.
    pub seals: Vec<SealRecord>,
}

/// `k3s_daas::seal_token::SealToken`, owned by the staker, soulbound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealToken {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its position.
    pub position: PositionId,
    /// The node it may join as; empty for none.
    pub node_id: String,
    /// The rest; `record.id` is the object's own id and stands first in the object's bytes.
    pub record: SealRecord,
}

/// PCR values of an allowed master image, `k3s_daas::nautilus::Measurement`. SHA-384, 48 bytes each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// The whole image.
    #[serde(with = "bytes")]
    pub pcr0: Vec<u8>,
    /// Kernel and boot.
    #[serde(with = "bytes")]
    pub pcr1: Vec<u8>,
    /// Application.
    #[serde(with = "bytes")]
    pub pcr2: Vec<u8>,
}

/// A registered master, `k3s_daas::nautilus::MasterRecord` (`NautilusInfo` in the original design).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterRecord {
    /// `https://host:port`.
    pub endpoint: String,
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo, 32 bytes.
    #[serde(with = "bytes")]
    pub ca_spki: Vec<u8>,
    /// The enclave's Ed25519 public key, 32 bytes.
    #[serde(with = "bytes")]
    pub signing_key: Vec<u8>,
    /// Digest of the measured configuration, 32 bytes.
    #[serde(with = "bytes")]
    pub config_digest: Vec<u8>,
    /// When it was registered.
    pub registered_ms: UnixMs,
}

/// `k3s_daas::nautilus::Nautilus`, shared, and the state its events carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NautilusState {
    /// The object.
    pub id: NautilusId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// +1 with each change.
    pub generation: u64,
    /// What a master may measure as.
    pub measurements: Vec<Measurement>,
    /// The masters.
    pub masters: Vec<MasterRecord>,
}

// === impl Status ===

impl TryFrom<u8> for Status {
    type Error = String;
    fn try_from(value: u8) -> Result<Self, Self::Error> {
        Ok(match value {
            0 => Self::Active,
            1 => Self::Suspended,
            2 => Self::Slashed,
            3 => Self::Recovering,
            4 => Self::Closed,
            other => return Err(format!("unknown position status {other}")),
        })
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => 0,
            Status::Suspended => 1,
            Status::Slashed => 2,
            Status::Recovering => 3,
            Status::Closed => 4,
        }
    }
}

impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Slashed => "slashed",
            Self::Recovering => "recovering",
            Self::Closed => "closed",
        })
    }
}

// === impl PositionState ===

impl PositionState {
    /// What the position may do now under `policy`. Frozen, unbonding and suspended stake counts for nothing.
    pub fn rights(&self, policy: &Policy) -> Rights {
        if self.status != Status::Active {
            return Rights::default();
        }
        Rights {
            tier: Tier::of(self.active, &policy.thresholds),
            node: self.node().is_some() && self.active >= policy.node_minimum,
        }
    }

    /// Its node, if it has a valid one.
    pub fn node(&self) -> Option<NodeId> {
        self.node_id.parse().ok()
    }
}

// === impl SealRecord ===

impl SealRecord {
    /// The locator, if it has the right length.
    pub fn locator(&self) -> Option<Locator> {
        self.locator.as_slice().try_into().ok().map(Locator)
    }
}

/// The id of the position that `key` will have under `registry`, as `sui::derived_object` derives it.
pub fn position_id(package: crate::PackageId, registry: RegistryId, key: PositionKey) -> PositionId {
    let tag = StructTag::new(
        package.0,
        Identifier::from_static("cluster"),
        Identifier::from_static("PositionKey"),
        Vec::new(),
    );
    // 32 bytes of address, then the little-endian u64: BCS of the positional struct.
    let mut bytes = key.0.0.as_bytes().to_vec();
    bytes.extend_from_slice(&key.1.to_le_bytes());
    PositionId(registry.0.derive_object_id(&tag.into(), &bytes))
}

/// BCS of `vector<u8>` is the same as of `Vec<u8>`; JSON shows it as hex.
mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&hex::encode(bytes)) } else { bytes.serialize(s) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        if d.is_human_readable() {
            hex::decode(String::deserialize(d)?).map_err(D::Error::custom)
        } else {
            Vec::deserialize(d)
        }
    }
}

#[cfg(test)]
#[path = "onchain/tests.rs"]
mod tests;

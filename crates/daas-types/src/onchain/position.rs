use super::code::code;
use super::{Policy, Proposal, SealRecord, Table, bytes};
use crate::{ClusterId, Mist, NodeId, PackageId, PositionId, RegistryId, Rights, Tier, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use sui_sdk_types::{Identifier, StructTag};

/// `k3s_daas::registry::Registry`, shared: every position ever made, and the node ids in use.
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

/// `k3s_daas::registry::PositionKey(address, u64)`: first owner and salt, from which a position's id is derived, so that
/// a client knows the id, and with it the commitment, before it stakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionKey(pub WalletAddress, pub u64);

code! {
    /// Where a position stands.
    Status "position status" {
        /// Its stake counts.
        Active = 0 "active",
        /// A slash is proposed: nothing counts.
        Suspended = 1 "suspended",
        /// A slash was executed; the owner must restake.
        Slashed = 2 "slashed",
        /// Restaked after a slash; the owner must refresh the Seal.
        Recovering = 3 "recovering",
        /// All unstaked.
        Closed = 4 "closed",
    }
}

/// A time in which a node may be silent, `k3s_daas::position::Maintenance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its first moment.
    pub from_ms: UnixMs,
    /// The first moment after it.
    pub until_ms: UnixMs,
}

/// Evidence that a position was tried on, `k3s_daas::position::Trial`. It is judged once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Digest of the evidence, 32 bytes.
    #[serde(with = "bytes")]
    pub evidence_hash: Vec<u8>,
    /// Its date; the greatest number for a proof, which never ages.
    pub evidence_ms: UnixMs,
}

/// `k3s_daas::position::StakePosition` (shared), and the state that events carry: the two have the same bytes.
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
    /// To whom the owner offers it.
    pub next_owner: Option<WalletAddress>,
    /// A key for daily use: node Seals, jail, maintenance. Never money, never a token.
    pub operator: WalletAddress,
    /// Empty when it has no node.
    pub node_id: String,
    /// Where it stands; see [`PositionState::at`].
    pub status: Status,
    /// Stake that counts.
    pub active: Mist,
    /// Stake a proposed slash holds.
    pub frozen: Mist,
    /// Stake on its way out, still slashable.
    pub unbonding: Mist,
    /// When it may be withdrawn.
    pub unbonding_until_ms: UnixMs,
    /// Zero, or the node is jailed at least until then. Only `unjail` ends it.
    pub jailed_until_ms: UnixMs,
    /// The announced maintenance of its node.
    pub maintenance: Option<Maintenance>,
    /// No slash may be proposed before.
    pub cooldown_until_ms: UnixMs,
    /// The pending slash. Few have one, and every index holds all positions: nobody else's has room for it.
    pub proposal: Option<Box<Proposal>>,
    /// Evidence it was tried on.
    pub trials: Vec<Trial>,
    /// Its Seals.
    pub seals: Vec<SealRecord>,
}

// === impl PositionState ===

impl PositionState {
    /// What it is at `now`. A slash that nobody executed in time is over, whether or not anyone has cleared it away: its
    /// money and its status are back. (Whoever clears it away also sets `cooldown_until_ms`, which is no one's right.)
    pub fn at(&self, now: UnixMs) -> Cow<'_, Self> {
        let Some(lapsed) = self.proposal.as_ref().filter(|proposal| proposal.has_lapsed(now)) else {
            return Cow::Borrowed(self);
        };
        let to_active = Mist(lapsed.amount.0.saturating_sub(lapsed.from_unbonding.0));
        Cow::Owned(Self {
            status: lapsed.prior_status,
            active: self.active.saturating_add(to_active),
            frozen: Mist(self.frozen.0.saturating_sub(lapsed.amount.0)),
            unbonding: self.unbonding.saturating_add(lapsed.from_unbonding),
            proposal: None,
            ..self.clone()
        })
    }

    /// When [`PositionState::at`] becomes another without anyone's doing.
    pub fn lapses_ms(&self) -> Option<UnixMs> {
        self.proposal.as_ref().map(|proposal| proposal.expires_ms)
    }

    /// What the position may do at `now` under `policy`. Frozen, unbonding and suspended stake counts for nothing, and a
    /// jailed node stays out until it is taken from jail, however long ago its time was over.
    pub fn rights(&self, policy: &Policy, now: UnixMs) -> Rights {
        let current = self.at(now);
        if current.status != Status::Active {
            return Rights::default();
        }
        Rights {
            tier: Tier::of(current.active, &policy.thresholds),
            node: self.node().is_some() && !self.is_jailed() && current.active >= policy.node_minimum,
        }
    }

    /// Whether its node is jailed.
    pub fn is_jailed(&self) -> bool {
        self.jailed_until_ms > UnixMs(0)
    }

    /// Whether its node may be silent at `now`.
    pub fn in_maintenance(&self, now: UnixMs) -> bool {
        self.maintenance.is_some_and(|notice| notice.from_ms <= now && now < notice.until_ms)
    }

    /// Its node, if it has a valid one.
    pub fn node(&self) -> Option<NodeId> {
        self.node_id.parse().ok()
    }
}

/// The id of the position that `key` will have under `registry`, as `sui::derived_object` derives it.
pub fn position_id(package: PackageId, registry: RegistryId, key: PositionKey) -> PositionId {
    let tag = StructTag::new(
        package.0,
        Identifier::from_static("registry"),
        Identifier::from_static("PositionKey"),
        Vec::new(),
    );
    // 32 bytes of address, then the little-endian u64: BCS of the positional struct.
    let mut bytes = key.0.0.as_bytes().to_vec();
    bytes.extend_from_slice(&key.1.to_le_bytes());
    PositionId(registry.0.derive_object_id(&tag.into(), &bytes))
}

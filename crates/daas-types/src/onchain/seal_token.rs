use crate::{ClusterId, Commitment, Locator, Permissions, PositionId, SealId, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};

/// A key that may sign beside the owner's, for a time: `k3s_daas::seal_token::Session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its address.
    pub key: WalletAddress,
    /// When it ends, no later than its Seal.
    pub expires_ms: UnixMs,
}

/// One Seal of a position, `k3s_daas::seal_token::SealRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    /// The `SealToken` object.
    pub id: SealId,
    /// What it may be used for.
    pub permissions: Permissions,
    /// Finds the Seal by its secret.
    pub locator: Locator,
    /// Accepts the secret, for this position alone.
    pub commitment: Commitment,
    /// The key that may sign PoP tokens beside the owner's.
    pub session: Option<Session>,
    /// When it ends.
    pub expires_ms: UnixMs,
}

/// `k3s_daas::seal_token::SealToken`, owned by the staker, soulbound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealToken {
    /// Object id.
    pub id: SealId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its position. What is not in the position is void.
    pub position: PositionId,
    /// The node it may join as; empty for none.
    pub node_id: String,
    /// As in its record.
    pub permissions: Permissions,
    /// As in its record.
    pub locator: Locator,
    /// As in its record.
    pub commitment: Commitment,
    /// As in its record.
    pub session: Option<Session>,
    /// As in its record.
    pub expires_ms: UnixMs,
}

// === impl SealRecord ===

impl SealRecord {
    /// Whether the Seal has ended.
    pub fn is_expired(&self, now: UnixMs) -> bool {
        self.expires_ms <= now
    }

    /// The session key, while it counts.
    pub fn session_key(&self, now: UnixMs) -> Option<WalletAddress> {
        self.session.filter(|session| now < session.expires_ms).map(|session| session.key)
    }
}

// === impl SealToken ===

impl SealToken {
    /// What the position keeps of it.
    pub fn record(&self) -> SealRecord {
        SealRecord {
            id: self.id,
            permissions: self.permissions,
            locator: self.locator,
            commitment: self.commitment,
            session: self.session,
            expires_ms: self.expires_ms,
        }
    }
}

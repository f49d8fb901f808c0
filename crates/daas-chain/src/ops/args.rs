use core::time::Duration;
use daas_types::onchain::Policy;
use daas_types::{Commitment, Locator, Mist, NodeId, Permissions, PositionId, UnixMs, WalletAddress};

/// A new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The operator's name for it.
    pub name: String,
    /// Its rules.
    pub policy: Policy,
    /// Who may propose slashes. Neither the judge nor the policy's beneficiary.
    pub proposer: WalletAddress,
    /// Who judges them. Not the policy's beneficiary.
    pub judge: WalletAddress,
}

/// A new Seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealSpec {
    /// What it may be used for.
    pub permissions: Permissions,
    /// Of its secret.
    pub locator: Locator,
    /// Of its secret, for this cluster and position.
    pub commitment: Commitment,
    /// Address of a key that may sign PoP tokens beside the owner's, as long as the Seal lives.
    pub session: Option<WalletAddress>,
    /// How long it lives.
    pub lifetime: Duration,
}

/// A new Seal that joins a node and does nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSealSpec {
    /// Of its secret.
    pub locator: Locator,
    /// Of its secret, for this cluster and position.
    pub commitment: Commitment,
    /// Address of a key that may sign PoP tokens beside the owner's, as long as the Seal lives.
    pub session: Option<WalletAddress>,
    /// How long it lives.
    pub lifetime: Duration,
}

/// A new position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakeSpec {
    /// How much.
    pub amount: Mist,
    /// Tells the positions of one owner apart; the position's id follows from it.
    pub salt: u64,
    /// The node it may join as.
    pub node_id: Option<NodeId>,
    /// Its first Seal.
    pub seal: SealSpec,
}

/// A new position for a node that somebody else keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStakeSpec {
    /// How much.
    pub amount: Mist,
    /// Tells the positions of one owner apart; the position's id follows from it.
    pub salt: u64,
    /// The node.
    pub node_id: NodeId,
    /// Who keeps it: makes its Seals, and cannot move the money.
    pub operator: WalletAddress,
}

/// A proposed slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlashSpec {
    /// 1 to 5, see `slashing.move`.
    pub reason: u8,
    /// Digest of the evidence.
    pub evidence_hash: [u8; 32],
    /// When it is from.
    pub evidence: UnixMs,
    /// Where it is.
    pub uri: String,
}

/// Two audit roots that one enclave key signed under one sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubleSigned {
    /// The enclave's Ed25519 key.
    pub signing_key: [u8; 32],
    /// The sequence number.
    pub sequence: u64,
    /// Root and signature, twice.
    pub signed: [([u8; 32], [u8; 64]); 2],
}

/// PCR0, PCR1 and PCR2 of an image, SHA-384 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcrs {
    /// The whole image.
    pub pcr0: [u8; 48],
    /// Kernel and boot.
    pub pcr1: [u8; 48],
    /// Application.
    pub pcr2: [u8; 48],
}

/// A master that registers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterSpec {
    /// The operator's position that answers for its key, see `Nautilus.endorsements`.
    pub position: PositionId,
    /// Its Nitro document, COSE_Sign1.
    pub document: Vec<u8>,
    /// `https://host:port`.
    pub endpoint: String,
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo.
    pub ca_spki: [u8; 32],
    /// Digest of the measured configuration.
    pub config_digest: [u8; 32],
}

/// A Kubernetes request by transaction. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// GET, POST, PUT, PATCH or DELETE.
    pub method: String,
    /// Begins with `/`.
    pub path: String,
    /// Empty for none.
    pub namespace: String,
    /// Such as `pods`.
    pub resource_type: String,
    /// The body.
    pub payload: Vec<u8>,
    /// Instead of the body: SHA-256 of one that is handed over elsewhere; else empty.
    pub payload_hash: Vec<u8>,
    /// How long an answer is waited for, at most an hour.
    pub waits: Duration,
    /// 16 to 64 bytes that the position uses once.
    pub idempotency_key: Vec<u8>,
}

// === impl ClusterSpec ===

impl ClusterSpec {
    /// Short times, so that a slash can be watched from proposal to execution.
    pub fn devnet(name: &str, beneficiary: WalletAddress, proposer: WalletAddress, judge: WalletAddress) -> Self {
        Self { name: name.to_owned(), policy: Policy::devnet(beneficiary), proposer, judge }
    }

    /// Times that leave people room to answer.
    pub fn production(name: &str, beneficiary: WalletAddress, proposer: WalletAddress, judge: WalletAddress) -> Self {
        Self { name: name.to_owned(), policy: Policy::production(beneficiary), proposer, judge }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

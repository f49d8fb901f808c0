use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::time::Duration;
use daas_types::onchain::Policy;
use daas_types::{Address, Commitment, Locator, Mist, NodeId, Permissions, Thresholds, UnixMs, WalletAddress};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The rules of a new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The operator's name for it.
    pub name: String,
    /// Least active stake of each tier.
    pub thresholds: Thresholds,
    /// Least amount of a new stake.
    pub min_stake: Mist,
    /// Least active stake of a node.
    pub node_minimum: Mist,
    /// Share a slash freezes, in 1/10,000.
    pub slash_bps: u64,
    /// How long an owner may appeal.
    pub appeal_window: Duration,
    /// How long unstaked money stays slashable.
    pub unbonding: Duration,
    /// Longest life of a Seal.
    pub max_seal_lifetime: Duration,
    /// Oldest evidence; at most `unbonding`.
    pub evidence_max_age: Duration,
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
    /// Address of a key that may sign PoP tokens beside the owner's.
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

/// A proposed slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlashSpec {
    /// 1 to 5, see `staking.move`.
    pub reason: u8,
    /// Digest of the evidence.
    pub evidence_hash: [u8; 32],
    /// When it is from.
    pub evidence: UnixMs,
    /// Where it is.
    pub uri: String,
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

/// A compiled Move package, as `contracts/k3s_daas/compiled.json` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPackage {
    /// The compiler's digest of it, hex.
    pub digest: String,
    /// Packages it links to.
    pub dependencies: Vec<Address>,
    /// Each module's bytecode, by name.
    pub modules: BTreeMap<String, Vec<u8>>,
}

/// Not a compiled package.
#[derive(Debug, thiserror::Error)]
#[error("not a compiled package: {0}")]
pub struct CompiledPackageError(String);

// === impl ClusterSpec ===

impl ClusterSpec {
    /// Short times, so that a slash can be watched from proposal to execution.
    pub fn devnet(name: &str) -> Self {
        Self {
            appeal_window: Duration::from_secs(5),
            unbonding: Duration::from_mins(1),
            evidence_max_age: Duration::from_mins(1),
            ..Self::production(name)
        }
    }

    /// Times that leave people room to answer.
    pub fn production(name: &str) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            name: name.to_owned(),
            thresholds: Thresholds::default(),
            min_stake: Mist(500_000_000),
            node_minimum: Mist(500_000_000),
            slash_bps: 1000,
            appeal_window: 3 * DAY,
            unbonding: 7 * DAY,
            max_seal_lifetime: 30 * DAY,
            evidence_max_age: 7 * DAY,
        }
    }

    /// The policy a cluster made of it starts with.
    pub fn policy(&self) -> Policy {
        Policy {
            thresholds: self.thresholds,
            min_stake: self.min_stake,
            node_minimum: self.node_minimum,
            slash_bps: self.slash_bps,
            appeal_window_ms: millis(self.appeal_window),
            unbonding_ms: millis(self.unbonding),
            max_seal_lifetime_ms: millis(self.max_seal_lifetime),
            evidence_max_age_ms: millis(self.evidence_max_age),
            super_is_masters: false,
            operator_positions: Vec::new(),
        }
    }
}

// === impl CompiledPackage ===

impl CompiledPackage {
    /// Parses the JSON form.
    pub fn parse(json: &str) -> Result<Self, CompiledPackageError> {
        #[derive(Deserialize)]
        struct Json {
            digest: String,
            dependencies: Vec<Address>,
            modules: BTreeMap<String, String>,
        }
        let Json { digest, dependencies, modules } =
            serde_json::from_str(json).map_err(|e| CompiledPackageError(e.to_string()))?;
        let decode = |(name, text): (String, String)| match STANDARD.decode(text) {
            Ok(bytes) => Ok((name, bytes)),
            Err(e) => Err(CompiledPackageError(format!("module {name}: {e}"))),
        };
        let modules = modules.into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Self { digest, dependencies, modules })
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

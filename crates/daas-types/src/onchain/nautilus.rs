use super::code::code;
use super::{Policy, Table, bytes};
use crate::{ClusterId, NautilusId, PositionId, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};

/// What an image measures as: PCR 0, 1 and 2, SHA-384, 48 bytes each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pcrs {
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

code! {
    /// What an image on the list may do.
    MeasurementStatus "measurement status" {
        /// It waits for its delay.
        Announced = 0 "announced",
        /// Masters may register with it.
        InForce = 1 "in force",
        /// No new masters; those registered stay as long as they last.
        Retired = 2 "retired",
    }
}

/// A master image, `k3s_daas::nautilus::Measurement`.
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
    /// What it may do.
    pub status: MeasurementStatus,
    /// When it may come into force.
    pub active_from_ms: UnixMs,
}

/// A registered master, `k3s_daas::nautilus::MasterRecord`.
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
    /// That key's Sui address.
    pub address: WalletAddress,
    /// Digest of the measured configuration, 32 bytes.
    #[serde(with = "bytes")]
    pub config_digest: Vec<u8>,
    /// The measurement it registered with.
    #[serde(with = "bytes")]
    pub pcr0: Vec<u8>,
    /// The operator's position that answers for it.
    pub position: PositionId,
    /// When it was registered.
    pub registered_ms: UnixMs,
    /// When it must have attested anew.
    pub expires_ms: UnixMs,
    /// Its last sign of life.
    pub heartbeat_ms: UnixMs,
}

/// Which operator's position answers for which signing key, `k3s_daas::nautilus::Endorsement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// The position.
    pub position: PositionId,
    /// The enclave's Ed25519 public key, 32 bytes.
    #[serde(with = "bytes")]
    pub signing_key: Vec<u8>,
}

/// `k3s_daas::nautilus::Nautilus`, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nautilus {
    /// Object id.
    pub id: NautilusId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// +1 with each change.
    pub generation: u64,
    /// How often a master was registered; part of the nonce of the next.
    pub registrations: u64,
    /// What a master may measure as.
    pub measurements: Vec<Measurement>,
    /// The masters.
    pub masters: Vec<MasterRecord>,
    /// Who answers for whom, before registration.
    pub endorsements: Vec<Endorsement>,
    /// `Table<vector<u8>, ID>`: signing key → position that answers for it, for every key that ever registered.
    pub keys: Table,
}

/// `k3s_daas::nautilus::NautilusState`: a [`Nautilus`] as its events carry it, the same bytes up to the table of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Nautilus")]
pub struct NautilusState {
    pub id: NautilusId,
    pub cluster: ClusterId,
    pub generation: u64,
    pub registrations: u64,
    pub measurements: Vec<Measurement>,
    pub masters: Vec<MasterRecord>,
    pub endorsements: Vec<Endorsement>,
}

/// What `k3s_daas::nautilus::info` answers of each current master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NautilusInfo {
    /// The cluster.
    pub cluster: ClusterId,
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
    /// When it must have attested anew.
    pub expires_ms: UnixMs,
}

// === impl Measurement ===

impl Measurement {
    /// What it measures as.
    pub fn pcrs(&self) -> Pcrs {
        Pcrs { pcr0: self.pcr0.clone(), pcr1: self.pcr1.clone(), pcr2: self.pcr2.clone() }
    }

    /// Whether a master that registered with it may still count. New ones may only register while it is in force.
    pub fn counts(&self) -> bool {
        match self.status {
            MeasurementStatus::InForce | MeasurementStatus::Retired => true,
            MeasurementStatus::Announced => false,
        }
    }
}

// === impl MasterRecord ===

impl MasterRecord {
    /// Whether it counts: it attested and gave a sign of life recently enough.
    pub fn is_current(&self, policy: &Policy, now: UnixMs) -> bool {
        now < self.expires_ms && now.0 <= self.heartbeat_ms.0.saturating_add(policy.heartbeat_ms)
    }
}

// === impl Nautilus ===

impl Nautilus {
    /// What its events say of it.
    pub fn state(&self) -> NautilusState {
        NautilusState {
            id: self.id,
            cluster: self.cluster,
            generation: self.generation,
            registrations: self.registrations,
            measurements: self.measurements.clone(),
            masters: self.masters.clone(),
            endorsements: self.endorsements.clone(),
        }
    }
}

// === impl NautilusState ===

impl NautilusState {
    /// The masters that count at `now`.
    pub fn current_masters<'a>(&'a self, policy: &'a Policy, now: UnixMs) -> impl Iterator<Item = &'a MasterRecord> {
        self.masters.iter().filter(move |master| {
            let measured = self.measurements.iter().any(|m| m.pcr0 == master.pcr0 && m.counts());
            measured && master.is_current(policy, now)
        })
    }

    /// What a master that counts may measure as.
    pub fn allowed(&self) -> Vec<Pcrs> {
        self.measurements.iter().filter(|measurement| measurement.counts()).map(Measurement::pcrs).collect()
    }
}

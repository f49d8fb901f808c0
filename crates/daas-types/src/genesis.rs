//! The trust anchor of a network: its genesis checkpoint's full digest, what that digest covers, and the committee of
//! validators from which every later one is reached.
//!
//! A devnet's genesis checkpoint carries, in its summary's `version_specific_data`, a [`DevnetAnchor`]: the committee's
//! key and the hash of the simulated TEE's root key. The digest covers both, so a simulated root counts only where the
//! full digest that names it is pinned, and nobody else signs its first epoch. The digest of a real network's genesis does
//! not cover a committee in a form that a summary shows, so there it is pinned beside the digest: of the first epoch, or of
//! any later one that began before the cluster was made. No real Sui network's genesis has such data, and nobody can make
//! one with the same digest. Short chain ids are never compared.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Bls12381PublicKey, CheckpointSummary, Digest, ValidatorCommittee, ValidatorCommitteeMember};

/// Marks a devnet's genesis; the bytes of no real network's version-specific data start like this.
const DEVNET_LABEL: &[u8; 24] = b"k3s-daas devnet genesis\x01";

/// Full digest of mainnet's genesis checkpoint.
pub const MAINNET: &str = "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S";
/// Full digest of testnet's genesis checkpoint.
pub const TESTNET: &str = "69WiPg3DAQiwdxfncX6wYQ2siKwAe6L9BZthQea3JNMD";

/// Total stake of a Sui committee.
const TOTAL_STAKE: u64 = 10_000;

/// What a devnet's genesis binds beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevnetAnchor {
    /// BLS12-381 public key of its only validator in epoch 0, 96 bytes.
    pub validator: Vec<u8>,
    /// SHA-256 of the simulated TEE root's SubjectPublicKeyInfo.
    pub tee_root: [u8; 32],
}

/// Which network a genesis is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Sui mainnet.
    Mainnet,
    /// Sui testnet.
    Testnet,
    /// A development network of ours.
    Devnet(DevnetAnchor),
    /// Another Sui network.
    Other,
}

/// A genesis whose summary hashes to its digest, and the committee that trust starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    digest: Digest,
    network: Network,
    committee: Option<ValidatorCommittee>,
}

/// Why a genesis was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The summary's bytes are not a checkpoint summary.
    #[error("the genesis summary does not decode")]
    Summary,
    /// The summary is not what the digest pins.
    #[error("the genesis summary hashes to {got}, the pinned digest is {expected}")]
    Digest {
        /// Pinned.
        expected: Digest,
        /// Computed.
        got: Digest,
    },
    /// Not checkpoint 0.
    #[error("the summary is of checkpoint {0}, not of genesis")]
    NotGenesis(u64),
    /// A devnet's validator key is not one.
    #[error("the genesis names a validator whose key is not 96 bytes")]
    Validator,
    /// A committee is pinned for a network whose genesis names another.
    #[error("the pinned committee is not the one that the genesis names")]
    Committee,
}

// === impl Genesis ===

impl Genesis {
    /// A network known by its digest alone.
    pub fn of_digest(digest: Digest) -> Self {
        let text = digest.to_string();
        let network = match text.as_str() {
            MAINNET => Network::Mainnet,
            TESTNET => Network::Testnet,
            _ => Network::Other,
        };
        Self { digest, network, committee: None }
    }

    /// Checks `summary` (BCS) against the pinned `digest` and reads what it binds.
    pub fn pinned(digest: Digest, summary: &[u8]) -> Result<Self, GenesisError> {
        let summary: CheckpointSummary = bcs::from_bytes(summary).map_err(|_| GenesisError::Summary)?;
        let got = summary.digest();
        if got != digest {
            return Err(GenesisError::Digest { expected: digest, got });
        }
        if summary.sequence_number != 0 {
            return Err(GenesisError::NotGenesis(summary.sequence_number));
        }
        match DevnetAnchor::from_version_specific_data(&summary.version_specific_data) {
            Some(anchor) => {
                let committee = Some(anchor.committee()?);
                Ok(Self { digest, network: Network::Devnet(anchor), committee })
            }
            None => Ok(Self::of_digest(digest)),
        }
    }

    /// With the committee that is pinned beside the digest.
    pub fn with_committee(self, committee: ValidatorCommittee) -> Result<Self, GenesisError> {
        if self.committee.as_ref().is_some_and(|named| *named != committee) {
            return Err(GenesisError::Committee);
        }
        Ok(Self { committee: Some(committee), ..self })
    }

    /// The committee whose signatures are believed to begin with, if one is known.
    pub fn committee(&self) -> Option<&ValidatorCommittee> {
        self.committee.as_ref()
    }

    /// The full digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Which network it is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The devnet's anchor, if it is one.
    pub fn devnet(&self) -> Option<&DevnetAnchor> {
        match &self.network {
            Network::Devnet(anchor) => Some(anchor),
            Network::Mainnet | Network::Testnet | Network::Other => None,
        }
    }
}

// === impl DevnetAnchor ===

impl DevnetAnchor {
    /// The bytes for a genesis summary's `version_specific_data`.
    pub fn to_version_specific_data(&self) -> Vec<u8> {
        let mut bytes = DEVNET_LABEL.to_vec();
        // A struct of a byte vector and an array cannot fail to serialize.
        bytes.extend(bcs::to_bytes(self).unwrap_or_default());
        bytes
    }

    /// The committee of epoch 0.
    fn committee(&self) -> Result<ValidatorCommittee, GenesisError> {
        let public_key = Bls12381PublicKey::from_bytes(&self.validator).map_err(|_| GenesisError::Validator)?;
        let members = vec![ValidatorCommitteeMember { public_key, stake: TOTAL_STAKE }];
        Ok(ValidatorCommittee { epoch: 0, members })
    }

    fn from_version_specific_data(bytes: &[u8]) -> Option<Self> {
        bcs::from_bytes(bytes.strip_prefix(DEVNET_LABEL.as_slice())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(data: Vec<u8>) -> CheckpointSummary {
        CheckpointSummary {
            epoch: 0,
            sequence_number: 0,
            network_total_transactions: 0,
            content_digest: Digest::ZERO,
            previous_digest: None,
            epoch_rolling_gas_cost_summary: sui_sdk_types::GasCostSummary::default(),
            timestamp_ms: 0,
            checkpoint_commitments: vec![],
            end_of_epoch_data: None,
            version_specific_data: data,
        }
    }

    #[test]
    fn only_a_pinned_devnet_genesis_has_a_simulated_root() {
        let anchor = DevnetAnchor { validator: vec![1; 96], tee_root: [2; 32] };
        let good = summary(anchor.to_version_specific_data());
        let bytes = bcs::to_bytes(&good).unwrap();
        assert_eq!(Genesis::pinned(good.digest(), &bytes).unwrap().devnet(), Some(&anchor));

        let other = DevnetAnchor { tee_root: [3; 32], ..anchor };
        let forged = bcs::to_bytes(&summary(other.to_version_specific_data())).unwrap();
        assert!(matches!(Genesis::pinned(good.digest(), &forged), Err(GenesisError::Digest { .. })));

        let plain = summary(vec![0]);
        let plain_bytes = bcs::to_bytes(&plain).unwrap();
        assert_eq!(Genesis::pinned(plain.digest(), &plain_bytes).unwrap().network(), &Network::Other);
        assert_eq!(Genesis::of_digest(MAINNET.parse().unwrap()).network(), &Network::Mainnet);
    }

    #[test]
    fn the_committee_is_the_one_pinned() {
        let anchor = DevnetAnchor { validator: vec![1; 96], tee_root: [2; 32] };
        let good = summary(anchor.to_version_specific_data());
        let genesis = Genesis::pinned(good.digest(), &bcs::to_bytes(&good).unwrap()).unwrap();
        let named = genesis.committee().unwrap().clone();
        assert_eq!((named.epoch, named.members[0].public_key.as_bytes()), (0, [1; 96].as_slice()));
        assert_eq!(genesis.clone().with_committee(named.clone()).unwrap(), genesis);
        let other = ValidatorCommittee { epoch: 1, ..named };
        assert_eq!(genesis.with_committee(other.clone()), Err(GenesisError::Committee));

        let mainnet = Genesis::of_digest(MAINNET.parse().unwrap());
        assert_eq!(mainnet.committee(), None);
        assert_eq!(mainnet.with_committee(other.clone()).unwrap().committee(), Some(&other));

        let short = summary(DevnetAnchor { validator: vec![1; 95], tee_root: [2; 32] }.to_version_specific_data());
        let refused = Genesis::pinned(short.digest(), &bcs::to_bytes(&short).unwrap());
        assert_eq!(refused, Err(GenesisError::Validator));
    }
}

//! One hash function, SHA-256, under three prefixes, so that no hash of one kind is ever a hash of another.
//!
//! Why SHA-256 and not BLAKE2b-256, which Sui's own digests use: RFC 9162 trees are defined over it, so that any
//! transparency-log tool can check our proofs; every processor that has a TEE computes it in hardware; and the chain only
//! stores the root, it never computes one.

use core::fmt;
use core::str::FromStr;
use daas_types::ClusterId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

const LEAF: u8 = 0;
const NODE: u8 = 1;
const ORIGIN: &[u8] = &[3];

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        /// Hex where people read it, 32 bytes where they are hashed.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(from).map(Self)
                }
            }
        }
    };
}

bytes32!(
    /// A SHA-256 of this log: of a record, of two subtrees, or of something kept out of it.
    Digest
);
bytes32!(
    /// The Ed25519 public key of the enclave that writes a log.
    EnclaveKey
);

/// Which log: one per master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    /// The cluster whose requests it tells of.
    pub cluster: ClusterId,
    /// The enclave that writes it and signs its roots.
    pub key: EnclaveKey,
}

// === impl LogId ===

impl LogId {
    /// A name for the log's folder below the folder of all logs.
    pub fn folder(&self) -> String {
        self.key.to_string()
    }

    /// What the first record is chained to, so that a log cannot begin with another's records.
    pub(crate) fn origin(&self) -> Digest {
        Digest::of(ORIGIN, &[self.cluster.0.inner(), &self.key.0])
    }
}

// === impl Digest ===

impl Digest {
    /// SHA-256 of bytes that are not in the log themselves: a command, a path's tail, a torn end.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of(&[], &[bytes])
    }

    /// The leaf of a record's canonical bytes behind the leaf of the record before, which together are an entry of RFC 9162. So one
    /// hash both chains the records and makes them a tree's.
    pub fn leaf(previous: &Self, record: &[u8]) -> Self {
        let mut head = [LEAF; 33];
        head[1..].copy_from_slice(&previous.0);
        Self::of(&head, &[record])
    }

    pub(crate) fn node(left: &Self, right: &Self) -> Self {
        // In one piece: what a hash is given in parts it copies together first.
        let mut bytes = [NODE; 65];
        let (first, second) = bytes[1..].split_at_mut(32);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        Self(Sha256::digest(bytes).into())
    }

    fn of(prefix: &[u8], parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new_with_prefix(prefix);
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

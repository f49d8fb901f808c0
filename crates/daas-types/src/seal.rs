//! The opaque 64-hex secret of a Seal, what of it is on chain, and what a Seal permits.

use crate::{ClusterId, PositionId};
use blake2::{Blake2b, Digest as _, digest::consts::U32};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How long our programs mint a Seal for, where the cluster's policy allows it. The CLI's is renewed by hand, a worker's by
/// itself well before its end.
pub const SEAL_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// 32 random bytes, shown to their owner as 64 hex characters and to nobody else: `Debug` is masked, there is
/// no `Display`, no `Serialize`, and the bytes are wiped on drop.
#[derive(Clone)]
pub struct SealSecret(Zeroizing<[u8; 32]>);

/// The text is not 64 lower-case hex characters. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Seal secret is 64 characters of 0-9 and a-f; this has {length} characters")]
pub struct SealSecretError {
    /// How long the text was.
    pub length: usize,
}

/// `H("daas/loc" ‖ secret)[..16]`: finds candidate Seals in the index. Copyable by anyone, so it proves nothing.
/// On chain a `vector<u8>` of that length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locator(pub [u8; 16]);

/// `H("daas/seal" ‖ cluster ‖ position ‖ secret)`: accepts the secret for this position alone, so a locator and
/// commitment copied into another Seal verify for nobody. On chain a `vector<u8>` of that length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

/// What a Seal may be used for, fixed when it is minted. Bits as on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub u8);

/// A byte vector on chain that always has the same length; hex in JSON.
macro_rules! chain_bytes {
    ($name:ident, $length:literal, $what:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl TryFrom<Vec<u8>> for $name {
            type Error = Vec<u8>;
            /// The bytes come back if there are more or fewer.
            fn try_from(bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
                bytes.try_into().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.serialize_str(&hex::encode(self.0)) } else { s.serialize_bytes(&self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl Visitor<'_> for Bytes {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        bytes.try_into().map($name).map_err(|_| E::invalid_length(bytes.len(), &self))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let mut bytes = [0; $length];
                        hex::decode_to_slice(text, &mut bytes).map_err(E::custom)?;
                        Ok($name(bytes))
                    }
                }
                if d.is_human_readable() { d.deserialize_str(Bytes) } else { d.deserialize_bytes(Bytes) }
            }
        }
    };
}

// === impl SealSecret ===

impl SealSecret {
    /// A fresh secret from the operating system.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The 64 hex characters, for a 0600 file or an `Authorization` header.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }

    /// Where the Seal is found.
    pub fn locator(&self) -> Locator {
        let hash = blake2b256(&[b"daas/loc", self.0.as_slice()]);
        let mut locator = [0; 16];
        locator.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Locator(locator)
    }

    /// What accepts it.
    pub fn commitment(&self, cluster: ClusterId, position: PositionId) -> Commitment {
        Commitment(blake2b256(&[b"daas/seal", cluster.0.as_bytes(), position.0.as_bytes(), self.0.as_slice()]))
    }
}

impl FromStr for SealSecret {
    type Err = SealSecretError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = SealSecretError { length: s.len() };
        if s.len() != 64 {
            return Err(error);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        // Without a branch on any digit: that is faster, and takes as long for one secret as for another.
        let mut all = 0;
        for (byte, digits) in bytes.iter_mut().zip(s.as_bytes().as_chunks::<2>().0) {
            let [high, low] = digits.map(digit);
            all |= high | low;
            *byte = (high << 4) | (low & 0xf);
        }
        if all > 0xf { Err(error) } else { Ok(Self(bytes)) }
    }
}

/// A lower-case hex digit's value; more than 15 if it is none.
fn digit(text: u8) -> u8 {
    let (number, letter) = (text.wrapping_sub(b'0'), text.wrapping_sub(b'a'));
    let of_letter = if letter < 6 { letter.wrapping_add(10) } else { u8::MAX };
    if number < 10 { number } else { of_letter }
}

impl fmt::Debug for SealSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealSecret(…)")
    }
}

// === impl Locator, Commitment ===

chain_bytes!(Locator, 16, "a locator of 16 bytes");
chain_bytes!(Commitment, 32, "a commitment of 32 bytes");

impl Commitment {
    /// Compared in constant time.
    pub fn matches(&self, on_chain: &Self) -> bool {
        self.0.ct_eq(&on_chain.0).into()
    }
}

// === impl Permissions ===

impl Permissions {
    /// The Kubernetes API, by tier.
    pub const USER: Self = Self(1);
    /// Join, kubelet, kube-proxy, register, heartbeat; never a tier's rights.
    pub const NODE: Self = Self(2);
    /// Both: the owner's choice.
    pub const BOTH: Self = Self(3);

    /// Whether all of `other` is permitted.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::USER => "user",
            Self::NODE => "node",
            Self::BOTH => "user,node",
            _ => "none",
        })
    }
}

impl FromStr for Permissions {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "user" => Ok(Self::USER),
            "node" => Ok(Self::NODE),
            "user,node" | "node,user" => Ok(Self::BOTH),
            other => Err(format!("`{other}` is not a permission: use user, node, or user,node")),
        }
    }
}

fn blake2b256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Blake2b::<U32>::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_copied_pair_verifies_for_nobody() {
        let secret: SealSecret = HEX.parse().unwrap();
        let cluster = ClusterId(Address::from_static("0x1"));
        let mine = secret.commitment(cluster, PositionId(Address::from_static("0x2")));
        let thief = secret.commitment(cluster, PositionId(Address::from_static("0x3")));
        assert!(mine.matches(&mine));
        assert!(!thief.matches(&mine));
    }

    #[test]
    fn nothing_else_is_a_secret() {
        for bad in
            ["", &HEX[1..], &HEX.to_uppercase(), &format!("{HEX}0"), &"٣".repeat(32), &format!("0x{}", &HEX[2..])]
        {
            assert!(bad.parse::<SealSecret>().is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", HEX.parse::<SealSecret>().unwrap()), "SealSecret(…)");
        for text in 0..=u8::MAX {
            let other = format!("{}{}", &HEX[..63], char::from(text));
            let digit = text.is_ascii_digit() || (b'a'..=b'f').contains(&text);
            let parsed = other.parse::<SealSecret>().ok().map(|secret| *secret.0);
            assert_eq!(parsed.as_ref().map(hex::encode), digit.then_some(other));
        }
    }

    #[test]
    fn on_chain_they_are_byte_vectors_of_their_length() {
        let locator = Locator([7; 16]);
        let bytes = bcs::to_bytes(&vec![7_u8; 16]).unwrap();
        assert_eq!(bcs::to_bytes(&locator).unwrap(), bytes);
        assert_eq!(bcs::from_bytes::<Locator>(&bytes), Ok(locator));
        for length in [15, 17] {
            let bytes = bcs::to_bytes(&vec![7_u8; length]).unwrap();
            assert!(bcs::from_bytes::<Locator>(&bytes).is_err(), "{length}");
        }
        let json = serde_json::to_string(&Commitment([9; 32])).unwrap();
        assert_eq!(json, format!("\"{}\"", "09".repeat(32)));
        assert_eq!(serde_json::from_str::<Commitment>(&json).unwrap(), Commitment([9; 32]));
        assert!(serde_json::from_str::<Commitment>("\"09\"").is_err());
    }

    #[test]
    fn known_answers() {
        let secret: SealSecret = HEX.parse().unwrap();
        let zero = Address::from_static("0x0");
        // Computed with another implementation of BLAKE2b-256.
        assert_eq!(hex::encode(secret.locator().0), "d86142ac2267371bbdb1c41da3deba45");
        assert_eq!(
            hex::encode(secret.commitment(ClusterId(zero), PositionId(zero)).0),
            "d45d0a6d4009b51b78d1da2a5e9776940819ee5dd35ea13c65e90f7cf962ee29"
        );
    }
}

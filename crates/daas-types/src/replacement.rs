//! An owner's word that a node moves to another machine: the first machine that joins under a node id is the only one that may,
//! until the owner of its stake signs for another.
//!
//! What is signed is a Sui *personal message*, [`SIGNING_LABEL`] and the BCS of [`Replacement`], so it is never a transaction and never
//! a token. It names the new machine and the time of the request it comes with, which counts for a minute: an old one brings no old
//! machine back.

use crate::pop::{self, PopError};
use crate::{ClusterId, NodeId, PositionId, WalletAddress};
use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use serde::Serialize;
use sui_crypto::{SuiSigner, SuiVerifier as _, simple::SimpleVerifier};
use sui_sdk_types::{PersonalMessage, UserSignature};

/// First bytes of what is signed.
pub const SIGNING_LABEL: &[u8] = b"k3s-daas/replace/v1";
/// Longest text of a signature that is looked at.
const MAX_LENGTH: usize = 512;

/// What the owner says.
#[derive(Clone, Debug, Serialize)]
pub struct Replacement<'a> {
    /// In which cluster.
    pub cluster: ClusterId,
    /// Whose node.
    pub position: PositionId,
    /// Which.
    pub node: &'a NodeId,
    /// The instance id of the machine that is to be it from now on.
    pub instance: &'a str,
    /// The request's time, Unix seconds.
    pub timestamp: u64,
}

/// Why it is not the owner's word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplacementError {
    /// Not the base64 of a Sui signature.
    #[error("the replacement's signature is malformed")]
    Malformed,
    /// A scheme that one key alone does not sign with.
    #[error("the replacement is signed with scheme {0}: a wallet of one key has to sign it")]
    Scheme(String),
    /// By another than the owner.
    #[error("the replacement is signed by {0}, who is not the stake's owner")]
    Signer(WalletAddress),
    /// Of other words.
    #[error("the replacement's signature does not verify")]
    Signature,
}

// === impl Replacement ===

impl Replacement<'_> {
    /// Signs it with the owner's key; base64.
    pub fn sign(&self, key: &impl SuiSigner) -> Result<String, sui_crypto::SignatureError> {
        let signature = key.sign_personal_message(&self.message().map_err(sui_crypto::SignatureError::from_source)?)?;
        Ok(B64.encode(signature.to_bytes()))
    }

    /// Whether `owner` has signed it.
    pub fn verify(&self, signature: &str, owner: WalletAddress) -> Result<(), ReplacementError> {
        use ReplacementError::{Malformed, Scheme, Signature, Signer};
        let bytes = B64.decode(Some(signature).filter(|text| text.len() <= MAX_LENGTH).unwrap_or_default());
        let signature = bytes.ok().and_then(|bytes| UserSignature::from_bytes(&bytes).ok()).ok_or(Malformed)?;
        let UserSignature::Simple(simple) = &signature else {
            return Err(Scheme(signature.scheme().name().to_owned()));
        };
        let signer = pop::signer_of(simple).map_err(|error| match error {
            PopError::Scheme(scheme) => Scheme(scheme),
            _ => Malformed,
        })?;
        if signer != owner {
            return Err(Signer(signer));
        }
        let message = self.message().map_err(|_| Malformed)?;
        SimpleVerifier.verify_personal_message(&message, &signature).map_err(|_| Signature)
    }

    fn message(&self) -> Result<PersonalMessage<'static>, bcs::Error> {
        let words = bcs::to_bytes(self)?;
        Ok(PersonalMessage([SIGNING_LABEL, &words].concat().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use proptest::prelude::*;
    use sui_crypto::ed25519::Ed25519PrivateKey;

    fn key(n: u8) -> (Ed25519PrivateKey, WalletAddress) {
        let key = Ed25519PrivateKey::new([n; 32]);
        let address = WalletAddress(key.public_key().derive_address());
        (key, address)
    }

    fn said<'a>(node: &'a NodeId, instance: &'a str) -> Replacement<'a> {
        let (cluster, position) = (ClusterId(Address::new([1; 32])), PositionId(Address::new([2; 32])));
        Replacement { cluster, position, node, instance, timestamp: 1_700_000_000 }
    }

    #[test]
    fn only_the_owners_word_counts_and_only_for_what_it_names() {
        let (node, other) = ("n1".parse().unwrap(), "n2".parse().unwrap());
        let ((owner, address), (_, stranger)) = (key(7), key(8));
        let words = said(&node, "ab");
        let signature = words.sign(&owner).unwrap();
        assert_eq!(words.verify(&signature, address), Ok(()));
        assert_eq!(words.verify(&signature, stranger), Err(ReplacementError::Signer(address)));
        let changed = [
            Replacement { cluster: ClusterId(Address::new([9; 32])), ..words.clone() },
            Replacement { position: PositionId(Address::new([9; 32])), ..words.clone() },
            Replacement { node: &other, ..words.clone() },
            Replacement { instance: "ac", ..words.clone() },
            Replacement { timestamp: words.timestamp + 1, ..words.clone() },
        ];
        for changed in changed {
            assert_eq!(changed.verify(&signature, address), Err(ReplacementError::Signature), "{changed:?}");
        }
    }

    /// What an owner signed once has to be read for as long as there are masters.
    #[test]
    fn the_bytes_that_are_signed_stay_as_they_are() {
        let node = "n1".parse().unwrap();
        let message = said(&node, "ab").message().unwrap();
        let expected =
            [b"k3s-daas/replace/v1".as_slice(), &[1; 32], &[2; 32], b"\x02n1\x02ab", &1_700_000_000_u64.to_le_bytes()];
        assert_eq!(message.0.as_ref(), expected.concat());
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_refused(text in ".{0,600}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let node = "n1".parse().unwrap();
            let (words, (_, address)) = (said(&node, "ab"), key(7));
            prop_assert!(words.verify(&text, address).is_err());
            prop_assert!(words.verify(&B64.encode(bytes), address).is_err());
        }
    }
}

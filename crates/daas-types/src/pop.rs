//! Proof-of-possession tokens: short-lived bearers bound to one cluster, signed by a Seal's owner or session key.
//!
//! Text form: `daas1.` + base64url(BCS claims) + `.` + base64url(Sui signature). The signature is a Sui *personal
//! message* signature over [`SIGNING_LABEL`] and the claims' bytes, so it can never be replayed as a transaction.
//! Only simple schemes (Ed25519, secp256k1, secp256r1) count: an owner with a multisig or zkLogin wallet registers a
//! session key. Parsing accepts exactly one spelling of each token: claims must re-encode to the same bytes.

use crate::{ClusterId, SealId, UnixMs, WalletAddress};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use sui_crypto::{SuiSigner, SuiVerifier, simple::SimpleVerifier};
use sui_sdk_types::{PersonalMessage, SimpleSignature, UserSignature};
use zeroize::Zeroizing;

/// First bytes of what is signed.
pub const SIGNING_LABEL: &[u8] = b"k3s-daas/pop/v1";
/// First characters of the text form.
pub const PREFIX: &str = "daas1.";
/// Longest life of a token.
pub const MAX_LIFETIME: Duration = Duration::from_mins(5);
/// How far `issued` may lie in the verifier's future.
pub const SKEW: Duration = Duration::from_mins(1);
/// Longest text that is looked at. A genuine token has under 400 characters.
pub const MAX_LENGTH: usize = 1024;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Usage {
    /// kubectl and every other Kubernetes client of a person.
    User,
    /// The node's kubelet: `system:node:<node id>`.
    Kubelet,
    /// The node's kube-proxy.
    KubeProxy,
    /// The worker daemon: register, heartbeat.
    Worker,
}

/// What the signer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Format version, 1.
    pub version: u8,
    /// Audience.
    pub cluster: ClusterId,
    /// The Seal it shows.
    pub seal: SealId,
    /// What for.
    pub usage: Usage,
    /// When it was made.
    pub issued: UnixMs,
    /// When it ends, at most [`MAX_LIFETIME`] after `issued`.
    pub expires: UnixMs,
    /// Random; tells tokens of one millisecond apart.
    pub nonce: [u8; 16],
}

/// A token whose form is right and whose signature is valid for [`Self::signer`]; whether that signer may speak for
/// the Seal is the caller's question.
#[derive(Clone)]
pub struct PopToken {
    claims: Claims,
    signer: WalletAddress,
}

/// A token whose form is right and whose signature nobody has looked at: who it says has signed it, and what it claims. Cheap,
/// so that what a stranger makes up is refused before a signature is checked for it.
pub struct UnverifiedToken {
    claims: Claims,
    claims_bytes: Vec<u8>,
    signature: UserSignature,
    signer: WalletAddress,
}

/// Why a token was refused. No variant repeats the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PopError {
    /// Not `daas1.<claims>.<signature>`, too long, or not canonical.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// A scheme other than the three simple ones.
    #[error("the token is signed with scheme {0}; use a session key")]
    Scheme(String),
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Signature,
    /// For another cluster.
    #[error("the token is for cluster {got}, this is {expected}")]
    Audience {
        /// This cluster.
        expected: ClusterId,
        /// The token's.
        got: ClusterId,
    },
    /// Past its end.
    #[error("the token expired at {expires}; it is {now}")]
    Expired {
        /// Its end.
        expires: UnixMs,
        /// The verifier's time.
        now: UnixMs,
    },
    /// From the future.
    #[error("the token was issued at {issued}, in the future; it is {now}")]
    NotYet {
        /// Its beginning.
        issued: UnixMs,
        /// The verifier's time.
        now: UnixMs,
    },
    /// Lives too long, or ends before it begins.
    #[error("the token's lifetime of {0:?} is not between 0 and 5 minutes")]
    Lifetime(Duration),
}

// === impl Claims ===

impl Claims {
    /// Claims for a token made now.
    pub fn new(
        cluster: ClusterId,
        seal: SealId,
        usage: Usage,
        now: UnixMs,
        lifetime: Duration,
    ) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let expires = now.plus(lifetime.min(MAX_LIFETIME));
        Ok(Self { version: 1, cluster, seal, usage, issued: now, expires, nonce })
    }

    /// Checks audience and time. To be done at every use, also of a cached token.
    pub fn check(&self, cluster: ClusterId, now: UnixMs) -> Result<(), PopError> {
        let Self { cluster: got, issued, expires, .. } = *self;
        if got != cluster {
            return Err(PopError::Audience { expected: cluster, got });
        }
        if now >= expires {
            return Err(PopError::Expired { expires, now });
        }
        if issued > now.plus(SKEW) {
            return Err(PopError::NotYet { issued, now });
        }
        Ok(())
    }

    /// Signs them into a token's text.
    pub fn sign(&self, key: &impl SuiSigner) -> Result<Zeroizing<String>, sui_crypto::SignatureError> {
        let claims = bcs::to_bytes(self).map_err(sui_crypto::SignatureError::from_source)?;
        let signature = key.sign_personal_message(&PersonalMessage(signing_bytes(&claims).into()))?;
        Ok(Zeroizing::new(format!("{PREFIX}{}.{}", B64.encode(&claims), B64.encode(signature.to_bytes()))))
    }
}

// === impl PopToken ===

impl PopToken {
    /// Whether a bearer looks like a PoP token at all.
    pub fn is_pop(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Parses the text and verifies its signature. About 40 µs; cache the result by a hash of the text.
    pub fn verify(text: &str) -> Result<Self, PopError> {
        Self::parse(text)?.verify()
    }

    /// Parses the text.
    pub fn parse(text: &str) -> Result<UnverifiedToken, PopError> {
        let (claims_bytes, signature) = split(text)?;
        let claims: Claims = bcs::from_bytes(&claims_bytes).map_err(|_| PopError::Malformed("claims"))?;
        if claims.version != 1 {
            return Err(PopError::Malformed("version"));
        }
        // BCS has one encoding of each value, but say so rather than rely on the decoder.
        if bcs::to_bytes(&claims).ok().as_deref() != Some(claims_bytes.as_slice()) {
            return Err(PopError::Malformed("claims are not canonical"));
        }
        let lifetime = claims.expires.since(claims.issued);
        if lifetime.is_zero() || lifetime > MAX_LIFETIME {
            return Err(PopError::Lifetime(lifetime));
        }
        let UserSignature::Simple(simple) = &signature else {
            return Err(PopError::Scheme(signature.scheme().name().to_owned()));
        };
        Ok(UnverifiedToken { signer: signer_of(simple)?, claims, claims_bytes, signature })
    }

    /// What was said.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whose key signed it.
    pub fn signer(&self) -> WalletAddress {
        self.signer
    }
}

// === impl UnverifiedToken ===

impl UnverifiedToken {
    /// What it claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whose key is beside the signature.
    pub fn signer(&self) -> WalletAddress {
        self.signer
    }

    /// Checks the signature.
    pub fn verify(self) -> Result<PopToken, PopError> {
        let Self { claims, claims_bytes, signature, signer } = self;
        SimpleVerifier
            .verify_personal_message(&PersonalMessage(signing_bytes(&claims_bytes).into()), &signature)
            .map_err(|_| PopError::Signature)?;
        Ok(PopToken { claims, signer })
    }
}

impl fmt::Debug for PopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopToken").field("seal", &self.claims.seal).finish_non_exhaustive()
    }
}

fn split(text: &str) -> Result<(Vec<u8>, UserSignature), PopError> {
    if text.len() > MAX_LENGTH {
        return Err(PopError::Malformed("too long"));
    }
    let rest = text.strip_prefix(PREFIX).ok_or(PopError::Malformed("prefix"))?;
    let (claims, signature) = rest.split_once('.').ok_or(PopError::Malformed("no signature"))?;
    let claims = B64.decode(claims).map_err(|_| PopError::Malformed("base64 of the claims"))?;
    let bytes = B64.decode(signature).map_err(|_| PopError::Malformed("base64 of the signature"))?;
    let signature = UserSignature::from_bytes(&bytes).map_err(|_| PopError::Malformed("signature"))?;
    if signature.to_bytes() != bytes {
        return Err(PopError::Malformed("signature is not canonical"));
    }
    Ok((claims, signature))
}

fn signing_bytes(claims: &[u8]) -> Vec<u8> {
    [SIGNING_LABEL, claims].concat()
}

pub(crate) fn signer_of(signature: &SimpleSignature) -> Result<WalletAddress, PopError> {
    let address = match signature {
        SimpleSignature::Ed25519 { public_key, .. } => public_key.derive_address(),
        SimpleSignature::Secp256k1 { public_key, .. } => public_key.derive_address(),
        SimpleSignature::Secp256r1 { public_key, .. } => public_key.derive_address(),
        _ => return Err(PopError::Scheme("unknown".to_owned())),
    };
    Ok(WalletAddress(address))
}

#[cfg(test)]
#[path = "pop/tests.rs"]
mod tests;

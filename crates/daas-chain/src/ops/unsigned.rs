use super::{Outcome, TxError};
use crate::client::ChainClient;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::fmt;
use core::str::FromStr;
use daas_types::{Address, Digest, ErrorCode, Mist, PackageId, Problem, WalletAddress};
use sui_crypto::{SuiVerifier, UserSignatureVerifier};
use sui_sdk_types::{MultisigMemberSignature, SimpleSignature, Transaction, UserSignature};

/// A complete transaction without signatures. Shown and read as the base64 of its BCS, as the Sui CLI and wallets do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    transaction: Transaction,
}

/// Not a transaction, or not its signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsignedError {
    /// Not base64 of a transaction's BCS.
    #[error("these are not the bytes of a Sui transaction")]
    NotATransaction,
    /// Not base64 of a signature.
    #[error("`{0}` is not a Sui signature")]
    NotASignature(String),
    /// The signature is of something else, or by a damaged key.
    #[error("a signature does not sign transaction {0}: it may have changed since")]
    Mismatch(Digest),
    /// Neither of them is the sender's.
    #[error("none of the signatures is by {0}, who sends the transaction")]
    NotTheSender(WalletAddress),
}

// === impl Unsigned ===

impl Unsigned {
    pub(super) fn of(transaction: Transaction) -> Self {
        Self { transaction }
    }

    pub(super) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The most gas it may take, whatever it is estimated to cost.
    pub fn gas_budget(&self) -> Mist {
        Mist(self.transaction.gas_payment.budget)
    }

    /// What the network will know it by.
    pub fn digest(&self) -> Digest {
        self.transaction.digest()
    }

    /// Who is to sign it.
    pub fn sender(&self) -> WalletAddress {
        WalletAddress(self.transaction.sender)
    }

    /// Submits it with signatures that were made elsewhere, and waits until it is in a checkpoint. The events are those of
    /// `package`.
    pub async fn submit(
        &self,
        client: &ChainClient,
        package: Option<PackageId>,
        signatures: &[UserSignature],
    ) -> Result<Outcome, TxError> {
        self.check(signatures)?;
        super::submit::submit(client, &self.transaction, signatures, package).await
    }

    /// Says what is wrong with signatures before the network does. Kinds that only the network can check pass.
    pub(super) fn check(&self, signatures: &[UserSignature]) -> Result<(), UnsignedError> {
        for signature in signatures.iter().filter(|signature| is_local(signature)) {
            UserSignatureVerifier::new()
                .verify_transaction(&self.transaction, signature)
                .map_err(|_| UnsignedError::Mismatch(self.digest()))?;
        }
        let by_sender = |signature: &UserSignature| signer(signature).is_none_or(|by| by == self.transaction.sender);
        if signatures.iter().any(by_sender) { Ok(()) } else { Err(UnsignedError::NotTheSender(self.sender())) }
    }
}

/// Parses a signature, `flag ‖ signature ‖ public key` in base64 as wallets print it.
pub fn parse_signature(text: &str) -> Result<UserSignature, UnsignedError> {
    UserSignature::from_base64(text.trim()).map_err(|_| UnsignedError::NotASignature(text.trim().to_owned()))
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(bcs::to_bytes(&self.transaction).map_err(|_| fmt::Error)?))
    }
}

impl FromStr for Unsigned {
    type Err = UnsignedError;

    fn from_str(text: &str) -> Result<Self, UnsignedError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| UnsignedError::NotATransaction)?;
        let transaction = bcs::from_bytes(&bytes).map_err(|_| UnsignedError::NotATransaction)?;
        Ok(Self { transaction })
    }
}

impl From<UnsignedError> for Problem {
    fn from(error: UnsignedError) -> Self {
        Self::new(ErrorCode::SignatureRefused, error)
    }
}

/// Whether this program can check that signature itself.
fn is_local(signature: &UserSignature) -> bool {
    match signature {
        UserSignature::Simple(_) => true,
        UserSignature::Multisig(multisig) => multisig.signatures().iter().all(|member| {
            use MultisigMemberSignature as M;
            matches!(member, M::Ed25519(_) | M::Secp256k1(_) | M::Secp256r1(_))
        }),
        _ => false,
    }
}

/// Whose signature it is, where it says so plainly.
fn signer(signature: &UserSignature) -> Option<Address> {
    Some(match signature {
        UserSignature::Simple(SimpleSignature::Ed25519 { public_key, .. }) => public_key.derive_address(),
        UserSignature::Simple(SimpleSignature::Secp256k1 { public_key, .. }) => public_key.derive_address(),
        UserSignature::Simple(SimpleSignature::Secp256r1 { public_key, .. }) => public_key.derive_address(),
        UserSignature::Multisig(multisig) => multisig.committee().derive_address(),
        _ => return None,
    })
}

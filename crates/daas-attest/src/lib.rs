//! Evidence in, [`VerifiedEvidence`] out; and reading evidence from the local device.
//!
//! [`verify`] is the only way to a [`VerifiedEvidence`]. It takes everything a verdict depends on as an argument:
//! the evidence, the roots, what is expected, the time. Nothing here reads a clock, a network or a chain, and no
//! expectation is optional.
#![warn(missing_docs)]

pub mod device;
mod error;
mod evidence;
mod nitro;

#[cfg(test)]
mod testkit;

pub use error::{CertificateFault, VerifyError};
pub use evidence::{
    Binding, Evidence, Expected, FUTURE_TOLERANCE, MAX_AGE, Roots, SecurityLevel, VerifiedEvidence, bind_nonce, verify,
};
pub use nitro::{Pcr, SignedDocument, SignedDocumentError, UnverifiedDocument};

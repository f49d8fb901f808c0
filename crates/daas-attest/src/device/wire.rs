//! The NSM's requests and responses as CBOR.

use super::Description;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;

/// A request; a variant without fields is its name, one with fields a map from its name to them.
#[derive(Debug, Serialize)]
pub(super) enum Request {
    #[serde(rename = "DescribePCR")]
    DescribePcr {
        index: u16,
    },
    #[serde(rename = "DescribeNSM")]
    DescribeNsm,
    Attestation {
        user_data: Option<ByteBuf>,
        nonce: Option<ByteBuf>,
        public_key: Option<ByteBuf>,
    },
    GetRandom,
}

#[derive(Debug, Deserialize)]
pub(super) enum Response {
    #[serde(rename = "DescribePCR")]
    DescribePcr {
        lock: bool,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    #[serde(rename = "DescribeNSM")]
    DescribeNsm(Module),
    Attestation {
        #[serde(with = "serde_bytes")]
        document: Vec<u8>,
    },
    GetRandom {
        #[serde(with = "serde_bytes")]
        random: Vec<u8>,
    },
    Error(ErrorCode),
}

#[derive(Debug, Deserialize)]
pub(super) struct Module {
    version_major: u16,
    version_minor: u16,
    version_patch: u16,
    #[serde(rename = "module_id")]
    id: String,
    max_pcrs: u16,
    locked_pcrs: BTreeSet<u16>,
    digest: String,
}

/// Why an NSM refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ErrorCode {
    /// No error.
    Success,
    /// An argument is wrong.
    InvalidArgument,
    /// There is no such PCR.
    InvalidIndex,
    /// The response does not belong to the request.
    InvalidResponse,
    /// The PCR is locked.
    ReadOnlyIndex,
    /// The module cannot do that.
    InvalidOperation,
    /// The response does not fit.
    BufferTooSmall,
    /// An argument is too long.
    InputTooLarge,
    /// The module failed.
    InternalError,
}

pub(super) fn encode(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(request, &mut bytes).expect("a request must encode into memory");
    bytes
}

/// The response, or what is wrong with it.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Response, String> {
    let response = ciborium::from_reader(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.is_empty() { Ok(response) } else { Err(format!("{} bytes after a response", bytes.len())) }
}

// === impl Response ===

impl Response {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::DescribePcr { .. } => "DescribePCR",
            Self::DescribeNsm(_) => "DescribeNSM",
            Self::Attestation { .. } => "Attestation",
            Self::GetRandom { .. } => "GetRandom",
            Self::Error(_) => "Error",
        }
    }
}

// === impl Description ===

impl From<Module> for Description {
    fn from(m: Module) -> Self {
        Self {
            module_id: m.id,
            version: (m.version_major, m.version_minor, m.version_patch),
            max_pcrs: m.max_pcrs,
            locked_pcrs: m.locked_pcrs,
            digest: m.digest,
        }
    }
}

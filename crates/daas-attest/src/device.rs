//! The Nitro Security Module: `/dev/nsm` inside an enclave, or the simulated one on a Unix socket.
//!
//! Both carry the same bytes; only how they are opened and exchanged differs.

mod ioctl;
mod socket;
mod wire;

pub use wire::ErrorCode;

use crate::{Binding, Evidence};
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use wire::{Request, Response};

/// Where the device is inside an enclave.
pub const DEVICE: &str = "/dev/nsm";
/// Longest request the NSM reads.
const MAX_REQUEST: usize = 0x1000;
/// Longest response the NSM gives.
const MAX_RESPONSE: usize = 0x3000;

/// An NSM. Calls block: on a socket each step (connect, send, receive) for at most 3 s, on the device for as long as the
/// kernel driver waits.
#[derive(Debug)]
pub struct Nsm {
    transport: Transport,
}

/// What an NSM says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The enclave's name.
    pub module_id: String,
    /// API version.
    pub version: (u16, u16, u16),
    /// Number of PCRs.
    pub max_pcrs: u16,
    /// PCRs that can no longer change.
    pub locked_pcrs: BTreeSet<u16>,
    /// Hash of the PCRs, `SHA384`.
    pub digest: String,
}

/// One PCR's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcrState {
    /// Whether it can no longer change.
    pub locked: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// Why the device gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be opened.
    #[error("cannot open the security module {path}: {source}")]
    Open {
        /// What was opened.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is neither a character device nor a socket.
    #[error("{0} is neither a character device nor a Unix socket")]
    Kind(PathBuf),
    /// The exchange failed or took too long.
    #[error("the security module did not answer: {0}")]
    Exchange(#[from] io::Error),
    /// It refused.
    #[error("the security module refused: {0:?}")]
    Refused(ErrorCode),
    /// A request it could not read.
    #[error("the request has {got} bytes, the security module reads at most {MAX_REQUEST}")]
    RequestTooLong {
        /// Its length.
        got: usize,
    },
    /// An answer to something else, or none that we know.
    #[error("expected the security module to answer {expected}, got {got}")]
    Answer {
        /// The request's name.
        expected: &'static str,
        /// What came.
        got: String,
    },
}

#[derive(Debug)]
enum Transport {
    Device(std::fs::File),
    /// Connected anew for each exchange, so that a restarted simulation is found again.
    Socket(PathBuf),
}

// === impl Nsm ===

impl Nsm {
    /// Opens the device or socket at `path`.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let failed = |source| DeviceError::Open { path: path.to_owned(), source };
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        let transport = if kind.is_socket() {
            Transport::Socket(path.to_owned())
        } else if kind.is_char_device() {
            Transport::Device(std::fs::File::options().read(true).write(true).open(path).map_err(failed)?)
        } else {
            return Err(DeviceError::Kind(path.to_owned()));
        };
        Ok(Self { transport })
    }

    /// A document that binds `binding` and answers `nonce` ([`crate::bind_nonce`]).
    pub fn attest(&self, binding: &Binding, nonce: &[u8; 32]) -> Result<Evidence, DeviceError> {
        let bytes = |bytes: &[u8; 32]| Some(ByteBuf::from(bytes.to_vec()));
        let request = Request::Attestation {
            user_data: bytes(&binding.user_data()),
            nonce: bytes(nonce),
            public_key: bytes(&binding.signing_key),
        };
        match self.exchange(&request)? {
            Response::Attestation { document } => Ok(Evidence::Nitro(document)),
            other => Err(unexpected("Attestation", &other)),
        }
    }

    /// What the NSM says of itself.
    pub fn describe(&self) -> Result<Description, DeviceError> {
        match self.exchange(&Request::DescribeNsm)? {
            Response::DescribeNsm(description) => Ok(description.into()),
            other => Err(unexpected("DescribeNSM", &other)),
        }
    }

    /// One PCR.
    pub fn describe_pcr(&self, index: u16) -> Result<PcrState, DeviceError> {
        match self.exchange(&Request::DescribePcr { index })? {
            Response::DescribePcr { lock, data } => Ok(PcrState { locked: lock, value: data }),
            other => Err(unexpected("DescribePCR", &other)),
        }
    }

    /// Randomness of the module, as much as it gives at once.
    pub fn random(&self) -> Result<Vec<u8>, DeviceError> {
        match self.exchange(&Request::GetRandom)? {
            Response::GetRandom { random } => Ok(random),
            other => Err(unexpected("GetRandom", &other)),
        }
    }

    fn exchange(&self, request: &Request) -> Result<Response, DeviceError> {
        let request = wire::encode(request);
        if request.len() > MAX_REQUEST {
            return Err(DeviceError::RequestTooLong { got: request.len() });
        }
        let response = match &self.transport {
            Transport::Device(device) => ioctl::exchange(device, &request)?,
            Transport::Socket(path) => socket::exchange(path, &request)?,
        };
        match wire::decode(&response) {
            Ok(Response::Error(code)) => Err(DeviceError::Refused(code)),
            Ok(response) => Ok(response),
            Err(got) => Err(DeviceError::Answer { expected: "a known response", got }),
        }
    }
}

fn unexpected(expected: &'static str, got: &Response) -> DeviceError {
    DeviceError::Answer { expected, got: got.name().to_owned() }
}

#[cfg(test)]
mod tests;

//! The module's requests and responses as CBOR, seen from the module.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const MAX_REQUEST: usize = 0x1000;

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Request {
    #[serde(rename = "DescribePCR")]
    DescribePcr {
        index: u16,
    },
    #[serde(rename = "ExtendPCR")]
    ExtendPcr {
        index: u16,
    },
    #[serde(rename = "LockPCR")]
    LockPcr {
        index: u16,
    },
    #[serde(rename = "LockPCRs")]
    LockPcrs {
        range: u16,
    },
    #[serde(rename = "DescribeNSM")]
    DescribeNsm,
    Attestation(Attestation),
    GetRandom,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Attestation {
    pub(super) user_data: Option<ByteBuf>,
    pub(super) nonce: Option<ByteBuf>,
    pub(super) public_key: Option<ByteBuf>,
}

#[derive(Debug, Serialize)]
pub(super) enum Response {
    #[serde(rename = "DescribePCR")]
    DescribePcr {
        lock: bool,
        data: ByteBuf,
    },
    #[serde(rename = "DescribeNSM")]
    DescribeNsm {
        version_major: u16,
        version_minor: u16,
        version_patch: u16,
        module_id: String,
        max_pcrs: u16,
        locked_pcrs: BTreeSet<u16>,
        digest: &'static str,
    },
    Attestation {
        document: ByteBuf,
    },
    GetRandom {
        random: ByteBuf,
    },
    Error(ErrorCode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum ErrorCode {
    InvalidArgument,
    InvalidIndex,
    ReadOnlyIndex,
    InputTooLarge,
    InternalError,
}

/// A request; `None` if the bytes are none.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Request> {
    let request = ciborium::from_reader(&mut bytes).ok()?;
    bytes.is_empty().then_some(request)
}

pub(super) fn encode(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(response, &mut bytes).expect("a response must encode into memory");
    bytes
}

/// The next message; `None` when the other side is done.
pub(super) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let len = match stream.read_u32().await {
        Ok(len) => usize::try_from(len).unwrap_or(usize::MAX),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    };
    if len > MAX_REQUEST {
        return Err(std::io::Error::other(format!("expected at most {MAX_REQUEST} bytes, got {len}")));
    }
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

pub(super) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), bytes].concat()).await
}

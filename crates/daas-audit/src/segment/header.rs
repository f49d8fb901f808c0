use super::take;
use crate::hash::{Digest, LogId};
use crate::merkle::Frontier;
use daas_types::UnixMs;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"K3DAUDIT";
/// The format, so that a later one is refused by name.
const VERSION: u16 = 2;
/// A frontier has at most 64 hashes.
const LONGEST: usize = 4096;

/// What a segment begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u16,
    pub(crate) log: LogId,
    /// Place of the segment among the segments.
    pub(crate) index: u64,
    /// Leaf of the last record of the segment before.
    pub(crate) previous: Digest,
    /// The tree of all records before: also how many there are.
    pub(crate) before: Frontier,
    pub(crate) opened: UnixMs,
}

// === impl Header ===

impl Header {
    pub(crate) fn new(log: LogId, index: u64, previous: Digest, before: Frontier, opened: UnixMs) -> Self {
        Self { version: VERSION, log, index, previous, before, opened }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = bcs::to_bytes(self).unwrap_or_default();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut bytes = [MAGIC.as_slice(), &length.to_le_bytes(), &body].concat();
        let check = Digest::of_bytes(&bytes);
        bytes.extend_from_slice(&check.0);
        bytes
    }

    /// The header and its length; or what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, usize), &'static str> {
        const SHORT: &str = "it ends within its header";
        let (magic, rest) = take::<8>(bytes).ok_or(SHORT)?;
        if &magic != MAGIC {
            return Err("it does not begin as a segment does");
        }
        let (length, rest) = take::<4>(rest).ok_or(SHORT)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err("its header is too long");
        }
        let (body, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        let (check, rest) = take::<32>(rest).ok_or(SHORT)?;
        let checked = bytes.get(..12_usize.saturating_add(length)).ok_or(SHORT)?;
        if Digest::of_bytes(checked) != Digest(check) {
            return Err("its header does not match its own hash");
        }
        let header: Self = bcs::from_bytes(body).map_err(|_| "its header cannot be read")?;
        if header.version != VERSION {
            return Err("its format is not one this program knows");
        }
        if !header.before.is_sound() {
            return Err("its header's tree has the wrong number of parts");
        }
        Ok((header, bytes.len().saturating_sub(rest.len())))
    }
}

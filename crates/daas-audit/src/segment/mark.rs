use super::take;
use crate::hash::Digest;

const MAGIC: &[u8; 8] = b"K3DBATCH";
/// Length of a batch's mark.
pub(crate) const MARK: usize = 8 + 8 + 8 + 8 + 4 + 4 + 32 + 32;

/// What a batch begins with. It names its own place, so that it can be told from its copy elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    /// Sequence number of its first record.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// Length of its records in bytes.
    pub(crate) length: u32,
    /// Leaf of the record before it.
    pub(crate) leaf: Digest,
}

// === impl Mark ===

impl Mark {
    pub(crate) fn to_bytes(self) -> [u8; MARK] {
        let Self { segment, offset, first, count, length, leaf } = self;
        let mut bytes = [0; MARK];
        let parts: [&[u8]; 7] = [
            MAGIC,
            &segment.to_le_bytes(),
            &offset.to_le_bytes(),
            &first.to_le_bytes(),
            &count.to_le_bytes(),
            &length.to_le_bytes(),
            &leaf.0,
        ];
        let (body, check) = bytes.split_at_mut(MARK - 32);
        let places = body.iter_mut().zip(parts.into_iter().flatten());
        places.for_each(|(place, byte)| *place = *byte);
        check.copy_from_slice(&Digest::of_bytes(body).0);
        bytes
    }

    /// None if the bytes are no mark, or one of another place.
    pub(crate) fn parse(bytes: &[u8], segment: u64, offset: u64) -> Option<Self> {
        let (bytes, _) = take::<MARK>(bytes)?;
        let (magic, rest) = take::<8>(&bytes)?;
        if &magic != MAGIC {
            return None;
        }
        let (body, check) = bytes.split_at_checked(MARK - 32)?;
        if Digest::of_bytes(body).0 != check {
            return None;
        }
        let (itself, rest) = take::<8>(rest)?;
        let (place, rest) = take::<8>(rest)?;
        let (first, rest) = take::<8>(rest)?;
        let (count, rest) = take::<4>(rest)?;
        let (length, rest) = take::<4>(rest)?;
        let (leaf, _) = take::<32>(rest)?;
        let mark = Self {
            segment: u64::from_le_bytes(itself),
            offset: u64::from_le_bytes(place),
            first: u64::from_le_bytes(first),
            count: u32::from_le_bytes(count),
            length: u32::from_le_bytes(length),
            leaf: Digest(leaf),
        };
        (mark.segment == segment && mark.offset == offset).then_some(mark)
    }

    /// Where marks may be, by their first bytes.
    pub(super) fn candidates(bytes: &[u8]) -> impl Iterator<Item = usize> {
        bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| window == MAGIC).map(|(at, _)| at)
    }
}

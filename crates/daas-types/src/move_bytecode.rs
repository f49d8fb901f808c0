//! A compiled Move module at another address than the compiler left it.

#[cfg(test)]
mod tests;

use core::ops::Range;
use sui_sdk_types::Address;

/// Magic number and version.
const HEADER: usize = 8;
/// The table of addresses.
const ADDRESSES: u8 = 0x8;

/// The module with `id` in place of its own address, which the compiler leaves at zero and publication puts in. Bytes that
/// are no module stay as they are.
pub fn at_address(code: &[u8], id: Address) -> Vec<u8> {
    let mut moved = code.to_vec();
    if let Some(pool) = address_pool(code).and_then(|range| moved.get_mut(range)) {
        for address in pool.chunks_exact_mut(Address::LENGTH).filter(|address| address.iter().all(|byte| *byte == 0)) {
            address.copy_from_slice(id.as_bytes());
        }
    }
    moved
}

/// The header lists the tables as (kind, offset, length); offsets count from its end.
fn address_pool(code: &[u8]) -> Option<Range<usize>> {
    let mut rest = code.get(HEADER..)?;
    let tables = number(&mut rest)?;
    let mut pool = None;
    for _ in 0..tables {
        let kind = *rest.split_off_first()?;
        let (offset, length) = (number(&mut rest)?, number(&mut rest)?);
        if kind == ADDRESSES {
            pool = Some((offset, length));
        }
    }
    let (offset, length) = pool?;
    let start = code.len().checked_sub(rest.len())?.checked_add(offset)?;
    Some(start..start.checked_add(length)?)
}

/// The unsigned LEB128 of at most 32 bits that the bytes begin with; they go on behind it.
fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return usize::try_from(u32::try_from(value).ok()?).ok();
        }
    }
    None
}

//! The few fields that are read of an answer, straight from its bytes. Everything else in it is passed over, and takes no
//! memory however often it is there.

use crate::verified::{Claim, ClaimedSignature, ClaimedTransaction};
use bytes::Bytes;

/// The most transactions that are read of a checkpoint, and thrice what Sui's own limit has ever been
/// (`max_transactions_per_checkpoint`: 20,000). They take 4 MiB.
pub(super) const MAX_TRANSACTIONS: usize = 65_536;

/// Why bytes are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damaged {
    #[error("it does not decode")]
    Layout,
    #[error("a checkpoint of more than {MAX_TRANSACTIONS} transactions")]
    TooMany,
}

/// What is read of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadCheckpoint {
    pub(super) sequence: Option<u64>,
    pub(super) claim: Claim,
}

/// What is read of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadTransaction {
    pub(super) checkpoint: Option<u64>,
    pub(super) effects: Option<Bytes>,
}

/// What is read of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadObject {
    pub(super) bcs: Option<Bytes>,
    pub(super) previous_transaction: Option<Bytes>,
}

/// A checkpoint in field `at` of an answer.
pub(super) fn checkpoint(answer: &Bytes, at: u32) -> Result<ReadCheckpoint, Damaged> {
    let mut read = ReadCheckpoint::default();
    each(answer, at, |checkpoint| {
        for field in Fields(checkpoint.clone()) {
            match field? {
                (1, value) => read.sequence = Some(value.number()?),
                (3, value) => bcs(&value.bytes()?, &mut read.claim.summary)?,
                (4, value) => signature(&value.bytes()?, read.claim.signature.get_or_insert_default())?,
                (5, value) => bcs(&value.bytes()?, &mut read.claim.contents)?,
                (6, _) if read.claim.transactions.len() == MAX_TRANSACTIONS => return Err(Damaged::TooMany),
                (6, value) => read.claim.transactions.push(events_and_effects(&value.bytes()?)?),
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(read)
}

/// `GetTransactionResponse`.
pub(super) fn transaction(answer: &Bytes) -> Result<ReadTransaction, Damaged> {
    let mut read = ReadTransaction::default();
    each(answer, 1, |transaction| {
        for field in Fields(transaction.clone()) {
            match field? {
                (4, value) => bcs(&value.bytes()?, &mut read.effects)?,
                (6, value) => read.checkpoint = Some(value.number()?),
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(read)
}

/// `GetObjectResponse`.
pub(super) fn object(answer: &Bytes) -> Result<ReadObject, Damaged> {
    let mut read = ReadObject::default();
    each(answer, 1, |object| {
        for field in Fields(object.clone()) {
            match field? {
                (1, value) => bcs_value(&value.bytes()?, &mut read.bcs)?,
                (10, value) => read.previous_transaction = Some(value.bytes()?),
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(read)
}

fn signature(message: &Bytes, read: &mut ClaimedSignature) -> Result<(), Damaged> {
    for field in Fields(message.clone()) {
        match field? {
            (1, value) => read.epoch = value.number()?,
            (2, value) => read.signature = value.bytes()?,
            (3, value) => read.bitmap = value.bytes()?,
            _ => {}
        }
    }
    Ok(())
}

fn events_and_effects(message: &Bytes) -> Result<ClaimedTransaction, Damaged> {
    let mut read = ClaimedTransaction::default();
    for field in Fields(message.clone()) {
        match field? {
            (4, value) => bcs(&value.bytes()?, &mut read.effects)?,
            (5, value) => bcs(&value.bytes()?, &mut read.events)?,
            _ => {}
        }
    }
    Ok(read)
}

/// The BCS of a message that has it in its first field.
fn bcs(message: &Bytes, read: &mut Option<Bytes>) -> Result<(), Damaged> {
    each(message, 1, |bcs| bcs_value(bcs, read))
}

/// The value of a `Bcs`.
fn bcs_value(message: &Bytes, read: &mut Option<Bytes>) -> Result<(), Damaged> {
    each(message, 2, |value| {
        *read = Some(value.clone());
        Ok(())
    })
}

/// The messages, or bytes, in field `at`. Protobuf has several of one message add up.
fn each(message: &Bytes, at: u32, mut read: impl FnMut(&Bytes) -> Result<(), Damaged>) -> Result<(), Damaged> {
    for field in Fields(message.clone()) {
        match field? {
            (number, value) if number == at => read(&value.bytes()?)?,
            _ => {}
        }
    }
    Ok(())
}

/// What is left of a message.
struct Fields(Bytes);

enum Value {
    Number(u64),
    Bytes(Bytes),
    Fixed,
}

// === impl Fields ===

impl Fields {
    fn read(&mut self) -> Result<(u32, Value), Damaged> {
        let key = u32::try_from(self.varint()?).map_err(|_| Damaged::Layout)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Damaged::Layout)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups: Sui has none.
            _ => return Err(Damaged::Layout),
        };
        if key >> 3 == 0 { Err(Damaged::Layout) } else { Ok((key >> 3, value)) }
    }

    fn varint(&mut self) -> Result<u64, Damaged> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        for (at, byte) in self.0.iter().copied().enumerate().take(10) {
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(Damaged::Layout);
            }
            value |= part << shift;
            if byte < 0x80 {
                self.take(at + 1)?;
                return Ok(value);
            }
            shift += 7;
        }
        Err(Damaged::Layout)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Damaged> {
        if length > self.0.len() {
            return Err(Damaged::Layout);
        }
        Ok(self.0.split_to(length))
    }
}

impl Iterator for Fields {
    type Item = Result<(u32, Value), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0.clear();
        }
        Some(field)
    }
}

// === impl Value ===

impl Value {
    fn number(self) -> Result<u64, Damaged> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Damaged::Layout),
        }
    }

    fn bytes(self) -> Result<Bytes, Damaged> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Damaged::Layout),
        }
    }
}

#[cfg(test)]
mod tests;

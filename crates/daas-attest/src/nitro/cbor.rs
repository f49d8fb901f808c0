//! A pull reader for the little CBOR that a document's payload is made of.
//!
//! Definite and indefinite maps and arrays are both read (AWS makes both); strings must be definite. The caller asks
//! for the type it expects, so there is no recursion and nothing is allocated by a length that the bytes claim.

use crate::VerifyError;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

enum Count {
    Of(u64),
    UntilBreak,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    pub(super) fn uint(&mut self) -> Result<u64, VerifyError> {
        self.definite(UINT, "an unsigned integer")
    }

    pub(super) fn text(&mut self) -> Result<&'a str, VerifyError> {
        let at = self.at;
        let bytes = self.string(TEXT, "a text string")?;
        str::from_utf8(bytes).map_err(|_| VerifyError::Payload { at, expected: "UTF-8" })
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], VerifyError> {
        self.string(BYTES, "a byte string")
    }

    pub(super) fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>, VerifyError> {
        if self.peek() == Some(NULL) {
            self.at += 1;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// Calls `entry` at each key; it must read the key and the value.
    pub(super) fn map(&mut self, entry: impl FnMut(&mut Self) -> Result<(), VerifyError>) -> Result<(), VerifyError> {
        self.each(MAP, "a map", entry)
    }

    pub(super) fn array(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<(), VerifyError>,
    ) -> Result<(), VerifyError> {
        self.each(ARRAY, "an array", element)
    }

    pub(super) fn end(&self) -> Result<(), VerifyError> {
        if self.at == self.all.len() { Ok(()) } else { Err(self.fault("the end")) }
    }

    fn each(
        &mut self,
        major: u8,
        expected: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<(), VerifyError>,
    ) -> Result<(), VerifyError> {
        match self.head(major, expected)? {
            // Every turn consumes a byte or fails, so a huge count ends with the bytes.
            Count::Of(count) => (0..count).try_for_each(|_| read(self)),
            Count::UntilBreak => {
                while self.peek() != Some(BREAK) {
                    read(self)?;
                }
                self.at += 1;
                Ok(())
            }
        }
    }

    fn string(&mut self, major: u8, expected: &'static str) -> Result<&'a [u8], VerifyError> {
        let start = self.at;
        let len = self.definite(major, expected)?;
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let bytes = end.and_then(|end| self.all.get(self.at..end));
        let bytes = bytes.ok_or(VerifyError::Payload { at: start, expected: "as many bytes as announced" })?;
        self.at += bytes.len();
        Ok(bytes)
    }

    fn definite(&mut self, major: u8, expected: &'static str) -> Result<u64, VerifyError> {
        let at = self.at;
        match self.head(major, expected)? {
            Count::Of(value) => Ok(value),
            Count::UntilBreak => Err(VerifyError::Payload { at, expected: "a definite length" }),
        }
    }

    fn head(&mut self, major: u8, expected: &'static str) -> Result<Count, VerifyError> {
        let first = self.peek().filter(|first| first >> 5 == major).ok_or_else(|| self.fault(expected))?;
        let width = match first & 0x1f {
            value @ 0..=23 => {
                self.at += 1;
                return Ok(Count::Of(value.into()));
            }
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 if major != UINT => {
                self.at += 1;
                return Ok(Count::UntilBreak);
            }
            _ => return Err(self.fault(expected)),
        };
        let value = self.all.get(self.at + 1..self.at + 1 + width).ok_or_else(|| self.fault(expected))?;
        self.at += 1 + width;
        Ok(Count::Of(value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))))
    }

    fn peek(&self) -> Option<u8> {
        self.all.get(self.at).copied()
    }

    fn fault(&self, expected: &'static str) -> VerifyError {
        VerifyError::Payload { at: self.at, expected }
    }
}

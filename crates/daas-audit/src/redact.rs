//! What of a request may be kept, decided from its method, path and query alone.
//!
//! | part | kept |
//! |---|---|
//! | path | up to 2,048 bytes; behind `…/proxy/` its digest only; what looks like a token as a digest |
//! | query | the keys of [`query::KEPT`]; of the others, how many there were |
//! | exec command | its digest |
//!
//! A digest of a short command can be guessed. It keeps arguments out of sight and lets one who claims to know a command
//! prove it; it is not encryption.

mod path;
mod query;

pub use query::KEPT;

use crate::hash::Digest;
use crate::record::What;
use std::borrow::Cow;

/// Longest path that is kept.
const LONGEST_PATH: usize = 2048;
/// Shortest credential there is: a Seal's secret, 64 hex characters.
const SHORTEST_TOKEN: usize = 64;

// === impl What ===

impl<'a> What<'a> {
    /// What may be kept of a request with this method, raw path and raw query.
    pub fn of(method: &'a str, path: &'a str, query: Option<&'a str>) -> Self {
        let query = query::Kept::of(query.unwrap_or_default());
        let (target, path) = match decoded(path, false) {
            Cow::Borrowed(path) => {
                let (target, tail) = path::target(method, path, query.watch);
                (target, kept(path, tail))
            }
            // The API server decodes first and then looks for slashes.
            Cow::Owned(plain) => {
                let (target, tail) = path::target(method, &plain, query.watch);
                let kept = match kept(&plain, tail) {
                    Cow::Owned(kept) => Cow::Owned(kept),
                    Cow::Borrowed(_) => masked(path),
                };
                (target.into_owned(), kept)
            }
        };
        let path = match path {
            Cow::Borrowed(path) => bounded(path, LONGEST_PATH),
            Cow::Owned(path) => Cow::Owned(bounded(&path, LONGEST_PATH).into_owned()),
        };
        let command = query.command();
        Self { method: bounded(method, 32), path, target, query: query.pairs, withheld: query.withheld, command }
    }
}

/// `text`, or its beginning and the digest of the whole.
pub(crate) fn bounded(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let mut end = longest;
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let kept = text.get(..end).unwrap_or_default();
    Cow::Owned(format!("{kept}…sha256:{}", Digest::of_bytes(text.as_bytes())))
}

/// `text` with every word that has the form of a credential replaced by its digest. That is no licence to put one there:
/// it is so that a client's mistake is not written down for good.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    if text.len() < SHORTEST_TOKEN || !text.split(is_no_token).any(is_token) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_no_token) {
        let word = piece.trim_end_matches(is_no_token);
        let end = piece.get(word.len()..).unwrap_or_default();
        if is_token(word) {
            kept.push_str("sha256:");
            kept.push_str(&Digest::of_bytes(word.as_bytes()).to_string());
        } else {
            kept.push_str(word);
        }
        kept.push_str(end);
    }
    Cow::Owned(kept)
}

/// What of a path may be kept, whose `tail` is an application's business.
fn kept(path: &str, tail: Option<usize>) -> Cow<'_, str> {
    tail.map_or_else(|| masked(path), |at| Cow::Owned(digested(path, at)))
}

/// `path` up to `at`, and the digest of the rest.
fn digested(path: &str, at: usize) -> String {
    let (kept, rest) = path.split_at_checked(at).unwrap_or((path, ""));
    format!("{}sha256:{}", masked(kept), Digest::of_bytes(rest.as_bytes()))
}

fn is_token(word: &str) -> bool {
    let hex = word.len() == SHORTEST_TOKEN && word.bytes().all(|b| b.is_ascii_hexdigit());
    hex || word.len() >= SHORTEST_TOKEN && (word.starts_with("daas1.") || word.starts_with("eyJ"))
}

/// Between words: what neither hex, base64url nor a JWT has.
fn is_no_token(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// As the API server reads it: `%61` is `a`; what is no escape stays, and what is no UTF-8 is replaced.
fn decoded(text: &str, plus: bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !(bytes.contains(&b'%') || plus && bytes.contains(&b'+')) {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), bytes);
    while let [first, after @ ..] = rest {
        rest = after;
        match (*first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(nibble(*high) << 4 | nibble(*low));
                rest = after;
            }
            (b'+', _) if plus => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn nibble(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        b'a'..=b'f' => hex - b'a' + 10,
        _ => hex.wrapping_sub(b'A') + 10,
    }
}

#[cfg(test)]
mod tests;

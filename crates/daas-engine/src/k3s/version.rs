//! Versions as K3s says them: of Kubernetes, with a `v`, and K3s' own number behind a plus sign.

use std::fmt;

use super::program::LEAST;

/// A version, such as `v1.36.2+k3s1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    /// What data are compatible by: the first two numbers.
    minor: (u32, u32),
}

// === impl Version ===

impl Version {
    /// Reads it, as K3s says it or as it was written down.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix('v')?.split('.').map(str::parse::<u32>);
        let (Ok(major), Ok(minor)) = (numbers.next()?, numbers.next()?) else { return None };
        Some(Self { text: text.to_owned(), minor: (major, minor) })
    }

    /// Its first two numbers.
    pub fn minor(&self) -> (u32, u32) {
        self.minor
    }

    /// Whether it lacks what the master's policies are written in.
    pub(super) fn is_too_old(&self) -> bool {
        self.minor < LEAST
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

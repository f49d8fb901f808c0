use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// An amount of SUI in MIST (1 SUI = 10⁹ MIST). Shown and parsed in SUI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mist(pub u64);

/// Why a text is not an amount of SUI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount of SUI, such as 5 or 0.5")]
    NotANumber(String),
    /// More than nine decimals, or more than a u64 of MIST.
    #[error("`{0}` SUI has more than nine decimals or does not fit")]
    OutOfRange(String),
}

// === impl Mist ===

impl Mist {
    /// MIST in one SUI.
    pub const PER_SUI: u64 = 1_000_000_000;

    /// Whole SUI.
    pub const fn from_sui(sui: u64) -> Self {
        Self(sui.saturating_mul(Self::PER_SUI))
    }

    /// The sum, or the largest amount.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Mist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.div_euclid(Self::PER_SUI), self.0.rem_euclid(Self::PER_SUI));
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:09}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl FromStr for Mist {
    type Err = AmountError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (whole, decimals) = s.split_once('.').unwrap_or((s, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || s.ends_with('.') {
            return Err(AmountError::NotANumber(s.to_owned()));
        }
        let range = || AmountError::OutOfRange(s.to_owned());
        if decimals.len() > 9 {
            return Err(range());
        }
        let whole: u64 = whole.parse().map_err(|_| range())?;
        let rest: u64 = format!("{decimals:0<9}").parse().map_err(|_| range())?;
        let mist = whole.checked_mul(Self::PER_SUI).and_then(|m| m.checked_add(rest)).ok_or_else(range)?;
        Ok(Self(mist))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn display_and_parse_round_trip(mist: u64) {
            prop_assert_eq!(Mist(mist).to_string().parse::<Mist>().unwrap(), Mist(mist));
        }
    }

    #[test]
    fn bad_amounts_are_named() {
        for bad in ["", ".", "5.", ".5", "-1", "1e3", "０"] {
            assert!(matches!(bad.parse::<Mist>(), Err(AmountError::NotANumber(_))), "{bad}");
        }
        for bad in ["0.1234567890", "18446744074"] {
            assert!(matches!(bad.parse::<Mist>(), Err(AmountError::OutOfRange(_))), "{bad}");
        }
    }
}

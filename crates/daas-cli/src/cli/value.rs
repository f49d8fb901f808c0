//! Values as people type them.

use daas_types::{RpcUrls, UnixMs};
use std::time::Duration;

/// `500ms`, `90s`, `10m`, `6h`, `3d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a time such as 500ms, 90s, 10m, 6h or 3d");
    let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(unit);
    let in_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    number.checked_mul(in_ms).map(Duration::from_millis).ok_or_else(bad)
}

/// As [`duration`] reads it, in the largest unit that is exact.
pub(crate) fn typed(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(24 * 60 * 60 * 1000, "d"), (60 * 60 * 1000, "h"), (60 * 1000, "m"), (1000, "s")];
    if ms == 0 {
        return "0s".to_owned();
    }
    let exact = UNITS.iter().find(|(unit, _)| ms.is_multiple_of(*unit));
    exact.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms.div_euclid(*unit)))
}

/// `2026-11-21T15:00:00Z`.
pub(super) fn moment(text: &str) -> Result<UnixMs, String> {
    let bad = |_| format!("`{text}` is not a time such as 2026-11-21T15:00:00Z");
    let moment: jiff::Timestamp = text.parse().map_err(bad)?;
    u64::try_from(moment.as_millisecond()).map(UnixMs).map_err(|_| format!("`{text}` is before 1970"))
}

/// `https://host:port`.
pub(super) fn rpc_url(text: &str) -> Result<String, String> {
    RpcUrls::new([text.to_owned()]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// 32 bytes in hex: a key, a digest.
pub(super) fn hex32(text: &str) -> Result<[u8; 32], String> {
    bytes(text)
}

/// 48 bytes in hex: a PCR.
pub(super) fn hex48(text: &str) -> Result<[u8; 48], String> {
    bytes(text.strip_prefix("sha384:").unwrap_or(text))
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
        .map_err(|_| format!("`{text}` is not {} hex characters", 2 * N))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_alike() {
        for text in ["500ms", "90s", "10m", "6h", "3d", "0s", "1500ms"] {
            let ms = u64::try_from(duration(text).unwrap().as_millis()).unwrap();
            assert_eq!(typed(ms), text);
        }
        assert_eq!(duration("60s").map(|t| typed(t.as_secs() * 1000)).as_deref(), Ok("1m"));
        for bad in ["", "5", "d", "5 d", "-5d", "5w", "5D", "99999999999999999999d", "5.5h", "５d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_of_this_era() {
        assert_eq!(moment("2026-11-17T20:00:00Z"), Ok(UnixMs(1_794_945_600_000)));
        assert_eq!(moment("2026-11-17T21:00:00+01:00"), Ok(UnixMs(1_794_945_600_000)));
        for bad in ["", "2026-11-17", "yesterday", "1969-12-31T23:59:59Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_are_as_many_as_they_must_be() {
        assert_eq!(hex32(&"0a".repeat(32)), Ok([10; 32]));
        assert_eq!(hex32(&format!("0x{}", "0a".repeat(32))), Ok([10; 32]));
        assert_eq!(hex48(&format!("sha384:{}", "0a".repeat(48))), Ok([10; 48]));
        for bad in ["", "0a", &"0a".repeat(33), &"0g".repeat(32)] {
            assert!(hex32(bad).is_err(), "{bad}");
        }
    }
}

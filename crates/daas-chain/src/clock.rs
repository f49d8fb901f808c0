//! The one reader of the system clock. Everything else takes `now` as an argument.

use daas_types::UnixMs;

/// The machine's time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn now() -> UnixMs {
    UnixMs::from(std::time::SystemTime::now())
}

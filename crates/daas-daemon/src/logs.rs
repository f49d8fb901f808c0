//! Logs to standard error: one line of text for people, or one JSON object for machines.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines.
    Json,
}

/// Starts logging at `level` (`info`, or a filter such as `daas_gateway=debug,info`). A second call does nothing.
pub fn init(format: Format, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    let done = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Human => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // Tests start several programs in one process; the first one's logging serves all.
    drop(done);
}

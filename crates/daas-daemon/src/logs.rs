//! Logs: to standard error one line of text for people, or one JSON object for machines; where standard error is the
//! journal's, to the journal with a field for each of an event's own.

use std::fs::File;
use std::io::{IsTerminal as _, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};

/// What the journal's fields begin with: `node.id` is `DAAS_NODE_ID`.
const FIELDS: &str = "DAAS";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; in fields where standard error is the journal's.
    #[default]
    Human,
    /// For machines.
    Json,
}

/// Starts logging at `level` (`info`, or a filter such as `daas_gateway=debug,info`). A second call does nothing.
pub fn init(format: Format, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let done = match (format, journal()) {
        (Format::Human, Some(journal)) => registry().with(filter).with(journal).try_init(),
        (Format::Human, None) => registry().with(filter).with(lines().with_ansi(stderr().is_terminal())).try_init(),
        (Format::Json, _) => registry().with(filter).with(lines().json().flatten_event(true)).try_init(),
    };
    // Tests start several programs in one process; the first one's logging serves all.
    drop(done);
}

fn lines<S>() -> fmt::Layer<S, fmt::format::DefaultFields, fmt::format::Format, fn() -> std::io::Stderr> {
    fmt::layer().with_writer(stderr as fn() -> std::io::Stderr).with_target(true)
}

/// The journal, if standard error is one of its streams. Who redirected it wants the lines elsewhere.
fn journal() -> Option<tracing_journald::Layer> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let journal = is_stream(&stream, &stderr()).then(tracing_journald::layer)?.ok()?;
    Some(journal.with_field_prefix(Some(FIELDS.to_owned())))
}

/// Whether this is the file that `device:inode` names.
fn is_stream(named: &str, file: &impl AsFd) -> bool {
    let Some((device, inode)) = named.split_once(':') else { return false };
    let Ok(file) = file.as_fd().try_clone_to_owned() else { return false };
    File::from(file).metadata().is_ok_and(|is| device.parse() == Ok(is.dev()) && inode.parse() == Ok(is.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn only_the_very_stream_is_the_journals() {
        let (ours, other) = UnixStream::pair().unwrap();
        let named = |stream: &UnixStream| {
            let is = File::from(stream.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
            format!("{}:{}", is.dev(), is.ino())
        };
        assert!(is_stream(&named(&ours), &ours));
        assert!(!is_stream(&named(&other), &ours));
        let is = named(&ours);
        let swapped = is.split_once(':').map(|(device, inode)| format!("{inode}:{device}")).unwrap();
        for bad in ["", ":", "1", "a:b", &swapped, &format!("{is}:"), &format!("-{is}")] {
            assert!(!is_stream(bad, &ours), "{bad}");
        }
    }
}

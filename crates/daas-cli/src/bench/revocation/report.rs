use super::peer::Peer;
use crate::bench::median;
use crate::stage::Detail;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::fmt;

/// One revocation, in milliseconds.
///
/// What is counted from the subscriber's sight of the checkpoint can be below zero: the gateway may see it first. What is
/// counted from the checkpoint's own timestamp cannot, and includes the making of the checkpoint.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the names in the saved result")]
pub(super) struct Sample {
    /// To the end of `kubectl get -w`.
    pub(super) watch_ms: f64,
    /// To the end of `kubectl exec`.
    pub(super) exec_ms: f64,
    /// To the end of the last of the node's watches.
    pub(super) node_ms: f64,
    /// To the end of the last of all, from the checkpoint's own timestamp.
    pub(super) since_timestamp_ms: f64,
}

/// The result, as it is saved.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    median_ms: f64,
    max_ms: f64,
    /// The same, counted from the checkpoint's own timestamp.
    median_since_timestamp_ms: f64,
    max_since_timestamp_ms: f64,
    repetitions: usize,
    /// The peer's watch was open this long after its right was gone.
    peer_open_after_ms: u128,
    /// Whether that is when it ended, rather than when nobody looked any more.
    peer_closed: bool,
    samples: Vec<Sample>,
}

// === impl Sample ===

impl Sample {
    fn last_ms(&self) -> f64 {
        self.watch_ms.max(self.exec_ms).max(self.node_ms)
    }
}

impl Detail for Sample {
    fn detail(&self) -> String {
        format!("{:.1} ms", self.last_ms())
    }
}

// === impl Figures ===

impl Figures {
    pub(super) fn of(samples: Vec<Sample>, peer: Peer) -> Self {
        let (median_ms, max_ms) = summary(samples.iter().map(Sample::last_ms));
        let (median_since_timestamp_ms, max_since_timestamp_ms) =
            summary(samples.iter().map(|sample| sample.since_timestamp_ms));
        let (peer_closed, after) = match peer {
            Peer::Open(after) => (false, after),
            Peer::Closed(after) => (true, after),
        };
        Self {
            median_ms,
            max_ms,
            median_since_timestamp_ms,
            max_since_timestamp_ms,
            repetitions: samples.len(),
            peer_open_after_ms: after.as_millis(),
            peer_closed,
            samples,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["", "get -w", "exec", "node's watches", "last of them", "since its timestamp"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for (number, row) in self.samples.iter().enumerate() {
            let cells = [row.watch_ms, row.exec_ms, row.node_ms, row.last_ms(), row.since_timestamp_ms];
            let cells = cells.map(|cell| format!("{cell:.1}"));
            table.add_row(std::iter::once((number + 1).to_string()).chain(cells));
        }
        for (name, last, stamped) in [
            ("median", self.median_ms, self.median_since_timestamp_ms),
            ("max", self.max_ms, self.max_since_timestamp_ms),
        ] {
            table.add_row([name, "", "", "", &format!("{last:.1}"), &format!("{stamped:.1}")]);
        }
        let verb = if self.peer_closed { "closed" } else { "still open" };
        writeln!(
            f,
            "Milliseconds from a subscriber's sight of the checkpoint with the slash to the end of the staker's streams"
        )?;
        writeln!(f, "{table}")?;
        write!(
            f,
            "Without the gateway, a watch whose RoleBinding was deleted: {verb} after {} ms",
            self.peer_open_after_ms
        )
    }
}

/// Median and maximum.
fn summary(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    (median(&values), values.iter().copied().reduce(f64::max).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sample(watch: f64, exec: f64, node: f64) -> Sample {
        Sample { watch_ms: watch, exec_ms: exec, node_ms: node, since_timestamp_ms: 50.0 }
    }

    #[test]
    fn the_last_stream_counts() {
        let samples = vec![sample(1.0, 9.0, 2.0), sample(3.0, 1.0, 2.0), sample(1.0, -1.0, 5.0), sample(4.0, 1.0, 7.0)];
        let figures = Figures::of(samples, Peer::Open(Duration::from_secs(5)));
        assert_eq!((figures.median_ms, figures.max_ms, figures.repetitions), (6.0, 9.0, 4));
        let json = serde_json::to_value(&figures).unwrap();
        assert_eq!(json["peer_open_after_ms"], 5000);
        assert_eq!(json["max_since_timestamp_ms"], 50.0);
        let text = figures.to_string();
        assert!(text.contains("still open after 5000 ms") && text.contains("│ median"), "{text}");
    }

    #[test]
    fn a_peer_that_closes_is_said_to() {
        let figures = Figures::of(vec![sample(1.0, 2.0, 3.0)], Peer::Closed(Duration::from_millis(7)));
        assert!(figures.to_string().contains("closed after 7 ms"));
        assert_eq!((figures.median_ms, figures.max_ms), (3.0, 3.0));
    }
}

//! What benchmarks have in common: a table on standard output, the same figures in `target/bench/NAME.json`, and a look
//! at this process's memory. Load, a stand-in API server and the processes measured stand below.

pub mod chart;
pub mod load;
pub mod process;
pub mod stub;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use nix::time::ClockId;
use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// A benchmark's result.
pub struct Report {
    name: &'static str,
    tables: Vec<Table>,
    figures: Map<String, Value>,
}

// === impl Report ===

impl Report {
    /// An empty one, with the table's headings. All columns but the first are numbers.
    pub fn new(name: &'static str, headings: &[&str]) -> Self {
        let mut report = Self { name, tables: Vec::new(), figures: Map::new() };
        report.also(headings);
        report
    }

    /// Begins another table.
    pub fn also(&mut self, headings: &[&str]) {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header(headings);
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        self.tables.push(table);
    }

    /// A line of the last table.
    pub fn row(&mut self, cells: &[String]) {
        self.tables.last_mut().unwrap().add_row(cells);
    }

    /// A figure that is saved.
    pub fn figure(&mut self, key: &str, value: f64) {
        self.figures.insert(key.to_owned(), Value::from((value * 1000.0).round() / 1000.0));
    }

    /// Prints the table and saves the figures.
    pub fn finish(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(self.name).with_extension("json");
        let text = serde_json::to_string_pretty(&self.figures).unwrap();
        std::fs::write(&file, format!("{text}\n")).unwrap();
        let tables: Vec<_> = self.tables.iter().map(ToString::to_string).collect();
        let text = format!("{}\ntarget/bench/{}.json\n", tables.join("\n"), self.name);
        std::io::stdout().write_all(text.as_bytes()).unwrap();
    }
}

/// How many seconds of a core `work` takes, and what it gives. Only this thread's own time counts: what else the machine
/// does meanwhile is not in it.
pub fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = spent();
    let result = std::hint::black_box(work());
    (spent().saturating_sub(began).as_secs_f64(), result)
}

fn spent() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap().into()
}

/// A clock that all processes of a machine share.
pub fn monotonic() -> Duration {
    ClockId::CLOCK_MONOTONIC.now().unwrap().into()
}

/// Bytes of this process that are in memory.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The value that a share of all are not above.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}

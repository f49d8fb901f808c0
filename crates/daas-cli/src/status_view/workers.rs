//! A worker of this machine: where it stands, since when and why, and how it came there.

use super::{Part, ago, one_line, table};
use comfy_table::Table;
use daas_types::UnixMs;
use daas_types::worker::{End, Life, Phase, Transition};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
pub(crate) struct WorkerLine {
    /// Its node, or what the service is called.
    pub(crate) name: String,
    /// Its state folder.
    pub(crate) folder: PathBuf,
    pub(crate) running: bool,
    #[serde(flatten)]
    pub(crate) life: Part<LifeLine>,
}

#[derive(Serialize)]
pub(crate) struct LifeLine {
    pub(crate) phase: Phase,
    pub(crate) since_ms: UnixMs,
    pub(crate) reason: String,
    /// Why it ends, once it does.
    pub(crate) ending: Option<End>,
    /// The last transitions, the oldest first.
    pub(crate) history: Vec<Transition>,
}

// === impl LifeLine ===

impl LifeLine {
    pub(crate) fn new(life: &Life) -> Self {
        let arrival = life.arrival();
        Self {
            phase: life.phase,
            since_ms: arrival.map_or(UnixMs(0), |step| step.at_ms),
            reason: arrival.map_or_else(String::new, |step| step.reason.clone()),
            ending: life.ending.clone(),
            history: life.shown().cloned().collect(),
        }
    }
}

// === impl WorkerLine ===

impl WorkerLine {
    /// Its row among the parts.
    pub(super) fn row(&self, now: UnixMs) -> [String; 3] {
        let name = format!("worker {}", one_line(&self.name));
        let life = match self.life.as_ref() {
            Ok(life) => life,
            Err(why) => return [name, "✗ unknown".to_owned(), why],
        };
        let LifeLine { phase, since_ms, reason, ending, .. } = life;
        let why = ending.as_ref().map_or(reason, |ending| &ending.cause);
        let (state, next) = match (self.running, phase) {
            (true, Phase::Joined) => (format!("✓ {phase}"), ""),
            (true, Phase::Jailed) => (format!("✗ {phase}"), ""),
            (true, _) => (format!("… {phase}"), ""),
            (false, Phase::Gone) => ("– has ended".to_owned(), ""),
            (false, _) => (format!("✗ not running, was {phase}"), "\n→ start it again: its pods may run on meanwhile"),
        };
        [name, state, format!("since {}: {}{next}", ago(now.since(*since_ms)), one_line(why))]
    }

    /// How it came there, the last first.
    pub(super) fn steps(&self, now: UnixMs) -> Option<Table> {
        let life = self.life.as_ref().ok().filter(|life| !life.history.is_empty())?;
        let mut table = table(&[&one_line(&self.name), "step", "why"]);
        for Transition { at_ms, from, to, reason } in life.history.iter().rev() {
            let step = if from == to { to.to_string() } else { format!("{from} → {to}") };
            table.add_row([format!("{} ago", ago(now.since(*at_ms))), step, one_line(reason)]);
        }
        Some(table)
    }
}

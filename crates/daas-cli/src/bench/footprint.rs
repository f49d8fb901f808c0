//! What master and worker cost while nothing happens, and how fast a master is there again.
//!
//! A real cluster with its node and 1,000 positions is left alone for a minute. Then counts what the kernel has in memory for
//! the master's own process and for the worker's, and the time of a core that the worker took in that minute. Kubernetes'
//! processes are not in it.
//!
//! The start: the supervisor is halted and the master killed, so that datastore and API server go on without it. A master
//! starts its control plane itself and attaches to none; so it is given, as its engine's programs, stand-ins that pass every
//! byte on to the API server that is up. Its index and keys are a copy of the real ones. The time runs from before the fork
//! to the end of a TLS handshake with the gateway, the master's whole work with the real API server included.

mod crowd;
mod restart;
mod stand_in;

use super::{median, process, rounded};
use crate::output::Output;
use crate::stage::Stage;
use crate::supervise::report::Report;
use anyhow::Context as _;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use daas_types::Problem;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

pub(super) use stand_in::{StandInArgs, stand_in};

/// Name of the result.
const NAME: &str = "footprint";

/// Arguments of `bench footprint`.
#[derive(Args, Clone, Debug)]
pub(crate) struct FootprintArgs {
    /// How many positions the index holds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    positions: u32,
    /// Seconds of rest
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    rest: u32,
    /// How many starts of a master
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    starts: u32,
}

/// The result, as it is saved.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    master_rss_mb: f64,
    master_ready_ms: f64,
    worker_rss_mb: f64,
    worker_cpu_percent: f64,
    master_cpu_percent: f64,
    positions: u32,
    rest_s: u32,
    /// Every start.
    starts_ms: Vec<f64>,
    /// Of the last minute of rest, and at the last start.
    load: [f64; 2],
    /// Whether the programs are as released.
    release: bool,
}

/// One process at rest.
struct Rest {
    resident_mb: f64,
    /// Of a core.
    percent: f64,
}

pub(super) async fn run(output: Output, args: &FootprintArgs) -> Result<(), Problem> {
    super::on_stage(output, NAME, async |stage| measure(stage, args).await).await
}

async fn measure(stage: &Stage, args: &FootprintArgs) -> anyhow::Result<Figures> {
    stage.up().await?;
    // The operator's is there.
    stage.step(&format!("{} positions", args.positions), crowd::stake(stage, args.positions - 1)).await?;
    let rest = Duration::from_secs(args.rest.into());
    let (master, worker) = stage.step("rest", at_rest(stage, rest)).await?;
    let resting = process::load();
    let starts = stage.step("starts of a master", restart::measure(stage, args.starts)).await?;
    Ok(Figures {
        master_rss_mb: rounded(master.resident_mb),
        master_ready_ms: rounded(median(&starts)),
        worker_rss_mb: rounded(worker.resident_mb),
        worker_cpu_percent: rounded(worker.percent),
        master_cpu_percent: rounded(master.percent),
        positions: args.positions,
        rest_s: args.rest,
        starts_ms: starts.into_iter().map(rounded).collect(),
        load: [resting, process::load()],
        release: !cfg!(debug_assertions),
    })
}

/// Master and worker after a time in which nobody asked anything of them.
async fn at_rest(stage: &Stage, rest: Duration) -> anyhow::Result<(Rest, Rest)> {
    let report = Report::read(&stage.state.status())?.context("`up` left no status")?;
    let pid = |name: &str| {
        let child = report.children.iter().find(|child| child.name == name);
        child.and_then(|child| child.pid).with_context(|| format!("no {name} runs"))
    };
    let (master, worker) = (pid("master")?, pid("worker")?);
    let before = (process::cpu(master)?, process::cpu(worker)?);
    tokio::time::sleep(rest).await;
    let after = |pid, before: Duration| -> anyhow::Result<Rest> {
        let spent = process::cpu(pid)?.saturating_sub(before);
        let percent = 100.0 * spent.as_secs_f64() / rest.as_secs_f64();
        Ok(Rest { resident_mb: process::resident_mb(pid)?, percent })
    };
    Ok((after(master, before.0)?, after(worker, before.1)?))
}

impl crate::stage::Detail for (Rest, Rest) {
    fn detail(&self) -> String {
        format!("master {:.1} MB, worker {:.1} MB", self.0.resident_mb, self.1.resident_mb)
    }
}

impl crate::stage::Detail for Vec<f64> {
    fn detail(&self) -> String {
        format!("{:.0} ms", median(self))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["", "resident MB", "% of a core", "ms to accepting"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let cell = |value: f64| format!("{value:.1}");
        let (rss, ready) = (cell(self.master_rss_mb), cell(self.master_ready_ms));
        table.add_row(["master, without Kubernetes", &rss, &format!("{:.2}", self.master_cpu_percent), &ready]);
        let percent = format!("{:.2}", self.worker_cpu_percent);
        table.add_row(["worker, without Kubernetes", &cell(self.worker_rss_mb), &percent, ""]);
        writeln!(f, "{table}")?;
        let (positions, rest, starts) = (self.positions, self.rest_s, self.starts_ms.len());
        writeln!(f, "{positions} positions indexed; {rest} s of rest; load {:.1}", self.load[0])?;
        writeln!(
            f,
            "Starts: the median of {starts}, from the fork to the gateway's TLS handshake, API server and datastore up; the \
             engine's programs are stand-ins that lead to it; load {:.1}",
            self.load[1]
        )?;
        write!(f, "{}", if self.release { "Built as released" } else { "NOT built as released: `--release`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_and_how_it_was_built_is_said() {
        let figures = Figures {
            master_rss_mb: 39.5,
            master_ready_ms: 250.0,
            worker_rss_mb: 19.0,
            worker_cpu_percent: 0.25,
            master_cpu_percent: 1.0,
            positions: 1000,
            rest_s: 60,
            starts_ms: vec![240.0, 250.0, 260.0],
            load: [0.5, 1.5],
            release: false,
        };
        let text = figures.to_string();
        for words in ["39.5", "250.0", "0.25", "the median of 3", "1000 positions", "load 0.5", "NOT built as released"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        let json = serde_json::to_value(&figures).unwrap();
        for key in ["master_rss_mb", "master_ready_ms", "worker_rss_mb", "worker_cpu_percent"] {
            assert!(json[key].is_number(), "{key}");
        }
    }
}

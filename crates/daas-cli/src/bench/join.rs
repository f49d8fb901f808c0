//! How much longer a machine takes to join through stake and attestation than a plain kubelet takes to register.
//!
//! Ours: from the start of `k3s-daas-worker`, which holds its Seal already, to the Node that the API server calls Ready. In it
//! are the chain, its proofs, the master's evidence, the registration, and a kubelet that shows a fresh token at the gateway.
//!
//! The peer: the same engine starts the same containerd, kubelet and kube-proxy with the same settings and images, straight at
//! the API server on loopback, with a certificate of the cluster's that lies in a file. Nothing is verified, nobody is asked.
//!
//! In turns, on one machine that is its own master's; every leg begins without a Node, a container runtime or a network. The
//! same watch tells when the Node is Ready. A ratio is the median of the pairs' ratios. Another pair goes before them all: it
//! mints the Seal and reads the programs from the disk.

mod ours;
mod plain;
mod watched;

use super::{median, process, rounded};
use crate::output::Output;
use crate::stage::{Detail, Stage};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use daas_types::Problem;
use ours::Ours;
use plain::Plain;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use watched::Observer;

/// Name of the result.
const NAME: &str = "join";
/// What is not Ready by then never will be.
const LIMIT: Duration = Duration::from_mins(1);

/// Arguments of `bench join`.
#[derive(Args, Clone, Debug)]
pub(crate) struct JoinBenchArgs {
    /// How many pairs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
}

/// One join each, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Pair {
    ours_ms: f64,
    plain_ms: f64,
}

/// The result, as it is saved.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    ratio: f64,
    median_ours_ms: f64,
    median_plain_ms: f64,
    pairs: Vec<Pair>,
    load: f64,
    /// Whether the programs are as released.
    release: bool,
}

pub(super) async fn run(output: Output, args: &JoinBenchArgs) -> Result<(), Problem> {
    super::on_stage(output, NAME, async |stage| measure(stage, args.pairs).await).await
}

async fn measure(stage: &Stage, pairs: u32) -> anyhow::Result<Figures> {
    stage.up_with(&["--no-node"]).await?;
    let observer = Observer::new(stage)?;
    let ours = Ours::prepare(stage, &observer)?;
    stage.step("a first join", ours.once(&observer)).await?;
    let plain = Plain::prepare(stage, &observer, &ours).await?;
    stage.step("a first plain kubelet", plain.once(&observer)).await?;
    let mut all = Vec::new();
    for number in 1..=pairs {
        let (first, second) = (format!("pair {number}: join"), format!("pair {number}: plain kubelet"));
        // Neither always finds what the other has left in the caches.
        let (joined, started) = if number % 2 == 1 {
            let joined = stage.step(&first, ours.once(&observer)).await?;
            (joined, stage.step(&second, plain.once(&observer)).await?)
        } else {
            let started = stage.step(&second, plain.once(&observer)).await?;
            (stage.step(&first, ours.once(&observer)).await?, started)
        };
        all.push(Pair { ours_ms: millis(joined), plain_ms: millis(started) });
    }
    Ok(Figures::of(all, process::load()))
}

fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

impl Detail for Duration {
    fn detail(&self) -> String {
        format!("Ready after {:.0} ms", millis(*self))
    }
}

// === impl Figures ===

impl Figures {
    fn of(pairs: Vec<Pair>, load: f64) -> Self {
        let of = |figure: fn(&Pair) -> f64| rounded(median(&pairs.iter().map(figure).collect::<Vec<_>>()));
        Self {
            ratio: of(|pair| pair.ours_ms / pair.plain_ms),
            median_ours_ms: of(|pair| pair.ours_ms),
            median_plain_ms: of(|pair| pair.plain_ms),
            pairs,
            load,
            release: !cfg!(debug_assertions),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["", "worker with its Seal, ms", "plain kubelet, ms", "ratio"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for (number, Pair { ours_ms, plain_ms }) in self.pairs.iter().enumerate() {
            let cells = [*ours_ms, *plain_ms].map(|cell| format!("{cell:.0}"));
            let ratio = format!("{:.2}", ours_ms / plain_ms);
            table.add_row([&(number + 1).to_string(), &cells[0], &cells[1], &ratio]);
        }
        let cells = [self.median_ours_ms, self.median_plain_ms].map(|cell| format!("{cell:.0}"));
        table.add_row(["median", &cells[0], &cells[1], &format!("{:.2}", self.ratio)]);
        writeln!(f, "From the start to a Ready Node, containerd's start in both; load {:.1}", self.load)?;
        writeln!(f, "{table}")?;
        write!(f, "{}", if self.release { "Built as released" } else { "NOT built as released: `--release`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_pairs() {
        let pair = |ours_ms, plain_ms| Pair { ours_ms, plain_ms };
        // The medians' own ratio would be 1.
        let figures = Figures::of(vec![pair(1000.0, 2000.0), pair(3000.0, 1500.0), pair(2000.0, 1600.0)], 0.5);
        assert_eq!((figures.ratio, figures.median_ours_ms, figures.median_plain_ms), (1.25, 2000.0, 1600.0));
        let text = figures.to_string();
        assert!(text.contains("│ median") && text.contains("1.25") && text.contains("load 0.5"), "{text}");
        assert_eq!(serde_json::to_value(&figures).unwrap()["ratio"], 1.25);
    }
}

//! What the gateway adds to requests of the real API server, one after another on one connection.
//!
//! The peer is the same API server, asked on loopback by a service account that may edit what is there. Both are asked the same in turns;
//! what is added is the median of the rounds' differences, so that what else the machine does meets both.

mod side;

use super::account::Account;
use super::{median, process, rounded};
use crate::output::Output;
use crate::stage::{Detail, Stage, eventually};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile};
use daas_types::Problem;
use daas_types::pop::Usage;
use hyper::Method;
use serde::Serialize;
use side::Side;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;
use zeroize::Zeroizing;

/// Name of the result.
const NAME: &str = "api";
/// Objects in the namespace, and how long the text is of which each has two: `kubectl apply` notes what was applied.
const OBJECTS: usize = 100;
const BYTES: usize = 5_000;
/// Until the API server knows of the peer.
const LIMIT: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    name: &'static str,
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// In each round, of each side.
    times: u32,
}

/// Arguments of `bench api`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApiArgs {
    /// How many rounds; more would meet the limits of a tier
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// Of one question, in milliseconds: medians of the rounds.
#[derive(Clone, Debug, Serialize)]
struct Row {
    what: &'static str,
    direct_p50_ms: f64,
    direct_p90_ms: f64,
    added_p50_ms: f64,
    added_p90_ms: f64,
}

/// The result, as it is saved.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    rows: Vec<Row>,
    rounds: u32,
    load: f64,
    /// Whether the programs are as released.
    release: bool,
}

/// One round of a question.
struct Round {
    direct: Vec<f64>,
    through: Vec<f64>,
}

pub(super) async fn run(output: Output, args: &ApiArgs) -> Result<(), Problem> {
    super::on_stage(output, NAME, async |stage| measure(stage, args.rounds).await).await
}

fn questions() -> [Question; 3] {
    let one = "/api/v1/namespaces/bench/configmaps/c-0";
    [
        Question { name: "GET of 10 kB", method: Method::GET, path: one, times: 200 },
        Question { name: "LIST of 1 MB", method: Method::GET, path: "/api/v1/namespaces/bench/configmaps", times: 20 },
        Question { name: "PATCH", method: Method::PATCH, path: one, times: 50 },
    ]
}

async fn measure(stage: &Stage, rounds: u32) -> anyhow::Result<Figures> {
    stage.up_with(&["--no-node"]).await?;
    let (mut direct, mut through) =
        stage.step("a hundred objects, and a peer that may read them", sides(stage)).await?;
    let mut rows = Vec::new();
    for question in questions() {
        let mut all = Vec::new();
        // The first of each fills caches.
        for number in 0..=rounds {
            // Neither is always the first.
            let (first, second) =
                if number % 2 == 0 { (&mut direct, &mut through) } else { (&mut through, &mut direct) };
            let (one, other) = (first.ask(&question).await?, second.ask(&question).await?);
            let (direct, through) = if number % 2 == 0 { (one, other) } else { (other, one) };
            all.push(Round { direct, through });
        }
        rows.push(Row::of(question.name, all.get(1..).unwrap_or_default()));
    }
    Ok(Figures { rows, rounds, load: process::load(), release: !cfg!(debug_assertions) })
}

/// The API server itself, and the gateway before it.
async fn sides(stage: &Stage) -> anyhow::Result<(Side, Side)> {
    let operator = &stage.operator;
    let mut manifest = "apiVersion: v1\nkind: Namespace\nmetadata: { name: bench }\n".to_owned();
    for number in 0..OBJECTS {
        let text = "x".repeat(BYTES);
        write!(
            manifest,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: c-{number}, namespace: bench }}\ndata: {{ a: {text} }}\n"
        )?;
    }
    operator.apply(&manifest).await?;
    let account = Account::make(stage, "edit").await?;
    let [get, ..] = questions();
    let get = Question { times: 1, ..get };
    let direct = eventually(LIMIT, async || {
        let mut side = Side::open(&account.endpoint, &account.ca, account.token.clone()).await?;
        side.ask(&get).await.map(|_| side)
    });
    let direct = direct.await?;
    let join = ClusterInfo::load(&stage.state.join())?.join;
    let seal = SealFile::load(&stage.state.operator_seal())?;
    let token = Zeroizing::new(seal.mint(Usage::User, clock::now())?.to_string());
    Ok((direct, Side::open(&join.endpoint, &join.ca, token).await?))
}

impl Detail for (Side, Side) {
    fn detail(&self) -> String {
        String::new()
    }
}

// === impl Row ===

impl Row {
    fn of(what: &'static str, rounds: &[Round]) -> Self {
        let of = |figure: &dyn Fn(&Round) -> f64| rounded(median(&rounds.iter().map(figure).collect::<Vec<_>>()));
        let added = |share| of(&|round| quantile(&round.through, share) - quantile(&round.direct, share));
        Self {
            what,
            direct_p50_ms: of(&|round| quantile(&round.direct, 0.5)),
            direct_p90_ms: of(&|round| quantile(&round.direct, 0.9)),
            added_p50_ms: added(0.5),
            added_p90_ms: added(0.9),
        }
    }
}

/// The value that a share of all are not above.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["milliseconds", "p50 direct", "added", "p90 direct", "added"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in &self.rows {
            let cells = [row.direct_p50_ms, row.added_p50_ms, row.direct_p90_ms, row.added_p90_ms];
            table.add_row(std::iter::once(row.what.to_owned()).chain(cells.map(|cell| format!("{cell:.2}"))));
        }
        writeln!(f, "The real API server, straight and through the gateway; load {:.1}", self.load)?;
        writeln!(f, "{table}")?;
        write!(f, "{}", if self.release { "Built as released" } else { "NOT built as released: `--release`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_the_median_of_the_rounds_differences() {
        let round = |direct: f64, through: f64| Round { direct: vec![direct; 5], through: vec![through; 5] };
        // The medians' own difference would be 1.
        let row = Row::of("x", &[round(1.0, 4.0), round(2.0, 2.5), round(3.0, 3.2)]);
        assert_eq!((row.direct_p50_ms, row.added_p50_ms, row.added_p90_ms), (2.0, 0.5, 0.5));
        let all: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!((quantile(&all, 0.5), quantile(&all, 0.9), quantile(&[], 0.5)), (50.0, 90.0, 0.0));
        let figures = Figures { rows: vec![row], rounds: 3, load: 0.5, release: true };
        let text = figures.to_string();
        assert!(text.contains("│ x ") && text.contains("0.50") && text.contains("load 0.5"), "{text}");
    }
}

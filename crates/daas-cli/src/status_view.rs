//! What `status` shows, apart from how it is gathered: the same facts give the same picture.

#[cfg(test)]
mod tests;
mod workers;

pub(crate) use workers::{LifeLine, WorkerLine};

use crate::gateway::AuditLog;
use crate::output::one_line;
use crate::supervise::report::{DATASTORE, Phase, Report};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use daas_types::onchain::{Policy, PositionState};
use daas_types::{Problem, UnixMs};
use serde::Serialize;
use std::time::Duration;

/// Everything `status` found. What could not be found out is a problem in its place, and the rest still shows.
#[derive(Serialize)]
pub(crate) struct View {
    #[serde(skip)]
    pub(crate) now: UnixMs,
    /// Not there when this machine runs no cluster.
    pub(crate) supervisor: Option<Supervisor>,
    /// Of this machine, whichever cluster they are in.
    pub(crate) workers: Vec<WorkerLine>,
    pub(crate) cluster: Part<ClusterLine>,
    pub(crate) chain: Part<ChainLine>,
    pub(crate) master: Part<MasterLine>,
    /// Of the master that runs on this machine.
    pub(crate) audit: Option<AuditLog>,
    /// Of the cluster that this machine runs; what another's is, this machine does not know.
    pub(crate) datastore: Option<&'static str>,
    pub(crate) positions: Vec<PositionLine>,
}

/// A part that answered, or why it did not.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Part<T> {
    Up(T),
    Down { error: String, cause: String, fix: &'static str },
}

#[derive(Serialize)]
pub(crate) struct Supervisor {
    pub(crate) running: bool,
    pub(crate) report: Report,
}

#[derive(Serialize)]
pub(crate) struct ClusterLine {
    pub(crate) id: String,
    pub(crate) endpoint: String,
}

#[derive(Serialize)]
pub(crate) struct ChainLine {
    pub(crate) genesis: String,
    pub(crate) network: &'static str,
    pub(crate) checkpoint: u64,
    pub(crate) age_ms: u64,
}

#[derive(Serialize)]
pub(crate) struct MasterLine {
    pub(crate) endpoint: String,
    pub(crate) measurement: String,
    pub(crate) tee_type: &'static str,
    pub(crate) security_level: u8,
}

#[derive(Serialize)]
pub(crate) struct PositionLine {
    pub(crate) position: String,
    pub(crate) owner: String,
    pub(crate) node_id: Option<String>,
    pub(crate) status: String,
    pub(crate) tier: Option<&'static str>,
    /// SUI, as text: no float rounds it.
    pub(crate) active: String,
    pub(crate) frozen: String,
    pub(crate) unbonding: String,
    pub(crate) unbonding_until_ms: u64,
    /// Zero, or its node is jailed at least until then.
    pub(crate) jailed_until_ms: u64,
    pub(crate) operator: String,
    pub(crate) next_owner: Option<String>,
    pub(crate) seals: usize,
    pub(crate) namespace: String,
    pub(crate) slash: Option<SlashLine>,
}

#[derive(Serialize)]
pub(crate) struct SlashLine {
    pub(crate) reason: String,
    pub(crate) amount: String,
    pub(crate) evidence: String,
    pub(crate) appeal_until_ms: u64,
    /// When it lapses.
    pub(crate) expires_ms: u64,
    pub(crate) stage: String,
}

// === impl Part ===

impl<T> Part<T> {
    fn as_ref(&self) -> Result<&T, String> {
        match self {
            Self::Up(value) => Ok(value),
            Self::Down { cause, fix, .. } => Err(format!("{cause}\n→ {fix}")),
        }
    }
}

impl<T> From<Result<T, Problem>> for Part<T> {
    fn from(result: Result<T, Problem>) -> Self {
        match result {
            Ok(value) => Self::Up(value),
            Err(p) => Self::Down { error: p.code.name().to_owned(), cause: p.cause, fix: p.code.fix() },
        }
    }
}

// === impl PositionLine ===

impl PositionLine {
    /// The position at `now`: a slash that has lapsed is over, whether or not it was cleared away.
    pub(crate) fn new(state: &PositionState, policy: &Policy, now: UnixMs) -> Self {
        let tier = state.rights(policy, now).tier.map(daas_types::Tier::as_str);
        let state = state.at(now);
        Self {
            position: state.position.to_string(),
            owner: state.owner.to_string(),
            node_id: state.node().map(String::from),
            status: state.status.to_string(),
            tier,
            active: state.active.to_string(),
            frozen: state.frozen.to_string(),
            unbonding: state.unbonding.to_string(),
            unbonding_until_ms: state.unbonding_until_ms.0,
            jailed_until_ms: state.jailed_until_ms.0,
            operator: state.operator.to_string(),
            next_owner: state.next_owner.map(|owner| owner.to_string()),
            seals: state.seals.len(),
            namespace: daas_chain::index::namespace_of(state.position),
            slash: state.proposal.as_ref().map(|p| SlashLine {
                reason: reason(p.reason),
                amount: p.amount.to_string(),
                evidence: p.uri.clone(),
                appeal_until_ms: p.appeal_until_ms.0,
                expires_ms: p.expires_ms.0,
                stage: p.stage.to_string(),
            }),
        }
    }
}

// === impl View ===

impl View {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = self.parts().to_string();
        if self.positions.is_empty() {
            text.push_str("\nNo stake of this wallet here: `k3s-daas stake 5`");
        } else {
            text.push('\n');
            text.push_str(&positions(&self.positions, self.now).to_string());
        }
        for line in self.positions.iter().filter_map(|p| Some((p, p.slash.as_ref()?))) {
            text.push('\n');
            text.push_str(&slash(line.0, line.1, self.now));
        }
        for line in self.positions.iter().filter(|p| p.jailed_until_ms > 0) {
            text.push('\n');
            text.push_str(&jail(line, self.now));
        }
        for steps in self.workers.iter().filter_map(|worker| worker.steps(self.now)) {
            text.push('\n');
            text.push_str(&steps.to_string());
        }
        text
    }

    fn parts(&self) -> Table {
        let mut table = table(&["part", "state", ""]);
        match &self.supervisor {
            None => {
                table.add_row(["supervisor", "✗ none on this machine", "→ `k3s-daas up` starts a cluster here"]);
            }
            Some(supervisor) => self.supervisor_rows(supervisor, &mut table),
        }
        for worker in &self.workers {
            table.add_row(worker.row(self.now));
        }
        match self.cluster.as_ref() {
            Ok(cluster) => table.add_row(["cluster", &short(&cluster.id), &one_line(&cluster.endpoint)]),
            Err(why) => table.add_row(["cluster", "✗ unknown", &why]),
        };
        match self.chain.as_ref() {
            Ok(chain) => table.add_row([
                "chain",
                &format!("✓ checkpoint {}", chain.checkpoint),
                &format!("{} old; {} {}", ago(Duration::from_millis(chain.age_ms)), chain.network, chain.genesis),
            ]),
            Err(why) => table.add_row(["chain", "✗ not reachable", &why]),
        };
        match self.master.as_ref() {
            Ok(m) => table.add_row([
                "master",
                "✓ attested",
                &format!("{}… {} (level {})", head(&m.measurement, 23), m.tee_type, m.security_level),
            ]),
            Err(why) => table.add_row(["master", "✗ not verified", &why]),
        };
        if let Some(audit) = &self.audit {
            table.add_row(audit_row(audit));
        }
        if let Some(datastore) = self.datastore {
            table.add_row(["datastore", datastore, ""]);
        }
        table
    }

    fn supervisor_rows(&self, supervisor: &Supervisor, table: &mut Table) {
        let report = &supervisor.report;
        let (state, note) = match (supervisor.running, report.phase) {
            (true, Phase::Ready) => ("✓ running".to_owned(), String::new()),
            (true, phase) => {
                let step = report.running().map_or("", |step| step.name.title());
                (format!("… {}", word(phase)), format!("\n{step}"))
            }
            (false, Phase::Stopped) => ("✗ stopped".to_owned(), "\n→ `k3s-daas up`".to_owned()),
            (false, Phase::Failed) => {
                let cause = report.problem.clone().map(Problem::from);
                let note = cause.map_or_else(String::new, |p| format!("\n{}\n→ {}", p.cause, p.code.fix()));
                ("✗ failed".to_owned(), note)
            }
            (false, _) => ("✗ died".to_owned(), "\n→ `k3s-daas down`, then `k3s-daas up`".to_owned()),
        };
        let since = ago(self.now.since(report.started));
        let line = format!("{}, pid {}, started {since} ago{note}", report.engine, report.pid);
        table.add_row(["supervisor", &state, &line]);
        if supervisor.running {
            for child in &report.children {
                let mark = if child.pid.is_some() { "✓" } else { "✗" };
                let pid = child.pid.map_or_else(|| child.log.display().to_string(), |pid| format!("pid {pid}"));
                table.add_row([&format!("  {}", child.name), &format!("{mark} {}", child.state), &pid]);
            }
        }
    }
}

fn audit_row(audit: &AuditLog) -> [String; 3] {
    let mark = if audit.state == "writing" && audit.error.is_none() { "✓" } else { "✗" };
    let anchored = audit.anchored.map_or_else(
        || "nothing anchored yet".to_owned(),
        |anchor| format!("anchor {} on chain covers {} records", anchor.sequence, anchor.records),
    );
    let alone = format!("{anchored}; {} rest on the host alone", audit.on_the_host_alone);
    let note = audit.error.as_ref().map_or(alone.clone(), |error| format!("{alone}\n{}", one_line(error)));
    ["audit log".to_owned(), format!("{mark} {}", audit.state), note]
}

/// Said of the cluster that this machine runs.
pub(crate) fn datastore(runs_here: bool) -> Option<&'static str> {
    runs_here.then_some(DATASTORE)
}

/// A duration as people say it.
pub(crate) fn ago(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// `0x1234…abcd`.
pub(crate) fn short(id: &str) -> String {
    if id.len() <= 14 || !id.is_ascii() {
        return id.to_owned();
    }
    format!("{}…{}", &id[..8], &id[id.len() - 4..])
}

fn head(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
    }
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

fn positions(positions: &[PositionLine], now: UnixMs) -> Table {
    let mut table = table(&["position", "node", "SUI", "tier", "status", "leaving", "namespace"]);
    for p in positions {
        let until = UnixMs(p.unbonding_until_ms);
        let leaving = match (p.unbonding == "0", until > now) {
            (true, _) => "–".to_owned(),
            (false, true) => format!("{} in {}", p.unbonding, ago(until.since(now))),
            (false, false) => format!("{}: `k3s-daas withdraw`", p.unbonding),
        };
        table.add_row([
            &short(&p.position),
            p.node_id.as_deref().unwrap_or("–"),
            &p.active,
            p.tier.unwrap_or("–"),
            &p.status,
            &leaving,
            &p.namespace,
        ]);
    }
    table
}

/// A pending slash, and what can be done about it.
pub(crate) fn slash(position: &PositionLine, slash: &SlashLine, now: UnixMs) -> String {
    let until = UnixMs(slash.appeal_until_ms);
    let (id, amount, reason) = (short(&position.position), &slash.amount, &slash.reason);
    let lapses = ago(UnixMs(slash.expires_ms).since(now));
    let next = match slash.stage.as_str() {
        "upheld" => format!("upheld by the judge; anyone may execute it, or it lapses in {lapses}"),
        "appealed" => format!("appealed; the judge decides, or it lapses in {lapses}"),
        _ if until >= now => format!("appeal within {}: `k3s-daas appeal --reason TEXT`", ago(until.since(now))),
        _ => format!("the time to appeal is over; anyone may execute it, or it lapses in {lapses}"),
    };
    format!("✗ {id}: a slash of {amount} SUI is proposed: {reason} (evidence: {}); {next}", one_line(&slash.evidence))
}

fn jail(position: &PositionLine, now: UnixMs) -> String {
    let until = UnixMs(position.jailed_until_ms);
    let node = position.node_id.as_deref().unwrap_or("its node");
    let next = if until > now { format!("in {}: ", ago(until.since(now))) } else { String::new() };
    format!("✗ {}: {node} is jailed for its silence; {next}`k3s-daas unjail`", short(&position.position))
}

/// As `slashing.move` lists them.
fn reason(code: u8) -> String {
    match code {
        1 => "an audit root signed twice".to_owned(),
        2 => "a false attestation".to_owned(),
        3 => "a workload tampered with".to_owned(),
        4 => "an absent node".to_owned(),
        5 => "a breach of the operator's published rules".to_owned(),
        other => format!("reason {other}"),
    }
}

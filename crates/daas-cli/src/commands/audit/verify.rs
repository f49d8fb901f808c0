use super::{Known, Place};
use crate::cli::audit::VerifyArgs;
use crate::context::Context;
use crate::output::{done, failed};
use crate::status_view::table;
use daas_audit::Report;
use daas_types::{ErrorCode, Problem};
use serde::Serialize;

/// What was found, and against what.
#[derive(Serialize)]
pub(super) struct Verdict {
    pub(super) clean: bool,
    /// Whose word the anchors are.
    pub(super) anchors_from: String,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// Verifies; a finding is the command's failure.
pub(super) async fn run(context: &Context, args: &VerifyArgs) -> Result<(), Problem> {
    let place = Place::find(context, &args.log)?;
    // First: a log that is being written has at least what the chain had before.
    let known = Known::find(&args.anchors, &place.cluster, &place.id).await?;
    let unread = |error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", place.path.display()));
    let report = daas_audit::verify(&place.disk(), place.id, &known.anchors).map_err(unread)?;
    let problem = report.problem();
    let verdict = Verdict { clean: problem.is_none(), anchors_from: known.from, report };
    context.output.result(verdict.text(), &verdict);
    problem.map_or(Ok(()), Err)
}

// === impl Verdict ===

impl Verdict {
    pub(super) fn text(&self) -> String {
        let Report { log, segments, records, anchored, on_the_host_alone, opened, cut_short, running, .. } =
            &self.report;
        let mut table = table(&["", "audit log", ""]);
        table.add_row(["", "enclave", &log.key.to_string()]);
        table.add_row(["", "records", &format!("{records} in {segments} segments; begun {opened} times")]);
        match anchored {
            Some(anchor) => {
                let covers =
                    format!("{} records, number {}, as {} has it", anchor.records, anchor.sequence, self.anchors_from);
                table.add_row(["✓", "anchored", &covers]);
            }
            None => {
                table.add_row(["–", "anchored", &format!("nothing that {} has", self.anchors_from)]);
            }
        }
        table.add_row(["–", "on the host's word alone", &format!("the last {on_the_host_alone} records")]);
        table.add_row([
            "",
            "requests without an end",
            &format!("{running} may still run, {cut_short} were cut by the process's end"),
        ]);
        if !self.report.lost.is_nothing() {
            let lost = self.report.lost;
            table.add_row([
                "✗",
                "never written",
                &format!("{} requests and {} ends, as the log says itself", lost.requests, lost.ends),
            ]);
        }
        if let Some(tail) = self.report.tail {
            table.add_row(["–", "unfinished end", &format!("{} bytes that were never committed", tail.bytes)]);
        }
        for finding in &self.report.findings {
            table.add_row(["✗", "finding", &finding.to_string()]);
        }
        if self.report.more > 0 {
            table.add_row(["✗", "finding", &format!("and {} more", self.report.more)]);
        }
        let end = match (self.clean, anchored) {
            (true, Some(anchor)) => done(format!(
                "the first {} records are what the enclave wrote; nobody changed, removed or reordered one",
                anchor.records
            )),
            (true, None) => done(
                "the records fit each other; that they are the enclave's rests on the host's word alone".to_owned(),
            ),
            (false, _) => failed("the log is not what the enclave wrote".to_owned()),
        };
        format!("{table}\n{end}")
    }
}

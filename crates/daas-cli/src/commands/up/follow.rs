//! Watching the supervisor through `status.json`.

use crate::context::Context;
use crate::output::{done, failed};
use crate::status_view::ago;
use crate::supervise::report::{Phase, Report, Step, StepState};
use daas_types::{ErrorCode, Problem};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, interval, timeout_at};

const LOOK: Duration = Duration::from_millis(100);
/// The steps have deadlines of their own; this one is for a supervisor that hangs.
const LIMIT: Duration = Duration::from_mins(10);

/// Shows each step as it ends, until the cluster is ready or the supervisor gives up.
pub(super) async fn until_ready(context: &Context, supervisor: &mut Child) -> Result<Report, Problem> {
    let deadline = Instant::now() + LIMIT;
    let follow = async {
        let mut seen: Option<Report> = None;
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            let ended = supervisor.try_wait().map_err(Problem::of(ErrorCode::Internal))?;
            let report = Report::read(&context.state.status())?;
            if let Some(report) = report {
                report.ended_since(seen.as_ref()).for_each(|step| context.output.note(line(step)));
                match report.phase {
                    Phase::Ready => return Ok(report),
                    Phase::Failed => return Err(cause(context, &report)),
                    Phase::Starting | Phase::Stopping | Phase::Stopped => seen = Some(report),
                }
            }
            if let Some(status) = ended {
                let log = context.state.supervisor_log();
                let cause = format!("the supervisor ended ({status}); its log is {}", log.display());
                return Err(Problem::new(ErrorCode::Internal, cause));
            }
        }
    };
    timeout_at(deadline, follow).await.unwrap_or_else(|_| {
        let cause =
            format!("not ready after {} s; the log is {}", LIMIT.as_secs(), context.state.supervisor_log().display());
        Err(Problem::new(ErrorCode::ControlPlaneTimeout, cause))
    })
}

fn line(step: &Step) -> String {
    let took = ago(Duration::from_millis(step.took_ms.unwrap_or_default()));
    let detail = step.detail.as_deref().unwrap_or_default();
    let text = format!("{:<22}{took:>8}  {detail}", step.name.title());
    if step.state == StepState::Done { done(text.trim_end()) } else { failed(text.trim_end()) }
}

fn cause(context: &Context, report: &Report) -> Problem {
    let log = context.state.supervisor_log();
    match report.problem.clone() {
        Some(recorded) => {
            let problem = Problem::from(recorded);
            Problem::new(problem.code, format!("{}\nthe log is {}", problem.cause, log.display()))
        }
        None => Problem::new(ErrorCode::Internal, format!("the supervisor gave up; its log is {}", log.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::report::StepName;

    #[test]
    fn a_step_shows_its_time() {
        let step = |state| Step {
            name: StepName::ControlPlane,
            state,
            took_ms: Some(3700),
            detail: Some("v1.36.3".to_owned()),
        };
        assert_eq!(line(&step(StepState::Done)), "✓ control plane ready      3.7 s  v1.36.3");
        assert!(line(&step(StepState::Failed)).starts_with("✗ control plane ready"));
    }
}

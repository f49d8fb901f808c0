use super::{Known, Place, read};
use crate::cli::audit::{AnchorFlags, LogFlags, ProveArgs};
use crate::context::Context;
use crate::output::done;
use daas_audit::{Anchor, Proof, ProofError, Record};
use daas_types::{ErrorCode, Problem};
use serde::Serialize;
use std::path::Path;

/// A proof that holds, and what it proves.
#[derive(Serialize)]
struct Proven {
    anchors_from: String,
    anchor: Anchor,
    record: Record,
}

pub(super) async fn run(context: &Context, args: &ProveArgs) -> Result<(), Problem> {
    match (&args.check, args.record) {
        (Some(path), _) => check(context, path, &args.anchors).await,
        (None, Some(record)) => prove(context, record, &args.log, &args.anchors).await,
        (None, None) => Ok(()),
    }
}

/// Prints the proof: JSON, whoever asks.
async fn prove(context: &Context, record: u64, log: &LogFlags, anchors: &AnchorFlags) -> Result<(), Problem> {
    let place = Place::find(context, log)?;
    let known = Known::find(anchors, &place.cluster, &place.id).await?;
    let none = || Problem::new(ErrorCode::AuditNotAnchored, format!("{} has no anchor of this log", known.from));
    let anchor = known.last().ok_or_else(none)?;
    let proof = daas_audit::prove(&place.disk(), place.id, record, anchor).map_err(|error| refused(&error))?;
    let text = serde_json::to_string_pretty(&proof).map_err(Problem::of(ErrorCode::Internal))?;
    context.output.raw(&format!("{text}\n"));
    context.output.note("whoever has the cluster's join.json checks it: `k3s-daas audit prove --check FILE`");
    Ok(())
}

/// Checks a proof by itself, and its anchor against the chain's or the file's.
async fn check(context: &Context, path: &Path, anchors: &AnchorFlags) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    let bad = |cause: String| Problem::new(ErrorCode::AuditProofBad, format!("{}: {cause}", path.display()));
    let proof: Proof = serde_json::from_slice(&read(path)?).map_err(|error| bad(error.to_string()))?;
    if proof.log.cluster != cluster.join.cluster {
        return Err(bad(format!("it is of cluster {}, this is {}", proof.log.cluster, cluster.join.cluster)));
    }
    let record = proof.check().map_err(|error| bad(error.to_string()))?;
    let known = Known::find(anchors, &cluster, &proof.log).await?;
    let anchor = proof.anchor;
    match known.anchors.iter().find(|known| known.sequence == anchor.sequence) {
        Some(same) if *same == anchor => {}
        Some(other) => return Err(bad(format!("{} has root {} under {}", known.from, other.root, other.sequence))),
        // The chain keeps the last of each log; those before it are its events.
        None => {
            let last = known.last().map_or_else(|| "none".to_owned(), |last| last.sequence.to_string());
            let cause = format!("the proof is of anchor {}; {} has {last} now", anchor.sequence, known.from);
            return Err(Problem::new(ErrorCode::AuditNotAnchored, cause));
        }
    }
    let text = done(format!("record {} is in the log: {} has anchor {}", record.sequence, known.from, anchor.sequence));
    let shown = serde_json::to_string_pretty(&record).map_err(Problem::of(ErrorCode::Internal))?;
    context.output.result(format!("{shown}\n{text}"), &Proven { anchors_from: known.from, anchor, record });
    Ok(())
}

fn refused(error: &ProofError) -> Problem {
    let code = match error {
        ProofError::NotAnchored { .. } => ErrorCode::AuditNotAnchored,
        ProofError::LacksAnchor(_) => ErrorCode::AuditLacksAnchor,
        ProofError::Read(read) => return read.problem(),
        ProofError::Form | ProofError::Broken => ErrorCode::AuditProofBad,
    };
    Problem::new(code, error)
}

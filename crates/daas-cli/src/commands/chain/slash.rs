//! Slashes: proposed, judged, executed, proven.

use super::Counter;
use crate::cli::chain::{ProposeArgs, ProveArgs, SlashCommand};
use crate::output::done;
use crate::status_view::{PositionLine, short, slash};
use daas_chain::ops::{Call, DoubleSigned, PositionOutcome, SlashSpec, network_time};
use daas_types::{ErrorCode, PositionId, Problem};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// `--proof`: hex throughout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    signing_key: String,
    sequence: u64,
    signed: [SignedRoot; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedRoot {
    root: String,
    signature: String,
}

pub(super) async fn run(counter: &Counter<'_>, command: &SlashCommand) -> Result<(), Problem> {
    use SlashCommand as S;
    if let S::Show(args) = command {
        return show(counter, args.position).await;
    }
    let (ops, ids) = counter.clerk()?;
    match command {
        S::Show(_) => Ok(()),
        S::Propose(args) => {
            let spec = spec(args)?;
            let call = ops.propose_slash(&ids, args.position, &spec);
            settle(counter, "propose a slash of", args.position, call, "proposed; the position is suspended").await
        }
        S::Uphold(args) => {
            let call = ops.uphold_slash(&ids, args.position);
            settle(counter, "uphold the slash of", args.position, call, "upheld").await
        }
        S::Reduce(args) => {
            let call = ops.reduce_slash(&ids, args.position, args.amount);
            let what = format!("reduce to {} SUI the slash of", args.amount);
            settle(counter, &what, args.position, call, "reduced; the rest went back").await
        }
        S::Cancel(args) => {
            let call = ops.cancel_slash(&ids, args.position);
            settle(counter, "cancel the slash of", args.position, call, "cancelled; nothing was taken").await
        }
        S::Execute(args) => {
            let call = ops.execute_slash(&ids, args.position);
            settle(counter, "execute the slash of", args.position, call, "executed; the money is in the treasury").await
        }
        S::Release(args) => {
            let call = ops.release_lapsed_slash(&ids, args.position);
            settle(counter, "clear away the lapsed slash of", args.position, call, "it lapsed; nothing was taken").await
        }
        S::Prove(args) => {
            let proof = proof(args)?;
            let call = ops.slash_double_signed(&ids, args.position, &proof);
            settle(counter, "slash by proof", args.position, call, "slashed; the money is in the treasury").await
        }
    }
}

async fn show(counter: &Counter<'_>, position: PositionId) -> Result<(), Problem> {
    let (client, ids) = (&counter.place.client, counter.place.ids()?);
    let state = client.position(&ids, position).await?;
    let state = state.ok_or_else(|| Problem::new(ErrorCode::NotStaked, format!("there is no position {position}")))?;
    let now = network_time(client).await?;
    let line = PositionLine::new(&state, &client.cluster(&ids).await?.policy, now);
    let text = match &line.slash {
        Some(pending) => slash(&line, pending, now),
        None => format!("position {position} is {}; no slash is proposed", line.status),
    };
    counter.context.output.result(text, &json!({ "position": line }));
    Ok(())
}

async fn settle(
    counter: &Counter<'_>,
    what: &str,
    position: PositionId,
    call: Call<'_, PositionOutcome>,
    text: &str,
) -> Result<(), Problem> {
    let what = format!("{what} position {}", short(&position.to_string()));
    let Some(outcome) = counter.send(&what, call).await? else {
        return Ok(());
    };
    let policy = counter.place.client.cluster(&counter.place.ids()?).await?.policy;
    let line = PositionLine::new(&outcome.position, &policy, outcome.outcome.timestamp);
    let amounts = format!("{} SUI active, {} frozen, {} on its way out", line.active, line.frozen, line.unbonding);
    counter.sending.receipt(
        done(format!("{text}\n  {position}: {amounts}")),
        &outcome.outcome,
        json!({ "position": line }),
    );
    Ok(())
}

fn spec(args: &ProposeArgs) -> Result<SlashSpec, Problem> {
    let evidence_hash = match (&args.evidence, args.evidence_hash) {
        (_, Some(hash)) => hash,
        (Some(path), None) => {
            let bytes = std::fs::read(path).map_err(|e| bad(path, &e))?;
            Sha256::digest(bytes).into()
        }
        (None, None) => return Err(Problem::new(ErrorCode::EvidenceRefused, "there is no evidence")),
    };
    Ok(SlashSpec { reason: args.reason as u8, evidence_hash, evidence: args.at, uri: args.uri.clone() })
}

fn proof(args: &ProveArgs) -> Result<DoubleSigned, Problem> {
    let path = &args.proof;
    let text = std::fs::read_to_string(path).map_err(|e| bad(path, &e))?;
    let Proof { signing_key, sequence, signed: [first, second] } =
        serde_json::from_str(&text).map_err(|e| bad(path, &e))?;
    let signed = [&first, &second].map(|s| Ok::<_, Problem>((bytes(path, &s.root)?, bytes(path, &s.signature)?)));
    let [first, second] = signed;
    Ok(DoubleSigned { signing_key: bytes(path, &signing_key)?, sequence, signed: [first?, second?] })
}

fn bytes<const N: usize>(path: &Path, text: &str) -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| bad(path, &format!("`{text}` is not {} hex characters", 2 * N)))?;
    Ok(bytes)
}

fn bad(path: &Path, cause: &dyn core::fmt::Display) -> Problem {
    Problem::new(ErrorCode::EvidenceRefused, format!("{}: {cause}", path.display()))
}

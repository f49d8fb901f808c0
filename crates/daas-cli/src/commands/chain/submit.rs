//! Transactions that were signed elsewhere.

use super::Counter;
use crate::cli::chain::SubmitArgs;
use crate::output::done;
use daas_chain::ops::{Unsigned, parse_signature};
use daas_types::{ErrorCode, Problem};
use serde_json::json;
use std::io::Read as _;

/// No transaction of Sui is longer, in base64.
const MAX: u64 = 256 << 10;

pub(super) async fn run(counter: &Counter<'_>, args: &SubmitArgs) -> Result<(), Problem> {
    let signatures = counter.flags.signature.iter().map(|text| parse_signature(text));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    if signatures.is_empty() {
        return Err(Problem::new(ErrorCode::SignatureRefused, "--signature SIG: there is none"));
    }
    let transaction: Unsigned = bytes(&args.tx)?.parse()?;
    let package = counter.place.cluster.as_ref().map(|cluster| cluster.join.package);
    let outcome = transaction.submit(&counter.place.client, package, &signatures).await?;
    let text = format!(
        "transaction {} is in checkpoint {}; gas {} MIST",
        outcome.digest,
        outcome.checkpoint,
        outcome.gas.net()
    );
    let created: Vec<_> = outcome
        .created
        .iter()
        .map(|made| json!({ "id": made.id, "type": made.tag.as_ref().map_or_else(|| "package".to_owned(), ToString::to_string) }))
        .collect();
    counter.sending.receipt(done(text), &outcome, json!({ "sender": transaction.sender(), "created": created }));
    Ok(())
}

/// The text itself, or what a file or standard input holds.
fn bytes(text: &str) -> Result<String, Problem> {
    let read = |source: &mut dyn std::io::Read| {
        let mut text = String::new();
        source.take(MAX).read_to_string(&mut text).map(|_| text)
    };
    let unreadable = |error: std::io::Error| Problem::new(ErrorCode::SignatureRefused, format!("--tx {text}: {error}"));
    if text == "-" {
        return read(&mut std::io::stdin().lock()).map_err(unreadable);
    }
    match std::fs::File::open(text) {
        Ok(mut file) => read(&mut file).map_err(unreadable),
        Err(_) => Ok(text.to_owned()),
    }
}

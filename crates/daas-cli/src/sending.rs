//! One transaction from what was typed to what came of it: its cost shown, its sender asked, its bytes handed out or sent.

use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::output::Output;
use daas_chain::client::ChainClient;
use daas_chain::ops::{Call, Estimate, Gas, Outcome, parse_signature};
use daas_types::genesis::Network;
use daas_types::{ErrorCode, Mist, Problem};
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _, stdin};

/// How transactions are sent, and where it is said.
pub(crate) struct Sending<'a> {
    output: Output,
    flags: &'a SendFlags,
    ask: Ask,
    /// The flags that say where, to be typed again.
    typed: String,
}

/// When the sender is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Always, wherever it is.
    Always,
    /// Where money is real: everywhere but on a development network.
    ForMoney,
}

// === impl Sending ===

impl<'a> Sending<'a> {
    pub(crate) fn new(context: &Context, flags: &'a SendFlags, ask: Ask) -> Self {
        Self { output: context.output, flags, ask, typed: context.typed() }
    }

    /// The same, where more flags than the cluster's were typed.
    pub(crate) fn typed(self, typed: &str) -> Self {
        Self { typed: typed.to_owned(), ..self }
    }

    /// Does `call`, which `what` says in a few words, unless it is only to be shown or handed out: then that is done, and
    /// nothing is answered.
    pub(crate) async fn send<O>(
        &self,
        client: &ChainClient,
        what: &str,
        call: Call<'_, O>,
    ) -> Result<Option<O>, Problem> {
        if !self.flags.signature.is_empty() {
            return self.submit(client, call).await.map(Some);
        }
        // What would fail ends here, before gas is spent on learning it.
        let estimate = call.estimate().await?;
        let text = cost(what, network(client), &estimate);
        if self.flags.dry_run {
            self.output.result(text, &as_json(what, &estimate));
            return Ok(None);
        }
        if self.flags.unsigned {
            self.hand_out(what, &text, &estimate);
            return Ok(None);
        }
        if self.ask == Ask::Always || client.genesis().devnet().is_none() {
            self.output.note(text);
            if !self.flags.yes {
                self.confirm()?;
            }
        }
        // What was shown, to the byte.
        Ok(Some(call.send(&estimate.transaction).await?))
    }

    /// What a transaction did, for people and for programs.
    pub(crate) fn receipt(&self, text: impl core::fmt::Display, outcome: &Outcome, more: Value) {
        self.output.result(text, &receipt(Some(outcome), more));
    }

    /// The transaction as it is now, with signatures that were made for it before.
    async fn submit<O>(&self, client: &ChainClient, call: Call<'_, O>) -> Result<O, Problem> {
        let signatures = self.flags.signature.iter().map(|text| parse_signature(text));
        let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
        let outcome = call.unsigned().await?.submit(client, call.package(), &signatures).await?;
        Ok(call.read(outcome)?)
    }

    fn hand_out(&self, what: &str, text: &str, estimate: &Estimate) {
        let unsigned = &estimate.transaction;
        let (bytes, digest) = (unsigned.to_string(), unsigned.digest());
        self.output.note(format!(
            "{text}\n  transaction {digest}, to be signed by its sender in this epoch or the next\n  \
             then: k3s-daas chain submit --tx BYTES --signature SIG{}",
            self.typed
        ));
        let mut value = as_json(what, estimate);
        if let Value::Object(value) = &mut value {
            value.extend([("tx".to_owned(), json!(bytes)), ("digest".to_owned(), json!(digest))]);
        }
        self.output.result(&bytes, &value);
    }

    /// Whoever cannot be asked must have said yes before.
    fn confirm(&self) -> Result<(), Problem> {
        if self.output.is_json() || !stdin().is_terminal() {
            let cause = "nobody can be asked here; add --yes, or --dry-run to see the cost";
            return Err(Problem::new(ErrorCode::NotConfirmed, cause));
        }
        self.output.note("send it? [y/N]");
        let mut answer = String::new();
        stdin().lock().read_line(&mut answer).map_err(Problem::of(ErrorCode::NotConfirmed))?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Problem::new(ErrorCode::NotConfirmed, "the answer was no")),
        }
    }
}

/// What every transaction's JSON says, and `more`. None was sent if there was nothing left to do.
pub(crate) fn receipt(outcome: Option<&Outcome>, more: Value) -> Value {
    let mut value = match outcome {
        Some(outcome) => json!({
            "transaction": outcome.digest, "checkpoint": outcome.checkpoint, "at_ms": outcome.timestamp.0,
            "gas": gas(&outcome.gas),
        }),
        None => json!({ "transaction": null }),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// The network's name.
pub(crate) fn network(client: &ChainClient) -> &'static str {
    match client.genesis().network() {
        Network::Mainnet => "mainnet",
        Network::Testnet => "testnet",
        Network::Devnet(_) => "devnet",
        Network::Other => "another Sui network",
    }
}

fn cost(what: &str, network: &str, estimate: &Estimate) -> String {
    let Gas { computation, storage, rebate } = estimate.gas;
    let lines = [
        ("on", network.to_owned()),
        ("from", estimate.transaction.sender().to_string()),
        (
            "gas",
            format!("{} SUI (computation {computation}, storage {storage}, rebate {rebate})", sui(estimate.gas.net())),
        ),
        ("pays", format!("{} SUI", estimate.amount)),
        ("total", format!("{} SUI", sui(estimate.total()))),
        ("at most", format!("{} SUI, whatever the gas comes to", estimate.at_most())),
    ];
    // Whoever signs sees whose code gets what is signed for.
    let code = estimate.code.map(|code| ("code", format!("{code}, another version of the package")));
    let lines = lines.iter().chain(&code).map(|(name, value)| format!("\n  {name:<8}{value}"));
    format!("{what}{}", lines.collect::<String>())
}

fn as_json(what: &str, estimate: &Estimate) -> Value {
    json!({
        "what": what, "sent": false, "sender": estimate.transaction.sender(), "gas": gas(&estimate.gas),
        "amount_mist": estimate.amount.0, "total_mist": whole(estimate.total()),
        "at_most_mist": estimate.at_most().0, "code": estimate.code,
    })
}

fn gas(gas: &Gas) -> Value {
    json!({
        "computation_mist": gas.computation.0, "storage_mist": gas.storage.0, "rebate_mist": gas.rebate.0,
        "net_mist": whole(gas.net()),
    })
}

/// Sums of a few u64 MIST fit: there are 10^19 MIST in the world.
fn whole(mist: i128) -> i64 {
    i64::try_from(mist).unwrap_or(if mist < 0 { i64::MIN } else { i64::MAX })
}

/// MIST as SUI, below zero too.
fn sui(mist: i128) -> String {
    let amount = Mist(u64::try_from(mist.unsigned_abs()).unwrap_or(u64::MAX));
    if mist < 0 { format!("-{amount}") } else { amount.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_below_zero() {
        assert_eq!(sui(-1_500_000_000), "-1.5");
        assert_eq!(sui(1), "0.000000001");
        assert_eq!(whole(i128::MIN), i64::MIN);
    }
}

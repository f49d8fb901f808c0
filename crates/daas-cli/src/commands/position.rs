//! `restake`, `unstake`, `withdraw`, `appeal`: one transaction each, then the position as it is after it.

use crate::chain::Staker;
use crate::cli::{AppealArgs, RestakeArgs, SealFlags, UnstakeArgs, WithdrawArgs};
use crate::context::Context;
use crate::output::done;
use crate::status_view::{PositionLine, ago};
use daas_chain::clock;
use daas_chain::ops::{PositionOutcome, TxError};
use daas_client::SealFile;
use daas_types::onchain::Status;
use daas_types::{Mist, Problem};
use serde_json::json;
use std::time::Duration;

pub(crate) async fn restake(context: &Context, args: &RestakeArgs) -> Result<(), Problem> {
    let (staker, seal) = open(context, &args.seal).await?;
    let outcome = staker.ops.restake(&staker.ids, seal.position, args.amount).await;
    show(context, &staker, outcome, |line, outcome| {
        let next = if outcome.position.status == Status::Recovering {
            "\n  the Seals of before the slash are void: `k3s-daas token --refresh`"
        } else {
            ""
        };
        format!("{} SUI added: {} SUI active, {}{next}", args.amount, line.active, line.tier.unwrap_or(&line.status))
    })
}

pub(crate) async fn unstake(context: &Context, args: &UnstakeArgs) -> Result<(), Problem> {
    let (staker, seal) = open(context, &args.seal).await?;
    let amount = match args.amount {
        Some(amount) => amount,
        None => staker.position(&seal).await?.active,
    };
    let outcome = staker.ops.unstake(&staker.ids, seal.position, amount).await;
    let time = ago(Duration::from_millis(staker.policy.unbonding_ms));
    show(context, &staker, outcome, |line, _| {
        format!("{amount} SUI on the way out: `k3s-daas withdraw` in {time}; {} SUI active", line.active)
    })
}

pub(crate) async fn withdraw(context: &Context, args: &WithdrawArgs) -> Result<(), Problem> {
    let (staker, seal) = open(context, &args.seal).await?;
    let before = staker.position(&seal).await?.unbonding;
    let outcome = staker.ops.withdraw(&staker.ids, seal.position).await;
    let owner = staker.ops.wallet().address();
    show(context, &staker, outcome, |_, _| format!("{before} SUI are back in {owner}"))
}

pub(crate) async fn appeal(context: &Context, args: &AppealArgs) -> Result<(), Problem> {
    let (staker, seal) = open(context, &args.seal).await?;
    let outcome = staker.ops.appeal_slash(&staker.ids, seal.position, &args.reason).await;
    show(context, &staker, outcome, |line, _| {
        let frozen = line.slash.as_ref().map_or(Mist(0).to_string(), |slash| slash.amount.clone());
        format!("appealed; {frozen} SUI stay frozen until the judge decides")
    })
}

async fn open(context: &Context, flags: &SealFlags) -> Result<(Staker, SealFile), Problem> {
    let cluster = context.cluster()?;
    let (_, seal) = Context::seal(flags.seal.as_deref(), &cluster)?;
    Ok((Staker::existing(context, &cluster).await?, seal))
}

fn show(
    context: &Context,
    staker: &Staker,
    outcome: Result<PositionOutcome, TxError>,
    text: impl FnOnce(&PositionLine, &PositionOutcome) -> String,
) -> Result<(), Problem> {
    let outcome = outcome?;
    let line = PositionLine::new(&outcome.position, &staker.policy);
    let text = done(text(&line, &outcome));
    let value = json!({
        "position": line, "transaction": outcome.outcome.digest, "checkpoint": outcome.outcome.checkpoint,
        "at_ms": clock::now().0,
    });
    context.output.result(text, &value);
    Ok(())
}

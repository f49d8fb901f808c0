//! The cluster as a whole: its pause, its operators, its offices, its version, its treasury.

use super::Counter;
use crate::cli::chain::{OfficeCommand, OperatorsArgs, TreasuryCommand};
use crate::output::done;
use daas_chain::index::IndexIds;
use daas_chain::ops::Offices;
use daas_types::onchain::Event;
use daas_types::{ErrorCode, Mist, PositionId, Problem};
use serde_json::json;

pub(super) async fn pause(counter: &Counter<'_>, paused: bool) -> Result<(), Problem> {
    let (ops, ids) = counter.clerk()?;
    let call = ops.set_paused(&ids, paused);
    if paused {
        counter.plain("take no new stake", call, "no new stake is taken; `k3s-daas chain unpause` ends that").await
    } else {
        counter.plain("take new stake again", call, "new stake is taken").await
    }
}

pub(super) async fn operators(counter: &Counter<'_>, args: &OperatorsArgs) -> Result<(), Problem> {
    let operators = counter.place.client.cluster(&counter.place.ids()?).await?.operator_positions;
    if args.positions.is_empty() && !args.none {
        let lines: Vec<String> = operators.iter().map(ToString::to_string).collect();
        let text = if lines.is_empty() { "no operator positions".to_owned() } else { lines.join("\n") };
        counter.context.output.result(text, &json!({ "operator_positions": operators }));
        return Ok(());
    }
    let (ops, ids) = counter.clerk()?;
    let call = ops.set_operator_positions(&ids, &args.positions);
    let count = args.positions.len();
    let [added, removed] = [(&args.positions, &operators), (&operators, &args.positions)]
        .map(|(these, others)| these.iter().filter(|position| !others.contains(position)).collect::<Vec<_>>());
    let more = json!({ "operator_positions": args.positions, "added": added, "removed": removed });
    let what =
        format!("make the operator's pool these {count} positions{}{}", listed("in", &added), listed("OUT", &removed));
    counter.settle(&what, call, &format!("the operator's pool is {count} positions"), more).await
}

/// Who comes in or goes out, a line each.
fn listed(which: &str, positions: &[&PositionId]) -> String {
    let lines = positions.iter().map(|position| format!("\n  {which:<8}{position}"));
    lines.collect()
}

pub(super) async fn office(counter: &Counter<'_>, command: &OfficeCommand) -> Result<(), Problem> {
    let (ops, ids) = counter.clerk()?;
    apart(counter, &ids, command).await?;
    let (office, holder, call) = match command {
        OfficeCommand::Proposer(to) => ("proposer", to.holder, ops.appoint_proposer(&ids, to.holder)),
        OfficeCommand::Judge(to) => ("judge", to.holder, ops.appoint_judge(&ids, to.holder)),
    };
    let what = format!("make {holder} the {office}");
    let text = format!("{holder} is the {office}; whoever was it before is it no longer");
    counter.settle(&what, call, &text, json!({ "office": office, "holder": holder })).await
}

/// Someone with two offices could use neither: the contract tells them apart when they are used.
async fn apart(counter: &Counter<'_>, ids: &IndexIds, command: &OfficeCommand) -> Result<(), Problem> {
    let client = &counter.place.client;
    let cluster = client.cluster(ids).await?;
    let offices = Offices::of(client, &cluster).await?;
    let (holder, other, named) = match command {
        OfficeCommand::Proposer(to) => (to.holder, offices.judge, "judge"),
        OfficeCommand::Judge(to) => (to.holder, offices.proposer, "proposer"),
    };
    let taken = if other == Some(holder) { named } else { "beneficiary" };
    if other == Some(holder) || cluster.policy.beneficiary == holder {
        return Err(Problem::new(ErrorCode::OfficesNotApart, format!("{holder} is the {taken}")));
    }
    Ok(())
}

pub(super) async fn migrate(counter: &Counter<'_>) -> Result<(), Problem> {
    if counter.code.is_none() {
        let cause = "--code PACKAGE is missing: the new version, as `k3s-daas chain upgrade` printed it";
        return Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    }
    let (ops, ids) = counter.clerk()?;
    let call = ops.migrate(&ids);
    counter
        .plain(
            "move the cluster to this package",
            call,
            "older versions of the package refuse the cluster now\n  \
             programs of this release find the new version by its number; older ones must be replaced",
        )
        .await
}

pub(super) async fn treasury(counter: &Counter<'_>, command: TreasuryCommand) -> Result<(), Problem> {
    let ids = counter.place.ids()?;
    let cluster = counter.place.client.cluster(&ids).await?;
    let (amount, beneficiary) = (cluster.treasury, cluster.policy.beneficiary);
    match command {
        TreasuryCommand::Show => {
            let text = format!("{amount} SUI, for {beneficiary}");
            let value =
                json!({ "treasury": amount.to_string(), "treasury_mist": amount.0, "beneficiary": beneficiary });
            counter.context.output.result(text, &value);
            Ok(())
        }
        TreasuryCommand::Pay => {
            let what = format!("pay {amount} SUI to {beneficiary}");
            let Some(outcome) = counter.send(&what, counter.ops()?.pay_treasury(&ids)).await? else {
                return Ok(());
            };
            let paid = outcome.events.iter().find_map(|event| match event {
                Event::TreasuryPaid(paid) => Some(paid.amount),
                _ => None,
            });
            let paid = paid.unwrap_or(Mist(0));
            let more = json!({ "paid": paid.to_string(), "paid_mist": paid.0, "beneficiary": beneficiary });
            counter.sending.receipt(done(format!("{paid} SUI paid to {beneficiary}")), &outcome, more);
            Ok(())
        }
    }
}

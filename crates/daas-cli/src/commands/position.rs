//! Commands about one position: a transaction each, then the position as it is after it.

use crate::chain::Staker;
use crate::cli::send::SendFlags;
use crate::cli::{
    AppealArgs, KeepArgs, MaintenanceArgs, OperatorCommand, OwnerCommand, PositionFlags, RestakeArgs, RevokeSealArgs,
    UnstakeArgs, WithdrawArgs,
};
use crate::context::Context;
use crate::output::done;
use crate::sending::{Ask, Sending};
use crate::status_view::{PositionLine, ago, short};
use daas_chain::ops::{Call, PositionOutcome, network_time};
use daas_types::onchain::{PositionState, Status};
use daas_types::{ErrorCode, Mist, PositionId, Problem, UnixMs};
use serde_json::json;
use std::time::Duration;

/// From now to the beginning of a maintenance that is announced without saying when.
const SOON: Duration = Duration::from_mins(1);

/// A position, and who does something about it.
struct Desk<'a> {
    sending: Sending<'a>,
    staker: Staker,
    position: PositionId,
}

pub(crate) async fn restake(context: &Context, args: &RestakeArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.which, &args.send).await?;
    let call = desk.staker.ops.restake(&desk.staker.ids, desk.position, args.amount);
    desk.settle(&format!("add {} SUI", args.amount), call, |line, outcome| {
        let next = if outcome.position.status == Status::Recovering {
            "\n  the Seals of before the slash are void: `k3s-daas token --refresh`"
        } else {
            ""
        };
        format!("{} SUI added: {} SUI active, {}{next}", args.amount, line.active, line.tier.unwrap_or(&line.status))
    })
    .await
}

pub(crate) async fn unstake(context: &Context, args: &UnstakeArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.which, &args.send).await?;
    let amount = match args.amount {
        Some(amount) => amount,
        None => desk.state().await?.active,
    };
    let call = desk.staker.ops.unstake(&desk.staker.ids, desk.position, amount);
    let time = ago(Duration::from_millis(desk.staker.policy.unbonding_ms));
    desk.settle(&format!("take {amount} SUI out"), call, |line, _| {
        format!("{amount} SUI on the way out: `k3s-daas withdraw` in {time}; {} SUI active", line.active)
    })
    .await
}

pub(crate) async fn withdraw(context: &Context, args: &WithdrawArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.which, &args.send).await?;
    let before = desk.state().await?.unbonding;
    let call = desk.staker.ops.withdraw(&desk.staker.ids, desk.position);
    let what = format!("withdraw {before} SUI");
    desk.settle(&what, call, |line, _| format!("{before} SUI are back in {}", line.owner)).await
}

pub(crate) async fn appeal(context: &Context, args: &AppealArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.which, &args.send).await?;
    if desk.state().await?.proposal.is_none() {
        // Known before gas is spent on learning it.
        return Err(Problem::new(ErrorCode::NoSlashPending, format!("position {}", desk.position)));
    }
    let call = desk.staker.ops.appeal_slash(&desk.staker.ids, desk.position, &args.reason);
    desk.settle("appeal the slash", call, |line, _| {
        let frozen = line.slash.as_ref().map_or(Mist(0).to_string(), |slash| slash.amount.clone());
        format!("appealed; {frozen} SUI stay frozen until the judge decides")
    })
    .await
}

pub(crate) async fn revoke_seal(context: &Context, args: &RevokeSealArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.keep.which, &args.keep.send).await?;
    let (ids, position) = (&desk.staker.ids, desk.position);
    let (what, call) = match args.id {
        Some(seal) => (format!("Seal {seal}"), desk.staker.ops.revoke_seal(ids, position, seal)),
        None => ("all Seals".to_owned(), desk.staker.ops.revoke_all_seals(ids, position)),
    };
    desk.settle(&format!("void {what}"), call, |_, _| format!("void: {what}")).await
}

pub(crate) async fn unjail(context: &Context, args: &KeepArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.which, &args.send).await?;
    let call = desk.staker.ops.unjail(&desk.staker.ids, desk.position);
    desk.settle("take the node out of jail", call, |line, _| {
        format!("{} may be in the cluster again", line.node_id.as_deref().unwrap_or("the node"))
    })
    .await
}

pub(crate) async fn maintenance(context: &Context, args: &MaintenanceArgs) -> Result<(), Problem> {
    let desk = Desk::open(context, &args.keep.which, &args.keep.send).await?;
    let from = match args.begins {
        Some(begins) => begins,
        None => network_time(desk.staker.ops.client()).await?.plus(SOON),
    };
    let until = from.plus(args.lasts);
    let call = desk.staker.ops.announce_maintenance(&desk.staker.ids, desk.position, from, until);
    let what = format!("announce maintenance of {}", ago(args.lasts));
    desk.settle(&what, call, |line, _| {
        let node = line.node_id.as_deref().unwrap_or("the node");
        format!("{node} may be silent for {} from {} on", ago(args.lasts), utc(from))
    })
    .await
}

pub(crate) async fn operator(context: &Context, command: &OperatorCommand) -> Result<(), Problem> {
    let OperatorCommand::Set { operator, keep } = command;
    let desk = Desk::open(context, &keep.which, &keep.send).await?;
    let call = desk.staker.ops.set_operator(&desk.staker.ids, desk.position, *operator);
    let what = format!("give the daily key to {operator}");
    desk.settle(&what, call, |_, _| format!("{operator} keeps the node; the money stays yours")).await
}

pub(crate) async fn owner(context: &Context, command: &OwnerCommand) -> Result<(), Problem> {
    match command {
        OwnerCommand::Offer { next_owner, none: _, keep } => {
            let desk = Desk::open(context, &keep.which, &keep.send).await?;
            let call = desk.staker.ops.offer_ownership(&desk.staker.ids, desk.position, *next_owner);
            let (what, text) = match next_owner {
                Some(to) => (
                    format!("offer the position to {to}"),
                    format!("offered; {to} takes it over with `k3s-daas owner accept {}`", desk.position),
                ),
                None => ("take the offer back".to_owned(), "offered to nobody".to_owned()),
            };
            desk.settle(&what, call, |_, _| text).await
        }
        OwnerCommand::Accept { position, send } => {
            let which = PositionFlags { seal: None, position: Some(*position) };
            let desk = Desk::open(context, &which, send).await?;
            let call = desk.staker.ops.accept_ownership(&desk.staker.ids, desk.position);
            desk.settle("take the position over", call, |line, _| {
                format!("{} owns it; its Seals are void: `k3s-daas token --refresh` is for Seals made here", line.owner)
            })
            .await
        }
    }
}

// === impl Desk ===

impl<'a> Desk<'a> {
    async fn open(context: &Context, which: &PositionFlags, send: &'a SendFlags) -> Result<Self, Problem> {
        let cluster = context.cluster()?;
        let position = match which.position {
            Some(position) => position,
            None => Context::seal(which.seal.as_deref(), &cluster)?.1.position,
        };
        let staker = Staker::existing(context, &cluster, send).await?;
        Ok(Self { sending: Sending::new(context, send, Ask::ForMoney), staker, position })
    }

    async fn state(&self) -> Result<PositionState, Problem> {
        self.staker.position(self.position).await
    }

    async fn settle(
        &self,
        what: &str,
        call: Call<'_, PositionOutcome>,
        text: impl FnOnce(&PositionLine, &PositionOutcome) -> String,
    ) -> Result<(), Problem> {
        let what = format!("{what} (position {})", short(&self.position.to_string()));
        let Some(outcome) = self.sending.send(self.staker.ops.client(), &what, call).await? else {
            return Ok(());
        };
        let line = PositionLine::new(&outcome.position, &self.staker.policy, outcome.outcome.timestamp);
        self.sending.receipt(done(text(&line, &outcome)), &outcome.outcome, json!({ "position": line }));
        Ok(())
    }
}

/// Such as `2026-11-21T15:00:00Z`.
pub(crate) fn utc(at: UnixMs) -> String {
    let second = i64::try_from(at.secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).map_or_else(|_| at.to_string(), |time| time.to_string())
}

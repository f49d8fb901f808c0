//! Propose, appeal, uphold or cancel, execute.

use super::super::Call;
use super::super::cluster::assert_cap;
use super::{
    ALREADY_APPEALED, ALREADY_UPHELD, APPEAL_OPEN, APPEAL_OVER, AWAITING_JUDGE, BAD_EVIDENCE_HASH, BAD_REASON,
    EVIDENCE_IN_FUTURE, EVIDENCE_TOO_OLD, NO_SLASH_PENDING, NOT_APPEALED, NOTHING_TO_SLASH, SLASH_PENDING,
    STATEMENT_TOO_LONG, finish, of_cluster, owned, plus,
};
use crate::execute::Fault;
use daas_types::onchain::{PositionState, Proposal, Status};
use daas_types::{Mist, UnixMs};

const REASONS: core::ops::RangeInclusive<u8> = 1..=5;
const BASIS_POINTS: u128 = 10_000;

pub(super) fn propose_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "propose_slash";
    let (cluster, mut position) = of_cluster(call, 1, 2)?;
    assert_cap(call, 0, cluster.id, "assert_proposer")?;
    call.ensure(position.proposal.is_none(), SLASH_PENDING, NAME)?;
    let reason: u8 = call.pure(3)?;
    call.ensure(REASONS.contains(&reason), BAD_REASON, NAME)?;
    let evidence_hash: Vec<u8> = call.pure(4)?;
    call.ensure(evidence_hash.len() == 32, BAD_EVIDENCE_HASH, NAME)?;
    let (evidence_ms, now): (u64, u64) = (call.pure(5)?, call.now_ms);
    call.ensure(evidence_ms <= now, EVIDENCE_IN_FUTURE, NAME)?;
    call.ensure(now - evidence_ms <= cluster.policy.evidence_max_age_ms, EVIDENCE_TOO_OLD, NAME)?;
    let amount = share(&position, cluster.policy.slash_bps).ok_or_else(|| call.overflow())?;
    call.ensure(amount > 0, NOTHING_TO_SLASH, NAME)?;
    let from_active = amount.min(position.active.0);
    let from_unbonding = amount - from_active;
    position.active.0 -= from_active;
    position.unbonding.0 = position.unbonding.0.checked_sub(from_unbonding).ok_or_else(|| call.overflow())?;
    position.frozen = plus(call, position.frozen, amount)?;
    let appeal_until = now.checked_add(cluster.policy.appeal_window_ms).ok_or_else(|| call.overflow())?;
    position.proposal = Some(Proposal {
        reason,
        evidence_hash,
        uri: call.pure(6)?,
        amount: Mist(amount),
        from_unbonding: Mist(from_unbonding),
        proposed_ms: UnixMs(now),
        appeal_until_ms: UnixMs(appeal_until),
        appealed: false,
        upheld: false,
        prior_status: position.status,
    });
    position.status = Status::Suspended;
    finish(call, 2, position, "SlashProposed", ())
}

pub(super) fn appeal_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "appeal_slash";
    let (_, mut position) = owned(call, 1)?;
    let statement: String = call.pure(2)?;
    call.ensure(statement.len() <= 1024, STATEMENT_TOO_LONG, NAME)?;
    let proposal = pending(call, &mut position)?;
    call.ensure(!proposal.appealed, ALREADY_APPEALED, NAME)?;
    call.ensure(call.now_ms <= proposal.appeal_until_ms.0, APPEAL_OVER, NAME)?;
    proposal.appealed = true;
    finish(call, 1, position, "SlashAppealed", statement)
}

pub(super) fn uphold_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "uphold_slash";
    let (cluster, mut position) = of_cluster(call, 1, 2)?;
    assert_cap(call, 0, cluster.id, "assert_judge")?;
    let proposal = pending(call, &mut position)?;
    call.ensure(proposal.appealed, NOT_APPEALED, NAME)?;
    call.ensure(!proposal.upheld, ALREADY_UPHELD, NAME)?;
    proposal.upheld = true;
    finish(call, 2, position, "SlashUpheld", ())
}

pub(super) fn cancel_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = of_cluster(call, 1, 2)?;
    assert_cap(call, 0, cluster.id, "assert_judge")?;
    let proposal = take_pending(call, &mut position)?;
    let frozen = std::mem::take(&mut position.frozen).0;
    let to_active = frozen.checked_sub(proposal.from_unbonding.0).ok_or_else(|| call.overflow())?;
    position.unbonding = plus(call, position.unbonding, proposal.from_unbonding.0)?;
    position.active = plus(call, position.active, to_active)?;
    position.status = proposal.prior_status;
    finish(call, 2, position, "SlashCancelled", ())
}

pub(super) fn execute_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "execute_slash";
    let (mut cluster, mut position) = of_cluster(call, 0, 1)?;
    let proposal = take_pending(call, &mut position)?;
    call.ensure(call.now_ms > proposal.appeal_until_ms.0, APPEAL_OPEN, NAME)?;
    call.ensure(!proposal.appealed || proposal.upheld, AWAITING_JUDGE, NAME)?;
    cluster.treasury = plus(call, cluster.treasury, std::mem::take(&mut position.frozen).0)?;
    call.store(0, &cluster)?;
    let closed = proposal.prior_status == Status::Closed;
    position.status = if closed { Status::Closed } else { Status::Slashed };
    position.seals = vec![];
    finish(call, 1, position, "SlashExecuted", proposal.amount)
}

fn pending<'p>(call: &Call<'_, '_>, position: &'p mut PositionState) -> Result<&'p mut Proposal, Fault> {
    position.proposal.as_mut().ok_or_else(|| call.abort(NO_SLASH_PENDING, "pending"))
}

fn take_pending(call: &Call<'_, '_>, position: &mut PositionState) -> Result<Proposal, Fault> {
    position.proposal.take().ok_or_else(|| call.abort(NO_SLASH_PENDING, "take_pending"))
}

/// `slash_bps` basis points of all stake, rounded down.
fn share(position: &PositionState, slash_bps: u64) -> Option<u64> {
    let all = u128::from(position.active.0) + u128::from(position.unbonding.0);
    u64::try_from(all * u128::from(slash_bps) / BASIS_POINTS).ok()
}

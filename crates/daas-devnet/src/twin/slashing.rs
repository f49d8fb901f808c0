//! `k3s_daas::slashing`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_types::onchain::{Policy, Proposal, Stage};
use daas_types::{Mist, UnixMs};

declare_errors! { "slashing":
    BAD_REASON = 1 "EBadReason" "The reason is not one of 1 to 5";
    BAD_EVIDENCE_HASH = 2 "EBadEvidenceHash" "An evidence hash is 32 bytes";
    EVIDENCE_IN_FUTURE = 3 "EEvidenceInFuture" "The evidence is dated after now";
    EVIDENCE_TOO_OLD = 4 "EEvidenceTooOld" "The evidence is older than the policy allows";
    URI_TOO_LONG = 5 "EUriTooLong" "A URI is at most 512 bytes";
    APPEAL_OVER = 6 "EAppealOver" "The time to appeal is over";
    ALREADY_APPEALED = 7 "EAlreadyAppealed" "The slash is already appealed";
    NOT_APPEALED = 8 "ENotAppealed" "The slash is not appealed";
    ALREADY_UPHELD = 9 "EAlreadyUpheld" "The slash is already upheld";
    APPEAL_OPEN = 10 "EAppealOpen" "The owner may still appeal";
    AWAITING_JUDGE = 11 "EAwaitingJudge" "The slash is appealed and not upheld";
    LAPSED = 12 "ELapsed" "The slash has lapsed";
    NOT_LAPSED = 13 "ENotLapsed" "The slash has not lapsed";
    OWN_CASE = 14 "EOwnCase" "Who proposed a slash does not judge it";
    BAD_REDUCTION = 15 "EBadReduction" "A reduced slash is above zero and below what was proposed";
}

const REASONS: core::ops::RangeInclusive<u8> = 1..=5;
const HASH_LENGTH: usize = 32;
const MAX_URI_LENGTH: usize = 512;

/// What a slash rests on.
pub(super) struct Grounds {
    pub(super) reason: u8,
    pub(super) evidence_hash: Vec<u8>,
    pub(super) evidence_ms: u64,
    pub(super) uri: String,
}

/// `assert_grounds`, with the arguments from `first` on: reason, hash, date and URI of the evidence.
pub(super) fn grounds(call: &Call<'_, '_>, policy: &Policy, first: usize) -> Result<Grounds, Fault> {
    const NAME: &str = "assert_grounds";
    let grounds = Grounds {
        reason: call.pure(first)?,
        evidence_hash: call.bytes(first + 1)?,
        evidence_ms: call.pure(first + 2)?,
        uri: call.pure(first + 3)?,
    };
    call.ensure(REASONS.contains(&grounds.reason), BAD_REASON, NAME)?;
    call.ensure(grounds.evidence_hash.len() == HASH_LENGTH, BAD_EVIDENCE_HASH, NAME)?;
    let age_ms = call.now_ms.checked_sub(grounds.evidence_ms).ok_or_else(|| call.abort(EVIDENCE_IN_FUTURE, NAME))?;
    call.ensure(age_ms <= policy.evidence_max_age_ms, EVIDENCE_TOO_OLD, NAME)?;
    call.ensure(grounds.uri.len() <= MAX_URI_LENGTH, URI_TOO_LONG, NAME)?;
    Ok(grounds)
}

pub(super) fn appeal(call: &Call<'_, '_>, proposal: &mut Proposal) -> Result<(), Fault> {
    call.ensure(proposal.stage == Stage::Proposed, ALREADY_APPEALED, "appeal")?;
    call.ensure(call.now_ms <= proposal.appeal_until_ms.0, APPEAL_OVER, "appeal")?;
    proposal.stage = Stage::Appealed;
    Ok(())
}

pub(super) fn uphold(call: &Call<'_, '_>, proposal: &mut Proposal, policy: &Policy) -> Result<(), Fault> {
    assert_judge(call, proposal)?;
    call.ensure(proposal.stage != Stage::Proposed, NOT_APPEALED, "uphold")?;
    call.ensure(proposal.stage != Stage::Upheld, ALREADY_UPHELD, "uphold")?;
    proposal.stage = Stage::Upheld;
    let from_ms = call.now_ms.max(proposal.appeal_until_ms.0);
    proposal.expires_ms = UnixMs(call.sum(from_ms, policy.judge_window_ms)?);
    Ok(())
}

/// Answers what goes back to active and to unbonding stake: what was taken last, from unbonding stake, goes back first.
pub(super) fn reduce(
    call: &Call<'_, '_>,
    proposal: &mut Proposal,
    policy: &Policy,
    amount: Mist,
) -> Result<(Mist, Mist), Fault> {
    uphold(call, proposal, policy)?;
    let less = amount.0 > 0 && amount < proposal.amount;
    call.ensure(less, BAD_REDUCTION, "reduce")?;
    let back = proposal.amount.0.saturating_sub(amount.0);
    let to_unbonding = back.min(proposal.from_unbonding.0);
    proposal.amount = amount;
    proposal.from_unbonding.0 -= to_unbonding;
    Ok((Mist(back - to_unbonding), Mist(to_unbonding)))
}

/// Whether the sender may judge it now.
pub(super) fn assert_judge(call: &Call<'_, '_>, proposal: &Proposal) -> Result<(), Fault> {
    call.ensure(!proposal.has_lapsed(UnixMs(call.now_ms)), LAPSED, "assert_judge")?;
    call.ensure(call.sender != proposal.proposer.0, OWN_CASE, "assert_judge")
}

pub(super) fn assert_executable(call: &Call<'_, '_>, proposal: &Proposal) -> Result<(), Fault> {
    const NAME: &str = "assert_executable";
    call.ensure(!proposal.has_lapsed(UnixMs(call.now_ms)), LAPSED, NAME)?;
    call.ensure(call.now_ms > proposal.appeal_until_ms.0, APPEAL_OPEN, NAME)?;
    call.ensure(proposal.stage != Stage::Appealed, AWAITING_JUDGE, NAME)
}

pub(super) fn assert_lapsed(call: &Call<'_, '_>, proposal: &Proposal) -> Result<(), Fault> {
    call.ensure(proposal.has_lapsed(UnixMs(call.now_ms)), NOT_LAPSED, "assert_lapsed")
}

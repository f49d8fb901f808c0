//! Propose, appeal, uphold, reduce or cancel, execute; what lapses; and what is proven.

use super::super::{Call, caps, cluster, enclave, nautilus, position, slashing};
use super::{
    BAD_SIGNATURE, BENEFICIARY, COOLING_DOWN, FOREIGN_KEY, OWN_POSITION, SAME_ROOT, SLASH_PENDING, STATEMENT_TOO_LONG,
    changed, load,
};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, Nautilus, PositionState, Proposal, Stage, Trial};
use daas_types::{UnixMs, WalletAddress};

const MAX_STATEMENT_LENGTH: usize = 1024;

pub(super) fn propose_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "propose_slash";
    let (cluster, mut position) = load(call, 1, 2)?;
    position::assert_of(call, &position, &cluster)?;
    cluster::assert_proposer(call, &cluster, caps::id_of(call, 0)?)?;
    let policy = &cluster.policy;
    call.ensure(call.sender != policy.beneficiary.0, BENEFICIARY, NAME)?;
    clear_lapsed(call, &mut position, &cluster)?;
    call.ensure(position.proposal.is_none(), SLASH_PENDING, NAME)?;
    call.ensure(call.now_ms >= position.cooldown_until_ms.0, COOLING_DOWN, NAME)?;
    let grounds = slashing::grounds(call, policy, 3)?;
    let trial = Trial { evidence_hash: grounds.evidence_hash.clone(), evidence_ms: UnixMs(grounds.evidence_ms) };
    let oldest_ms = call.now_ms.saturating_sub(policy.evidence_max_age_ms);
    position::record_trial(call, &mut position, trial, oldest_ms)?;
    let (amount, from_unbonding) = position::take_share(call, &mut position, policy.slash_bps)?;
    let appeal_until_ms = call.sum(call.now_ms, policy.appeal_window_ms)?;
    let proposal = Proposal {
        reason: grounds.reason,
        evidence_hash: grounds.evidence_hash,
        uri: grounds.uri,
        proposer: WalletAddress(call.sender),
        amount,
        from_unbonding,
        proposed_ms: UnixMs(call.now_ms),
        appeal_until_ms: UnixMs(appeal_until_ms),
        expires_ms: UnixMs(call.sum(appeal_until_ms, policy.judge_window_ms)?),
        stage: Stage::Proposed,
        prior_status: position.status,
    };
    position::suspend(call, &mut position, amount, proposal)?;
    changed(call, 2, position, "SlashProposed", ())
}

pub(super) fn appeal_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_owned(call, &position, &cluster)?;
    let statement: String = call.pure(2)?;
    call.ensure(statement.len() <= MAX_STATEMENT_LENGTH, STATEMENT_TOO_LONG, "appeal_slash")?;
    slashing::appeal(call, position::pending(call, &mut position)?)?;
    changed(call, 1, position, "SlashAppealed", statement)
}

pub(super) fn uphold_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = judged(call)?;
    slashing::uphold(call, position::pending(call, &mut position)?, &cluster.policy)?;
    changed(call, 2, position, "SlashUpheld", ())
}

pub(super) fn reduce_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = judged(call)?;
    let (pending, amount) = (position::pending(call, &mut position)?, call.pure(3)?);
    let (to_active, to_unbonding) = slashing::reduce(call, pending, &cluster.policy, amount)?;
    position::thaw(call, &mut position, to_active, to_unbonding)?;
    changed(call, 2, position, "SlashReduced", ())
}

pub(super) fn cancel_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = judged(call)?;
    slashing::assert_judge(call, position::pending(call, &mut position)?)?;
    let cooldown_until_ms = call.sum(call.now_ms, cluster.policy.cooldown_ms)?;
    position::release(call, &mut position, cooldown_until_ms)?;
    changed(call, 2, position, "SlashCancelled", ())
}

pub(super) fn execute_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_of(call, &position, &cluster)?;
    slashing::assert_executable(call, position::pending(call, &mut position)?)?;
    let cooldown_until_ms = call.sum(call.now_ms, cluster.policy.cooldown_ms)?;
    let amount = position::forfeit(call, &mut position, cooldown_until_ms)?;
    cluster::deposit(call, 0, cluster, amount)?;
    changed(call, 1, position, "SlashExecuted", amount)
}

pub(super) fn release_lapsed_slash(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_of(call, &position, &cluster)?;
    slashing::assert_lapsed(call, position::pending(call, &mut position)?)?;
    clear_lapsed(call, &mut position, &cluster)?;
    call.store(1, &position)
}

pub(super) fn slash_double_signed(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "slash_double_signed";
    let (cluster, mut position) = load(call, 0, 2)?;
    let mut state: Nautilus = call.object(1)?;
    position::assert_of(call, &position, &cluster)?;
    clear_lapsed(call, &mut position, &cluster)?;
    let signing_key = call.bytes(3)?;
    let answers = nautilus::answers_for(call, &state, &cluster, &signing_key)?;
    call.ensure(answers == Some(position.position), FOREIGN_KEY, NAME)?;
    let sequence: u64 = call.pure(4)?;
    let (root, other_root) = (call.bytes(5)?, call.bytes(7)?);
    call.ensure(root != other_root, SAME_ROOT, NAME)?;
    let signed = enclave::signed_root(cluster.id, &signing_key, sequence, &root, &call.bytes(6)?)
        && enclave::signed_root(cluster.id, &signing_key, sequence, &other_root, &call.bytes(8)?);
    call.ensure(signed, BAD_SIGNATURE, NAME)?;
    let offence = daas_types::onchain::offence(cluster.id, &signing_key, sequence);
    position::record_proof(call, &mut position, offence.to_vec())?;
    let (amount, _) = position::take_share(call, &mut position, cluster.policy.slash_bps)?;
    position::condemn(&mut position);
    cluster::deposit(call, 0, cluster, amount)?;
    changed(call, 2, position, "SlashExecuted", amount)?;
    nautilus::expel(call, &mut state, &signing_key);
    call.store(1, &state)
}

/// A slash that has lapsed ended when it lapsed: it is cleared away before anything else happens to its position.
pub(in crate::twin) fn clear_lapsed(
    call: &mut Call<'_, '_>,
    position: &mut PositionState,
    cluster: &Cluster,
) -> Result<(), Fault> {
    let lapsed = position.proposal.as_ref().filter(|proposal| proposal.has_lapsed(UnixMs(call.now_ms)));
    let Some(ended_ms) = lapsed.map(|proposal| proposal.expires_ms.0) else {
        return Ok(());
    };
    let cooldown_until_ms = call.sum(ended_ms, cluster.policy.cooldown_ms)?;
    position::release(call, position, cooldown_until_ms)?;
    position.generation += 1;
    call.emit("staking", "SlashLapsed", position);
    Ok(())
}

/// The cluster, argument 1, and the position, argument 2, if the sender may judge its slash with argument 0.
fn judged(call: &Call<'_, '_>) -> Result<(Cluster, PositionState), Fault> {
    const NAME: &str = "assert_judge";
    let (cluster, position) = load(call, 1, 2)?;
    position::assert_of(call, &position, &cluster)?;
    cluster::assert_judge(call, &cluster, caps::id_of(call, 0)?)?;
    call.ensure(call.sender != cluster.policy.beneficiary.0, BENEFICIARY, NAME)?;
    call.ensure(call.sender != position.owner.0, OWN_POSITION, NAME)?;
    Ok((cluster, position))
}

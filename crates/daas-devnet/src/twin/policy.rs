//! `k3s_daas::policy`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_types::WalletAddress;
use daas_types::onchain::{NUMBERS, Policy};

declare_errors! { "policy":
    NUMBER_COUNT = 1 "ENumberCount" "A policy has 19 numbers";
    THRESHOLD_ORDER = 2 "EThresholdOrder" "Each threshold must be above the one before it";
    STAKE_BOUNDS = 3 "EStakeBounds" "The least stake must be above zero and at most the largest";
    SLASH_SHARE = 4 "ESlashShare" "The slashed share must be 1 to 10,000 basis points";
    SEAL_LIFETIME = 5 "ESealLifetime" "The longest life of a Seal must be above zero and at most 30 days";
    EVIDENCE_AGE = 6 "EEvidenceAge" "Evidence may be older than stake stays slashable";
    TOO_LONG = 7 "ETooLong" "A time in a policy is at most one year";
    NO_TIME = 8 "ENoTime" "Appeals, judges, masters and attestations need time: these are above zero";
}

/// Where the times begin.
const FIRST_TIME: usize = 8;
const MAX_BASIS_POINTS: u64 = 10_000;
const MAX_SEAL_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;
const MAX_TIME_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// `new`: the policy that arguments `n` (numbers), `n + 1` (whether super is masters) and `n + 2` (beneficiary) describe.
pub(super) fn new(call: &Call<'_, '_>, n: usize) -> Result<Policy, Fault> {
    let given: Vec<u64> = call.pure(n)?;
    let numbers = <[u64; NUMBERS]>::try_from(given).map_err(|_| call.abort(NUMBER_COUNT, "new"))?;
    let short = numbers.iter().skip(FIRST_TIME).all(|time| *time <= MAX_TIME_MS);
    call.ensure(short, TOO_LONG, "new")?;
    let beneficiary: WalletAddress = call.pure(n + 2)?;
    let policy = Policy::from_numbers(numbers, call.pure(n + 1)?, beneficiary);
    let t = &policy.thresholds;
    let rising = t.viewer < t.developer && t.developer < t.admin && t.admin < t.super_user;
    call.ensure(rising, THRESHOLD_ORDER, "new_thresholds")?;
    assert_sound(call, &policy)?;
    Ok(policy)
}

fn assert_sound(call: &Call<'_, '_>, policy: &Policy) -> Result<(), Fault> {
    const NAME: &str = "assert_sound";
    let bounds = policy.min_stake.0 > 0 && policy.min_stake <= policy.max_stake;
    call.ensure(bounds, STAKE_BOUNDS, NAME)?;
    call.ensure((1..=MAX_BASIS_POINTS).contains(&policy.slash_bps), SLASH_SHARE, NAME)?;
    call.ensure((1..=MAX_SEAL_LIFETIME_MS).contains(&policy.max_seal_lifetime_ms), SEAL_LIFETIME, NAME)?;
    call.ensure(policy.evidence_max_age_ms <= policy.unbonding_ms, EVIDENCE_AGE, NAME)?;
    let needed = [policy.appeal_window_ms, policy.judge_window_ms, policy.heartbeat_ms, policy.attestation_ms];
    call.ensure(needed.iter().all(|time| *time > 0), NO_TIME, NAME)
}

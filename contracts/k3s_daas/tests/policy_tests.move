/// What a policy may say.
#[test_only]
module k3s_daas::policy_tests;

use k3s_daas::policy;
use k3s_daas::world::{numbers, numbers_with, sui};
use std::unit_test::assert_eq;

const MAX_SEAL_LIFETIME_MS: u64 = 30 * 86_400_000;
const YEAR_MS: u64 = 365 * 86_400_000;

fun policy(numbers: vector<u64>) { policy::new(numbers, false, @0x1); }

// === Every number has its place ===

#[test]
fun numbers_are_read_in_their_order() {
    let mut numbers = numbers();
    // All times differ, and evidence is no older than unbonding takes.
    let others = vector[1, 2, 3, 4, 9, 10, 50, 11, 12, 13, 14, 15, 16, 17, 18];
    others.length().do!(|index| *&mut numbers[4 + index] = others[index]);
    let policy = policy::new(numbers, true, @0x1);
    let read = vector[
        policy.viewer(),
        policy.min_stake(),
        policy.max_stake(),
        policy.node_minimum(),
        policy.slash_bps(),
        policy.appeal_window_ms(),
        policy.judge_window_ms(),
        policy.unbonding_ms(),
        policy.evidence_max_age_ms(),
        policy.cooldown_ms(),
        policy.jail_ms(),
        policy.silence_ms(),
        policy.max_seal_lifetime_ms(),
        policy.heartbeat_ms(),
        policy.attestation_ms(),
        policy.delay_ms(),
    ];
    let mut expected = vector[sui(1) / 2];
    expected.append(others);
    assert_eq!(read, expected);
    assert_eq!(policy.beneficiary(), @0x1);
}

#[test, expected_failure(abort_code = policy::ENumberCount)]
fun a_number_too_few_is_refused() {
    let mut numbers = numbers();
    numbers.pop_back();
    policy(numbers);
}

#[test, expected_failure(abort_code = policy::ENumberCount)]
fun a_number_too_many_is_refused() {
    let mut numbers = numbers();
    numbers.push_back(1);
    policy(numbers);
}

// === Stakes ===

#[test, expected_failure(abort_code = policy::EThresholdOrder)]
fun developer_is_above_viewer() { policy(numbers_with(1, sui(1) / 2)) }

#[test, expected_failure(abort_code = policy::EThresholdOrder)]
fun admin_is_above_developer() { policy(numbers_with(2, sui(2))) }

#[test, expected_failure(abort_code = policy::EThresholdOrder)]
fun super_is_above_admin() { policy(numbers_with(3, sui(5))) }

#[test, expected_failure(abort_code = policy::EStakeBounds)]
fun the_least_stake_is_above_zero() { policy(numbers_with(4, 0)) }

#[test, expected_failure(abort_code = policy::EStakeBounds)]
fun the_least_stake_is_not_above_the_largest() { policy(numbers_with(5, sui(1) / 2 - 1)) }

#[test]
fun one_stake_may_be_allowed() { policy(numbers_with(5, sui(1) / 2)) }

// === Slashes ===

#[test, expected_failure(abort_code = policy::ESlashShare)]
fun a_slash_takes_something() { policy(numbers_with(7, 0)) }

#[test, expected_failure(abort_code = policy::ESlashShare)]
fun a_slash_takes_no_more_than_all() { policy(numbers_with(7, 10_001)) }

#[test]
fun a_slash_may_take_all() { policy(numbers_with(7, 10_000)) }

#[test, expected_failure(abort_code = policy::EEvidenceAge)]
fun evidence_is_no_older_than_stake_stays_slashable() { policy(numbers_with(11, 60_001)) }

#[test]
fun evidence_may_be_as_old_as_stake_stays_slashable() { policy(numbers_with(11, 60_000)) }

// === Times ===

#[test, expected_failure(abort_code = policy::ESealLifetime)]
fun seals_live() { policy(numbers_with(15, 0)) }

#[test, expected_failure(abort_code = policy::ESealLifetime)]
fun seals_live_no_longer_than_30_days() { policy(numbers_with(15, MAX_SEAL_LIFETIME_MS + 1)) }

#[test]
fun seals_may_live_30_days() { policy(numbers_with(15, MAX_SEAL_LIFETIME_MS)) }

#[test, expected_failure(abort_code = policy::ENoTime)]
fun there_is_time_to_appeal() { policy(numbers_with(8, 0)) }

#[test, expected_failure(abort_code = policy::ENoTime)]
fun there_is_time_to_judge() { policy(numbers_with(9, 0)) }

#[test, expected_failure(abort_code = policy::ENoTime)]
fun there_is_time_for_a_heartbeat() { policy(numbers_with(16, 0)) }

#[test, expected_failure(abort_code = policy::ENoTime)]
fun attestations_last() { policy(numbers_with(17, 0)) }

#[test, expected_failure(abort_code = policy::ETooLong)]
fun the_first_time_is_at_most_a_year() { policy(numbers_with(8, YEAR_MS + 1)) }

#[test, expected_failure(abort_code = policy::ETooLong)]
fun the_last_time_is_at_most_a_year() { policy(numbers_with(18, YEAR_MS + 1)) }

#[test]
fun a_delay_may_take_a_year() { policy(numbers_with(18, YEAR_MS)) }

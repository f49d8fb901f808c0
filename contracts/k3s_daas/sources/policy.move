/// A cluster's rules: what stake is worth, how long things take, who gets slashed money.
module k3s_daas::policy;

// === Errors ===

#[error(code = 1)]
const ENumberCount: vector<u8> = b"A policy has 19 numbers";
#[error(code = 2)]
const EThresholdOrder: vector<u8> = b"Each threshold must be above the one before it";
#[error(code = 3)]
const EStakeBounds: vector<u8> = b"The least stake must be above zero and at most the largest";
#[error(code = 4)]
const ESlashShare: vector<u8> = b"The slashed share must be 1 to 10,000 basis points";
#[error(code = 5)]
const ESealLifetime: vector<u8> = b"The longest life of a Seal must be above zero and at most 30 days";
#[error(code = 6)]
const EEvidenceAge: vector<u8> = b"Evidence may be older than stake stays slashable";
#[error(code = 7)]
const ETooLong: vector<u8> = b"A time in a policy is at most one year";
#[error(code = 8)]
const ENoTime: vector<u8> = b"Appeals, judges, masters and attestations need time: these are above zero";

// === Constants ===

const NUMBERS: u64 = 19;
/// Where the times begin.
const FIRST_TIME: u64 = 8;
const MAX_BASIS_POINTS: u64 = 10_000;
const MAX_SEAL_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Keeps sums of a date and a time far from overflow.
const MAX_TIME_MS: u64 = 365 * 24 * 60 * 60 * 1000;

// === Structs ===

public struct Policy has copy, drop, store {
    thresholds: Thresholds,
    /// Least active stake to stake or restake to, to refresh a Seal with, and to leave when unstaking a part.
    min_stake: u64,
    /// The most active stake of one position.
    max_stake: u64,
    /// Least active stake with which a node may be in the cluster.
    node_minimum: u64,
    /// Share of active and unbonding stake that a slash takes, in 1/10,000.
    slash_bps: u64,
    appeal_window_ms: u64,
    /// How long after that a slash may be judged and executed, before it lapses.
    judge_window_ms: u64,
    /// How long unstaked money stays slashable.
    unbonding_ms: u64,
    evidence_max_age_ms: u64,
    /// Least time from one slash's end to the next proposal.
    cooldown_ms: u64,
    /// How long a silent node stays jailed at least.
    jail_ms: u64,
    /// How long a node must have been silent to be jailed.
    silence_ms: u64,
    max_seal_lifetime_ms: u64,
    /// How long a master counts after its last heartbeat.
    heartbeat_ms: u64,
    /// How long a master counts after its attestation.
    attestation_ms: u64,
    /// From announcing a policy or a measurement to its coming into force.
    delay_ms: u64,
    super_is_masters: bool,
    /// Who is paid the slashed money.
    beneficiary: address,
}

/// Least active stake of each tier.
public struct Thresholds has copy, drop, store {
    viewer: u64,
    developer: u64,
    admin: u64,
    super_user: u64,
}

// === View Functions ===

public fun min_stake(self: &Policy): u64 { self.min_stake }

public fun max_stake(self: &Policy): u64 { self.max_stake }

public fun node_minimum(self: &Policy): u64 { self.node_minimum }

public fun slash_bps(self: &Policy): u64 { self.slash_bps }

public fun appeal_window_ms(self: &Policy): u64 { self.appeal_window_ms }

public fun judge_window_ms(self: &Policy): u64 { self.judge_window_ms }

public fun unbonding_ms(self: &Policy): u64 { self.unbonding_ms }

public fun evidence_max_age_ms(self: &Policy): u64 { self.evidence_max_age_ms }

public fun cooldown_ms(self: &Policy): u64 { self.cooldown_ms }

public fun jail_ms(self: &Policy): u64 { self.jail_ms }

public fun silence_ms(self: &Policy): u64 { self.silence_ms }

public fun max_seal_lifetime_ms(self: &Policy): u64 { self.max_seal_lifetime_ms }

public fun heartbeat_ms(self: &Policy): u64 { self.heartbeat_ms }

public fun attestation_ms(self: &Policy): u64 { self.attestation_ms }

public fun delay_ms(self: &Policy): u64 { self.delay_ms }

public fun beneficiary(self: &Policy): address { self.beneficiary }

/// Least active stake of the viewer's tier.
public fun viewer(self: &Policy): u64 { self.thresholds.viewer }

// === Package Functions ===

/// `numbers`: viewer, developer, admin, super; min_stake, max_stake, node_minimum, slash_bps; then in ms appeal_window,
/// judge_window, unbonding, evidence_max_age, cooldown, jail, silence, max_seal_lifetime, heartbeat, attestation, delay.
public(package) fun new(
    numbers: vector<u64>,
    super_is_masters: bool,
    beneficiary: address,
): Policy {
    assert!(numbers.length() == NUMBERS, ENumberCount);
    FIRST_TIME.range_do!(NUMBERS, |index| assert!(numbers[index] <= MAX_TIME_MS, ETooLong));
    let policy = Policy {
        thresholds: new_thresholds(numbers[0], numbers[1], numbers[2], numbers[3]),
        min_stake: numbers[4],
        max_stake: numbers[5],
        node_minimum: numbers[6],
        slash_bps: numbers[7],
        appeal_window_ms: numbers[8],
        judge_window_ms: numbers[9],
        unbonding_ms: numbers[10],
        evidence_max_age_ms: numbers[11],
        cooldown_ms: numbers[12],
        jail_ms: numbers[13],
        silence_ms: numbers[14],
        max_seal_lifetime_ms: numbers[15],
        heartbeat_ms: numbers[16],
        attestation_ms: numbers[17],
        delay_ms: numbers[18],
        super_is_masters,
        beneficiary,
    };
    policy.assert_sound();
    policy
}

// === Private Functions ===

fun assert_sound(self: &Policy) {
    assert!(self.min_stake > 0 && self.min_stake <= self.max_stake, EStakeBounds);
    assert!(self.slash_bps > 0 && self.slash_bps <= MAX_BASIS_POINTS, ESlashShare);
    assert!(
        self.max_seal_lifetime_ms > 0 && self.max_seal_lifetime_ms <= MAX_SEAL_LIFETIME_MS,
        ESealLifetime,
    );
    assert!(self.evidence_max_age_ms <= self.unbonding_ms, EEvidenceAge);
    let needed = vector[
        self.appeal_window_ms,
        self.judge_window_ms,
        self.heartbeat_ms,
        self.attestation_ms,
    ];
    assert!(needed.all!(|time| *time > 0), ENoTime);
}

fun new_thresholds(viewer: u64, developer: u64, admin: u64, super_user: u64): Thresholds {
    assert!(viewer < developer && developer < admin && admin < super_user, EThresholdOrder);
    Thresholds { viewer, developer, admin, super_user }
}

//! A cluster's rules, and the two sets of them that our programs start clusters with.

use crate::{Mist, Thresholds, UnixMs, WalletAddress};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How many numbers a policy has, see [`Policy::numbers`].
pub const NUMBERS: usize = 19;

/// `k3s_daas::policy::Policy`. Times are in ms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Least active stake of each tier.
    pub thresholds: Thresholds,
    /// Active stake below which a position has no Seals.
    pub min_stake: Mist,
    /// The most active stake of one position.
    pub max_stake: Mist,
    /// Least active stake with which a node may be in the cluster.
    pub node_minimum: Mist,
    /// Share of active and unbonding stake that a slash takes, in 1/10,000.
    pub slash_bps: u64,
    /// How long an owner may appeal.
    pub appeal_window_ms: u64,
    /// How long after that a slash may be judged and executed, before it lapses.
    pub judge_window_ms: u64,
    /// How long unstaked money stays slashable.
    pub unbonding_ms: u64,
    /// Oldest evidence a slash may rest on.
    pub evidence_max_age_ms: u64,
    /// Least time from one slash's end to the next proposal.
    pub cooldown_ms: u64,
    /// How long a silent node stays jailed at least.
    pub jail_ms: u64,
    /// How long a node must have been silent to be jailed.
    pub silence_ms: u64,
    /// Longest life of a Seal.
    pub max_seal_lifetime_ms: u64,
    /// How long a master counts after its last heartbeat.
    pub heartbeat_ms: u64,
    /// How long a master counts after its attestation.
    pub attestation_ms: u64,
    /// From announcing a policy or a measurement to its coming into force.
    pub delay_ms: u64,
    /// Whether the super tier is `system:masters`.
    pub super_is_masters: bool,
    /// Who is paid the slashed money.
    pub beneficiary: WalletAddress,
}

/// A policy to come, `k3s_daas::cluster::Announcement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The rules.
    pub policy: Policy,
    /// From when they may be applied.
    pub effective_ms: UnixMs,
}

// === impl Policy ===

impl Policy {
    /// What `up` and tests found clusters with: everything that takes days elsewhere takes seconds.
    pub fn devnet(beneficiary: WalletAddress) -> Self {
        Self {
            appeal_window_ms: ms(Duration::from_secs(5)),
            judge_window_ms: ms(Duration::from_hours(1)),
            unbonding_ms: ms(Duration::from_mins(1)),
            evidence_max_age_ms: ms(Duration::from_mins(1)),
            cooldown_ms: 0,
            jail_ms: ms(Duration::from_secs(10)),
            silence_ms: ms(Duration::from_secs(90)),
            heartbeat_ms: ms(Duration::from_mins(5)),
            delay_ms: 0,
            ..Self::production(beneficiary)
        }
    }

    /// What clusters on real networks are founded with unless told otherwise.
    pub fn production(beneficiary: WalletAddress) -> Self {
        Self {
            thresholds: Thresholds::default(),
            min_stake: Mist(500_000_000),
            max_stake: Mist::from_sui(1_000_000),
            node_minimum: Mist(500_000_000),
            slash_bps: 1000,
            appeal_window_ms: ms(days(3)),
            judge_window_ms: ms(days(14)),
            unbonding_ms: ms(days(7)),
            evidence_max_age_ms: ms(days(6)),
            cooldown_ms: ms(days(1)),
            jail_ms: ms(Duration::from_hours(1)),
            silence_ms: ms(Duration::from_mins(10)),
            max_seal_lifetime_ms: ms(days(30)),
            heartbeat_ms: ms(Duration::from_mins(10)),
            attestation_ms: ms(days(1)),
            delay_ms: ms(days(2)),
            super_is_masters: false,
            beneficiary,
        }
    }

    /// As `k3s_daas::policy::new` takes them.
    pub const fn numbers(&self) -> [u64; NUMBERS] {
        let Thresholds { viewer, developer, admin, super_user } = self.thresholds;
        [
            viewer.0,
            developer.0,
            admin.0,
            super_user.0,
            self.min_stake.0,
            self.max_stake.0,
            self.node_minimum.0,
            self.slash_bps,
            self.appeal_window_ms,
            self.judge_window_ms,
            self.unbonding_ms,
            self.evidence_max_age_ms,
            self.cooldown_ms,
            self.jail_ms,
            self.silence_ms,
            self.max_seal_lifetime_ms,
            self.heartbeat_ms,
            self.attestation_ms,
            self.delay_ms,
        ]
    }

    /// The reverse of [`Policy::numbers`].
    pub const fn from_numbers(numbers: [u64; NUMBERS], super_is_masters: bool, beneficiary: WalletAddress) -> Self {
        let [viewer, developer, admin, super_user, rest @ ..] = numbers;
        let [min_stake, max_stake, node_minimum, slash_bps, times @ ..] = rest;
        let [appeal_window_ms, judge_window_ms, unbonding_ms, evidence_max_age_ms, cooldown_ms, times @ ..] = times;
        let [jail_ms, silence_ms, max_seal_lifetime_ms, heartbeat_ms, attestation_ms, delay_ms] = times;
        Self {
            thresholds: Thresholds {
                viewer: Mist(viewer),
                developer: Mist(developer),
                admin: Mist(admin),
                super_user: Mist(super_user),
            },
            min_stake: Mist(min_stake),
            max_stake: Mist(max_stake),
            node_minimum: Mist(node_minimum),
            slash_bps,
            appeal_window_ms,
            judge_window_ms,
            unbonding_ms,
            evidence_max_age_ms,
            cooldown_ms,
            jail_ms,
            silence_ms,
            max_seal_lifetime_ms,
            heartbeat_ms,
            attestation_ms,
            delay_ms,
            super_is_masters,
            beneficiary,
        }
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_hours(days.saturating_mul(24))
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

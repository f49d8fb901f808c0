//! What failing heartbeats mean: pure policy, so that it can be tested against a clock.

#[cfg(test)]
mod tests;

use daas_client::is_outage;
use daas_types::{ErrorCode, Problem};
use std::time::Duration;
use tokio::time::Instant;

/// Time between heartbeats.
pub const INTERVAL: Duration = Duration::from_secs(30);
/// Failures in a row after which the node's processes are restarted.
pub const FAILURES: u32 = 3;
/// Least time between the first restart and the second; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_mins(2);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Before a heartbeat that only the chain was missing for is tried again; it doubles from there, and is never longer than until the
/// next one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Counts failures, and paces restarts and what is tried again.
#[derive(Debug, Default)]
pub struct Pulse {
    failures: u32,
    restarts: u32,
    last_restart: Option<Instant>,
    /// How often in a row one failed for want of the chain alone, and when it is tried again.
    chainless: u32,
    retry: Option<Instant>,
    /// What is taken off a pause, in 256ths of its half: after an outage not all workers are to come back at one time.
    early: u8,
}

/// What a heartbeat's outcome asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Patience: the master itself says that it is not the node's fault, or it is too early for more.
    Wait,
    /// The Seal is not what the master accepts: look at the chain.
    Reseal,
    /// The master must prove itself again before it gets another token.
    Reverify,
    /// Restart the node's processes.
    Restart,
}

// === impl Pulse ===

impl Pulse {
    /// The pulse of a worker with this share of chance.
    pub fn new(early: u8) -> Self {
        Self { early, ..Self::default() }
    }

    /// Takes in one heartbeat, and how it failed if it did.
    pub fn beat(&mut self, failure: Option<&Problem>, now: Instant) -> Verdict {
        let Some(problem) = failure else {
            *self = Self::new(self.early);
            return Verdict::Fine;
        };
        self.retry = is_outage(problem.code).then(|| now + self.pause());
        self.chainless = self.retry.map_or(0, |_| self.chainless.saturating_add(1));
        match problem.code {
            // The chain is out of the master's reach, or of this machine's, which then cannot verify the master anew: no
            // restart mends that.
            code if is_outage(code) => return Verdict::Wait,
            ErrorCode::MasterUnverified | ErrorCode::MasterUnknown => return Verdict::Reverify,
            code if is_about_the_seal(code) => return Verdict::Reseal,
            _ => {}
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES || !self.may_restart(now) {
            return Verdict::Wait;
        }
        self.failures = 0;
        self.restarts = self.restarts.saturating_add(1);
        self.last_restart = Some(now);
        Verdict::Restart
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether to try again now: once the chain is there, the master is to hear of the node soon.
    pub fn is_due(&self, now: Instant) -> bool {
        self.retry.is_some_and(|retry| now >= retry)
    }

    fn pause(&self) -> Duration {
        let whole = FIRST_RETRY.saturating_mul(1 << self.chainless.min(8)).min(INTERVAL);
        whole.saturating_sub(whole.saturating_mul(self.early.into()) / 512)
    }

    fn may_restart(&self, now: Instant) -> bool {
        let doublings = self.restarts.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        self.last_restart.is_none_or(|last| now.duration_since(last) >= pause)
    }
}

/// Whether a refusal is about the Seal or its position.
pub fn is_about_the_seal(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::TokenUnknown
            | ErrorCode::SealExpired
            | ErrorCode::StakeTooLow
            | ErrorCode::PositionSuspended
            | ErrorCode::PositionSlashed
            | ErrorCode::PositionClosed
            | ErrorCode::RightLost
            | ErrorCode::NodeJailed
    )
}

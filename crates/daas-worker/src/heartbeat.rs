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

/// Counts failures and paces restarts.
#[derive(Debug, Default)]
pub struct Pulse {
    failures: u32,
    restarts: u32,
    last_restart: Option<Instant>,
    /// Whether the last one failed for want of the chain alone.
    chainless: bool,
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
    /// Takes in one heartbeat, and how it failed if it did.
    pub fn beat(&mut self, failure: Option<&Problem>, now: Instant) -> Verdict {
        let Some(problem) = failure else {
            *self = Self::default();
            return Verdict::Fine;
        };
        self.chainless = is_outage(problem.code);
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

    /// Whether to try again soon: once the chain is there, the master is to hear of the node at once.
    pub fn waits_for_the_chain(&self) -> bool {
        self.chainless
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

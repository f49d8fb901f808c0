//! What a worker tells of its life: in its state file, which other programs on its machine read, and in its HTTP API. Nothing here is
//! secret.

use crate::UnixMs;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The state file's name in a worker's state folder.
pub const STATE_FILE: &str = "worker-state.json";
/// The file there that a worker holds locked as long as it lives.
pub const LOCK_FILE: &str = "worker.lock";
/// Transitions that are shown.
pub const SHOWN: usize = 16;

/// The phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing on chain vouches for this node yet.
    Unproven,
    /// The node was silent for too long; it stays out until its time is over.
    Jailed,
    /// The position is on its way back: out of jail, or restaked after a slash.
    Recovering,
    /// The position is active and holds this node's Seal.
    Staked,
    /// The master's evidence held.
    VerifiedMaster,
    /// The node runs.
    Joined,
    /// Pods and node are being stopped.
    Draining,
    /// The node is gone, the stake on its way out.
    Unbonding,
    /// The stake is in the wallet again. Only its owner's word leads on.
    Withdrawn,
    /// Nothing is left to do for this process.
    Gone,
}

/// What happened, and where it led.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at_ms: UnixMs,
    /// Where the worker stood.
    pub from: Phase,
    /// Where it stands since. The same, if something was to be done and nothing else.
    pub to: Phase,
    /// Why.
    pub reason: String,
}

/// Why a worker ends, once it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Name of its entry in the catalogue; empty when somebody asked.
    #[serde(default)]
    pub code: String,
    /// The cause, for people.
    pub cause: String,
}

/// Of the state file, what is for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where the worker stands.
    pub phase: Phase,
    /// Why it ends, once it does.
    #[serde(default)]
    pub ending: Option<End>,
    /// How it came there, the oldest first.
    #[serde(default)]
    pub history: VecDeque<Transition>,
}

// === impl Phase ===

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unproven => "unproven",
            Self::Jailed => "jailed",
            Self::Recovering => "recovering",
            Self::Staked => "staked",
            Self::VerifiedMaster => "verified-master",
            Self::Joined => "joined",
            Self::Draining => "draining",
            Self::Unbonding => "unbonding",
            Self::Withdrawn => "withdrawn",
            Self::Gone => "gone",
        })
    }
}

// === impl Life ===

impl Life {
    /// The transition by which it came into its phase, as far as it is remembered.
    pub fn arrival(&self) -> Option<&Transition> {
        self.history.iter().rev().find(|step| step.from != step.to).or(self.history.front())
    }

    /// The last transitions, the oldest first.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &Transition> {
        self.history.iter().skip(self.history.len().saturating_sub(SHOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_end_and_since_when_is_the_last_move() {
        let step = |n, from, to| Transition { at_ms: UnixMs(n), from, to, reason: n.to_string() };
        let mut life = Life { phase: Phase::Joined, ending: None, history: VecDeque::new() };
        assert_eq!((life.arrival(), life.shown().count()), (None, 0));
        life.history.push_back(step(0, Phase::Joined, Phase::Joined));
        assert_eq!(life.arrival().map(|step| step.at_ms), Some(UnixMs(0)), "nothing before it is remembered");
        life.history.push_back(step(9, Phase::Joined, Phase::Joined));
        assert_eq!(life.arrival().map(|step| step.at_ms), Some(UnixMs(0)), "at least since then");
        life.history.pop_back();
        life.history.push_back(step(1, Phase::VerifiedMaster, Phase::Joined));
        life.history.extend((2..40).map(|n| step(n, Phase::Joined, Phase::Joined)));
        assert_eq!(life.arrival().map(|step| step.at_ms), Some(UnixMs(1)));
        let shown: Vec<_> = life.shown().map(|step| step.at_ms.0).collect();
        assert_eq!((shown.len(), shown.first(), shown.last()), (SHOWN, Some(&24), Some(&39)));
    }
}

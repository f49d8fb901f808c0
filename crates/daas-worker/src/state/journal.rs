use super::{Phase, State};
use daas_types::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Transitions that are remembered: a bad day's worth.
const REMEMBERED: usize = 32;
/// The longest reason; some hold what others wrote.
const LONGEST_REASON: usize = 400;

/// What the state file holds: where the worker stands, and how it came there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// The last transitions, the oldest first.
    #[serde(default)]
    pub history: VecDeque<Transition>,
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

// === impl Journal ===

impl Journal {
    /// Writes down what led to `state`.
    pub fn note(&mut self, at_ms: UnixMs, reason: &str, state: State) {
        let reason = reason.chars().take(LONGEST_REASON).collect();
        self.history.push_back(Transition { at_ms, from: self.state.phase, to: state.phase, reason });
        while self.history.len() > REMEMBERED {
            self.history.pop_front();
        }
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, step};
    use super::*;

    #[test]
    fn the_last_transitions_are_kept_and_no_more() {
        let mut journal = Journal::default();
        for n in 0..100 {
            let (state, _) = step(journal.state.clone(), Event::StopAsked);
            journal.note(UnixMs(n), &"x".repeat(1000), state);
        }
        assert_eq!(journal.history.len(), REMEMBERED);
        assert_eq!(journal.history.back().map(|last| last.at_ms), Some(UnixMs(99)));
        assert!(journal.history.iter().all(|transition| transition.reason.len() <= LONGEST_REASON));
        let json = serde_json::to_string(&journal).unwrap();
        assert_eq!(serde_json::from_str::<Journal>(&json).unwrap(), journal);
    }

    #[test]
    fn a_file_of_before_there_was_a_history_is_read() {
        let old = r#"{ "phase": "joined", "position": null, "ending": null }"#;
        let journal: Journal = serde_json::from_str(old).unwrap();
        assert_eq!(journal.state, State { phase: Phase::Joined, ..State::default() });
        assert!(journal.history.is_empty());
    }
}

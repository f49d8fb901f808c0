use super::{State, Transition};
use daas_types::UnixMs;
use daas_types::worker::{End, Life};
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

    /// What of it is for everybody.
    pub fn life(&self) -> Life {
        let ending = self.state.ending.as_ref();
        let ending = ending.map(|ending| End { code: ending.code.clone(), cause: ending.cause.clone() });
        Life { phase: self.state.phase, ending, history: self.history.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Phase, step};
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

    /// What `k3s-daas status` reads of it.
    #[test]
    fn other_programs_read_where_it_stands_and_how_it_came_there() {
        let mut journal = Journal::default();
        for event in [Event::Started, Event::Prepared(daas_types::Address::new([1; 32]).into()), Event::SealLive] {
            let (state, _) = step(journal.state.clone(), event.clone());
            journal.note(UnixMs(7), &event.to_string(), state);
        }
        let life: Life = serde_json::from_str(&serde_json::to_string(&journal).unwrap()).unwrap();
        assert_eq!((life.phase, life.history.len()), (Phase::Staked, 3));
        assert_eq!(life, journal.life());
        assert_eq!(life.arrival().map(|step| step.reason.as_str()), Some("the Seal is live on chain"));
        let (slashed, _) = step(journal.state.clone(), Event::Slashed("test".to_owned()));
        journal.note(UnixMs(8), "slashed", slashed);
        let life: Life = serde_json::from_str(&serde_json::to_string(&journal).unwrap()).unwrap();
        let ending = Some(End { code: "StakeSlashed".to_owned(), cause: "test".to_owned() });
        assert_eq!((&life, &life.ending), (&journal.life(), &ending));
    }

    #[test]
    fn a_file_of_before_there_was_a_history_is_read() {
        let old = r#"{ "phase": "joined", "position": null, "ending": null }"#;
        let journal: Journal = serde_json::from_str(old).unwrap();
        assert_eq!(journal.state, State { phase: Phase::Joined, ..State::default() });
        assert!(journal.history.is_empty());
    }
}

//! What the client said in all its lives, and whether it was so.

use super::process::Said;
use super::trouble::Trouble;
use super::truth::Truth;
use core::fmt;

#[derive(Default)]
pub(crate) struct Tally {
    rounds: usize,
    lies: usize,
    /// The lines of each life.
    lives: Vec<Vec<String>>,
    checkpoints: usize,
    changes: usize,
}

// === impl Tally ===

impl Tally {
    pub(crate) fn round(&mut self, trouble: Trouble) {
        self.rounds += 1;
        self.lies += usize::from(trouble.is_lie());
    }

    pub(crate) fn life(&mut self, lines: Vec<String>) {
        self.lives.push(lines);
    }

    /// Each time the client knew what the chain said by then. It saw each change of a position once, in order, and after a
    /// death went on from where it had been. The digest of what it knew in the end.
    pub(crate) fn checked(&mut self, truth: &Truth) -> String {
        let (mut reached, mut last) = (0, String::new());
        for (n, lines) in self.lives.iter().enumerate() {
            let mut generations = None;
            let mut before = 0;
            for said in lines.iter().filter_map(|line| Said::read(line)) {
                match said {
                    Said::Restored(at, digest) => {
                        // Checkpoints that change no position need not be saved at once.
                        let saved = at >= reached || truth.at(at).generations == truth.at(reached).generations;
                        assert!(saved, "life {n} begins at {at}, and the one before had got to {reached}");
                        assert!(at == 0 || digest == truth.at(at).digest, "restored {at} in life {n}");
                        generations = Some(truth.at(at).generations.clone());
                        before = at;
                    }
                    Said::At(at, digest) => {
                        assert!(at >= before, "life {n} goes back from {before} to {at}");
                        assert_eq!(digest, truth.at(at).digest, "at {at} in life {n}");
                        // It has saved what it had before it took the next.
                        (reached, before, last) = (before, at, digest);
                        self.checkpoints += 1;
                    }
                    Said::Changed(position, generation) => {
                        let known = generations.as_mut().expect("it says first what it restored");
                        let before = known.insert(position, generation).unwrap_or(0);
                        assert_eq!(generation, before + 1, "a change is lost or made twice in life {n}");
                        self.changes += 1;
                    }
                    Said::Lagged => panic!("changes come too fast to be listened to"),
                }
            }
            let anew = lines.iter().filter(|line| line.contains("index bootstrapped")).count();
            assert_eq!(anew, usize::from(n == 0), "life {n} does not begin with what was saved");
            assert!(!lines.iter().any(|line| line.contains("are missing")), "life {n} has a gap");
        }
        last
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, lies, checkpoints, changes, lives } = self;
        let deaths = lives.len().saturating_sub(1);
        write!(
            f,
            "{rounds} rounds of trouble, {lies} lies refused, {deaths} deaths, {checkpoints} looks at the index, "
        )?;
        write!(f, "{changes} changes")
    }
}

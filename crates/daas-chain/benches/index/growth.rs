//! An index that grows by a million events.

use crate::population::{AT_ONCE, EVENTS, POSITIONS, Population, T0, WHOLE_AT_ONCE, rules};
use core::time::Duration;
use daas_chain::index::Index;
use daas_chain::testing::{TestChain, TestTransaction};
use daas_chain::verified::{Packages, VerifiedCheckpoint, prove};
use daas_testkit::bench::{quantile, resident, timed};
use daas_testkit::chain::ids;
use daas_types::onchain::Event;

/// Checkpoints whose verification is timed one by one.
const SMALL: u32 = 500;

pub(crate) struct Grown {
    pub(crate) events_per_s: f64,
    pub(crate) bytes_per_seal: f64,
    pub(crate) bytes_per_position: f64,
    pub(crate) verify_one_us: f64,
    pub(crate) verify_full_us: f64,
}

/// A chain of real checkpoints, and how long each took to verify.
struct Source {
    chain: TestChain,
    packages: Packages,
    verify_us: Vec<f64>,
}

/// Bytes for each of a million Seals that an index sees when it starts. To be asked in a process of its own: memory that
/// was used and freed before would not be counted.
pub(crate) fn started_with() -> f64 {
    let population = Population::new();
    let index = Index::new(ids());
    // What making and verifying a checkpoint takes is not the index's.
    drop(Source::new().next(&population.whole(0)));
    let empty = resident();
    grow(&index, (0..POSITIONS / WHOLE_AT_ONCE).map(|n| population.whole(n)), |_, _| ());
    assert_eq!(index.snapshot().positions().map(|live| live.state.seals.len()).sum::<usize>(), EVENTS as usize);
    per(empty, resident(), EVENTS)
}

/// To be asked first of all, for the same reason.
pub(crate) fn measure() -> Grown {
    let population = Population::new();
    let checkpoints = EVENTS / AT_ONCE;
    let index = Index::new(ids());
    // What making and verifying a checkpoint takes is not the index's.
    drop(Source::new().next(&population.events(checkpoints - 1)));
    let (empty, mut first_round) = (resident(), 0);
    let (seconds, verify_us) = grow(&index, (0..checkpoints).map(|n| population.events(n)), |n, _| {
        if n == POSITIONS / AT_ONCE {
            first_round = resident();
        }
    });
    let full = resident();
    let snapshot = index.snapshot();
    assert_eq!(snapshot.positions().map(|live| live.state.seals.len()).sum::<usize>(), EVENTS as usize);
    drop((index, snapshot));
    let mut source = Source::new();
    for n in 0..SMALL {
        source.next(&population.events(n)[..1]);
    }
    Grown {
        events_per_s: f64::from(EVENTS) / seconds,
        bytes_per_seal: per(empty, full, EVENTS),
        bytes_per_position: per(empty, first_round, POSITIONS),
        verify_one_us: quantile(&source.verify_us, 0.5),
        verify_full_us: quantile(&verify_us, 0.5),
    }
}

fn per(before: u64, after: u64, count: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a quotient")]
    let bytes = after.saturating_sub(before) as f64;
    bytes / f64::from(count)
}

/// Feeds an index; how long that took in seconds, and how long each checkpoint took to verify.
fn grow(
    index: &Index,
    checkpoints: impl Iterator<Item = Vec<Event>>,
    mut after: impl FnMut(u32, &Index),
) -> (f64, Vec<f64>) {
    let mut source = Source::new();
    index.apply(&source.next(&[rules()]));
    let mut seconds = 0.0;
    for (n, events) in (1..).zip(checkpoints) {
        let checkpoint = source.next(&events);
        seconds += timed(|| index.apply(&checkpoint)).0;
        after(n, index);
    }
    (seconds, source.verify_us)
}

// === impl Source ===

impl Source {
    fn new() -> Self {
        Self { chain: TestChain::new(1), packages: Packages::of(ids().package), verify_us: Vec::new() }
    }

    fn next(&mut self, events: &[Event]) -> VerifiedCheckpoint {
        let at = T0.plus(Duration::from_millis(self.chain.last().sequence_number));
        let claim = self.chain.append(at, &[TestTransaction::of(ids().package, events)], false);
        let committee = self.chain.committees().of_epoch(0).unwrap();
        let sequence = self.chain.last().sequence_number;
        let (seconds, checkpoint) =
            timed(|| prove(sequence, &claim, &committee).unwrap().read(&self.packages).unwrap());
        assert_eq!(checkpoint.events().len(), events.len());
        self.verify_us.push(seconds * 1e6);
        checkpoint
    }
}

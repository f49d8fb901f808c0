use crate::index::FRESH_FOR;
use core::time::Duration;
use tokio::time::Instant;

/// Whether catching up comes nearer to the tip. An endpoint that hands over checkpoints no faster than they are made, each
/// just within its deadline, would hold the index behind for ever.
pub(super) struct Pace {
    since: Instant,
    age: Duration,
}

// === impl Pace ===

impl Pace {
    /// From when the newest known checkpoint is this old.
    pub(super) fn from(age: Duration) -> Self {
        Self { since: Instant::now(), age }
    }

    /// Whether the newest known checkpoint, now this old, is no younger than it was [`FRESH_FOR`] ago. No age is young enough.
    pub(super) fn is_lost(&mut self, age: Duration) -> bool {
        if self.since.elapsed() < FRESH_FOR {
            return false;
        }
        let lost = !age.is_zero() && age >= self.age;
        *self = Self::from(age);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn catching_up_comes_nearer_to_the_tip() {
        let minutes = |count| Duration::from_mins(count);
        let mut pace = Pace::from(minutes(60));
        for (age, lost) in
            [(55, false), (54, false), (54, true), (60, true), (59, false), (0, false), (0, false), (1, true)]
        {
            assert!(!pace.is_lost(minutes(90)), "before its time");
            tokio::time::advance(FRESH_FOR).await;
            assert_eq!(pace.is_lost(minutes(age)), lost, "{age}");
        }
    }
}

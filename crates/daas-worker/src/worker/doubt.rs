//! How long pods go on under a master that does not prove itself.

use std::time::Duration;
use tokio::time::Instant;

/// As long as gateways keep nodes of which they cannot know whether they have a right (`gateway.node_stale_grace`).
const PATIENCE: Duration = Duration::from_mins(15);

/// What a worker makes of evidence that does not hold. It never gets a token of the worker's by it: that is not decided here. (K3s'
/// agent knows its server by the CA alone.)
///
/// Where pods run, one look that fails is no reason to end them. A master that is being replaced shows for a while what the chain
/// does not know, and a worker that has just been started has no other look to compare with. So it looks again; but not for ever:
/// what runs here obeys that master, with certificates or tokens that it has, and evidence that stays wrong is what a master shows
/// that somebody has taken over. Where nothing runs there is nothing to keep, and the first refusal is for a person to look at.
#[derive(Debug)]
pub(super) struct Doubt {
    runs: bool,
    since: Option<Instant>,
}

// === impl Doubt ===

impl Doubt {
    /// Of a worker that has found a node here, or none.
    pub(super) fn new(runs: bool) -> Self {
        Self { runs, since: None }
    }

    /// The evidence held.
    pub(super) fn ended(&mut self) {
        *self = Self::new(true);
    }

    /// Whether one more refusal is waited out.
    pub(super) fn waits(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        self.runs && now.duration_since(since) < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pods_outlive_one_look_and_not_a_quarter_of_an_hour() {
        let mut doubt = Doubt::new(true);
        for _ in 0..15 {
            assert!(doubt.waits(Instant::now()));
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        assert!(!doubt.waits(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_ends_it() {
        let mut doubt = Doubt::new(true);
        for _ in 0..5 {
            assert!(doubt.waits(Instant::now()));
            tokio::time::advance(Duration::from_mins(14)).await;
            doubt.ended();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_runs_the_first_refusal_is_the_last() {
        let mut doubt = Doubt::new(false);
        assert!(!doubt.waits(Instant::now()));
        doubt.ended();
        assert!(doubt.waits(Instant::now()), "from its first proof on there is something to keep");
    }
}

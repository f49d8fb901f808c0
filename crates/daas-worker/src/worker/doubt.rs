//! How long pods go on under a master that does not prove itself.

use daas_types::ErrorCode;
use std::time::Duration;
use tokio::time::Instant;

/// As long as gateways keep nodes of which they cannot know whether they have a right (`gateway.node_stale_grace`).
const PATIENCE: Duration = Duration::from_mins(15);

/// What a worker makes of evidence that does not hold. It never gets a token of the worker's by it: that is not decided here.
///
/// K3s' agent knows its server by the CA alone: one that is started shows the Seal to whoever has the CA's key, and a master whose
/// evidence fails may be just that. So what the agent shows lies there only while the master is believed, and not before its first
/// proof. (Taken away, not emptied: K3s waits for a file that is not there, but goes on without a token by its old certificates if
/// it is empty.) What that costs: an agent that ends in these minutes comes back only with the master's proof, and until then nobody
/// looks after its pods, which go on. One that runs keeps what it has read; it ends when the patience does.
///
/// Where pods run, one look that fails is no reason to end them. A master that is being replaced shows for a while what the chain
/// does not know, and a worker that has just been started has no other look to compare with. So it looks again; but not for ever:
/// what runs here obeys that master, with certificates or tokens that it has, and evidence that stays wrong is what a master shows
/// that somebody has taken over. Where nothing runs there is nothing to keep, and the first refusal is for a person to look at.
#[derive(Debug)]
pub(super) struct Doubt {
    runs: bool,
    since: Option<Instant>,
    believes: bool,
}

// === impl Doubt ===

impl Doubt {
    /// Of a worker that has found a node here, or none.
    pub(super) fn new(runs: bool) -> Self {
        Self { runs, since: None, believes: false }
    }

    /// The evidence held, or why it was not believed. What could not be asked or looked up proves nothing either way.
    pub(super) fn heard(&mut self, failure: Option<ErrorCode>) {
        match failure {
            None => *self = Self { runs: true, since: None, believes: true },
            Some(ErrorCode::MasterUnverified | ErrorCode::MasterUnknown) => self.believes = false,
            Some(_) => {}
        }
    }

    /// Whether the last that was heard of the master was a proof.
    pub(super) fn believes(&self) -> bool {
        self.believes
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
            doubt.heard(None);
        }
    }

    #[test]
    fn a_master_is_believed_from_its_first_proof_until_one_that_does_not_hold() {
        for runs in [true, false] {
            let mut doubt = Doubt::new(runs);
            assert!(!doubt.believes(), "what an earlier worker believed is not known");
            for refused in [ErrorCode::MasterUnverified, ErrorCode::MasterUnknown] {
                doubt.heard(None);
                assert!(doubt.believes());
                doubt.heard(Some(refused));
                assert!(!doubt.believes(), "{refused:?}");
                // Nobody has taken it back.
                doubt.heard(Some(ErrorCode::MasterUnreachable));
                assert!(!doubt.believes());
            }
            doubt.heard(None);
            for out_of_reach in
                [ErrorCode::MasterUnreachable, ErrorCode::ChainUnreachable, ErrorCode::EvidenceUnavailable]
            {
                doubt.heard(Some(out_of_reach));
                assert!(doubt.believes(), "{out_of_reach:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_runs_the_first_refusal_is_the_last() {
        let mut doubt = Doubt::new(false);
        assert!(!doubt.waits(Instant::now()));
        doubt.heard(None);
        assert!(doubt.waits(Instant::now()), "from its first proof on there is something to keep");
    }
}

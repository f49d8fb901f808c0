use super::Worker;
use crate::api::status::HeartbeatStatus;
use crate::heartbeat::{INTERVAL, Verdict};
use crate::host::verdict_dir;
use crate::kube::PodRef;
use crate::stake::Wish;
use crate::state::Event;
use daas_chain::clock;
use daas_chain::index::Freshness;
use daas_types::api::HeartbeatRequest;
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Problem};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often the list of nodes is read.
const PEERS: Duration = Duration::from_secs(5);
/// How often the Seal's age is looked at.
const SEAL: Duration = Duration::from_mins(1);
/// The longest a master's proof counts; its own `attestation_interval` may be shorter.
pub(super) const PROOF: Duration = Duration::from_hours(1);

/// When a joined node's duties are due.
pub struct Duties {
    beat: Interval,
    peers: Interval,
    seal: Interval,
}

/// One duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Tell the master that the node lives.
    Beat,
    /// Look at the other nodes' networks. A heartbeat that only the chain was missing for is tried again.
    Peers,
    /// Renew the Seal if it is time.
    Seal,
}

// === impl Duties ===

impl Default for Duties {
    /// All due at once, then at their intervals.
    fn default() -> Self {
        let every = |period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self { beat: every(INTERVAL), peers: every(PEERS), seal: every(SEAL) }
    }
}

impl Duties {
    /// Waits for the next one.
    pub async fn next(&mut self) -> Duty {
        tokio::select! {
            _ = self.beat.tick() => Duty::Beat,
            _ = self.seal.tick() => Duty::Seal,
            _ = self.peers.tick() => Duty::Peers,
        }
    }
}

impl Worker {
    /// Does one duty; answers what it means for the worker's state, if anything.
    pub async fn duty(&mut self, duty: Duty) -> Option<Event> {
        match duty {
            Duty::Beat => self.beat().await,
            Duty::Peers => {
                if let Err(problem) = self.peers().await {
                    tracing::debug!(%problem, "other nodes' networks not read");
                }
                if self.pulse.is_due(Instant::now()) { self.beat().await } else { None }
            }
            Duty::Seal => self.renew().await,
        }
    }

    async fn peers(&mut self) -> Result<(), Problem> {
        self.look_at_peers().await
    }

    /// For kubelet and kube-proxy, whose credentials must not end with the chain.
    fn remember_masters(&self) {
        let fresh = self.index.freshness(clock::now()) == Freshness::Fresh;
        let Some(masters) = self.known_masters().filter(|_| fresh) else {
            return;
        };
        if let Err(error) = masters.remember(&verdict_dir(self.store.folder())) {
            tracing::warn!(%error, "what the chain says of the masters is not kept");
        }
    }

    async fn beat(&mut self) -> Option<Event> {
        self.remember_masters();
        let outcome = self.heartbeat().await;
        let verdict = self.pulse.beat(outcome.as_ref().err(), Instant::now());
        let failures = self.pulse.failures();
        match &outcome {
            Ok(skew) => self.board.tell(|status| {
                status.heartbeat = HeartbeatStatus { last: Some(clock::now()), failures, skew_ms: *skew };
            }),
            Err(problem) => {
                tracing::warn!(%problem, heartbeat.failures = failures, "heartbeat failed");
                self.board.tell(|status| status.heartbeat.failures = failures);
            }
        }
        match verdict {
            Verdict::Fine | Verdict::Wait => None,
            Verdict::Reseal => Some(Event::SealLost),
            Verdict::Reverify => {
                self.master = None;
                Some(Event::MasterRefused(outcome.err().map(|p| p.to_string()).unwrap_or_default()))
            }
            Verdict::Restart => Some(Event::HeartbeatsFailing),
        }
    }

    /// One heartbeat. A proof that is too old is asked for again first; a connection that was closed meanwhile is
    /// made, and the master verified on it, once more. Answers how far the clocks are apart, in milliseconds.
    async fn heartbeat(&mut self) -> Result<u64, Problem> {
        let beat = self.news().await;
        let fresh = self.master.as_ref().is_some_and(|master| master.at.elapsed() < self.proof);
        if !fresh {
            self.verify().await?;
        }
        let token = self.held()?.mint(Usage::Worker, clock::now())?;
        let answer = match self.master()?.connection.heartbeat(&token, &beat).await {
            Err(problem) if fresh && problem.code == ErrorCode::MasterUnreachable => {
                self.verify().await?;
                self.master()?.connection.heartbeat(&token, &beat).await?
            }
            answer => answer?,
        };
        let skew = clock::now().0.abs_diff(answer.server_time_ms);
        if skew > 30_000 {
            tracing::warn!(clock.skew_ms = skew, "this machine's clock differs from the master's");
        }
        tracing::debug!(stake.status = answer.stake_status, "heartbeat");
        Ok(skew)
    }

    async fn news(&mut self) -> HeartbeatRequest {
        let pods = match (self.held().cloned(), self.master().map(|master| master.api.clone())) {
            (Ok(seal), Ok(api)) => api.pods(&seal).await.ok(),
            _ => None,
        };
        let count = |of: fn(&PodRef) -> u64| pods.as_ref().map(|pods| pods.iter().map(of).sum::<u64>());
        let (running, containers) = (count(|pod| u64::from(pod.running)), count(|pod| pod.containers));
        if running.is_some() {
            self.board.tell(|status| (status.pods, status.containers) = (running, containers));
        }
        let snapshot = self.index.snapshot();
        let position = self.held.as_ref().and_then(|held| snapshot.position(held.seal.position));
        HeartbeatRequest {
            node_id: self.node_id.to_string(),
            seal_token: None,
            timestamp: clock::now().secs(),
            stake_status: position.map_or("unknown".to_owned(), |live| live.state.status.to_string()),
            stake_amount: position.map_or(0, |live| live.state.active.0),
            running_pods: running.unwrap_or_default(),
            running_containers: containers.unwrap_or_default(),
            resource_usage: self.machine.usage(),
        }
    }

    /// Renews the Seal when a third of its life is left. Failing is no harm for days, so it only warns.
    async fn renew(&mut self) -> Option<Event> {
        let due = self.held.as_ref().is_none_or(|held| clock::now() >= held.renew);
        if !due {
            return None;
        }
        match self.mint(Wish::default()).await {
            Ok(Event::SealLive) => None,
            Ok(event) => Some(event),
            Err(problem) => {
                tracing::warn!(%problem, "seal not renewed; trying again in a minute");
                None
            }
        }
    }
}

//! What the worker tells of itself. It writes whenever something changes; the API reads without asking it.

use super::credential::Key;
use crate::state::Phase;
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::{Mist, PositionId, SealId, UnixMs};
use std::sync::Arc;
use tokio::sync::watch;

/// Where the worker stands. Its stake is not here: who shows it reads it from the chain's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The phase.
    pub phase: Phase,
    /// Why it came into it.
    pub reason: String,
    /// Since when.
    pub since: UnixMs,
    /// The position, from before its stake is submitted.
    pub position: Option<PositionId>,
    /// What is ordered to be staked and is not yet.
    pub ordered: Option<Mist>,
    /// The Seal in use.
    pub seal: Option<SealStatus>,
    /// The master, once it was verified.
    pub master: Option<MasterStatus>,
    /// The heartbeats.
    pub heartbeat: HeartbeatStatus,
    /// Pods that run here, once counted.
    pub pods: Option<u64>,
    /// Containers that run here, once counted.
    pub containers: Option<u64>,
}

/// A Seal in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealStatus {
    /// Its object.
    pub id: SealId,
    /// When it ends.
    pub expires: UnixMs,
}

/// A verified master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterStatus {
    /// `https://host:port`.
    pub endpoint: String,
    /// When its evidence held.
    pub verified: UnixMs,
}

/// What came of the heartbeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatStatus {
    /// When the master last answered one.
    pub last: Option<UnixMs>,
    /// How many have failed since.
    pub failures: u32,
    /// How far this machine's clock is from the master's.
    pub skew_ms: u64,
}

/// Where the worker writes its status. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Board {
    status: Arc<watch::Sender<Status>>,
    key: Arc<watch::Sender<Option<Key>>>,
}

// === impl Board ===

impl Board {
    /// Changes what is told.
    pub fn tell(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
    }

    /// The worker has come into a phase.
    pub fn moved(&self, phase: Phase, position: Option<PositionId>, reason: &str) {
        self.tell(|status| {
            (status.phase, status.position, status.since) = (phase, position, clock::now());
            reason.clone_into(&mut status.reason);
        });
    }

    /// The worker uses this Seal from now on, and so does who speaks to its API. One that was never minted is no Seal.
    pub fn sealed(&self, seal: &SealFile) {
        let Some(id) = seal.seal else { return };
        self.tell(|status| status.seal = Some(SealStatus { id, expires: seal.expires }));
        self.key.send_replace(Some(Key::of(seal)));
    }

    /// Where the worker stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// What opens the API, once there is a Seal.
    pub(super) fn key(&self) -> Option<Key> {
        *self.key.borrow()
    }
}

impl Default for Board {
    /// A worker that has not begun.
    fn default() -> Self {
        let status = Status {
            phase: Phase::Unproven,
            reason: String::new(),
            since: clock::now(),
            position: None,
            ordered: None,
            seal: None,
            master: None,
            heartbeat: HeartbeatStatus::default(),
            pods: None,
            containers: None,
        };
        Self { status: Arc::new(watch::Sender::new(status)), key: Arc::new(watch::Sender::new(None)) }
    }
}

//! What the worker tells of itself. It writes whenever something changes; the API reads without asking it.

use super::credential::Key;
use crate::state::{Action, Journal, Phase};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::worker::Life;
use daas_types::{Mist, PositionId, Problem, SealId, UnixMs};
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
    /// The last transitions, those that only had something done among them.
    pub life: Life,
    /// What it tries now and has not come to yet.
    pub trouble: Option<Trouble>,
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

/// What is tried again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it does.
    pub doing: String,
    /// What the last try ended with, by its name in the catalogue.
    pub reason: &'static str,
    /// The cause, for people.
    pub cause: String,
    /// When the first try failed.
    pub since: UnixMs,
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

    /// What the worker has written down. Whether it has `moved`, or only has something to do.
    pub fn noted(&self, journal: &Journal, moved: bool) {
        self.tell(|status| {
            (status.life, status.trouble) = (journal.life(), None);
            let Some(last) = journal.history.back().filter(|_| moved) else { return };
            (status.phase, status.position) = (journal.state.phase, journal.state.position);
            (status.since, status.reason) = (last.at_ms, last.reason.clone());
        });
    }

    /// What it does has failed and is tried again.
    pub fn tries(&self, action: Action, problem: &Problem) {
        let (doing, reason, cause) = (action.to_string(), problem.code.name(), problem.cause.clone());
        self.tell(|status| {
            let before = status.trouble.take().filter(|before| before.doing == doing);
            let since = before.map_or_else(clock::now, |before| before.since);
            status.trouble = Some(Trouble { doing, reason, cause, since });
        });
    }

    /// It has come to what it did.
    pub fn done(&self) {
        self.status.send_if_modified(|status| status.trouble.take().is_some());
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
            life: Journal::default().life(),
            trouble: None,
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

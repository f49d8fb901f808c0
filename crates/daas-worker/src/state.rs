//! Where a worker stands, as a pure function: the driver does what [`step`] says and tells it what came of it.
//!
//! ```text
//! unproven ── Seal live ──► staked ── master verified ──► verified master ── node up ──► joined
//!     ▲                       ▲ │                              │                          │
//!     └── Seal lost, jailed ────┴─┼───── master refused ─────────┴──────────────────────────┤
//!                               └── slashed, stake lost, asked to stop, failed ──► draining ──► gone
//! ```

#[cfg(test)]
mod tests;

use core::fmt;
use daas_types::{ErrorCode, PositionId, Problem};
use serde::{Deserialize, Serialize};

/// The phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing on chain vouches for this node yet.
    Unproven,
    /// The position is active and holds this node's Seal.
    Staked,
    /// The master's evidence held.
    VerifiedMaster,
    /// The node runs.
    Joined,
    /// Pods and node are being stopped.
    Draining,
    /// Nothing is left.
    Gone,
}

/// All that survives a kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// The position, from before its stake is submitted.
    pub position: Option<PositionId>,
    /// Why it ends, once it does.
    pub ending: Option<Ending>,
}

/// Why a worker ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The kind of end; decides the exit code.
    pub why: Why,
    /// Name of its entry in the catalogue; empty when somebody asked.
    #[serde(default)]
    pub code: String,
    /// The cause, for people.
    pub cause: String,
}

/// Kinds of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody asked.
    Asked,
    /// A slash was proposed or executed.
    Slashed,
    /// The stake was withdrawn or no longer reaches the node minimum.
    StakeLost,
    /// Something that trying again does not mend.
    Failed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process started, perhaps after a kill.
    Started,
    /// A Seal file with this position is on disk; nothing was submitted before that.
    Prepared(PositionId),
    /// The position is active on chain and holds this node's Seal.
    SealLive,
    /// The position is active, but this node's Seal is not on it any more.
    SealLost,
    /// The node is jailed. Minting takes it out when the time is over.
    Jailed(String),
    /// The master's evidence held.
    MasterVerified,
    /// The master's evidence was refused.
    MasterRefused(String),
    /// The master has registered the node and the node's processes run.
    NodeUp,
    /// The master has not answered several heartbeats.
    HeartbeatsFailing,
    /// The position is suspended or slashed.
    Slashed(String),
    /// The position is closed or below the minimum.
    StakeLost(ErrorCode, String),
    /// SIGTERM or SIGINT.
    StopAsked,
    /// Something that trying again does not mend.
    Failed(ErrorCode, String),
    /// Pods and node have stopped.
    Drained,
}

/// What to do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a Seal file for a new position and save it. The one action that leads to a new stake.
    Prepare,
    /// Bring the saved Seal onto its position: look at the position on chain, stake if it is not there, take its node out of
    /// jail if it is in, refresh the Seal if it is due.
    Mint,
    /// Verify the master.
    VerifyMaster,
    /// Register with the verified master and start the node, unless it runs.
    Join,
    /// Stop and start the node's processes.
    RestartNode,
    /// Take the node out of scheduling and give its pods time to go.
    Cordon,
    /// Stop all pods.
    StopPods,
    /// Stop kubelet and everything beside it.
    StopNode,
    /// Remove mounts, network interfaces and rules.
    Clean,
}

/// What follows from `event` in `state`. Whatever an event does not concern leaves the state as it is.
pub fn step(state: State, event: Event) -> (State, Vec<Action>) {
    use Phase::{Draining, Gone, Joined, Staked, Unproven, VerifiedMaster};
    match (state.phase, event) {
        (_, Event::Started) => start(state),
        (Gone, _) => (state, vec![]),
        (_, Event::Slashed(cause)) => drain(state, Why::Slashed, Some(ErrorCode::StakeSlashed), cause),
        (Draining, Event::Drained) => (State { phase: Gone, ..state }, vec![Action::Clean]),
        (Draining, _) => (state, vec![]),
        (_, Event::StakeLost(code, cause)) => drain(state, Why::StakeLost, Some(code), cause),
        (_, Event::StopAsked) => drain(state, Why::Asked, None, "asked to stop".to_owned()),
        (_, Event::Failed(code, cause)) => drain(state, Why::Failed, Some(code), cause),
        (Unproven, Event::Prepared(position)) if state.position.is_none() => {
            (State { position: Some(position), ..state }, vec![Action::Mint])
        }
        (Unproven, Event::SealLive) if state.position.is_some() => to(state, Staked, Action::VerifyMaster),
        (Staked | VerifiedMaster | Joined, Event::SealLost | Event::Jailed(_)) => to(state, Unproven, Action::Mint),
        (Staked, Event::MasterVerified) => to(state, VerifiedMaster, Action::Join),
        (VerifiedMaster | Joined, Event::MasterRefused(_)) => to(state, Staked, Action::VerifyMaster),
        (VerifiedMaster, Event::NodeUp) => (State { phase: Joined, ..state }, vec![]),
        (Joined, Event::HeartbeatsFailing) => (state, vec![Action::RestartNode]),
        _ => (state, vec![]),
    }
}

/// What a process that starts makes of the state it finds: connections and verdicts died with the former process, the
/// end that a slash began did not.
fn start(state: State) -> (State, Vec<Action>) {
    match (state.phase, state.position) {
        (Phase::Draining, _) if state.is_slashed() => (state, vec![Action::StopPods, Action::StopNode]),
        (_, None) => (State { phase: Phase::Unproven, ending: None, ..state }, vec![Action::Prepare]),
        (_, Some(_)) => (State { phase: Phase::Unproven, ending: None, ..state }, vec![Action::Mint]),
    }
}

fn to(state: State, phase: Phase, action: Action) -> (State, Vec<Action>) {
    (State { phase, ..state }, vec![action])
}

/// A slash leaves no time for a cordon, and does not wait for a drain that has begun for another reason.
fn drain(state: State, why: Why, code: Option<ErrorCode>, cause: String) -> (State, Vec<Action>) {
    let known = state.phase == Phase::Draining && state.is_slashed();
    let code = code.map_or("", ErrorCode::name).to_owned();
    let ending = if known { state.ending } else { Some(Ending { why, code, cause }) };
    let mut actions = vec![Action::StopPods, Action::StopNode];
    if why == Why::Asked || why == Why::StakeLost {
        actions.insert(0, Action::Cordon);
    }
    (State { phase: Phase::Draining, position: state.position, ending }, actions)
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self { phase: Phase::Unproven, position: None, ending: None }
    }
}

impl State {
    fn is_slashed(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.why == Why::Slashed)
    }
}

// === impl Ending ===

impl Ending {
    /// What to tell the person who started the worker; nothing if they asked for the end.
    pub fn problem(&self) -> Option<Problem> {
        let code = ErrorCode::from_name(&self.code).unwrap_or(ErrorCode::Internal);
        (self.why != Why::Asked).then(|| Problem::new(code, &self.cause))
    }
}

// === impl Why ===

impl Why {
    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Asked => 0,
            Self::Slashed => 3,
            Self::StakeLost | Self::Failed => 1,
        }
    }
}

// === impl Display: how transitions are logged ===

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unproven => "unproven",
            Self::Staked => "staked",
            Self::VerifiedMaster => "verified-master",
            Self::Joined => "joined",
            Self::Draining => "draining",
            Self::Gone => "gone",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("the worker started"),
            Self::Prepared(position) => write!(f, "a Seal for position {position} is prepared"),
            Self::SealLive => f.write_str("the Seal is live on chain"),
            Self::SealLost => f.write_str("the Seal is no longer on its position"),
            Self::Jailed(cause) => write!(f, "the node is jailed: {cause}"),
            Self::MasterVerified => f.write_str("the master's evidence held"),
            Self::MasterRefused(cause) => write!(f, "the master's evidence was refused: {cause}"),
            Self::NodeUp => f.write_str("the node is registered and running"),
            Self::HeartbeatsFailing => f.write_str("several heartbeats in a row failed"),
            Self::Slashed(cause) => write!(f, "slashed: {cause}"),
            Self::StakeLost(_, cause) => write!(f, "stake lost: {cause}"),
            Self::StopAsked => f.write_str("asked to stop"),
            Self::Failed(code, cause) => write!(f, "failed: {} {cause}", code.code()),
            Self::Drained => f.write_str("pods and node have stopped"),
        }
    }
}

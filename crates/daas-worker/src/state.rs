//! Where a worker stands, as a pure function: the driver does what [`step`] says and tells it what came of it.
//!
//! ```text
//! unproven ── Seal live ──► staked ── master verified ──► verified master ── node up ──► joined
//!   │ ▲ ▲                    │ ▲ ▲                             │                           │
//!   │ │ └──── Seal lost ─────┼─┼─┴── master refused ───────────┴───────────────────────────┤
//!   │ │                      │ └── Seal live ── recovering ◄── its time is over ── jailed ◄┘
//!   │ └── staked again       └───── slashed, stake lost, asked to stop, failed ──► draining ──► gone
//!   │                                                       asked to unstake ──► draining
//!   └──────────────────────── withdrawn ◄── money is back ── unbonding ◄── drained ──┘
//! ```
//!
//! Who has asked to unstake is asked once: [`Leave`] outlives every kill and every stop. So does an order for a stake, until
//! there is one: what is staked is what was ordered, whoever was killed meanwhile.

mod ending;
mod journal;
mod order;
mod words;

#[cfg(test)]
mod tests;

use daas_types::{ErrorCode, PositionId, UnixMs};
use serde::{Deserialize, Serialize};

pub use daas_types::worker::{Phase, Transition};
pub use ending::{Ending, Why};
pub use journal::Journal;
pub use order::StakeOrder;

/// How far the owner's way out is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// Nobody has asked.
    #[default]
    No,
    /// Asked for; whether the stake is on its way is to be looked up.
    Asked,
    /// The stake may be taken out from then on.
    Unbonding(UnixMs),
    /// The stake was taken out.
    Withdrawn,
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
    /// How far the owner's way out is.
    #[serde(default)]
    pub leave: Leave,
    /// The last position that was left. Its Seal file is worth nothing.
    #[serde(default)]
    pub former: Option<PositionId>,
    /// What its owner has ordered to be staked, until it is; nothing where the configured amount is.
    #[serde(default)]
    pub order: Option<StakeOrder>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process started, perhaps after a kill.
    Started,
    /// A Seal file with this position is on disk; nothing was submitted before that.
    Prepared(PositionId),
    /// What was prepared is of another node or wallet, and nothing came of it.
    Unprepared,
    /// The position is active on chain and holds this node's Seal.
    SealLive,
    /// The position is active, but this node's Seal is not on it any more.
    SealLost,
    /// The node is jailed.
    Jailed(String),
    /// The position may come back: its time in jail is over, or it was restaked after a slash.
    MayRecover(String),
    /// The master's evidence held.
    MasterVerified,
    /// The master's evidence was refused.
    MasterRefused(String),
    /// The master has registered the node and the node's processes run.
    NodeUp,
    /// Somebody wants the node registered once more.
    RegisterAsked,
    /// The master has not answered several heartbeats.
    HeartbeatsFailing,
    /// The position is suspended or slashed.
    Slashed(String),
    /// The position is closed or below the minimum.
    StakeLost(ErrorCode, String),
    /// SIGTERM or SIGINT.
    StopAsked,
    /// The owner wants the stake out.
    UnstakeAsked,
    /// The stake is on its way out until then.
    StakeUnbonding(UnixMs),
    /// The stake is in the wallet.
    StakeWithdrawn,
    /// The owner wants to stake, for the first time or again.
    StakeAsked(StakeOrder),
    /// What was ordered, or else is configured, is not staked, and trying again does not mend that.
    StakeRefused(ErrorCode, String),
    /// Something that trying again does not mend.
    Failed(ErrorCode, String),
    /// Pods and node have stopped.
    Drained,
}

/// What to do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a Seal file for a new position and save it, unless there is one of another position than this, which was left.
    /// The one action that leads to a new stake.
    Prepare(Option<PositionId>),
    /// Bring the saved Seal onto its position: look at the position on chain, stake what is ordered, or else the configured
    /// amount, if it is not there, refresh the Seal if it is due.
    Mint(Option<StakeOrder>),
    /// Wait until the node's time in jail is over.
    AwaitRelease,
    /// Take the node out of jail, then as [`Self::Mint`].
    Recover,
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
    /// Forget what belongs to a running node.
    Clean,
    /// Send the stake on its way out, unless it is.
    Unstake,
    /// Take the stake out once it may be, unless it was.
    Withdraw,
}

/// What follows from `event` in `state`. Whatever an event does not concern leaves the state as it is.
pub fn step(state: State, event: Event) -> (State, Vec<Action>) {
    use Phase::{Draining, Gone, Jailed, Joined, Recovering, Staked, Unbonding, Unproven, VerifiedMaster, Withdrawn};
    match (state.phase, event) {
        (_, Event::Started) => start(state),
        (Gone, _) => (state, vec![]),
        (Draining, event) => draining(state, event),
        (Unbonding | Withdrawn, event) => left(state, event),
        (_, Event::Slashed(cause)) => drain(state, Why::Slashed, Some(ErrorCode::StakeSlashed), cause),
        (_, Event::StakeLost(code, cause)) => drain(state, Why::StakeLost, Some(code), cause),
        (_, Event::StopAsked) => drain(state, Why::Asked, None, asked()),
        (_, Event::Failed(code, cause)) => drain(state, Why::Failed, Some(code), cause),
        // Whether a position is on chain is not known in `unproven`, and a stake may be on its way there.
        (Jailed | Recovering | Staked | VerifiedMaster | Joined, Event::UnstakeAsked) => {
            drain(State { leave: Leave::Asked, ..state }, Why::Unstaked, None, "asked to unstake".to_owned())
        }
        (Unproven, Event::Prepared(position)) if state.position.is_none() && state.former != Some(position) => {
            let mint = Action::Mint(state.order);
            (State { position: Some(position), ..state }, vec![mint])
        }
        // Of what was ordered nothing came, and it is not wanted any more. The driver asks when nothing is on its way.
        (Unproven, Event::UnstakeAsked) if state.order.is_some() => {
            (State { phase: Withdrawn, leave: Leave::Withdrawn, order: None, ..state }, vec![])
        }
        (Unproven, Event::Unprepared) => prove(State { position: None, ..state }),
        (Unproven, Event::StakeAsked(order)) => ordered(state, order),
        (Unproven, Event::StakeRefused(..)) if state.order.is_some() => (refused(state), vec![]),
        (Unproven, Event::StakeRefused(code, cause)) => drain(state, Why::Refused, Some(code), cause),
        (Unproven | Recovering, Event::SealLive) if state.position.is_some() => {
            to(staked(state), Staked, Action::VerifyMaster)
        }
        (Staked | VerifiedMaster | Joined, Event::SealLost) => to(state, Unproven, Action::Mint(None)),
        (Unproven | Recovering | Staked | VerifiedMaster | Joined, Event::Jailed(_)) if state.position.is_some() => {
            to(staked(state), Jailed, Action::AwaitRelease)
        }
        (Unproven | Jailed, Event::MayRecover(_)) if state.position.is_some() => {
            to(staked(state), Recovering, Action::Recover)
        }
        (Staked, Event::MasterVerified) | (Joined, Event::RegisterAsked) => to(state, VerifiedMaster, Action::Join),
        (VerifiedMaster | Joined, Event::MasterRefused(_)) => to(state, Staked, Action::VerifyMaster),
        (VerifiedMaster, Event::NodeUp) => (State { phase: Joined, ..state }, vec![]),
        (Joined, Event::HeartbeatsFailing) => (state, vec![Action::RestartNode]),
        _ => (state, vec![]),
    }
}

/// What a process that starts makes of the state it finds: connections and verdicts died with the former process, the
/// end that a slash began and the way out did not.
fn start(state: State) -> (State, Vec<Action>) {
    let begun = State { ending: None, ..state.clone() };
    match (state.phase, state.leave, state.position) {
        (Phase::Draining, ..) if state.is_slashed() => (state, vec![Action::StopPods, Action::StopNode]),
        (Phase::Draining, Leave::Asked, _) => drain(state, Why::Unstaked, None, "asked to unstake".to_owned()),
        (_, Leave::Asked, _) => to(begun, Phase::Unbonding, Action::Unstake),
        (_, Leave::Unbonding(_), _) => to(begun, Phase::Unbonding, Action::Withdraw),
        (_, Leave::Withdrawn, _) => (State { phase: Phase::Withdrawn, ..begun }, vec![]),
        (_, Leave::No, _) => prove(begun),
    }
}

/// Pods and node are being stopped. Only a slash changes how.
fn draining(state: State, event: Event) -> (State, Vec<Action>) {
    let unstakes = state.ending.as_ref().is_some_and(|ending| ending.why == Why::Unstaked);
    match event {
        // Its owner did not know of it when asking to unstake, and decides anew.
        Event::Slashed(cause) => {
            drain(State { leave: Leave::No, ..state }, Why::Slashed, Some(ErrorCode::StakeSlashed), cause)
        }
        Event::Drained if unstakes => {
            (State { phase: Phase::Unbonding, ending: None, ..state }, vec![Action::Clean, Action::Unstake])
        }
        Event::Drained => (State { phase: Phase::Gone, ..state }, vec![Action::Clean]),
        // The next start goes on with it.
        Event::StopAsked if unstakes => {
            (State { ending: Some(Ending::new(Why::Asked, None, asked())), ..state }, vec![])
        }
        _ => (state, vec![]),
    }
}

/// The node is gone for good. What is slashed or lost now concerns money alone, and that waits for it to be settled.
fn left(state: State, event: Event) -> (State, Vec<Action>) {
    match (state.phase, event) {
        (_, Event::StopAsked) => end(state, Why::Asked, None, asked()),
        (_, Event::Failed(code, cause)) => end(state, Why::Failed, Some(code), cause),
        (Phase::Unbonding, Event::StakeUnbonding(until)) => {
            (State { leave: Leave::Unbonding(until), ..state }, vec![Action::Withdraw])
        }
        (Phase::Unbonding, Event::StakeWithdrawn) => {
            (State { phase: Phase::Withdrawn, leave: Leave::Withdrawn, ..state }, vec![])
        }
        (Phase::Withdrawn, Event::StakeAsked(order)) => {
            let former = state.position;
            ordered(State { position: None, former, leave: Leave::No, ..state }, order)
        }
        _ => (state, vec![]),
    }
}

/// To a Seal on the position, and to a position first where there is none.
fn prove(state: State) -> (State, Vec<Action>) {
    let action = match state.position {
        None => Action::Prepare(state.former),
        Some(_) => Action::Mint(state.order),
    };
    to(state, Phase::Unproven, action)
}

fn ordered(state: State, order: StakeOrder) -> (State, Vec<Action>) {
    prove(State { order: Some(order), ..state })
}

/// What was ordered is on chain.
fn staked(state: State) -> State {
    State { order: None, ..state }
}

/// Who has left before is where they were. Who never had a stake keeps the order, which their next word or start tries again:
/// the configured amount is not what they want.
fn refused(state: State) -> State {
    match state.former {
        None => state,
        Some(_) => State {
            phase: Phase::Withdrawn,
            position: state.former,
            former: None,
            leave: Leave::Withdrawn,
            order: None,
            ..state
        },
    }
}

fn to(state: State, phase: Phase, action: Action) -> (State, Vec<Action>) {
    (State { phase, ..state }, vec![action])
}

fn end(mut state: State, why: Why, code: Option<ErrorCode>, cause: String) -> (State, Vec<Action>) {
    (state.phase, state.ending) = (Phase::Gone, Some(Ending::new(why, code, cause)));
    (state, vec![Action::Clean])
}

/// A slash leaves no time for a cordon, and does not wait for a drain that has begun for another reason.
fn drain(state: State, why: Why, code: Option<ErrorCode>, cause: String) -> (State, Vec<Action>) {
    let known = state.phase == Phase::Draining && state.is_slashed();
    let ending = if known { state.ending } else { Some(Ending::new(why, code, cause)) };
    let mut actions = vec![Action::StopPods, Action::StopNode];
    if matches!(why, Why::Asked | Why::StakeLost | Why::Unstaked) {
        actions.insert(0, Action::Cordon);
    }
    (State { phase: Phase::Draining, ending, ..state }, actions)
}

fn asked() -> String {
    "asked to stop".to_owned()
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self { phase: Phase::Unproven, position: None, ending: None, leave: Leave::No, former: None, order: None }
    }
}

impl State {
    fn is_slashed(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.why == Why::Slashed)
    }
}

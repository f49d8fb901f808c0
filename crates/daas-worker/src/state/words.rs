//! How events and actions are told: in logs, in the state file, in the API.

use super::{Action, Event};
use core::fmt;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare(_) => "preparing a Seal",
            Self::Mint(_) => "bringing stake and Seal on chain",
            Self::AwaitRelease => "waiting for the end of its time in jail",
            Self::Recover => "taking the node out of jail",
            Self::VerifyMaster => "verifying the master",
            Self::Join => "registering and starting the node",
            Self::RestartNode => "restarting the node's processes",
            Self::Cordon => "asking the pods to go",
            Self::StopPods => "stopping the pods",
            Self::StopNode => "stopping the node",
            Self::Clean => "tidying up",
            Self::Unstake => "sending the stake on its way out",
            Self::Withdraw => "taking the stake out",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("the worker started"),
            Self::Prepared(position) => write!(f, "a Seal for position {position} is prepared"),
            Self::Unprepared => f.write_str("what was prepared is of another node or wallet"),
            Self::SealLive => f.write_str("the Seal is live on chain"),
            Self::SealLost => f.write_str("the Seal is no longer on its position"),
            Self::Jailed(cause) => write!(f, "the node is jailed: {cause}"),
            Self::MayRecover(cause) => write!(f, "the position may come back: {cause}"),
            Self::MasterVerified => f.write_str("the master's evidence held"),
            Self::MasterRefused(cause) => write!(f, "the master's evidence was refused: {cause}"),
            Self::NodeUp => f.write_str("the node is registered and running"),
            Self::RegisterAsked => f.write_str("asked to register once more"),
            Self::HeartbeatsFailing => f.write_str("several heartbeats in a row failed"),
            Self::Slashed(cause) => write!(f, "slashed: {cause}"),
            Self::StakeLost(_, cause) => write!(f, "stake lost: {cause}"),
            Self::StopAsked => f.write_str("asked to stop"),
            Self::UnstakeAsked => f.write_str("asked to unstake"),
            Self::StakeUnbonding(until) => write!(f, "the stake is on its way out until {until}"),
            Self::StakeWithdrawn => f.write_str("the stake is in the wallet"),
            Self::StakeAsked(order) => write!(f, "asked to stake {order}"),
            Self::StakeRefused(code, cause) => write!(f, "not staked: {} {cause}", code.code()),
            Self::Failed(code, cause) => write!(f, "failed: {} {cause}", code.code()),
            Self::Drained => f.write_str("pods and node have stopped"),
        }
    }
}

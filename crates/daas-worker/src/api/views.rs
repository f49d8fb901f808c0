//! What is told of the worker, made of what it published and what the chain's index has.

use super::routes::About;
use super::status::{self, Status};
use super::types::{Health, Seal, Staking, StakingStatus, Step, Trouble};
use crate::heartbeat::{FAILURES, INTERVAL};
use crate::state::{Phase, Transition};
use daas_chain::index::Snapshot;
use daas_types::onchain::{self, PositionState};
use daas_types::{Mist, UnixMs};

/// Of a node that has joined and is heard.
pub(super) const HEALTHY: &str = "healthy";
/// Of a stake on its way out.
pub(super) const UNBONDING: &str = "unbonding";
/// Of a stake that is in the wallet again.
pub(super) const UNSTAKED: &str = "unstaked";

pub(super) fn health(
    about: &About,
    status: &Status,
    snapshot: &Snapshot,
    stake: Option<&PositionState>,
    now: UnixMs,
) -> Health {
    let word = match status.phase {
        // By its age: failures are counted anew when the node is started anew.
        Phase::Joined if !is_heard(status, now) => "unhealthy".to_owned(),
        Phase::Joined => HEALTHY.to_owned(),
        phase => phase.to_string(),
    };
    Health {
        status: word,
        node_id: about.node_id.to_string(),
        staking_status: staking_status(status, snapshot, stake),
        running_pods: status.pods.unwrap_or(0),
        timestamp: now.secs(),
    }
}

/// Whether the master has answered lately, or the node has joined a moment ago.
fn is_heard(status: &Status, now: UnixMs) -> bool {
    let last = status.heartbeat.last.map_or(status.since, |last| last.max(status.since));
    now.since(last) <= INTERVAL.saturating_mul(FAILURES.saturating_add(1))
}

pub(super) fn staking(about: &About, status: &Status, snapshot: &Snapshot, stake: Option<&PositionState>) -> Staking {
    let amount = |of: fn(&PositionState) -> Mist| stake.map_or(0, |state| of(state).0);
    let minimum = snapshot.cluster().map_or(0, |cluster| cluster.policy.node_minimum.0);
    let unbonding = amount(|state| state.unbonding);
    let withdrawable = stake.filter(|_| unbonding > 0).map(|state| state.unbonding_until_ms.secs());
    Staking {
        node_id: about.node_id.to_string(),
        wallet_address: about.owner.to_string(),
        stake_amount: amount(|state| state.active),
        min_stake: minimum,
        status: staking_status(status, snapshot, stake),
        seal_token: None,
        contract_address: snapshot.cluster().map_or_else(String::new, |cluster| cluster.cluster.to_string()),
        last_heartbeat: status.heartbeat.last.map_or(0, UnixMs::secs),
        heartbeat_failures: status.heartbeat.failures,
        phase: status.phase.to_string(),
        reason: status.reason.clone(),
        since: status.since.secs(),
        history: status.life.shown().map(step).collect(),
        trouble: status.trouble.as_ref().map(trouble),
        ordered: status.ordered.map(|amount| amount.0),
        seal: status.seal.map(|seal| Seal { id: seal.id.to_string(), expires_at: seal.expires.secs() }),
        master: status.master.as_ref().map(|master| master.endpoint.clone()),
        frozen: amount(|state| state.frozen),
        unbonding,
        withdrawable_at: withdrawable,
    }
}

fn step(Transition { at_ms, from, to, reason }: &Transition) -> Step {
    Step { at: at_ms.secs(), from: from.to_string(), to: to.to_string(), reason: reason.clone() }
}

fn trouble(status::Trouble { doing, reason, cause, since }: &status::Trouble) -> Trouble {
    Trouble { doing: doing.clone(), reason: (*reason).to_owned(), cause: cause.clone(), since: since.secs() }
}

fn staking_status(status: &Status, snapshot: &Snapshot, stake: Option<&PositionState>) -> StakingStatus {
    let active = stake.map_or(0, |state| state.active.0);
    StakingStatus {
        is_staked: active > 0,
        stake_amount: active,
        stake_object_id: status.position.map_or_else(String::new, |position| position.to_string()),
        seal_token: None,
        last_validation: snapshot.timestamp().map_or(0, UnixMs::secs),
        status: match stake {
            None => "pending".to_owned(),
            Some(state) if state.status == onchain::Status::Closed && state.unbonding > Mist(0) => UNBONDING.to_owned(),
            Some(state) if state.status == onchain::Status::Closed => UNSTAKED.to_owned(),
            Some(state) => state.status.to_string(),
        },
    }
}

/// What runs containers here.
pub(super) fn runtime(about: &About) -> String {
    let set = about.settings.get("container_runtime").and_then(serde_json::Value::as_str);
    set.unwrap_or("containerd").to_owned()
}

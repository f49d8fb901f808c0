//! The way out: the stake on its way, and back in the wallet. Each step looks first at what the chain has, so that none is done
//! twice, whenever the worker was killed.

use super::Staker;
use daas_chain::clock;
use daas_types::onchain::{PositionState, Status};
use daas_types::{ErrorCode, Problem, UnixMs};

/// What came of taking the stake out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// It is in the wallet.
    Done,
    /// It may be taken out from then on.
    From(UnixMs),
}

// === impl Staker ===

impl Staker {
    /// Sends all of the active stake on its way out. Answers when it may be taken out.
    pub async fn unstake(&self) -> Result<UnixMs, Problem> {
        let state = self.own().await?;
        if is_on_its_way(&state) {
            return Ok(state.unbonding_until_ms);
        }
        if state.status == Status::Suspended {
            return Err(settled_first(&state));
        }
        tracing::info!(stake.sui = %state.active, stake.position = %state.position, "unstaking");
        let done = self.ops.unstake(&self.ids, state.position, state.active).await?;
        tracing::info!(stake.sui = %state.active, gas.mist = done.outcome.gas.net(), "unstaked");
        Ok(done.position.unbonding_until_ms)
    }

    /// Takes the stake out, if it may be.
    pub async fn withdraw(&self) -> Result<Withdrawal, Problem> {
        let state = self.own().await?;
        match due(&state, clock::now())? {
            Due::Done => Ok(Withdrawal::Done),
            Due::From(at) => Ok(Withdrawal::From(at)),
            Due::Now => {
                tracing::info!(stake.sui = %state.unbonding, stake.position = %state.position, "withdrawing");
                let done = self.ops.withdraw(&self.ids, state.position).await?;
                tracing::info!(stake.sui = %state.unbonding, gas.mist = done.outcome.gas.net(), "withdrawn");
                Ok(Withdrawal::Done)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    From(UnixMs),
    Done,
}

/// Nothing of it is active any more. What a slash took all of has nothing to send on its way.
fn is_on_its_way(state: &PositionState) -> bool {
    state.status == Status::Closed || (state.active.0 == 0 && state.proposal.is_none())
}

/// Whether there is something to take out. A closed position gives up its node id with its money.
fn due(state: &PositionState, now: UnixMs) -> Result<Due, Problem> {
    if state.proposal.is_some() {
        return Err(settled_first(state));
    }
    let leaves = state.status == Status::Closed && !state.node_id.is_empty();
    if state.unbonding.0 == 0 && !leaves {
        return Ok(Due::Done);
    }
    Ok(if now < state.unbonding_until_ms { Due::From(state.unbonding_until_ms) } else { Due::Now })
}

fn settled_first(state: &PositionState) -> Problem {
    Problem::new(ErrorCode::SlashPending, super::slash_cause(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Staker as Written;
    use daas_types::onchain::{Proposal, Stage};
    use daas_types::{Address, Mist, Permissions, WalletAddress};

    fn state(change: impl FnOnce(&mut PositionState)) -> PositionState {
        let mut state = Written::new(1, "1", Permissions::NODE).state;
        (state.status, state.active, state.unbonding) = (Status::Closed, Mist(0), Mist(5));
        state.unbonding_until_ms = UnixMs(60);
        change(&mut state);
        state
    }

    fn proposal() -> Proposal {
        Proposal {
            reason: 1,
            evidence_hash: vec![1; 32],
            uri: String::new(),
            proposer: WalletAddress(Address::new([9; 32])),
            amount: Mist(1),
            from_unbonding: Mist(1),
            proposed_ms: UnixMs(1),
            appeal_until_ms: UnixMs(5),
            expires_ms: UnixMs(9),
            stage: Stage::Proposed,
            prior_status: Status::Closed,
        }
    }

    #[test]
    fn money_is_taken_out_when_it_may_be_and_once() {
        assert_eq!(due(&state(|_| ()), UnixMs(59)).unwrap(), Due::From(UnixMs(60)));
        assert_eq!(due(&state(|_| ()), UnixMs(60)).unwrap(), Due::Now);
        // The node id is given up with a withdrawal even of nothing.
        assert_eq!(due(&state(|state| state.unbonding = Mist(0)), UnixMs(60)).unwrap(), Due::Now);
        let left = state(|state| {
            state.unbonding = Mist(0);
            state.node_id.clear();
        });
        assert_eq!(due(&left, UnixMs(60)).unwrap(), Due::Done);
        let slashed = due(&state(|state| state.proposal = Some(Box::new(proposal()))), UnixMs(60)).unwrap_err();
        assert_eq!(slashed.code, ErrorCode::SlashPending);
    }

    #[test]
    fn what_is_closed_or_slashed_away_is_not_unstaked_again() {
        assert!(is_on_its_way(&state(|_| ())));
        assert!(is_on_its_way(&state(|state| state.status = Status::Slashed)));
        assert!(!is_on_its_way(&state(|state| (state.status, state.active) = (Status::Active, Mist(1)))));
        let frozen = state(|state| (state.status, state.proposal) = (Status::Suspended, Some(Box::new(proposal()))));
        assert!(!is_on_its_way(&frozen), "what is frozen may come back");
    }
}

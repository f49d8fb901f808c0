//! The moment between a stake and what it gives. The chain knows the stake at once; the master learns of it and then makes
//! namespaces and bindings, which the API server learns of in turn. A person's first command should not fall between.

use crate::output::Output;
use daas_chain::clock;
use daas_chain::index::namespace_of;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster};
use daas_types::onchain::{PositionState, Status};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Permissions, PositionId, Problem, Tier};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The longest wait.
const LIMIT: Duration = Duration::from_secs(15);
/// Up to here nobody wonders.
const MOMENT: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a Seal's holder has, by the chain.
pub(crate) struct Holder {
    pub(crate) position: PositionId,
    pub(crate) tier: Option<Tier>,
}

// === impl Holder ===

impl Holder {
    /// Asks the chain. A Seal that was never minted, or whose stake is closed, opens nothing and never will.
    pub(crate) async fn of(cluster: &ClusterInfo, seal: &SealFile) -> Result<Self, Problem> {
        if seal.seal.is_none() {
            return Err(Problem::new(ErrorCode::NotStaked, "the stake of this Seal file did not succeed"));
        }
        let chain = cluster.chain().await?;
        let policy = chain.cluster(&cluster.ids()).await?.policy;
        let state = living(seal.position, chain.position(&cluster.ids(), seal.position).await?)?;
        Ok(Self { position: seal.position, tier: state.rights(&policy, clock::now()).tier })
    }

    /// A developer works in a namespace of its own, so kubectl starts there.
    pub(crate) fn namespace(&self) -> Option<String> {
        (self.tier == Some(Tier::Developer)).then(|| namespace_of(self.position))
    }

    /// What whoever has this tier may list, and where kubectl lists it.
    fn first(&self) -> Option<(&'static str, Option<String>)> {
        Some(match self.tier? {
            Tier::Viewer => ("namespaces", None),
            Tier::Developer => ("pods", self.namespace()),
            Tier::Admin | Tier::Super => ("pods", Some("default".to_owned())),
        })
    }
}

fn living(position: PositionId, state: Option<PositionState>) -> Result<PositionState, Problem> {
    match state {
        None => Err(Problem::new(ErrorCode::NotStaked, format!("position {position} is not on chain"))),
        Some(state) if state.status == Status::Closed => {
            Err(Problem::new(ErrorCode::PositionClosed, format!("position {position} is closed")))
        }
        Some(state) => Ok(state),
    }
}

/// Waits until the API server lets the holder in. That it does not in time is worth a warning, not a failure: what this
/// stands before is right all the same.
pub(crate) async fn settle(output: Output, master: &mut VerifiedMaster, holder: &Holder, seal: &SealFile) {
    if !seal.permissions.covers(Permissions::USER) {
        return;
    }
    let Some((resource, namespace)) = holder.first() else {
        let cause = format!("position {} has no tier now", holder.position);
        return output.warning(&Problem::new(ErrorCode::StakeTooLow, cause));
    };
    let ask = async || {
        let token = seal.mint(Usage::User, clock::now())?;
        master.may_list(&token, resource, namespace.as_deref()).await
    };
    if let Err(problem) = until_allowed(output, ask).await {
        output.warning(&problem);
    }
}

async fn until_allowed(output: Output, mut ask: impl AsyncFnMut() -> Result<bool, Problem>) -> Result<(), Problem> {
    let begun = Instant::now();
    let (mut wait, mut told) = (FIRST_WAIT, false);
    loop {
        let answer = ask().await;
        let cause = match answer {
            Ok(true) => return Ok(()),
            Ok(false) => "the API server does not know them yet".to_owned(),
            Err(problem) if comes_with_time(problem.code) => problem.cause,
            Err(problem) => return Err(problem),
        };
        if begun.elapsed() + wait > LIMIT {
            let cause = format!("after {} s: {cause}", begun.elapsed().as_secs());
            return Err(Problem::new(ErrorCode::RightsPending, cause));
        }
        if begun.elapsed() >= MOMENT && !told {
            told = true;
            output.note("waiting for the master to set up what this stake gives");
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// What the master says of a stake that it has yet to learn of.
fn comes_with_time(code: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        code,
        E::TokenUnknown
            | E::StakeTooLow
            | E::PositionSuspended
            | E::PositionSlashed
            | E::PositionClosed
            | E::ChainStale
            | E::TooManyRequests
            | E::ApiServerUnavailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    async fn asked(answers: Vec<Result<bool, ErrorCode>>) -> (Result<(), ErrorCode>, Duration) {
        let (mut answers, begun) = (VecDeque::from(answers), Instant::now());
        let ask = async || match answers.pop_front() {
            Some(answer) => answer.map_err(|code| Problem::new(code, "cause")),
            None => Ok(false),
        };
        let result = until_allowed(Output::new(true), ask).await;
        (result.map_err(|problem| problem.code), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn rights_that_come_are_waited_for() {
        let later = vec![Err(ErrorCode::TokenUnknown), Err(ErrorCode::ChainStale), Ok(false), Ok(true)];
        assert_eq!(asked(later).await.0, Ok(()));
        assert_eq!(asked(vec![Ok(true)]).await, (Ok(()), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn rights_that_do_not_come_are_told_of() {
        let (result, waited) = asked(vec![]).await;
        assert_eq!(result, Err(ErrorCode::RightsPending));
        assert!(waited > LIMIT / 2 && waited <= LIMIT, "{waited:?}");
        // What no time mends is said at once.
        let (result, waited) = asked(vec![Err(ErrorCode::SealExpired)]).await;
        assert_eq!((result, waited), (Err(ErrorCode::SealExpired), Duration::ZERO));
    }

    #[test]
    fn a_stake_that_is_not_there_is_said() {
        let position: PositionId = "0x7".parse().unwrap();
        assert_eq!(living(position, None).unwrap_err().code, ErrorCode::NotStaked);
    }

    #[test]
    fn everyone_is_asked_about_something_of_theirs() {
        let first = |tier| Holder { position: "0x7".parse().unwrap(), tier }.first();
        assert_eq!(first(None), None);
        assert_eq!(first(Some(Tier::Viewer)), Some(("namespaces", None)));
        assert!(first(Some(Tier::Developer)).unwrap().1.unwrap().starts_with("t-"));
        assert_eq!(first(Some(Tier::Admin)), Some(("pods", Some("default".to_owned()))));
    }
}

use crate::audit::Entry;
use crate::authenticate::Caller;
use crate::credential::Bearer;
use crate::refusal::Refusal;
use crate::request::{App, Context};
use daas_chain::index::LivePosition;
use daas_types::ErrorCode::TokenMalformed;
use daas_types::Tier;
use daas_types::api::{MyStake, StakingStatusResponse};
use daas_types::pop::Usage;
use http::HeaderMap;

/// Totals for anyone; with a token also the caller's own position, whatever its rights are, so that a suspended
/// staker can see why.
pub(super) fn status(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    entry: &mut Entry,
) -> Result<StakingStatusResponse, Refusal> {
    app.strangers.may_ask(context.info.peer.ip())?;
    let bearer = Bearer::from_headers(headers)?;
    let view = app.watch.view();
    let caller = bearer.map(|bearer| app.authenticate(context, &bearer, Usage::User, &view)).transpose()?;
    if let Some(caller) = &caller {
        entry.known(caller);
    }
    let mine = match caller {
        None => None,
        Some(Caller::Seal(holder)) => Some(mine(&holder.position)),
        Some(Caller::Certificate(holder)) => Some(mine(&holder.position)),
        Some(Caller::ServiceAccount { .. }) => {
            return Err(Refusal::unauthorized(TokenMalformed, "a service account has no stake"));
        }
    };
    let totals = view.snapshot.totals();
    let thresholds = &view.snapshot.policy().thresholds;
    Ok(StakingStatusResponse {
        total_active: totals.active.0,
        positions: totals.positions,
        thresholds: Tier::ALL.into_iter().map(|tier| (tier.to_string(), thresholds.of(tier).0)).collect(),
        mine,
    })
}

fn mine(position: &LivePosition) -> MyStake {
    let state = &position.state;
    MyStake {
        position: state.position.to_string(),
        status: state.status.to_string(),
        active: state.active.0,
        frozen: state.frozen.0,
        unbonding: state.unbonding.0,
        tier: position.rights.tier.map(|tier| tier.to_string()),
        node_id: position.node().map(String::from),
    }
}

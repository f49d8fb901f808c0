use daas_types::onchain::{PositionState, Proposal, Status};
use daas_types::{ErrorCode, Mist};

/// What a position means for its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its node may run once it has a Seal.
    Good,
    /// A slash is proposed or was executed: stop at once.
    Slashed(String),
    /// The stake is gone or too small: leave in order.
    Lost(ErrorCode, String),
}

/// Judges a position.
pub fn standing(state: &PositionState, node_minimum: Mist) -> Standing {
    match state.status {
        Status::Suspended | Status::Slashed => Standing::Slashed(slash_cause(state)),
        Status::Closed => Standing::Lost(ErrorCode::PositionClosed, format!("position {} is closed", state.position)),
        Status::Active | Status::Recovering if state.active < node_minimum => Standing::Lost(
            ErrorCode::StakeTooLow,
            format!("{} SUI are active, a node needs {node_minimum}", state.active),
        ),
        Status::Active | Status::Recovering => Standing::Good,
    }
}

/// Why a position was slashed, for its owner.
pub fn slash_cause(state: &PositionState) -> String {
    let Some(proposal) = &state.proposal else {
        return format!("position {} was slashed; {} SUI remain", state.position, state.active);
    };
    let Proposal { reason, amount, uri, evidence_hash, appeal_until_ms, appealed, .. } = proposal;
    let mut text = format!(
        "position {}: {amount} SUI frozen, reason {reason} ({}), evidence {uri} (hash {}), appeal until {}",
        state.position,
        reason_name(*reason),
        hex::encode(evidence_hash),
        appeal_until_ms,
    );
    if *appealed {
        text.push_str(", already appealed");
    }
    text
}

/// The reasons of `staking.move`.
fn reason_name(reason: u8) -> &'static str {
    match reason {
        1 => "an audit root signed twice",
        _ => "see the operator's published list",
    }
}

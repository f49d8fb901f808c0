use daas_types::onchain::{PositionState, Proposal, Stage, Status};
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
    let Some(proposal) = state.proposal.as_deref() else {
        return format!("position {} was slashed; {} SUI remain", state.position, state.active);
    };
    let Proposal { reason, amount, uri, evidence_hash, appeal_until_ms, stage, .. } = proposal;
    let mut text = format!(
        "position {}: {amount} SUI frozen, reason {reason} ({}), evidence {uri} (hash {}), appeal until {}",
        state.position,
        reason_name(*reason),
        hex::encode(evidence_hash),
        appeal_until_ms,
    );
    match stage {
        Stage::Proposed => {}
        Stage::Appealed => text.push_str(", already appealed"),
        Stage::Upheld => text.push_str(", appealed and upheld"),
    }
    text
}

/// Why the node is out although its stake is good, if it is.
pub fn jail_cause(state: &PositionState) -> Option<String> {
    let until = state.jailed_until_ms;
    state.is_jailed().then(|| format!("node {} was silent; jailed at least until {until}", state.node_id))
}

/// The reasons of `slashing.move`.
fn reason_name(reason: u8) -> &'static str {
    match reason {
        1 => "an audit root signed twice",
        2 => "a false attestation",
        3 => "a workload tampered with",
        4 => "an absent node",
        _ => "see the operator's published list",
    }
}

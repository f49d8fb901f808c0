//! From money to a Seal, so that no crash in between loses either: the private half is on disk before the transaction
//! leaves, and whoever comes back looks at the chain before paying again.

use crate::chain::Staker;
use daas_chain::ops::{Call, PositionOutcome, SealSpec, StakeSpec};
use daas_client::SealFile;
use daas_types::onchain::{PositionState, SealRecord};
use daas_types::{ErrorCode, Mist, Permissions, Problem, SEAL_LIFETIME, SealId};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is missing on chain for a Seal that is saved.
pub(crate) enum Missing<'a> {
    /// Nothing: the position has it.
    Nothing(Box<PositionState>),
    /// This transaction.
    Call(Box<Call<'a, PositionOutcome>>),
}

/// What brings the saved Seal onto the chain: the stake if its position is not there, else the Seal alone.
pub(crate) async fn missing<'a>(staker: &'a Staker, seal: &SealFile, amount: Mist) -> Result<Missing<'a>, Problem> {
    let found = staker.ops.client().position(&staker.ids, seal.position).await?;
    Ok(match found {
        None => {
            let spec = StakeSpec { amount, salt: seal.salt, node_id: seal.node_id.clone(), seal: spec(staker, seal) };
            Missing::Call(Box::new(staker.ops.stake_and_mint_seal(&staker.ids, &spec)))
        }
        Some(state) if record(&state, seal).is_some() => Missing::Nothing(Box::new(state)),
        Some(_) => Missing::Call(Box::new(mint(staker, seal, None))),
    })
}

/// Brings the saved Seal onto the chain, without asking.
pub(crate) async fn settle(
    staker: &Staker,
    seal: &mut SealFile,
    path: &Path,
    amount: Mist,
) -> Result<PositionState, Problem> {
    let state = match missing(staker, seal, amount).await? {
        Missing::Nothing(state) => *state,
        Missing::Call(call) => (*call).await?.position,
    };
    keep(&state, seal, path)?;
    Ok(state)
}

/// Writes into the Seal's file what the chain made of it.
pub(crate) fn keep(state: &PositionState, seal: &mut SealFile, path: &Path) -> Result<(), Problem> {
    let found = record(state, seal).map(|record| (record.id, record.expires_ms));
    let (id, expires) = found.ok_or_else(|| {
        Problem::new(
            ErrorCode::TransactionFailed,
            format!("position {} does not show the Seal it minted", state.position),
        )
    })?;
    (seal.seal, seal.expires) = (Some(id), expires);
    seal.save(path)
}

/// The Seal that is to replace `seal`: one that was prepared before and is on chain already or can still be minted, else a
/// fresh one. If this process dies before the end, the secret of the paid-for Seal is not lost with it.
pub(crate) fn next(seal: &SealFile, path: &Path, permissions: Permissions) -> Result<SealFile, Problem> {
    let left = SealFile::load(&draft(path)).ok();
    if let Some(left) = left.filter(|left| left.position == seal.position && left.permissions == permissions) {
        return Ok(left);
    }
    let mut next = seal.renewed()?;
    next.permissions = permissions;
    Ok(next)
}

/// Saves the Seal to come.
pub(crate) fn prepare(next: &SealFile, path: &Path) -> Result<(), Problem> {
    next.save(&draft(path))
}

/// What brings `next` onto the chain in place of `seal`.
pub(crate) fn replacement<'a>(
    staker: &'a Staker,
    state: &PositionState,
    seal: &SealFile,
    next: &SealFile,
) -> Missing<'a> {
    if record(state, next).is_some() {
        return Missing::Nothing(Box::new(state.clone()));
    }
    let replaces = seal.seal.filter(|id| state.seals.iter().any(|record| record.id == *id));
    Missing::Call(Box::new(mint(staker, next, replaces)))
}

/// From here on `next` is the Seal.
pub(crate) fn adopt(state: &PositionState, next: &mut SealFile, path: &Path) -> Result<(), Problem> {
    keep(state, next, path)?;
    match std::fs::remove_file(draft(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "draft of the Seal file not removed");
        }
        _ => {}
    }
    Ok(())
}

fn mint<'a>(staker: &'a Staker, seal: &SealFile, replaces: Option<SealId>) -> Call<'a, PositionOutcome> {
    let spec = spec(staker, seal);
    staker.ops.refresh_seal_token(&staker.ids, seal.position, replaces, &spec)
}

fn spec(staker: &Staker, seal: &SealFile) -> SealSpec {
    SealSpec {
        permissions: seal.permissions,
        locator: seal.locator(),
        commitment: seal.commitment(),
        session: Some(seal.session_address()),
        lifetime: SEAL_LIFETIME.min(Duration::from_millis(staker.policy.max_seal_lifetime_ms)),
    }
}

/// The Seal's record, known by its commitment: nobody else can have made one that our secret opens.
fn record<'a>(state: &'a PositionState, seal: &SealFile) -> Option<&'a SealRecord> {
    state.seals.iter().find(|record| seal.commitment().matches(&record.commitment))
}

fn draft(path: &Path) -> PathBuf {
    path.with_extension("next.json")
}

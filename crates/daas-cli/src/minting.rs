//! From money to a Seal, so that no crash in between loses either: the private half is on disk before the transaction
//! leaves, and whoever comes back looks at the chain before paying again.

use crate::chain::Staker;
use daas_chain::ops::{PositionOutcome, SealSpec, StakeSpec};
use daas_client::SealFile;
use daas_types::onchain::{PositionState, SealRecord};
use daas_types::{ErrorCode, Mist, Permissions, Problem, SEAL_LIFETIME};
use std::path::Path;
use std::time::Duration;

/// Brings the saved Seal onto the chain: stakes if its position is not there, and mints only what is missing.
pub(crate) async fn settle(
    staker: &Staker,
    seal: &mut SealFile,
    path: &Path,
    amount: Mist,
) -> Result<PositionState, Problem> {
    let found = staker.ops.client().position(&staker.ids, seal.position).await?;
    let state = match found {
        None => {
            let spec = StakeSpec { amount, salt: seal.salt, node_id: seal.node_id.clone(), seal: spec(staker, seal) };
            staker.ops.stake_and_mint_seal(&staker.ids, &spec).await?.position
        }
        Some(state) if record(&state, seal).is_some() => state,
        Some(_) => mint(staker, seal, None).await?.position,
    };
    adopt(&state, seal)?;
    seal.save(path)?;
    Ok(state)
}

/// Mints a Seal in place of `seal`, and replaces the file once it is there.
pub(crate) async fn refresh(
    staker: &Staker,
    seal: &SealFile,
    path: &Path,
    permissions: Permissions,
) -> Result<(SealFile, PositionState), Problem> {
    let mut next = seal.renewed()?;
    next.permissions = permissions;
    // If this process dies before the end, the secret of the paid-for Seal is not lost with it.
    let draft = path.with_extension("next.json");
    next.save(&draft)?;
    let before = staker.position(seal).await?;
    let replaces = seal.seal.filter(|id| before.seals.iter().any(|record| record.id == *id));
    let state = mint(staker, &next, replaces).await?.position;
    adopt(&state, &mut next)?;
    next.save(path)?;
    if let Err(error) = std::fs::remove_file(&draft) {
        tracing::warn!(%error, "draft of the Seal file not removed");
    }
    Ok((next, state))
}

async fn mint(
    staker: &Staker,
    seal: &SealFile,
    replaces: Option<daas_types::SealId>,
) -> Result<PositionOutcome, Problem> {
    let spec = spec(staker, seal);
    Ok(staker.ops.refresh_seal_token(&staker.ids, seal.position, replaces, &spec).await?)
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

fn adopt(state: &PositionState, seal: &mut SealFile) -> Result<(), Problem> {
    let found = record(state, seal).map(|record| (record.id, record.expires_ms));
    let (id, expires) = found.ok_or_else(|| {
        Problem::new(
            ErrorCode::TransactionFailed,
            format!("position {} does not show the Seal it minted", state.position),
        )
    })?;
    (seal.seal, seal.expires) = (Some(id), expires);
    Ok(())
}

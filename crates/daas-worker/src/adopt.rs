//! `--register --token`: the worker takes over the stake that a Seal belongs to, with nothing but the Seal's secret and the
//! owner's wallet. `--replace`: without even the secret.
//!
//! An opaque secret has no session key that the node's programs could sign with, so the worker's first step afterwards is to
//! put a Seal of its own in its place. That also makes worthless what was typed.

use crate::config::{WorkerConfig, seal_path};
use crate::host::reserve;
use crate::state::State;
use crate::store::Store;
use crate::worker::{CORDONED, ids, load_wallet, own_node_id};
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::index::IndexIds;
use daas_chain::ops::Ops;
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, SealFile};
use daas_types::onchain::{PositionState, SealToken};
use daas_types::{ClusterId, ErrorCode, Mist, NodeId, Permissions, PositionId, Problem, SealId, SealSecret, UnixMs};
use std::collections::BTreeSet;

/// Finds the Seal on chain, and makes it and its position this worker's. Nothing runs yet.
pub async fn adopt(config: &WorkerConfig, secret: SealSecret) -> Result<(), Problem> {
    let Owned { store, chain, wallet, ids, node_id } = Owned::open(config).await?;
    let owner = wallet.address();
    let seals = chain.seals(&ids, owner).await?;
    let token = pick(&secret, ids.cluster, &seals).ok_or_else(|| {
        let cause = format!(
            "no Seal of wallet {owner} has this secret; a worker that took it over has replaced it: start that without --register"
        );
        Problem::new(ErrorCode::TokenUnknown, cause)
    })?;
    let state = chain.position(&ids, token.position).await?;
    check(token, state.as_ref(), &node_id, clock::now())?;
    let path = seal_path(store.folder());
    if path.exists() {
        let known = SealFile::load(&path)?;
        if known.position != token.position {
            let former = chain.position(&ids, known.position).await?;
            left(&known, former.as_ref())?;
        }
    }
    own(&store, &SealFile::of_secret(token, owner, secret)?)
}

/// The same without the secret, which is lost with its machine: the wallet's node of this name is this worker's from now on. Every
/// Seal for a node that the position has ends, but this worker's: which of them the lost machine held nobody knows. Said again, it
/// goes on where it was.
pub async fn replace(config: &WorkerConfig) -> Result<(), Problem> {
    let Owned { store, chain, wallet, ids, node_id } = Owned::open(config).await?;
    // It costs gas and ends Seals: not for a machine that cannot be the node.
    let _held = reserve(config).await?;
    let (owner, path) = (wallet.address(), seal_path(store.folder()));
    let former = path.exists().then(|| SealFile::load(&path)).transpose()?;
    let seals = chain.seals(&ids, owner).await?;
    let of_node = seals.iter().filter(|seal| seal.cluster == ids.cluster && seal.node_id == node_id.as_str());
    // Its own, if this was begun before.
    let mut positions: BTreeSet<PositionId> = of_node.map(|seal| seal.position).collect();
    positions.extend(former.as_ref().map(|former| former.position));
    for position in positions {
        let Some(state) = chain.position(&ids, position).await? else { continue };
        if state.owner != owner || state.node_id != node_id.as_str() {
            continue;
        }
        // What was prepared for a stake of its own, and refused because the name is taken, is kept beside.
        if let Some(former) = former.as_ref().filter(|former| former.position != position) {
            left(former, chain.position(&ids, former.position).await?.as_ref())?;
            former.save(&path.with_file_name(format!("seal-{}.json", former.position)))?;
        }
        let held = former.filter(|former| former.position == position).and_then(|former| former.seal);
        if held.is_none() {
            // The lost machine may have taken the node out of scheduling: this one takes it back.
            store.write(CORDONED, b"")?;
            // Before its Seals end, so that whoever is killed finds it again.
            own(&store, &SealFile::of_lost(ids.cluster, &state, node_id)?)?;
        }
        let ops = Ops::new(chain, wallet);
        for seal in of_nodes(&state).filter(|seal| Some(*seal) != held) {
            tracing::info!(stake.position = %position, seal.id = %seal, "ending the lost machine's seal");
            ops.revoke_seal(&ids, position, seal).await?;
        }
        return Ok(());
    }
    let cause = format!("wallet {owner} has no stake for a node {node_id}: without --replace this worker makes one");
    Err(Problem::new(ErrorCode::NotStaked, cause))
}

/// Whose stake is looked for, and where.
struct Owned {
    store: Store,
    chain: ChainClient,
    wallet: Wallet,
    ids: IndexIds,
    node_id: NodeId,
}

// === impl Owned ===

impl Owned {
    async fn open(config: &WorkerConfig) -> Result<Self, Problem> {
        let store = Store::open(&config.state_dir)?;
        let mut cluster = ClusterInfo::load(&config.cluster)?;
        config.apply_to(&mut cluster.join)?;
        let wallet = load_wallet(config, store.folder())?;
        config.check_wallet(wallet.address())?;
        let node_id = own_node_id(config)?;
        let (chain, ids) = (cluster.chain().await?, ids(&cluster.join));
        Ok(Self { store, chain, wallet, ids, node_id })
    }
}

/// From now on it is this worker's.
fn own(store: &Store, seal: &SealFile) -> Result<(), Problem> {
    // The journal first: of a Seal file without it a worker that was here before would believe its own former position.
    let mut journal = store.load()?;
    journal.state = State { position: Some(seal.position), ..State::default() };
    store.save(&journal)?;
    seal.save(&seal_path(store.folder()))?;
    tracing::info!(stake.position = %seal.position, "the Seal's stake is this worker's");
    Ok(())
}

/// A position's Seals that a node may show.
fn of_nodes(state: &PositionState) -> impl Iterator<Item = SealId> {
    state.seals.iter().filter(|record| record.permissions.covers(Permissions::NODE)).map(|record| record.id)
}

/// The Seal with this secret.
fn pick<'a>(secret: &SealSecret, cluster: ClusterId, seals: &'a [SealToken]) -> Option<&'a SealToken> {
    let locator = secret.locator();
    let opens = |seal: &SealToken| secret.commitment(cluster, seal.position).matches(&seal.commitment);
    seals.iter().find(|seal| seal.cluster == cluster && seal.locator == locator && opens(seal))
}

/// Whether a node of this name may live on it.
fn check(token: &SealToken, state: Option<&PositionState>, node: &NodeId, now: UnixMs) -> Result<(), Problem> {
    let record = state.and_then(|state| state.seals.iter().find(|record| record.id == token.id));
    let Some(record) = record else {
        return Err(Problem::new(ErrorCode::TokenUnknown, format!("Seal {} is void", token.id)));
    };
    if record.is_expired(now) {
        return Err(Problem::new(ErrorCode::SealExpired, format!("Seal {} ended at {}", token.id, record.expires_ms)));
    }
    if !record.permissions.covers(Permissions::NODE) {
        let cause = format!("Seal {} permits {}, a node's permits node", token.id, record.permissions);
        return Err(Problem::new(ErrorCode::UsageNotPermitted, cause));
    }
    let staked = state.map_or("", |state| state.node_id.as_str());
    if staked != node.as_str() {
        let cause = format!("the stake is for node `{staked}`, this is {node}");
        return Err(Problem::new(ErrorCode::NodeIdMismatch, cause));
    }
    Ok(())
}

/// Refuses to forget a stake that still holds money.
fn left(known: &SealFile, state: Option<&PositionState>) -> Result<(), Problem> {
    let Some(state) = state else { return Ok(()) };
    let held = state.active.saturating_add(state.frozen).saturating_add(state.unbonding);
    if held == Mist(0) {
        return Ok(());
    }
    let cause = format!(
        "this state folder is of position {}, which holds {held} SUI: name another --state-dir",
        known.position
    );
    Err(Problem::new(ErrorCode::SealFileOther, cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stake::can_sign;
    use daas_testkit::chain::{Staker, cluster};
    use daas_types::onchain::{SealRecord, Session};

    fn token(staker: &Staker) -> SealToken {
        let SealRecord { id, permissions, locator, commitment, session, expires_ms } = staker.state.seals[0].clone();
        SealToken {
            id,
            cluster: cluster(),
            position: staker.state.position,
            node_id: staker.state.node_id.clone(),
            permissions,
            locator,
            commitment,
            session,
            expires_ms,
        }
    }

    #[test]
    fn the_seal_is_found_by_its_secret_and_not_by_a_copy_of_what_is_public() {
        let (mine, other) = (Staker::new(1, "5", Permissions::NODE), Staker::new(2, "5", Permissions::NODE));
        let copy = SealToken { position: other.state.position, ..token(&mine) };
        assert_eq!(pick(&mine.secret, cluster(), &[token(&other), copy.clone()]), None);
        assert_eq!(pick(&mine.secret, cluster(), &[copy, token(&mine)]), Some(&token(&mine)));
        let elsewhere = ClusterId(daas_types::Address::new([0xee; 32]));
        assert_eq!(pick(&mine.secret, elsewhere, &[token(&mine)]), None);
    }

    #[test]
    fn only_a_live_seal_of_this_node_counts() {
        let staker = Staker::new(1, "5", Permissions::BOTH);
        let (token, node, now) = (token(&staker), "worker-1".parse().unwrap(), clock::now());
        let code = |state: Option<&PositionState>, node: &NodeId, now| {
            check(&token, state, node, now).err().map(|problem| problem.code)
        };
        assert_eq!(code(Some(&staker.state), &node, now), None);
        assert_eq!(code(None, &node, now), Some(ErrorCode::TokenUnknown));
        let void = PositionState { seals: vec![], ..staker.state.clone() };
        assert_eq!(code(Some(&void), &node, now), Some(ErrorCode::TokenUnknown));
        assert_eq!(code(Some(&staker.state), &"worker-2".parse().unwrap(), now), Some(ErrorCode::NodeIdMismatch));
        assert_eq!(code(Some(&staker.state), &node, token.expires_ms), Some(ErrorCode::SealExpired));
        let user = Staker::new(1, "5", Permissions::USER);
        assert_eq!(code(Some(&user.state), &node, now), Some(ErrorCode::UsageNotPermitted));
    }

    #[test]
    fn a_seal_that_was_taken_over_is_replaced_at_once() {
        let mut staker = Staker::new(1, "5", Permissions::NODE);
        let known = SealFile::of_secret(&token(&staker), staker.state.owner, staker.secret.clone()).unwrap();
        assert_eq!((known.position, known.seal), (staker.state.position, Some(staker.state.seals[0].id)));
        assert!(known.commitment().matches(&staker.state.seals[0].commitment));
        assert!(!can_sign(&known, &staker.state.seals[0]));
        let expires_ms = staker.state.seals[0].expires_ms;
        staker.state.seals[0].session = Some(Session { key: staker.state.owner, expires_ms });
        assert!(!can_sign(&known, &staker.state.seals[0]));
        staker.state.seals[0].session = Some(Session { key: known.session_address(), expires_ms });
        assert!(can_sign(&known, &staker.state.seals[0]));
    }

    #[test]
    fn a_stake_with_money_is_not_forgotten() {
        let staker = Staker::new(1, "5", Permissions::NODE);
        let known = SealFile::of_secret(&token(&staker), staker.state.owner, staker.secret.clone()).unwrap();
        assert_eq!(left(&known, Some(&staker.state)).unwrap_err().code, ErrorCode::SealFileOther);
        let unbonding = PositionState { active: Mist(0), unbonding: Mist(1), ..staker.state.clone() };
        assert!(left(&known, Some(&unbonding)).is_err());
        let empty = PositionState { active: Mist(0), ..staker.state };
        left(&known, Some(&empty)).unwrap();
        left(&known, None).unwrap();
    }
}

//! The worker's stake and Seal: staking once, finding both again after a kill, renewing the Seal before it ends.

mod leave;
mod standing;
#[cfg(test)]
mod tests;

use crate::config::seal_path;
use crate::state::StakeOrder;
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::index::IndexIds;
use daas_chain::ops::{Ops, PositionOutcome, SealSpec, StakeSpec};
use daas_client::SealFile;
use daas_types::join::JoinFile;
use daas_types::onchain::{PositionState, SealRecord, Status};
use daas_types::replacement::Replacement;
use daas_types::{ErrorCode, Mist, NodeId, Permissions, PositionId, Problem, SEAL_LIFETIME, UnixMs, WalletAddress};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use leave::Withdrawal;
pub use standing::{Standing, jail_cause, slash_cause, standing};

/// The worker's side of its position.
pub struct Staker {
    ops: Ops,
    ids: IndexIds,
    join: JoinFile,
    node_id: NodeId,
    amount: Mist,
    path: PathBuf,
}

/// What came of bringing the Seal onto its position.
#[derive(Debug)]
pub enum Minted {
    /// The Seal is live.
    Live(Box<Live>),
    /// The position does not let a node in.
    Not(Standing),
    /// The node is jailed, and its time there is not over.
    Jailed(String),
    /// The position has to be brought back first, and may be.
    MayRecover(String),
    /// There is no position, and what was ordered, or else is configured, cannot be staked.
    Refused(Problem),
    /// There is no position, and what was prepared for one is of another node or wallet.
    Unprepared,
}

/// What is wanted of a Seal beside that it is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The position is brought back first: out of jail, or after a slash.
    pub recover: bool,
    /// What somebody has ordered, if there is no stake.
    pub order: Option<StakeOrder>,
    /// A new Seal, whatever the age of the one that is there.
    pub fresh: bool,
}

/// A live Seal.
#[derive(Debug)]
pub struct Live {
    /// Its private half.
    pub seal: SealFile,
    /// When it is to be renewed.
    pub renew: UnixMs,
    /// The position as read.
    pub position: PositionState,
    /// Whether it was made just now.
    pub new: bool,
}

// === impl Minted ===

impl Minted {
    fn of(live: Live) -> Self {
        Self::Live(Box::new(live))
    }
}

// === impl Staker ===

impl Staker {
    /// A staker for `node_id` that keeps its Seal in `state_dir`.
    pub fn new(ops: Ops, ids: IndexIds, join: JoinFile, node_id: NodeId, amount: Mist, state_dir: &Path) -> Self {
        Self { ops, ids, join, node_id, amount, path: seal_path(state_dir) }
    }

    /// The wallet that stakes.
    pub fn owner(&self) -> WalletAddress {
        self.ops.sender()
    }

    /// Makes and saves the Seal file, unless there is one of another position than `former`, which was left. One that came to
    /// nothing and is of another node or wallet is replaced, and kept beside it by its position's name.
    pub async fn prepare(&self, former: Option<PositionId>) -> Result<PositionId, Problem> {
        if self.path.exists() {
            let known = SealFile::load(&self.path)?;
            if Some(known.position) != former {
                if !self.is_void(&known).await? {
                    return Ok(self.checked(known)?.position);
                }
                // That nothing came of it rests on one endpoint's word, and the stake, if there is one, on this file.
                known.save(&self.path.with_file_name(format!("seal-{}.json", known.position)))?;
            }
        }
        let owner = self.ops.wallet().address();
        let seal = SealFile::prepare(&self.join, owner, Permissions::NODE, Some(self.node_id.clone()))?;
        seal.save(&self.path)?;
        Ok(seal.position)
    }

    /// Brings the saved Seal onto its position. Safe to repeat after any failure: the position's id is derived from
    /// the saved salt, so the contract itself refuses a second stake under it.
    pub async fn mint(&self, wish: Wish) -> Result<Minted, Problem> {
        let seal = SealFile::load(&self.path)?;
        if self.is_void(&seal).await? {
            return Ok(Minted::Unprepared);
        }
        let seal = self.checked(seal)?;
        let policy = self.client().cluster(&self.ids).await?.policy;
        let ordered = wish.order.and_then(|order| order.lifetime).unwrap_or(SEAL_LIFETIME);
        let lifetime = ordered.min(Duration::from_millis(policy.max_seal_lifetime_ms));
        let Some(state) = self.client().position(&self.ids, seal.position).await? else {
            let amount = wish.order.and_then(|order| order.amount).unwrap_or(self.amount);
            return self.stake(seal, amount, lifetime).await;
        };
        match standing(&state, policy.node_minimum) {
            Standing::Good => {}
            bad => return Ok(Minted::Not(bad)),
        }
        let now = clock::now();
        let state = match jail_cause(&state) {
            Some(cause) if now <= state.jailed_until_ms => return Ok(Minted::Jailed(cause)),
            Some(_) if wish.recover => self.unjail(&state).await?,
            Some(cause) => return Ok(Minted::MayRecover(cause)),
            None if state.status == Status::Recovering && !wish.recover => {
                return Ok(Minted::MayRecover(format!("position {} was restaked after a slash", state.position)));
            }
            None => state,
        };
        let next = self.load_next(&seal);
        let fresh = wish.fresh && !wish.order.is_some_and(|order| order.differs_from(state.active));
        if !fresh {
            for file in next.iter().chain([&seal]) {
                if let Some(record) = record_of(file, &state)
                    && now < renewal(record.expires_ms, lifetime)
                    && can_sign(file, record)
                {
                    let record = record.clone();
                    return self.adopt(file.clone(), &record, state, lifetime).map(Minted::of);
                }
            }
        }
        let lives = |file: &SealFile| {
            let record = record_of(file, &state).filter(|record| now < record.expires_ms && can_sign(file, record));
            record.map(|record| (file.clone(), record.clone()))
        };
        let living = next.iter().chain([&seal]).find_map(lives).filter(|_| !fresh);
        match (self.refresh(seal, next, state.clone(), lifetime).await, living) {
            // For days it does as it is, and whoever puts gas into the wallet finds the node where it was.
            (Err(problem), Some((file, record))) if problem.code == ErrorCode::InsufficientFunds => {
                tracing::warn!(%problem, seal.expires = %record.expires_ms, "seal not renewed; it lives on until it ends");
                self.adopt(file, &record, state, lifetime).map(Minted::of)
            }
            (minted, _) => minted,
        }
    }

    /// The owner's word that this machine takes the place of the one that held the node id.
    pub fn replacement(&self, instance: &str, timestamp: u64) -> Result<String, Problem> {
        let seal = self.load()?;
        let (cluster, position, node) = (seal.cluster, seal.position, &self.node_id);
        let words = Replacement { cluster, position, node, instance, timestamp };
        words.sign(self.ops.wallet()).map_err(Problem::of(ErrorCode::WalletMissing))
    }

    /// When the node's time in jail is over; `None` if it is not jailed.
    pub async fn jailed_until(&self) -> Result<Option<UnixMs>, Problem> {
        let state = self.own().await?;
        Ok(state.is_jailed().then_some(state.jailed_until_ms))
    }

    /// Takes the node out of jail.
    async fn unjail(&self, state: &PositionState) -> Result<PositionState, Problem> {
        tracing::info!(stake.position = %state.position, "taking the node out of jail");
        match self.ops.unjail(&self.ids, state.position).await {
            Ok(outcome) => Ok(outcome.position),
            // The chain's clock may be behind this one, or somebody else was faster: the next look tells.
            Err(error) if error.abort().is_some() => Err(Problem::new(ErrorCode::NodeJailed, error)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the chain refuses for good is told apart, once it is certain that there is no stake: each try costs gas.
    async fn stake(&self, seal: SealFile, amount: Mist, lifetime: Duration) -> Result<Minted, Problem> {
        if seal.seal.is_some() {
            let cause = format!("position {} was staked, but is not on this network", seal.position);
            return Err(Problem::new(ErrorCode::NotStaked, cause));
        }
        tracing::info!(stake.sui = %amount, stake.position = %seal.position, "staking");
        let spec = StakeSpec { amount, salt: seal.salt, node_id: seal.node_id.clone(), seal: spec(&seal, lifetime) };
        let problem = match self.ops.stake_and_mint_seal(&self.ids, &spec).await {
            Ok(outcome) => return self.minted(seal, outcome, lifetime),
            Err(error) => Problem::from(error),
        };
        if !is_refusal(problem.code) {
            return Err(problem);
        }
        match self.client().position(&self.ids, seal.position).await? {
            None => Ok(Minted::Refused(problem)),
            // By a transaction from before a kill, which has taken what this one lacked.
            Some(_) => Err(Problem::new(ErrorCode::OutcomeDoubtful, problem)),
        }
    }

    /// Mints the next Seal and drops the former one in the same transaction.
    async fn refresh(
        &self,
        seal: SealFile,
        next: Option<SealFile>,
        state: PositionState,
        lifetime: Duration,
    ) -> Result<Minted, Problem> {
        let (seal, unused) = match next {
            // Minted before a kill: it is the one to be replaced.
            Some(next) if record_of(&next, &state).is_some() => (next, None),
            next => (seal, next),
        };
        let next = unused.map_or_else(|| seal.renewed(), Ok)?;
        next.save(&self.next_path())?;
        let replaces = record_of(&seal, &state).map(|record| record.id);
        tracing::info!(stake.position = %seal.position, "renewing the seal");
        let spec = spec(&next, lifetime);
        let outcome = self.ops.refresh_seal_token(&self.ids, seal.position, replaces, &spec).await?;
        self.minted(next, outcome, lifetime)
    }

    fn minted(&self, seal: SealFile, outcome: PositionOutcome, lifetime: Duration) -> Result<Minted, Problem> {
        let record = record_of(&seal, &outcome.position).cloned().ok_or_else(|| {
            Problem::new(ErrorCode::Internal, format!("position {} lacks the new Seal", seal.position))
        })?;
        let live = self.adopt(seal, &record, outcome.position, lifetime)?;
        Ok(Minted::of(Live { new: true, ..live }))
    }

    /// From here on `seal` is the Seal; a former one's file is replaced.
    fn adopt(
        &self,
        mut seal: SealFile,
        record: &SealRecord,
        position: PositionState,
        lifetime: Duration,
    ) -> Result<Live, Problem> {
        (seal.seal, seal.expires) = (Some(record.id), record.expires_ms);
        seal.save(&self.path)?;
        match std::fs::remove_file(self.next_path()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(error = %e, "prepared seal file not removed");
            }
            _ => {}
        }
        Ok(Live { renew: renewal(seal.expires, lifetime), seal, position, new: false })
    }

    /// Whether the file was prepared for another node or wallet and nothing came of it.
    async fn is_void(&self, seal: &SealFile) -> Result<bool, Problem> {
        let ours = seal.owner == self.owner() && seal.node_id.as_ref() == Some(&self.node_id);
        if ours || seal.seal.is_some() || seal.cluster != self.ids.cluster {
            return Ok(false);
        }
        Ok(self.client().position(&self.ids, seal.position).await?.is_none())
    }

    fn load(&self) -> Result<SealFile, Problem> {
        self.checked(SealFile::load(&self.path)?)
    }

    /// Refuses what is not of this cluster, wallet and node.
    fn checked(&self, seal: SealFile) -> Result<SealFile, Problem> {
        let bad = |code, expected: String, got: String| {
            Err(Problem::new(code, format!("{}: expected {expected}, got {got}", self.path.display())))
        };
        if seal.cluster != self.ids.cluster {
            return bad(ErrorCode::TokenForeign, self.ids.cluster.to_string(), seal.cluster.to_string());
        }
        if seal.owner != self.ops.wallet().address() {
            let wallet = self.ops.wallet().address();
            return bad(ErrorCode::NotStaked, format!("wallet {wallet}"), format!("wallet {}", seal.owner));
        }
        if seal.node_id.as_ref() != Some(&self.node_id) {
            let got = seal.node_id.as_ref().map_or("no node id".to_owned(), ToString::to_string);
            return bad(ErrorCode::NodeIdMismatch, self.node_id.to_string(), got);
        }
        if !seal.permissions.covers(Permissions::NODE) {
            return bad(ErrorCode::UsageNotPermitted, "permission node".into(), seal.permissions.to_string());
        }
        Ok(seal)
    }

    /// A Seal that was prepared before a kill and may have been minted.
    fn load_next(&self, seal: &SealFile) -> Option<SealFile> {
        SealFile::load(&self.next_path()).ok().filter(|next| next.position == seal.position)
    }

    fn next_path(&self) -> PathBuf {
        self.path.with_extension("next.json")
    }

    /// The position as the chain has it now.
    async fn own(&self) -> Result<PositionState, Problem> {
        let position = self.load()?.position;
        let state = self.client().position(&self.ids, position).await?;
        let none = || Problem::new(ErrorCode::NotStaked, format!("position {position} is not on this network"));
        Ok(state.ok_or_else(none)?.at(clock::now()).into_owned())
    }

    fn client(&self) -> &ChainClient {
        self.ops.client()
    }
}

/// What the chain refuses without having done anything, now and as often as it is asked.
fn is_refusal(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InsufficientFunds
            | ErrorCode::StakeBelowMinimum
            | ErrorCode::StakeAboveMaximum
            | ErrorCode::AmountRefused
            | ErrorCode::LifetimeRefused
            | ErrorCode::ClusterPaused
            | ErrorCode::NodeIdTaken
    )
}

/// When a Seal is renewed: with a third of its life left, so that days of trouble do not end it.
pub fn renewal(expires: UnixMs, lifetime: Duration) -> UnixMs {
    let margin = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).div_euclid(3);
    UnixMs(expires.0.saturating_sub(margin))
}

/// The Seal's record on its position, found by what only its secret gives.
fn record_of<'a>(seal: &SealFile, state: &'a PositionState) -> Option<&'a SealRecord> {
    let commitment = seal.commitment();
    state.seals.iter().find(|record| commitment.matches(&record.commitment))
}

/// Whether the file has the Seal's session key. Of one that was taken over by its secret it has another, with which nothing
/// can be signed.
pub(crate) fn can_sign(seal: &SealFile, record: &SealRecord) -> bool {
    record.session.is_some_and(|session| session.key == seal.session_address())
}

fn spec(seal: &SealFile, lifetime: Duration) -> SealSpec {
    SealSpec {
        permissions: seal.permissions,
        locator: seal.locator(),
        commitment: seal.commitment(),
        session: Some(seal.session_address()),
        lifetime,
    }
}

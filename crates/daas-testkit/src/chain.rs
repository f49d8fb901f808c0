//! A chain that says what a test wants: an index, stakers with real keys, and checkpoints that change them.

use daas_chain::clock;
use daas_chain::index::{Index, IndexIds};
use daas_chain::verified::{CheckpointData, VerifiedCheckpoint};
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::onchain::{Event, Policy, PolicyChanged, PositionEvent, PositionState, SealRecord, Status};
use daas_types::pop::{Claims, MAX_LIFETIME, Usage};
use daas_types::{
    Address, ClusterId, Digest, Mist, NautilusId, PackageId, Permissions, PositionId, RegistryId, SealId, SealSecret,
    Thresholds, UnixMs, WalletAddress,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{CheckpointSummary, GasCostSummary};

/// An index and the checkpoints that feed it.
pub struct Chain {
    /// The index under test.
    pub index: Index,
    genesis: Genesis,
    sequence: AtomicU64,
    generation: AtomicU64,
}

/// A staker with a wallet, a position, one Seal and its secret.
pub struct Staker {
    /// The wallet.
    pub key: Ed25519PrivateKey,
    /// The Seal's opaque secret.
    pub secret: SealSecret,
    /// The position as last put on chain.
    pub state: PositionState,
}

/// The cluster of every test.
pub fn cluster() -> ClusterId {
    ClusterId(Address::new([0xc1; 32]))
}

/// Half an hour, as long as no test.
const SEAL_LIFE: Duration = Duration::from_mins(30);

// === impl Chain ===

impl Chain {
    /// A fresh index with the default policy and one checkpoint.
    pub fn new() -> Self {
        Self::with_index(clock::now(), Index::new)
    }

    /// A chain whose first checkpoint is of another time.
    pub fn made_at(at: UnixMs) -> Self {
        Self::with_index(at, Index::new)
    }

    /// The same, stale after `bound`.
    pub fn stale_after(bound: Duration) -> Self {
        Self::with_index(clock::now(), |ids| Index::with_bound(ids, bound))
    }

    fn with_index(at: UnixMs, index: impl FnOnce(IndexIds) -> Index) -> Self {
        let id = |n: u8| Address::new([n; 32]);
        let ids = IndexIds {
            package: PackageId(id(0xa1)),
            cluster: cluster(),
            registry: RegistryId(id(0xa2)),
            nautilus: NautilusId(id(0xa3)),
        };
        let (sequence, generation) = (AtomicU64::new(0), AtomicU64::new(0));
        let chain = Self { index: index(ids), genesis: genesis(), sequence, generation };
        chain.policy_at(at, |_| ());
        chain
    }

    /// Changes the policy, from the default.
    pub fn policy(&self, change: impl FnOnce(&mut Policy)) {
        self.policy_at(clock::now(), change);
    }

    fn policy_at(&self, at: UnixMs, change: impl FnOnce(&mut Policy)) {
        let mut policy = policy();
        change(&mut policy);
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.checkpoint_at(at, vec![Event::PolicyChanged(PolicyChanged { cluster: cluster(), generation, policy })]);
    }

    /// A checkpoint made now.
    pub fn checkpoint(&self, events: Vec<Event>) {
        self.checkpoint_at(clock::now(), events);
    }

    /// A checkpoint of another time.
    pub fn checkpoint_at(&self, timestamp: UnixMs, events: Vec<Event>) {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        let data = CheckpointData { sequence, timestamp, events };
        self.index.apply(&VerifiedCheckpoint::trusting_devnet(&self.genesis, data).unwrap());
    }

    /// Puts a staker's position on chain, changed.
    pub fn put(&self, staker: &mut Staker, change: impl FnOnce(&mut PositionState)) {
        self.checkpoint(vec![staker.event(change)]);
    }

    /// A slash is proposed.
    pub fn suspend(&self, staker: &mut Staker) {
        self.put(staker, |state| state.status = Status::Suspended);
    }

    /// A staker with this much stake, on chain, with node id `worker-<n>`.
    pub fn staker(&self, n: u8, sui: &str, permissions: Permissions) -> Staker {
        let mut staker = Staker::new(n, sui, permissions);
        self.put(&mut staker, |_| ());
        staker
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Staker ===

impl Staker {
    /// A staker that is not on chain yet.
    pub fn new(n: u8, sui: &str, permissions: Permissions) -> Self {
        let key = Ed25519PrivateKey::new([n; 32]);
        let position = PositionId(Address::new([n; 32]));
        let secret: SealSecret = format!("{:02x}", n ^ 0xc0).repeat(32).parse().unwrap();
        let seal = SealRecord {
            id: SealId(Address::new([n ^ 0x80; 32])),
            permissions,
            locator: secret.locator().0.to_vec(),
            commitment: secret.commitment(cluster(), position).0.to_vec(),
            session: None,
            expires_ms: clock::now().plus(SEAL_LIFE),
        };
        let state = PositionState {
            position,
            cluster: cluster(),
            generation: 0,
            owner: WalletAddress(key.public_key().derive_address()),
            node_id: format!("worker-{n}"),
            status: Status::Active,
            active: sui.parse().unwrap(),
            frozen: Mist(0),
            unbonding: Mist(0),
            unbonding_until_ms: UnixMs(0),
            proposal: None,
            seals: vec![seal],
        };
        Self { key, secret, state }
    }

    /// The event of the next change.
    pub fn event(&mut self, change: impl FnOnce(&mut PositionState)) -> Event {
        change(&mut self.state);
        self.state.generation += 1;
        Event::Position { name: PositionEvent::Staked, state: self.state.clone() }
    }

    /// Claims for a token made now.
    pub fn claims(&self, usage: Usage) -> Claims {
        Claims::new(cluster(), self.state.seals[0].id, usage, clock::now(), MAX_LIFETIME).unwrap()
    }

    /// A PoP token.
    pub fn token(&self, usage: Usage) -> String {
        self.claims(usage).sign(&self.key).unwrap().to_string()
    }

    /// The opaque secret's text.
    pub fn opaque(&self) -> String {
        self.secret.expose_hex().to_string()
    }
}

/// A devnet's genesis.
pub fn genesis() -> Genesis {
    let anchor = DevnetAnchor { validator: vec![1; 96], tee_root: [2; 32] };
    let summary = CheckpointSummary {
        epoch: 0,
        sequence_number: 0,
        network_total_transactions: 0,
        content_digest: Digest::ZERO,
        previous_digest: None,
        epoch_rolling_gas_cost_summary: GasCostSummary::default(),
        timestamp_ms: 0,
        checkpoint_commitments: vec![],
        end_of_epoch_data: None,
        version_specific_data: anchor.to_version_specific_data(),
    };
    Genesis::pinned(summary.digest(), &bcs::to_bytes(&summary).unwrap()).unwrap()
}

fn policy() -> Policy {
    let half = Mist(500_000_000);
    Policy {
        thresholds: Thresholds::default(),
        min_stake: half,
        node_minimum: half,
        slash_bps: 1000,
        appeal_window_ms: 5000,
        unbonding_ms: 60_000,
        max_seal_lifetime_ms: 86_400_000,
        evidence_max_age_ms: 60_000,
        super_is_masters: false,
        operator_positions: Vec::new(),
    }
}

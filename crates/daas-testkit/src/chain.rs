//! A chain that says what a test wants: an index, stakers with real keys, and checkpoints that change them.

use daas_chain::clock;
use daas_chain::index::{Index, IndexIds};
use daas_chain::testing::TestChain;
use daas_types::onchain::{
    ClusterEvent, ClusterState, Event, NautilusEvent, NautilusState, Policy, PositionEvent, PositionState, SealRecord,
    Session, Status,
};
use daas_types::pop::{Claims, MAX_LIFETIME, Usage};
use daas_types::{
    Address, ClusterId, Mist, NautilusId, PackageId, Permissions, PositionId, RegistryId, SealId, SealSecret, UnixMs,
    WalletAddress,
};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use sui_crypto::ed25519::Ed25519PrivateKey;

/// An index and the checkpoints that feed it.
pub struct Chain {
    /// The index under test.
    pub index: Index,
    writer: Mutex<Writer>,
}

struct Writer {
    chain: TestChain,
    cluster: ClusterState,
    nautilus: NautilusState,
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
        let writer = Writer { chain: TestChain::new(1), cluster: cluster_state(), nautilus: nautilus_state() };
        let chain = Self { index: index(ids()), writer: Mutex::new(writer) };
        chain.change_cluster(at, |_| ());
        chain
    }

    /// Changes the policy.
    pub fn policy(&self, change: impl FnOnce(&mut Policy)) {
        self.cluster(|cluster| change(&mut cluster.policy));
    }

    /// Changes the cluster.
    pub fn cluster(&self, change: impl FnOnce(&mut ClusterState)) {
        self.change_cluster(clock::now(), change);
    }

    /// Changes measurements, masters and endorsements.
    pub fn nautilus(&self, change: impl FnOnce(&mut NautilusState)) {
        let state = {
            let nautilus = &mut self.lock().nautilus;
            change(nautilus);
            nautilus.generation += 1;
            nautilus.clone()
        };
        self.checkpoint(&[Event::Nautilus { name: NautilusEvent::MastersChanged, state }]);
    }

    fn change_cluster(&self, at: UnixMs, change: impl FnOnce(&mut ClusterState)) {
        let state = {
            let cluster = &mut self.lock().cluster;
            change(cluster);
            cluster.generation += 1;
            cluster.clone()
        };
        self.checkpoint_at(at, &[Event::Cluster { name: ClusterEvent::PolicyApplied, state }]);
    }

    /// A checkpoint made now.
    pub fn checkpoint(&self, events: &[Event]) {
        self.checkpoint_at(clock::now(), events);
    }

    /// A checkpoint of another time.
    pub fn checkpoint_at(&self, timestamp: UnixMs, events: &[Event]) {
        let mut writer = self.lock();
        let checkpoint = writer.chain.checkpoint(self.index.ids().package, timestamp, events);
        self.index.apply(&checkpoint);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a staker's position on chain, changed.
    pub fn put(&self, staker: &mut Staker, change: impl FnOnce(&mut PositionState)) {
        self.checkpoint(&[staker.event(change)]);
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
        Self::seeded(n.into(), [n; 32], &format!("{:02x}", n ^ 0xc0).repeat(32), (sui, permissions))
    }

    /// One of more than there are numbers for [`Self::new`].
    pub fn of_many(n: u16, sui: &str, permissions: Permissions) -> Self {
        let mut seed = [0x3d; 32];
        seed[1..3].copy_from_slice(&n.to_be_bytes());
        let secret = format!("f00d{}", format!("{n:04x}").repeat(15));
        Self::seeded(n, seed, &secret, (sui, permissions))
    }

    fn seeded(n: u16, seed: [u8; 32], secret: &str, (sui, permissions): (&str, Permissions)) -> Self {
        let key = Ed25519PrivateKey::new(seed);
        let position = PositionId(Address::new(seed));
        let secret: SealSecret = secret.parse().unwrap();
        let seal = SealRecord {
            id: SealId(Address::new(seed.map(|byte| byte ^ 0x80))),
            permissions,
            locator: secret.locator(),
            commitment: secret.commitment(cluster(), position),
            session: None,
            expires_ms: clock::now().plus(SEAL_LIFE),
        };
        let owner = WalletAddress(key.public_key().derive_address());
        let state = PositionState {
            position,
            cluster: cluster(),
            generation: 0,
            owner,
            next_owner: None,
            operator: owner,
            node_id: format!("worker-{n}"),
            status: Status::Active,
            active: sui.parse().unwrap(),
            frozen: Mist(0),
            unbonding: Mist(0),
            unbonding_until_ms: UnixMs(0),
            jailed_until_ms: UnixMs(0),
            maintenance: None,
            cooldown_until_ms: UnixMs(0),
            proposal: None,
            trials: vec![],
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

    /// A key that may sign for the Seal until then, once it is on chain.
    pub fn session(&mut self, expires_ms: UnixMs) -> Ed25519PrivateKey {
        let key = Ed25519PrivateKey::new([0x5e; 32]);
        self.state.seals[0].session =
            Some(Session { key: WalletAddress(key.public_key().derive_address()), expires_ms });
        key
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

/// What the index of every test is of.
pub fn ids() -> IndexIds {
    let id = |n: u8| Address::new([n; 32]);
    IndexIds {
        package: PackageId(id(0xa1)),
        cluster: cluster(),
        registry: RegistryId(id(0xa2)),
        nautilus: NautilusId(id(0xa3)),
    }
}

fn cluster_state() -> ClusterState {
    let id = |n: u8| Address::new([n; 32]);
    let IndexIds { cluster, registry, nautilus, .. } = ids();
    ClusterState {
        cluster,
        version: 1,
        name: "test".to_owned(),
        genesis: vec![0; 32],
        generation: 0,
        registry,
        nautilus,
        anchors: id(0xa4).into(),
        policy: Policy::devnet(WalletAddress(id(0xb1))),
        announced: None,
        paused: false,
        operator_positions: Vec::new(),
        proposer_cap: id(0xa5).into(),
        judge_cap: id(0xa6).into(),
    }
}

fn nautilus_state() -> NautilusState {
    NautilusState {
        id: ids().nautilus,
        cluster: cluster(),
        generation: 0,
        registrations: 0,
        measurements: Vec::new(),
        masters: Vec::new(),
        endorsements: Vec::new(),
    }
}

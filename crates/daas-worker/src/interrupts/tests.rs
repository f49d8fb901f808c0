use super::*;
use daas_chain::index::IndexIds;
use daas_chain::verified::{CheckpointData, VerifiedCheckpoint};
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::onchain::{self, Policy, PolicyChanged, PositionEvent, PositionState, SealRecord, Status};
use daas_types::{Address, Permissions, Thresholds, UnixMs};
use sui_sdk_types::{CheckpointSummary, Digest, GasCostSummary};
use tokio::time::timeout;

pub(crate) const POSITION: PositionId = PositionId(Address::new([1; 32]));
const T0: UnixMs = UnixMs(1_000_000);

fn ids() -> IndexIds {
    let id = |n: u8| Address::new([n; 32]);
    IndexIds { package: id(10).into(), cluster: id(11).into(), registry: id(12).into(), nautilus: id(13).into() }
}

fn genesis() -> Genesis {
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

fn policy() -> onchain::Event {
    onchain::Event::PolicyChanged(PolicyChanged {
        cluster: ids().cluster,
        generation: 1,
        policy: Policy {
            thresholds: Thresholds::default(),
            min_stake: Mist(10),
            node_minimum: Mist(10),
            slash_bps: 1000,
            appeal_window_ms: 5000,
            unbonding_ms: 60_000,
            max_seal_lifetime_ms: 60_000,
            evidence_max_age_ms: 60_000,
            super_is_masters: false,
            operator_positions: vec![],
        },
    })
}

/// A chain that a test writes.
pub(crate) struct Chain {
    pub(crate) index: Index,
    sequence: u64,
    generation: u64,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let mut chain = Self { index: Index::new(ids()), sequence: 0, generation: 0 };
        chain.apply(vec![policy()]);
        chain
    }

    pub(crate) fn put(&mut self, status: Status, seals: &[u8]) {
        self.generation += 1;
        let record = |n: &u8| SealRecord {
            id: seal(*n),
            permissions: Permissions::NODE,
            locator: vec![*n; 16],
            commitment: vec![*n; 32],
            session: None,
            expires_ms: T0,
        };
        let state = PositionState {
            position: POSITION,
            cluster: ids().cluster,
            generation: self.generation,
            owner: Address::new([3; 32]).into(),
            node_id: "n1".into(),
            status,
            active: Mist(10),
            frozen: Mist(0),
            unbonding: Mist(0),
            unbonding_until_ms: UnixMs(0),
            proposal: None,
            seals: seals.iter().map(record).collect(),
        };
        self.apply(vec![onchain::Event::Position { name: PositionEvent::Restaked, state }]);
    }

    fn apply(&mut self, events: Vec<onchain::Event>) {
        self.sequence += 1;
        let data = CheckpointData { sequence: self.sequence, timestamp: T0, events };
        self.index.apply(&VerifiedCheckpoint::trusting_devnet(&genesis(), data).unwrap());
    }
}

pub(crate) fn seal(n: u8) -> SealId {
    SealId(Address::new([n; 32]))
}

fn interrupts(chain: &Chain) -> (Interrupts, CancellationToken) {
    let shutdown = CancellationToken::new();
    let tasks = Tasks::new(CancellationToken::new());
    (Interrupts::new(chain.index.clone(), tasks, shutdown.clone()), shutdown)
}

async fn next(interrupts: &mut Interrupts) -> Option<Event> {
    timeout(Duration::from_secs(1), interrupts.next()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_slash_is_told_once() {
    let mut chain = Chain::new();
    let (mut interrupts, _shutdown) = interrupts(&chain);
    interrupts.watch(POSITION);
    chain.put(Status::Active, &[7]);
    interrupts.known(POSITION, 1, seal(7));
    assert_eq!(next(&mut interrupts).await, None);
    chain.put(Status::Suspended, &[7]);
    assert!(matches!(next(&mut interrupts).await, Some(Event::Slashed(_))));
    interrupts.watch(POSITION);
    interrupts.known(POSITION, 1, seal(7));
    assert_eq!(next(&mut interrupts).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_worker_read_itself_is_no_news() {
    let mut chain = Chain::new();
    let (mut interrupts, _shutdown) = interrupts(&chain);
    interrupts.watch(POSITION);
    chain.put(Status::Slashed, &[]);
    // The worker saw a later state than the index has by now.
    interrupts.known(POSITION, 3, seal(8));
    assert_eq!(next(&mut interrupts).await, None);
    chain.put(Status::Recovering, &[]);
    chain.put(Status::Active, &[8]);
    assert_eq!(next(&mut interrupts).await, None);
    // Another's refresh with `replaces` takes our Seal away.
    chain.put(Status::Active, &[9]);
    assert_eq!(next(&mut interrupts).await, Some(Event::SealLost));
    interrupts.known(POSITION, 3, seal(8));
    assert_eq!(next(&mut interrupts).await, None);
    chain.put(Status::Closed, &[]);
    assert!(matches!(next(&mut interrupts).await, Some(Event::StakeLost(ErrorCode::PositionClosed, _))));
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_told_once_and_a_dead_task_ends_the_worker() {
    let chain = Chain::new();
    let (mut interrupts, shutdown) = interrupts(&chain);
    assert_eq!(next(&mut interrupts).await, None);
    shutdown.cancel();
    assert_eq!(next(&mut interrupts).await, Some(Event::StopAsked));
    assert_eq!(next(&mut interrupts).await, None);
    interrupts.tasks.spawn("dies", async { anyhow::bail!("broken") });
    let Some(Event::Failed(ErrorCode::Internal, cause)) = next(&mut interrupts).await else { panic!("must fail") };
    assert!(cause.contains("dies") && cause.contains("broken"), "{cause}");
}

use super::*;
use daas_testkit::chain::{self, Staker};
use daas_types::onchain::{PositionState, Proposal, SealRecord, Stage, Status};
use daas_types::{Address, Permissions, UnixMs, WalletAddress};
use tokio::time::timeout;

pub(crate) const POSITION: PositionId = PositionId(Address::new([1; 32]));

/// A chain that a test writes, with one staker.
pub(crate) struct Chain {
    pub(crate) index: Index,
    written: chain::Chain,
    staker: Staker,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let chain = chain::Chain::new();
        Self { index: chain.index.clone(), written: chain, staker: Staker::new(1, "1", Permissions::NODE) }
    }

    pub(crate) fn put(&mut self, status: Status, seals: &[u8]) {
        let minted = Staker::new(1, "1", Permissions::NODE).state.seals.remove(0);
        let record = |n: &u8| SealRecord { id: seal(*n), ..minted.clone() };
        self.change(|state| (state.status, state.seals) = (status, seals.iter().map(record).collect()));
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut PositionState)) {
        self.written.put(&mut self.staker, change);
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

#[tokio::test(start_paused = true)]
async fn a_jail_is_told_once_and_its_end_is_no_news() {
    let mut chain = Chain::new();
    let (mut interrupts, _shutdown) = interrupts(&chain);
    chain.put(Status::Active, &[7]);
    interrupts.known(POSITION, 1, seal(7));
    chain.change(|state| state.jailed_until_ms = UnixMs(9));
    let Some(Event::Jailed(cause)) = next(&mut interrupts).await else { panic!("must be told") };
    assert!(cause.contains("worker-1") && cause.contains("until 9"), "{cause}");
    assert_eq!(next(&mut interrupts).await, None);
    chain.change(|state| state.jailed_until_ms = UnixMs(0));
    assert_eq!(next(&mut interrupts).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slash_that_lapsed_is_no_slash() {
    let mut chain = Chain::new();
    let (mut interrupts, _shutdown) = interrupts(&chain);
    chain.put(Status::Active, &[7]);
    interrupts.known(POSITION, 1, seal(7));
    // The checkpoint that brings it is already as late as its end.
    let proposal = Proposal {
        reason: 4,
        evidence_hash: vec![1; 32],
        uri: String::new(),
        proposer: WalletAddress(Address::new([9; 32])),
        amount: Mist(1),
        from_unbonding: Mist(0),
        proposed_ms: UnixMs(1),
        appeal_until_ms: UnixMs(2),
        expires_ms: UnixMs(3),
        stage: Stage::Appealed,
        prior_status: Status::Active,
    };
    chain.change(|state| (state.status, state.proposal) = (Status::Suspended, Some(Box::new(proposal))));
    assert_eq!(next(&mut interrupts).await, None);
}

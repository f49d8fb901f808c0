mod orders;

use super::*;
use crate::api::command::{self, Commands, Leaving};
use crate::api::status::Board;
use crate::heartbeat::{INTERVAL, Pulse, Verdict};
use crate::interrupts::tests::{Chain, POSITION, seal};
use crate::state::Leave;
use daas_daemon::Tasks;
use daas_types::onchain::Status;
use daas_types::{Address, Permissions, UnixMs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The position after one was left.
const NEXT: PositionId = PositionId(Address::new([2; 32]));

/// Does everything at once and writes down what it did; one action can be made to hang.
struct Script {
    done: Arc<Mutex<Vec<Action>>>,
    at: watch::Sender<Option<Action>>,
    hangs: Option<Action>,
    saved: Arc<Mutex<Vec<Journal>>>,
    position: PositionId,
    held: Option<PositionId>,
    pulse: Pulse,
    /// From when to when the master has no chain.
    outage: Option<(Instant, Instant)>,
    beats: Arc<Mutex<Vec<(Instant, Verdict)>>>,
    /// What an order for a Seal ends with.
    staked: Arc<Mutex<Result<(), ErrorCode>>>,
    /// Nothing can be saved.
    full: Arc<AtomicBool>,
    /// What the configured amount is refused for.
    refuses: Option<ErrorCode>,
    made: Option<Staked>,
    board: Board,
    resealed: Arc<AtomicUsize>,
}

struct Rig {
    chain: Chain,
    shutdown: CancellationToken,
    commands: Commands,
    done: Arc<Mutex<Vec<Action>>>,
    saved: Arc<Mutex<Vec<Journal>>>,
    beats: Arc<Mutex<Vec<(Instant, Verdict)>>>,
    at: watch::Receiver<Option<Action>>,
    driver: Driver<Script>,
}

fn staked() -> Staked {
    Staked { secret: None, expires: UnixMs(9), permissions: Permissions::NODE }
}

impl Hands for Script {
    async fn perform(&mut self, action: Action, why: Option<Why>) -> Option<Event> {
        self.at.send_replace(Some(action));
        if self.hangs == Some(action) && why != Some(Why::Slashed) {
            sleep(Duration::from_hours(1)).await;
        }
        self.done.lock().unwrap().push(action);
        Some(match action {
            Prepare(former) => {
                self.position = if former.is_some() { NEXT } else { POSITION };
                Event::Prepared(self.position)
            }
            Mint(order) => {
                if let (Some(_), Err(code)) = (order, *self.staked.lock().unwrap()) {
                    return Some(Event::StakeRefused(code, "test".into()));
                }
                if let (None, Some(code)) = (order, self.refuses) {
                    return Some(Event::StakeRefused(code, "test".into()));
                }
                self.held = Some(self.position);
                self.made = order.map(|_| staked());
                Event::SealLive
            }
            Action::Recover => {
                self.held = Some(self.position);
                Event::SealLive
            }
            Action::AwaitRelease => Event::MayRecover("time".into()),
            VerifyMaster => Event::MasterVerified,
            Join => Event::NodeUp,
            StopNode => Event::Drained,
            Unstake => Event::StakeUnbonding(UnixMs(60)),
            Withdraw => Event::StakeWithdrawn,
            Action::RestartNode | Cordon | StopPods | Clean => return None,
        })
    }

    async fn duty(&mut self, duty: Duty) -> Option<Event> {
        let now = Instant::now();
        if duty != Duty::Beat {
            return None;
        }
        let stale = self.outage.is_some_and(|(from, until)| from <= now && now < until);
        // Now the master says so, now the worker finds it out itself.
        let masters = self.beats.lock().unwrap().len().is_multiple_of(2);
        let code = if masters { ErrorCode::ChainStale } else { ErrorCode::ChainUnreachable };
        let failure = stale.then(|| Problem::new(code, "test"));
        let verdict = self.pulse.beat(failure.as_ref(), now);
        self.beats.lock().unwrap().push((now, verdict));
        (verdict == Verdict::Restart).then_some(Event::HeartbeatsFailing)
    }

    async fn reseal(&mut self, _order: StakeOrder) -> Result<Staked, Problem> {
        self.resealed.fetch_add(1, Ordering::Relaxed);
        self.staked.lock().unwrap().map_err(|code| Problem::new(code, "test"))?;
        Ok(staked())
    }

    fn made(&mut self) -> Option<Result<Staked, Problem>> {
        self.made.take().map(Ok)
    }

    fn seal(&self) -> Option<(SealId, PositionId, u64)> {
        self.held.map(|position| (seal(7), position, 1))
    }

    fn save(&self, journal: &Journal) -> Result<(), Problem> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Problem::new(ErrorCode::DiskFull, "test"));
        }
        self.saved.lock().unwrap().push(journal.clone());
        Ok(())
    }

    fn noted(&mut self, journal: &Journal, moved: bool) {
        self.board.noted(journal, moved);
    }

    fn joined(&mut self) {
        self.at.send_replace(None);
    }
}

impl Rig {
    fn new(hangs: Option<Action>) -> Self {
        let mut chain = Chain::new();
        chain.put(Status::Active, &[7]);
        let (done, saved, beats) = (Arc::default(), Arc::default(), Arc::default());
        let (at, receiver) = watch::channel(None);
        let script = Script {
            done: Arc::clone(&done),
            at,
            hangs,
            saved: Arc::clone(&saved),
            position: POSITION,
            held: None,
            pulse: Pulse::default(),
            outage: None,
            beats: Arc::clone(&beats),
            staked: Arc::new(Mutex::new(Ok(()))),
            full: Arc::default(),
            refuses: None,
            made: None,
            board: Board::default(),
            resealed: Arc::default(),
        };
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(CancellationToken::new());
        let interrupts = Interrupts::new(chain.index.clone(), tasks, shutdown.clone());
        let (commands, inbox) = command::channel();
        let driver = Driver::new(Journal::default(), script, interrupts, Desk::new(inbox));
        Self { chain, shutdown, commands, done, saved, beats, at: receiver, driver }
    }

    /// A worker that was killed in this state.
    fn found(state: State) -> Self {
        let mut rig = Self::new(None);
        // What was prepared is in the Seal file.
        rig.driver.hands.position = state.position.unwrap_or(POSITION);
        rig.driver.journal.state = state;
        rig
    }

    /// Drives to the end; `then` happens when the worker is at `when` (joined, if none).
    async fn drive(
        mut self,
        when: Option<Action>,
        then: impl FnOnce(&mut Chain, &CancellationToken),
    ) -> (Ending, Vec<Action>) {
        let Self { chain, shutdown, at, driver, .. } = &mut self;
        let meanwhile = async {
            at.changed().await.unwrap();
            at.wait_for(|at| *at == when).await.unwrap();
            then(chain, shutdown);
            std::future::pending::<()>().await;
        };
        let ending = tokio::select! {
            ended = timeout(Duration::from_mins(10), driver.drive()) => ended.expect("it must end").unwrap(),
            () = meanwhile => unreachable!(),
        };
        assert_eq!(self.saved.lock().unwrap().last().map(|last| last.state.phase), Some(Phase::Gone));
        let done = self.done.lock().unwrap().clone();
        (ending, done)
    }

    /// Drives until the owner has done what an owner does.
    async fn owned<T>(&mut self, owner: impl Future<Output = T>) -> T {
        let joined = self.at.clone();
        let owner = async {
            let mut joined = joined;
            joined.changed().await.unwrap();
            owner.await
        };
        tokio::select! {
            ended = self.driver.drive() => panic!("it ended: {ended:?}"),
            done = timeout(Duration::from_hours(1), owner) => done.expect("the owner waits in vain"),
        }
    }

    fn phase(&self) -> Phase {
        self.driver.journal.state.phase
    }
}

use Action::{Clean, Cordon, Join, Mint, Prepare, StopNode, StopPods, Unstake, VerifyMaster, Withdraw};

#[tokio::test(start_paused = true)]
async fn whoever_asks_sees_each_transition_and_why_it_stands_where_it_stands() {
    let mut rig = Rig::found(State { position: Some(POSITION), ..State::default() });
    let board = rig.driver.hands.board.clone();
    let way = [
        (Event::Started, Phase::Unproven),
        (Event::SealLive, Phase::Staked),
        (Event::MasterVerified, Phase::VerifiedMaster),
        (Event::NodeUp, Phase::Joined),
    ];
    for (event, phase) in way {
        let why = event.to_string();
        rig.driver.take(event);
        let status = board.status();
        assert_eq!((status.phase, status.reason, status.position), (phase, why, Some(POSITION)));
        assert_eq!(status.life, rig.driver.journal.life());
    }
    // Something is done about it, and it stands where it stood.
    let before = board.status();
    board.tries(Action::RestartNode, &Problem::new(ErrorCode::NodeFailed, "test"));
    rig.driver.take(Event::HeartbeatsFailing);
    let status = board.status();
    assert_eq!((status.since, status.reason.as_str()), (before.since, "the node is registered and running"));
    let last = status.life.history.back().unwrap();
    assert_eq!(
        (last.from, last.to, last.reason.as_str()),
        (Phase::Joined, Phase::Joined, "several heartbeats in a row failed")
    );
    assert_eq!(status.trouble, None, "what it tried is over");
}

#[tokio::test(start_paused = true)]
async fn a_joined_node_leaves_in_order_when_asked() {
    let (ending, done) = Rig::new(None).drive(None, |_, shutdown| shutdown.cancel()).await;
    assert_eq!(ending.why, Why::Asked);
    assert_eq!(done, [Prepare(None), Mint(None), VerifyMaster, Join, Cordon, StopPods, StopNode, Clean]);
}

#[tokio::test(start_paused = true)]
async fn a_stake_that_is_refused_is_tried_once_a_start_and_not_started_again() {
    let mut found = State::default();
    for start in 1..=2 {
        let mut rig = Rig::found(found);
        rig.driver.hands.refuses = Some(ErrorCode::NodeIdTaken);
        let ending = timeout(Duration::from_mins(10), rig.driver.drive()).await.expect("it must end").unwrap();
        assert_eq!(ending.problem().unwrap().code, ErrorCode::NodeIdTaken);
        let tries = rig.done.lock().unwrap().iter().filter(|action| matches!(action, Mint(_))).count();
        assert_eq!(tries, 1, "each costs gas; start {start}");
        let unit = include_str!("../../../../deploy/systemd/k3s-worker.service");
        let never = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
        let code = ending.why.exit_code().to_string();
        assert!(never.split(' ').any(|listed| listed == code), "{code} is not in {never}");
        found = rig.driver.journal.state;
    }
    assert_eq!((found.phase, found.position), (Phase::Gone, Some(POSITION)));
}

#[tokio::test(start_paused = true)]
async fn a_slash_stops_a_joined_node_at_once() {
    let slash = |chain: &mut Chain, _: &CancellationToken| chain.put(Status::Suspended, &[7]);
    let (ending, done) = Rig::new(None).drive(None, slash).await;
    assert_eq!((ending.why, ending.why.exit_code()), (Why::Slashed, 3));
    assert_eq!(ending.problem().unwrap().code, ErrorCode::StakeSlashed);
    assert_eq!(done, [Prepare(None), Mint(None), VerifyMaster, Join, StopPods, StopNode, Clean]);
}

#[tokio::test(start_paused = true)]
async fn a_slash_does_not_wait_for_whatever_is_going_on() {
    let slash = |chain: &mut Chain, _: &CancellationToken| chain.put(Status::Suspended, &[7]);
    for hanging in [VerifyMaster, Join] {
        let (ending, done) = Rig::new(Some(hanging)).drive(Some(hanging), slash).await;
        assert_eq!(ending.why, Why::Slashed);
        assert!(done.ends_with(&[StopPods, StopNode, Clean]) && !done.contains(&hanging), "{done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slash_ends_an_orderly_drain() {
    let mut rig = Rig::new(Some(Cordon));
    rig.shutdown.cancel();
    rig.driver.journal.state = State { phase: Phase::Joined, position: Some(POSITION), ..State::default() };
    let slash = |chain: &mut Chain, _: &CancellationToken| chain.put(Status::Suspended, &[7]);
    let (ending, done) = rig.drive(Some(Cordon), slash).await;
    assert_eq!(ending.why, Why::Slashed);
    assert!(done.ends_with(&[StopPods, StopNode, Clean]) && !done.contains(&Cordon), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_changes_nothing_does_not_lose_the_action_it_interrupted() {
    let mut rig = Rig::new(None);
    rig.driver.journal.state.position = Some(POSITION);
    // The index says that another Seal is on the position, which the first action is about to mend anyway.
    rig.driver.interrupts.known(POSITION, 0, seal(9));
    let (ending, done) = rig.drive(None, |_, shutdown| shutdown.cancel()).await;
    assert_eq!(ending.why, Why::Asked);
    assert_eq!(done, [Mint(None), VerifyMaster, Join, Cordon, StopPods, StopNode, Clean]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_on_the_way_out_is_gone_on_from() {
    let at = |phase, leave| State { phase, leave, position: Some(POSITION), ..State::default() };
    let whole = [Cordon, StopPods, StopNode, Clean, Unstake, Withdraw];
    for (state, rest) in [
        (at(Phase::Draining, Leave::Asked), &whole[..]),
        (at(Phase::Unbonding, Leave::Asked), &whole[4..]),
        (at(Phase::Gone, Leave::Asked), &whole[4..]),
        (at(Phase::Unbonding, Leave::Unbonding(UnixMs(60))), &whole[5..]),
        (at(Phase::Withdrawn, Leave::Withdrawn), &[]),
    ] {
        let mut rig = Rig::found(state.clone());
        let commands = rig.commands.clone();
        let left = tokio::select! {
            ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
            left = async {
                sleep(Duration::from_mins(1)).await;
                commands.unstake().await
            } => left,
        };
        assert_eq!(left.unwrap(), Leaving::Unstaked, "{state:?}");
        assert_eq!(*rig.done.lock().unwrap(), rest, "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_jailed_node_comes_back_by_itself() {
    let mut rig = Rig::new(None);
    let saved = rig.saved.clone();
    let Rig { chain, shutdown, at, driver, .. } = &mut rig;
    let meanwhile = async {
        at.changed().await.unwrap();
        at.wait_for(Option::is_none).await.unwrap();
        chain.change(|state| state.jailed_until_ms = UnixMs(9));
        sleep(Duration::from_mins(1)).await;
        shutdown.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = driver.drive() => assert_eq!(ended.unwrap().why, Why::Asked),
        () = meanwhile => unreachable!(),
    }
    let phases: Vec<_> = saved.lock().unwrap().iter().map(|journal| journal.state.phase).collect();
    let way = [Phase::Joined, Phase::Jailed, Phase::Recovering, Phase::Staked, Phase::VerifiedMaster, Phase::Joined];
    assert!(phases.windows(way.len()).any(|part| part == way), "{phases:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quarter_of_an_hour_without_the_chain_is_waited_for() {
    let mut rig = Rig::new(None);
    let from = Instant::now() + Duration::from_mins(2);
    let until = from + Duration::from_mins(15);
    rig.driver.hands.outage = Some((from, until));
    let (shutdown, done, beats) = (rig.shutdown.clone(), rig.done.clone(), rig.beats.clone());
    tokio::select! {
        ended = rig.driver.drive() => drop(ended),
        () = tokio::time::sleep_until(until + Duration::from_mins(2)) => shutdown.cancel(),
    }
    assert_eq!(rig.phase(), Phase::Joined);
    assert_eq!(*done.lock().unwrap(), [Prepare(None), Mint(None), VerifyMaster, Join]);
    let beats = beats.lock().unwrap();
    let waited = beats.iter().filter(|(_, verdict)| *verdict == Verdict::Wait).count();
    assert!(waited >= 29, "{waited} beats in the outage");
    let back = beats.iter().find(|(at, _)| *at >= until).unwrap();
    assert!(back.1 == Verdict::Fine && back.0.duration_since(until) <= INTERVAL);
}

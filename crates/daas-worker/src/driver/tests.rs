use super::*;
use crate::interrupts::tests::{Chain, POSITION, seal};
use daas_daemon::Tasks;
use daas_types::onchain::Status;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Does everything at once and writes down what it did; one action can be made to hang.
struct Script {
    done: Arc<Mutex<Vec<Action>>>,
    at: watch::Sender<Option<Action>>,
    hangs: Option<Action>,
    saved: Arc<Mutex<Vec<Phase>>>,
    sealed: bool,
}

struct Rig {
    chain: Chain,
    shutdown: CancellationToken,
    done: Arc<Mutex<Vec<Action>>>,
    saved: Arc<Mutex<Vec<Phase>>>,
    at: watch::Receiver<Option<Action>>,
    driver: Driver<Script>,
}

impl Hands for Script {
    async fn perform(&mut self, action: Action, slashed: bool) -> Option<Event> {
        self.at.send_replace(Some(action));
        if self.hangs == Some(action) && !slashed {
            sleep(Duration::from_hours(1)).await;
        }
        self.done.lock().unwrap().push(action);
        Some(match action {
            Prepare => Event::Prepared(POSITION),
            Mint => {
                self.sealed = true;
                Event::SealLive
            }
            VerifyMaster => Event::MasterVerified,
            Join => Event::NodeUp,
            StopNode => Event::Drained,
            Action::RestartNode | Cordon | StopPods | Clean => return None,
        })
    }

    async fn duty(&mut self, _duty: Duty) -> Option<Event> {
        None
    }

    fn seal(&self) -> Option<(SealId, PositionId, u64)> {
        self.sealed.then(|| (seal(7), POSITION, 1))
    }

    fn save(&self, state: &State) -> Result<(), Problem> {
        self.saved.lock().unwrap().push(state.phase);
        Ok(())
    }

    fn joined(&mut self) {
        self.at.send_replace(None);
    }
}

impl Rig {
    fn new(hangs: Option<Action>) -> Self {
        let mut chain = Chain::new();
        chain.put(Status::Active, &[7]);
        let (done, saved) = (Arc::default(), Arc::default());
        let (at, receiver) = watch::channel(None);
        let script = Script { done: Arc::clone(&done), at, hangs, saved: Arc::clone(&saved), sealed: false };
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(CancellationToken::new());
        let interrupts = Interrupts::new(chain.index.clone(), tasks, shutdown.clone());
        let driver = Driver::new(State::default(), script, interrupts);
        Self { chain, shutdown, done, saved, at: receiver, driver }
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
        assert_eq!(self.saved.lock().unwrap().last(), Some(&Phase::Gone));
        let done = self.done.lock().unwrap().clone();
        (ending, done)
    }
}

use Action::{Clean, Cordon, Join, Mint, Prepare, StopNode, StopPods, VerifyMaster};

#[tokio::test(start_paused = true)]
async fn a_joined_node_leaves_in_order_when_asked() {
    let (ending, done) = Rig::new(None).drive(None, |_, shutdown| shutdown.cancel()).await;
    assert_eq!(ending.why, Why::Asked);
    assert_eq!(done, [Prepare, Mint, VerifyMaster, Join, Cordon, StopPods, StopNode, Clean]);
}

#[tokio::test(start_paused = true)]
async fn a_slash_stops_a_joined_node_at_once() {
    let slash = |chain: &mut Chain, _: &CancellationToken| chain.put(Status::Suspended, &[7]);
    let (ending, done) = Rig::new(None).drive(None, slash).await;
    assert_eq!((ending.why, ending.why.exit_code()), (Why::Slashed, 3));
    assert_eq!(ending.problem().unwrap().code, ErrorCode::StakeSlashed);
    assert_eq!(done, [Prepare, Mint, VerifyMaster, Join, StopPods, StopNode, Clean]);
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
    rig.driver.state = State { phase: Phase::Joined, position: Some(POSITION), ending: None };
    let slash = |chain: &mut Chain, _: &CancellationToken| chain.put(Status::Suspended, &[7]);
    let (ending, done) = rig.drive(Some(Cordon), slash).await;
    assert_eq!(ending.why, Why::Slashed);
    assert!(done.ends_with(&[StopPods, StopNode, Clean]) && !done.contains(&Cordon), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_changes_nothing_does_not_lose_the_action_it_interrupted() {
    let mut rig = Rig::new(None);
    rig.driver.state.position = Some(POSITION);
    // The index says that another Seal is on the position, which the first action is about to mend anyway.
    rig.driver.interrupts.known(POSITION, 0, seal(9));
    let (ending, done) = rig.drive(None, |_, shutdown| shutdown.cancel()).await;
    assert_eq!(ending.why, Why::Asked);
    assert_eq!(done, [Mint, VerifyMaster, Join, Cordon, StopPods, StopNode, Clean]);
}

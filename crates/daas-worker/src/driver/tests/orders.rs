//! What its owner orders: when it is done, when it is refused, and that a kill changes neither.

use super::*;
use crate::api::command::Leaving;
use daas_types::Mist;

fn order(sui: u64) -> StakeOrder {
    StakeOrder { amount: Some(Mist::from_sui(sui)), lifetime: None }
}

/// A worker whose owner has taken the stake out.
fn withdrawn() -> State {
    State { phase: Phase::Withdrawn, leave: Leave::Withdrawn, position: Some(POSITION), ..State::default() }
}

/// Gives the order, before anything else happens, and drives until it is answered.
async fn ordered(rig: &mut Rig, order: StakeOrder) -> Result<Staked, Problem> {
    let commands = rig.commands.clone();
    tokio::select! {
        biased;
        staked = commands.stake(order) => staked,
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_unstakes_and_stakes_again() {
    let mut rig = Rig::new(None);
    let commands = rig.commands.clone();
    let left = rig.owned(async { (commands.unstake().await, commands.unstake().await) }).await;
    assert_eq!(left.0.unwrap(), Leaving::Unbonding { withdrawable: UnixMs(60) });
    // The script's money is back at once.
    assert_eq!(left.1.unwrap(), Leaving::Unstaked);
    let out = [Prepare(None), Mint(None), VerifyMaster, Join, Cordon, StopPods, StopNode, Clean, Unstake, Withdraw];
    assert_eq!(*rig.done.lock().unwrap(), out);
    assert_eq!((rig.phase(), rig.driver.journal.state.leave), (Phase::Withdrawn, Leave::Withdrawn));
    assert_eq!(rig.driver.journal.history.back().unwrap().reason, "the stake is in the wallet");

    // A process that starts stakes nothing by itself; the owner's word makes another position.
    let mut rig = Rig::found(rig.driver.journal.state.clone());
    let commands = rig.commands.clone();
    let staked = tokio::select! {
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
        staked = async {
            sleep(Duration::from_hours(1)).await;
            commands.stake(StakeOrder::default()).await
        } => staked,
    };
    assert_eq!(staked.unwrap().expires, UnixMs(9));
    assert_eq!(rig.driver.journal.state.position, Some(NEXT));
    assert_eq!(rig.done.lock().unwrap()[0], Prepare(Some(POSITION)));
}

#[tokio::test(start_paused = true)]
async fn who_stakes_again_is_not_bothered_by_what_was_left() {
    let mut rig = Rig::new(None);
    let commands = rig.commands.clone();
    rig.owned(async { (commands.unstake().await.unwrap(), commands.unstake().await.unwrap()) }).await;
    rig.chain.put(Status::Closed, &[]);
    let staked = tokio::select! {
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
        staked = commands.stake(StakeOrder::default()) => staked,
    };
    assert_eq!(staked.unwrap().expires, UnixMs(9));
    assert_eq!(rig.driver.journal.state.position, Some(NEXT));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_leads_nowhere_interrupts_nothing() {
    let mut rig = Rig::new(Some(Cordon));
    let (commands, mut at) = (rig.commands.clone(), rig.at.clone());
    let refused = rig
        .owned(async {
            let meanwhile = async {
                at.wait_for(|at| *at == Some(Cordon)).await.unwrap();
                at.mark_unchanged();
                let refused = commands.register().await;
                sleep(Duration::from_secs(1)).await;
                assert!(!at.has_changed().unwrap(), "it was begun once more");
                refused
            };
            tokio::select! {
                left = commands.unstake() => panic!("{left:?}"),
                refused = meanwhile => refused,
            }
        })
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::WorkerBusy);
}

#[tokio::test(start_paused = true)]
async fn orders_are_answered_when_they_are_done_and_a_failed_one_ends_nothing() {
    let mut rig = Rig::new(None);
    let commands = rig.commands.clone();
    let done = rig.done.clone();
    rig.owned(async {
        commands.stake(StakeOrder::default()).await.unwrap();
        commands.register().await.unwrap();
        assert_eq!(*done.lock().unwrap(), [Prepare(None), Mint(None), VerifyMaster, Join, Join]);
    })
    .await;
    let mut rig = Rig::new(None);
    *rig.driver.hands.staked.lock().unwrap() = Err(ErrorCode::InsufficientFunds);
    let resealed = rig.driver.hands.resealed.clone();
    let commands = rig.commands.clone();
    let refused = rig.owned(async { commands.stake(StakeOrder::default()).await.unwrap_err() }).await;
    assert_eq!((refused.code, rig.phase()), (ErrorCode::InsufficientFunds, Phase::Joined));
    assert_eq!(resealed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_ordered_is_staked_wherever_the_worker_was_killed() {
    for found in [State::default(), withdrawn()] {
        let mut rig = Rig::found(found.clone());
        ordered(&mut rig, order(7)).await.unwrap();
        let saved: Vec<_> = rig.saved.lock().unwrap().iter().map(|journal| journal.state.clone()).collect();
        let from = saved.iter().position(|state| state.order.is_some()).expect("the order is written down first");
        let until = saved.iter().position(|state| state.phase == Phase::Staked).unwrap();
        assert!(from < until, "{saved:?}");
        assert!(saved[until..].iter().all(|state| state.order.is_none()));
        for killed in &saved[from..until] {
            let mut rig = Rig::found(killed.clone());
            rig.owned(async {}).await;
            let done = rig.done.lock().unwrap().clone();
            let minted: Vec<_> = done.into_iter().filter(|action| matches!(action, Mint(_))).collect();
            assert_eq!(minted, [Mint(Some(order(7)))], "{killed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_that_nothing_was_staked_finds_nothing_staked() {
    let mut rig = Rig::found(withdrawn());
    *rig.driver.hands.staked.lock().unwrap() = Err(ErrorCode::InsufficientFunds);
    let refused = ordered(&mut rig, order(7)).await.unwrap_err();
    assert_eq!((refused.code, rig.phase()), (ErrorCode::InsufficientFunds, Phase::Withdrawn));
    let mut rig = Rig::found(rig.saved.lock().unwrap().last().unwrap().state.clone());
    let commands = rig.commands.clone();
    let left = tokio::select! {
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
        left = commands.unstake() => left.unwrap(),
    };
    assert_eq!((left, rig.done.lock().unwrap().len()), (Leaving::Unstaked, 0));
}

#[tokio::test(start_paused = true)]
async fn a_first_order_that_was_refused_is_not_followed_by_the_configured_amount() {
    let mut rig = Rig::new(None);
    let (commands, staked) = (rig.commands.clone(), rig.driver.hands.staked.clone());
    *staked.lock().unwrap() = Err(ErrorCode::StakeAboveMaximum);
    let owner = async {
        let refused = commands.stake(order(7)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::StakeAboveMaximum);
        *staked.lock().unwrap() = Ok(());
        // It waits for the next word, however long.
        sleep(Duration::from_hours(1)).await;
        commands.stake(order(6)).await.unwrap();
    };
    tokio::select! {
        biased;
        () = owner => {}
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
    }
    let done = rig.done.lock().unwrap();
    let minted: Vec<_> = done.iter().filter(|action| matches!(action, Mint(_))).collect();
    assert_eq!(minted, [&Mint(Some(order(7))), &Mint(Some(order(6)))]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_written_down_is_refused_and_nothing_is_staked() {
    let mut rig = Rig::found(withdrawn());
    let full = rig.driver.hands.full.clone();
    let commands = rig.commands.clone();
    let owner = async {
        sleep(Duration::from_secs(1)).await;
        full.store(true, Ordering::Relaxed);
        let refused = commands.stake(order(7)).await.unwrap_err();
        sleep(Duration::from_hours(1)).await;
        refused
    };
    let refused = tokio::select! {
        refused = owner => refused,
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
    };
    assert_eq!((refused.code, &rig.driver.journal.state), (ErrorCode::DiskFull, &withdrawn()));
    assert!(rig.done.lock().unwrap().is_empty() && rig.driver.queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_unstakes_drops_a_first_order_that_was_refused_and_no_other() {
    let mut rig = Rig::new(None);
    let (commands, staked) = (rig.commands.clone(), rig.driver.hands.staked.clone());
    *staked.lock().unwrap() = Err(ErrorCode::StakeAboveMaximum);
    let left = tokio::select! {
        biased;
        left = async {
            commands.stake(order(7)).await.unwrap_err();
            commands.unstake().await
        } => left,
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
    };
    assert_eq!((left.unwrap(), rig.driver.journal.state.order), (Leaving::Unstaked, None));
    // Nor is anything staked by a later start.
    let mut rig = Rig::found(rig.saved.lock().unwrap().last().unwrap().state.clone());
    tokio::select! {
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
        () = sleep(Duration::from_hours(1)) => assert!(rig.done.lock().unwrap().is_empty()),
    }

    // A stake that may be on its way is not dropped.
    let found = State { position: Some(POSITION), order: Some(order(7)), ..State::default() };
    let mut rig = Rig::found(found);
    rig.driver.hands.hangs = Some(Mint(Some(order(7))));
    let commands = rig.commands.clone();
    let refused = tokio::select! {
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
        refused = commands.unstake() => refused,
    };
    assert_eq!(refused.unwrap_err().code, ErrorCode::WorkerBusy);
    assert_eq!(rig.driver.journal.state.order, Some(order(7)));
}

#[tokio::test(start_paused = true)]
async fn an_order_during_a_stake_is_taken_when_nothing_comes_of_that() {
    let found = State { position: Some(POSITION), order: Some(order(7)), ..State::default() };
    let mut rig = Rig::found(found);
    rig.driver.hands.hangs = Some(Mint(Some(order(7))));
    *rig.driver.hands.staked.lock().unwrap() = Err(ErrorCode::InsufficientFunds);
    let commands = rig.commands.clone();
    let owner = async {
        // What is on its way to the chain is not let go of.
        let late = commands.stake(order(6)).await.unwrap_err();
        assert!(late.cause.contains("may still be done"), "{late}");
        sleep(Duration::from_hours(2)).await;
    };
    tokio::select! {
        () = owner => {}
        ended = rig.driver.drive() => panic!("it ended: {ended:?}"),
    }
    assert_eq!(*rig.done.lock().unwrap(), [Mint(Some(order(7))), Mint(Some(order(6)))]);
    assert_eq!(rig.driver.journal.state.order, Some(order(6)));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_no_orders() {
    let mut rig = Rig::new(Some(Cordon));
    let (commands, shutdown) = (rig.commands.clone(), rig.shutdown.clone());
    let refused = rig
        .owned(async {
            shutdown.cancel();
            sleep(Duration::from_secs(1)).await;
            (commands.register().await, commands.stake(StakeOrder::default()).await.map(drop), commands.unstake().await)
        })
        .await;
    assert_eq!(refused.0.unwrap_err().code, ErrorCode::WorkerBusy);
    assert_eq!(refused.1.unwrap_err().code, ErrorCode::WorkerBusy);
    assert_eq!(refused.2.unwrap_err().code, ErrorCode::WorkerBusy);
}

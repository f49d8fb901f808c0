use super::*;
use futures::future::pending;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep, timeout};

const LIMIT: Duration = Duration::from_mins(1);

/// A connection that is driven by what comes, as if a body were asked: `Some` for a frame, `None` for a wait.
async fn serve(mut asks: mpsc::Receiver<bool>) {
    while let Some(got) = asks.recv().await {
        asked(got);
    }
    pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_long_is_stalled_and_who_waits_is_not() {
    let (ask, asks) = mpsc::channel(1);
    let mut served = JoinSet::new();
    served.spawn(around(serve(asks), LIMIT));
    let almost = LIMIT.checked_sub(Duration::from_millis(2)).unwrap();
    // For the first frame, and for another after each: for ever.
    for _ in 0..3 {
        assert!(timeout(LIMIT * 10, served.join_next()).await.is_err());
        ask.send(true).await.unwrap();
        ask.send(false).await.unwrap();
    }
    // One frame just before each end.
    for _ in 0..5 {
        ask.send(true).await.unwrap();
        assert!(timeout(almost, served.join_next()).await.is_err());
    }
    ask.send(true).await.unwrap();
    assert!(timeout(almost, served.join_next()).await.is_err());
    let late = timeout(Duration::from_millis(4), served.join_next()).await;
    assert_eq!(late.unwrap().unwrap().unwrap(), Err(Pulled::Stalled));
}

#[tokio::test(start_paused = true)]
async fn being_woken_is_not_taking_and_a_body_that_is_over_takes_nothing() {
    // Something else of the connection happens all the time.
    let busy = async {
        asked(true);
        loop {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let begun = Instant::now();
    assert_eq!(around(busy, LIMIT).await, Err::<(), _>(Pulled::Stalled));
    assert_eq!(begun.elapsed(), LIMIT);
    let between = async {
        asked(true);
        sleep(LIMIT / 2).await;
        assert!(!over());
        sleep(LIMIT * 5).await;
    };
    assert_eq!(around(between, LIMIT).await, Ok(()));
}

/// Says on its end whether it was stalled, as a body does.
struct Body(mpsc::Sender<bool>);

impl Drop for Body {
    fn drop(&mut self) {
        self.0.try_send(over()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_told_why_it_ends() {
    let (tell, mut told) = mpsc::channel(2);
    let body = Body(tell.clone());
    let stalls = async move {
        let _body = body;
        asked(true);
        pending::<()>().await;
    };
    around(stalls, LIMIT).await.unwrap_err();
    let (body, taken) = (Body(tell), async { advance(LIMIT * 2).await });
    let ends = async move {
        let _body = body;
        asked(true);
    };
    let ((), ended) = tokio::join!(taken, around(ends, LIMIT));
    ended.unwrap();
    assert_eq!((told.recv().await, told.recv().await, told.recv().await), (Some(true), Some(false), None));
}

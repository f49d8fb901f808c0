use super::*;
use crate::testing::TestChain;
use core::time::Duration;
use tokio::time::sleep;

/// So many endpoints, to none of which anything is sent.
fn prover(count: usize) -> Prover {
    let urls = (0..count).map(|n| format!("http://127.0.0.1:{}", n + 1));
    let client = ChainClient::unchecked(urls, TestChain::new(1).genesis()).unwrap();
    client.prover()
}

fn silent() -> ChainError {
    ChainError::Unreachable { call: "test", cause: "gone".to_owned() }
}

fn lie() -> ChainError {
    ProofError::at(1)(Check::Sequence { got: 2 }).into()
}

/// Asks, and says who answered and how many seconds it took. The `n`th endpoint does as `does` says of `n`.
async fn ask(
    prover: &Prover,
    does: impl Fn(usize) -> (u64, Option<ChainError>),
) -> (Result<Vec<usize>, ChainError>, u64) {
    let begun = Instant::now();
    let answers = prover.ask(|endpoint| {
        let at = endpoint.at();
        let (takes, error) = does(at);
        async move {
            sleep(Duration::from_secs(takes)).await;
            error.map_or(Ok(at), Err)
        }
        .boxed()
    });
    let answers = answers.await.map(|mut answers| {
        answers.sort_unstable();
        answers
    });
    (answers, begun.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn the_slowest_holds_nobody_up() {
    let prover = prover(3).needing(2);
    let slow_last = |at: usize| (if at == 2 { 100 } else { 1 }, None);
    let (answers, took) = ask(&prover, slow_last).await;
    assert_eq!((answers.unwrap(), took), (vec![0, 1], 12));
    // It is not waited for again.
    let (answers, took) = ask(&prover, slow_last).await;
    assert_eq!((answers.unwrap(), took), (vec![0, 1], 1));
    // One that takes longer now and then is heard.
    let (answers, took) = ask(&self::prover(3).needing(2), |at| (at as u64 * 4, None)).await;
    assert_eq!((answers.unwrap(), took), (vec![0, 1, 2], 8));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_needed_is_waited_for() {
    let (answers, took) = ask(&prover(2).needing(2), |at| (at as u64 * 100, None)).await;
    assert_eq!((answers.unwrap(), took), (vec![0, 1], 100));
    // Once it was slow beside others, and is needed now.
    let prover = prover(3).needing(2);
    ask(&prover, |at| (at as u64 * 50, None)).await.0.unwrap();
    let (answers, took) = ask(&prover, |at| (at as u64, (at == 0).then(lie))).await;
    assert!(answers.is_ok(), "a liar and another one: {answers:?}");
    assert!(took <= 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_not_made_up_for_and_who_lies_is() {
    let two = || prover(2).needing(2);
    let error = ask(&two(), |at| (0, (at == 1).then(silent))).await.0.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { call: "ask several endpoints", .. }), "{error}");
    let prover = two();
    assert_eq!(ask(&prover, |at| (0, (at == 1).then(lie))).await.0.unwrap(), [0]);
    assert_eq!(prover.liars(), 1);
    assert_eq!(ask(&prover, |_| (0, None)).await.0.unwrap(), [0], "a liar is asked no more");
    assert!(ask(&two(), |_| (0, Some(silent()))).await.0.is_err());
    assert!(ask(&self::prover(2), |at| (0, (at == 1).then(silent))).await.0.is_ok(), "one is enough elsewhere");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_always_late_is_waited_for_no_longer_than_who_is_once() {
    let begun = Instant::now();
    let prover = prover(3).needing(2);
    for question in 0..20 {
        let (answers, _) = ask(&prover, |at| (if at == 2 { 9 } else { 0 }, None)).await;
        assert_eq!(answers.unwrap().len(), if question == 0 { 3 } else { 2 }, "{question}");
    }
    // One second and eight, then one and two.
    assert_eq!(begun.elapsed().as_secs(), 12);
    // Many questions at once are one wait.
    let prover = self::prover(3).needing(2);
    let far = || ask(&prover, |at| (if at == 2 { 5 } else { 0 }, None));
    let all = futures::future::join_all((0..16).map(|_| far())).await;
    assert!(all.iter().all(|(answers, took)| answers.as_ref().unwrap().len() == 3 && *took == 5));
    // And who is far away is no late one.
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(ask(&prover, |at| (u64::from(at == 2), None)).await.0.unwrap().len(), 3);
    }
    assert_eq!(begun.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn nobody_counts_twice() {
    // Each question is answered before its liar is caught in the other.
    let prover = prover(2).needing(2);
    let first = ask(&prover, |at| if at == 0 { (0, None) } else { (2, Some(silent())) });
    let second = ask(&prover, |at| (1, (at == 0).then(lie)));
    let ((first, _), (second, _)) = futures::join!(first, second);
    assert!(first.is_err(), "the liar's answer alone: {first:?}");
    assert_eq!(second.unwrap(), [1], "a liar and another one");
    let forgot = || ProofError::at(1)(Check::Absent("contents")).into();
    let two = self::prover(2).needing(2);
    assert!(ask(&two, |at| (0, (at == 0).then(forgot))).await.0.is_err(), "to forget is not to lie");
}

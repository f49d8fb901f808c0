use super::*;

fn problem(code: ErrorCode) -> Problem {
    Problem::new(code, "test")
}

/// Beats every 30 s with the same failure and answers after how many beats each restart came.
async fn restarts(code: ErrorCode, beats: u32) -> Vec<u32> {
    let mut pulse = Pulse::default();
    let mut at = vec![];
    for beat in 1..=beats {
        tokio::time::advance(INTERVAL).await;
        if pulse.beat(Some(&problem(code)), Instant::now()) == Verdict::Restart {
            at.push(beat);
        }
    }
    at
}

#[tokio::test(start_paused = true)]
async fn three_failures_restart_and_then_ever_less_often() {
    assert_eq!(restarts(ErrorCode::MasterUnreachable, 2).await, [0; 0]);
    // Pauses of 120, 240, 480 s: 4, 8, 16 beats.
    assert_eq!(restarts(ErrorCode::MasterUnreachable, 40).await, [3, 7, 15, 31]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_master_never_costs_the_node_its_pods() {
    for code in [ErrorCode::ChainStale, ErrorCode::ChainUnreachable, ErrorCode::ChainUnproven] {
        assert_eq!(restarts(code, 100).await, [0; 0], "{code:?}");
    }
    let mut pulse = Pulse::default();
    for _ in 0..2 {
        pulse.beat(Some(&problem(ErrorCode::ApiServerUnavailable)), Instant::now());
    }
    pulse.beat(Some(&problem(ErrorCode::ChainStale)), Instant::now());
    assert_eq!(pulse.failures(), 2, "a stale answer neither counts nor forgives");
}

#[tokio::test(start_paused = true)]
async fn one_good_beat_forgives_everything() {
    let mut pulse = Pulse::default();
    for _ in 0..20 {
        for _ in 0..2 {
            let verdict = pulse.beat(Some(&problem(ErrorCode::MasterUnreachable)), Instant::now());
            assert_eq!(verdict, Verdict::Wait);
        }
        assert_eq!(pulse.beat(None, Instant::now()), Verdict::Fine);
        tokio::time::advance(INTERVAL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_seal_or_master_is_not_mended_by_a_restart() {
    let mut pulse = Pulse::default();
    for (code, verdict) in [
        (ErrorCode::TokenUnknown, Verdict::Reseal),
        (ErrorCode::SealExpired, Verdict::Reseal),
        (ErrorCode::PositionSuspended, Verdict::Reseal),
        (ErrorCode::NodeJailed, Verdict::Reseal),
        (ErrorCode::MasterUnverified, Verdict::Reverify),
    ] {
        for _ in 0..5 {
            assert_eq!(pulse.beat(Some(&problem(code)), Instant::now()), verdict);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_the_chain_was_missing_for_is_tried_again_soon() {
    let mut pulse = Pulse::default();
    assert!(!pulse.waits_for_the_chain());
    for (failure, soon) in [
        (Some(ErrorCode::ChainStale), true),
        (Some(ErrorCode::ChainUnreachable), true),
        (Some(ErrorCode::MasterUnreachable), false),
        (Some(ErrorCode::ChainUnproven), true),
        (None, false),
    ] {
        pulse.beat(failure.map(problem).as_ref(), Instant::now());
        assert_eq!(pulse.waits_for_the_chain(), soon, "{failure:?}");
    }
}

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

/// When what only the chain was missing for is tried again, in seconds since it failed last.
async fn retries(pulse: &mut Pulse, code: ErrorCode, times: usize) -> Vec<u64> {
    let mut pauses = vec![];
    for _ in 0..times {
        let failed = Instant::now();
        pulse.beat(Some(&problem(code)), failed);
        while !pulse.is_due(Instant::now()) {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(failed.elapsed() <= INTERVAL, "the next heartbeat is due before it");
        }
        pauses.push(failed.elapsed().as_secs());
    }
    pauses
}

#[tokio::test(start_paused = true)]
async fn what_only_the_chain_was_missing_for_is_tried_again_soon_and_then_less_often() {
    for code in [ErrorCode::ChainStale, ErrorCode::ChainUnreachable, ErrorCode::ChainUnproven] {
        let mut pulse = Pulse::default();
        assert!(!pulse.is_due(Instant::now()), "nothing has failed");
        assert_eq!(retries(&mut pulse, code, 5).await, [5, 10, 20, 30, 30], "{code:?}");
        // Another failure, or none, begins anew.
        for other in [Some(problem(ErrorCode::MasterUnreachable)), None] {
            pulse.beat(other.as_ref(), Instant::now());
            tokio::time::advance(INTERVAL).await;
            assert!(!pulse.is_due(Instant::now()), "{other:?}");
            assert_eq!(retries(&mut pulse, code, 2).await, [5, 10]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn workers_that_an_outage_began_for_at_one_time_come_back_at_several() {
    let mut all = Vec::new();
    for early in [0, 64, 128, u8::MAX] {
        let mut pulse = Pulse::new(early);
        retries(&mut pulse, ErrorCode::ChainStale, 3).await;
        pulse.beat(None, Instant::now());
        all.push(retries(&mut pulse, ErrorCode::ChainStale, 4).await[3]);
    }
    assert_eq!(all, [30, 27, 23, 16], "a share of chance that outlives a success");
}

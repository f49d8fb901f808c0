use super::*;

fn unknown(sequence: u64) -> VerifiedCheckpoint {
    static CHAIN: LazyLock<TestChain> = LazyLock::new(|| TestChain::new(1));
    CHAIN.unknown(ids().package, sequence, T0.plus(Duration::from_secs(sequence)))
}

fn base(checkpoint: u64, positions: Vec<PositionState>) -> Base {
    Base { cluster: cluster(1, policy()), nautilus: nautilus(1), positions, checkpoint }
}

#[tokio::test(start_paused = true)]
async fn what_events_do_not_tell_is_not_passed_over() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let held = hold(&index, 1, Right::People, Some(1));
    let refused = |sequence| {
        let before = index.snapshot().next_checkpoint();
        assert!(index.misses(&unknown(sequence)));
        assert_eq!(index.apply(&unknown(sequence)), Applied::default());
        assert_eq!(index.snapshot().next_checkpoint(), before);
    };
    refused(3);
    // What was read earlier does not say it.
    index.read_again(base(2, vec![state(1, 1, Status::Active, 5, &[1])]));
    refused(3);
    // It grows stale meanwhile, whoever asks.
    assert_eq!(index.freshness(UnixMs(0)), Freshness::Fresh);
    tokio::time::advance(FRESH_FOR + Duration::from_secs(1)).await;
    assert!(matches!(index.freshness(UnixMs(0)), Freshness::Stale(_)));

    let applied = index.read_again(base(5, vec![state(1, 2, Status::Closed, 0, &[])]));
    assert_eq!(applied.positions, [PositionId(address(5, 1))]);
    assert!(is_lost(&held));
    assert_eq!(index.snapshot().next_checkpoint(), 3, "no checkpoint is left out");
    for sequence in 3..=5 {
        index.apply(&unknown(sequence));
        assert_eq!(index.snapshot().next_checkpoint(), sequence + 1);
    }
    refused(6);
    // Whatever was in the objects that following began with is known too.
    index.bootstrap(base(6, vec![]));
    assert!(!index.misses(&unknown(6)));
    assert!(!index.misses(&checkpoint(7, &[])));
}

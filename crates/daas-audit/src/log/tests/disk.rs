//! A disk that is full, fails or hangs.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_what_changes_something_and_nothing_is_silent() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, LogConfig { queue_bytes: 2000, ..config() }, &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    disk.fill(300);
    let refused = begin(&running.log, "PUT").await.unwrap_err();
    assert_eq!((refused.why, refused.why.code().name()), (Unwritten::Full, "AuditFull"));
    refused.ticket.finish(503, "AuditFull");
    let mut reads = 0;
    loop {
        let ticket = begin(&running.log, "GET").await.expect("reads go on");
        reads += 1;
        if ticket.sequence().is_none() {
            break;
        }
    }
    begin(&running.log, "PUT").await.unwrap_err().ticket.finish(503, "AuditFull");
    assert_eq!(running.log.progress().state, State::Full);
    disk.free();
    running.log.watch().wait_for(|progress| progress.state == State::Writing).await.unwrap();
    begin(&running.log, "PUT").await.unwrap().finish(201, "");
    running.stop().await.unwrap();
    let report = verify(&disk, id(), &[]).unwrap();
    assert!(report.is_clean() && report.running == 0, "{report:?}");
    assert_eq!(report.lost.requests, 2, "a read and a write beyond the bound");
    let starts = story(&disk).iter().filter(|line| line.contains(" GET ")).count();
    assert_eq!(starts, reads - 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_space_is_for_those_who_are_let_in() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, LogConfig { reserve: 10_000, ..config() }, &[]);
    disk.fill(9_000);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    assert_eq!(arrive(&running.log, "GET", POD).start().sequence(), None);
    let mut stake_is_not_enough = arrive(&running.log, "GET", POD);
    stake_is_not_enough.identify(&Who { kind: Caller::Person, ..who() });
    assert_eq!(stake_is_not_enough.start().sequence(), None);
    disk.free();
    tokio::time::advance(Duration::from_secs(1)).await;
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    assert!(arrive(&running.log, "GET", POD).start().sequence().is_some(), "there is space again");
    running.stop().await.unwrap();
    assert!(story(&disk).contains(&"lost 2 0".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_since_the_disk_was_asked_takes_space() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, LogConfig { reserve: 10_000, ..config() }, &[]);
    disk.fill(13_000);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    assert!(arrive(&running.log, "GET", POD).start().sequence().is_some(), "there is space");
    for _ in 0..20 {
        begin(&running.log, "PUT").await.unwrap().finish(200, "");
    }
    assert_eq!(arrive(&running.log, "GET", POD).start().sequence(), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_said_before_it_was_full_is_forgotten() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, LogConfig { reserve: 10_000, ..config() }, &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    disk.fill(0);
    assert_eq!(begin(&running.log, "PUT").await.unwrap_err().why, Unwritten::Full);
    disk.fill(9_000);
    running.log.watch().wait_for(|progress| progress.state == State::Writing).await.unwrap();
    assert_eq!(arrive(&running.log, "GET", POD).start().sequence(), None);
}

#[tokio::test(start_paused = true)]
async fn evidence_is_to_be_had_where_everything_is_refused_and_space_is_scarce() {
    let disk = SimDisk::new(1);
    let config = LogConfig { when_full: WhenFull::RefuseAll, reserve: 10_000, ..config() };
    let running = Running::open(&disk, config, &[]);
    disk.fill(9_000);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    assert!(arrive(&running.log, "GET", POD).begin().await.is_ok());
    assert_eq!(arrive(&running.log, "PUT", POD).begin().await.unwrap_err().why, Unwritten::Behind);
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_refused_reads_are_too() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, LogConfig { when_full: WhenFull::RefuseAll, ..config() }, &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    disk.fill(0);
    assert_eq!(begin(&running.log, "PUT").await.unwrap_err().why, Unwritten::Full);
    assert_eq!(begin(&running.log, "GET").await.unwrap_err().why, Unwritten::Full);
}

#[tokio::test(start_paused = true)]
async fn a_failed_disk_ends_the_writer_and_every_request() {
    let disk = SimDisk::new(1);
    let mut running = Running::open(&disk, config(), &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    disk.fail(Some(io::ErrorKind::Other));
    assert_eq!(begin(&running.log, "PUT").await.unwrap_err().why, Unwritten::Failed);
    assert_eq!(begin(&running.log, "GET").await.unwrap_err().why, Unwritten::Failed);
    assert!(matches!(running.ended().await, Err(WriteError::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_found_by_the_sync_is_written_again_from_the_start() {
    let disk = SimDisk::new(1);
    let running = Running::open(&disk, config(), &[]);
    begin(&running.log, "PUT").await.unwrap().finish(200, "");
    disk.fail(Some(io::ErrorKind::StorageFull));
    assert_eq!(begin(&running.log, "PUT").await.unwrap_err().why, Unwritten::Full);
    disk.fail(None);
    running.log.watch().wait_for(|progress| progress.state == State::Writing).await.unwrap();
    disk.lose_power();
    // The end of the refused request may have come too.
    assert_eq!(story(&disk)[..4], ["opened", "1 PUT 0xabc", "1 ended: 200 ", "3 PUT 0xabc"]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_given_up() {
    let disk = SimDisk::new(1);
    let (log, _writer, _) = Log::open(config(), Arc::new(disk.clone()), crate::testing::clock(), &[]).unwrap();
    let begun = Instant::now();
    assert_eq!(begin(&log, "PUT").await.unwrap_err().why, Unwritten::Behind);
    assert_eq!(begun.elapsed(), config().deadline);
}

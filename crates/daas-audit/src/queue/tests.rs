use super::*;
use crate::record::{End, Entry, Record, What, Who};
use crate::testing::peer;
use std::sync::Arc;

fn records(batch: &Batch) -> Vec<Record> {
    let mut rest = batch.bytes.as_slice();
    let mut all = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (record, after) = after.split_at(usize::try_from(u32::from_le_bytes(*length)).unwrap());
        all.push(Record::from_bytes(record).unwrap());
        rest = after;
    }
    assert_eq!(all.len(), usize::try_from(batch.count).unwrap());
    all
}

fn start(queue: &Queue, at: u64) -> Option<u64> {
    start_of(queue, at, true)
}

fn start_of(queue: &Queue, at: u64, known: bool) -> Option<u64> {
    queue.start(UnixMs(at), &start_bytes(), (known, false)).0
}

fn start_bytes() -> Vec<u8> {
    let mut start = Vec::new();
    encode::start(&mut start, peer(), &What::of("GET", "/api/v1/pods", None));
    encode::who(&mut start, &Who::default());
    start
}

fn end(queue: &Queue, at: u64, start: u64) -> Option<u64> {
    queue.end(UnixMs(at), &End { start, status: 200, ..End::default() })
}

#[test]
fn what_is_pushed_is_taken_in_order_as_canonical_bytes() {
    let queue = Queue::new(5, 1 << 20);
    queue.opened(UnixMs(1), &Opened { version: "v".into(), torn: None });
    assert_eq!((start(&queue, 2), end(&queue, 3, 6)), (Some(6), Some(7)));
    let batch = queue.take(Batch::default(), UnixMs(4));
    let all = records(&batch);
    assert!(all.iter().map(|record| record.sequence).eq(5..8));
    assert!(all.iter().map(|record| record.at.0).eq(1..4));
    assert!(matches!(&all[1].entry, Entry::Start(start) if start.what == What::of("GET", "/api/v1/pods", None)));
    assert!(matches!(&all[2].entry, Entry::End(end) if end.start == 6));
    assert!(queue.take(batch, UnixMs(4)).is_empty());
}

#[test]
fn a_full_queue_refuses_starts_before_ends_and_says_what_was_lost() {
    let queue = Queue::new(0, 1000);
    let mut started = 0;
    while start(&queue, 10).is_some() {
        started += 1;
    }
    assert!((1..20).contains(&started), "{started}");
    assert_eq!(start(&queue, 11), None);
    let mut ended = 0;
    while end(&queue, 12, 0).is_some() {
        ended += 1;
    }
    assert!(ended > 2, "ends may go beyond the bound");
    let all = records(&queue.take(Batch::default(), UnixMs(20)));
    assert_eq!(all.len(), started + ended + 2);
    let lost = Lost { requests: 2, ends: 0, since: UnixMs(10), until: UnixMs(11) };
    assert_eq!(all[started].entry, Entry::Lost(lost), "as soon as there is room for anything");
    let lost = Lost { requests: 0, ends: 1, since: UnixMs(12), until: UnixMs(12) };
    assert_eq!(all.last().unwrap().entry, Entry::Lost(lost));
    assert!(start(&queue, 21).is_some(), "there is room again");
    assert_eq!(records(&queue.take(Batch::default(), UnixMs(22))).len(), 1, "it is said once");
}

#[test]
fn strangers_fill_a_quarter_and_the_known_have_the_rest() {
    let queue = Queue::new(0, 8_000);
    let fill = |known| (0..200).take_while(|_| start_of(&queue, 1, known).is_some()).count();
    let (strangers, known) = (fill(false), fill(true));
    assert!(strangers > 10 && known > 2 * strangers, "{strangers} {known}");
    assert_eq!(start_of(&queue, 2, false), None);
    let all = records(&queue.take(Batch::default(), UnixMs(3)));
    let lost = all.iter().map(|record| match &record.entry {
        Entry::Lost(lost) => lost.requests,
        _ => 0,
    });
    assert_eq!(lost.sum::<u64>(), 3, "each first one without room, and one more");
}

#[tokio::test(start_paused = true)]
async fn while_space_is_scarce_strangers_are_counted_beside_what_is_written() {
    let queue = Queue::new(0, 1 << 20);
    queue.set_scarce(true);
    assert_eq!(start_of(&queue, 1, false), None);
    let due = tokio::time::timeout(Duration::from_secs(1), queue.due(Duration::from_millis(3)));
    assert!(due.await.is_err(), "a stranger's loss is worth no write");
    assert_eq!(start_of(&queue, 2, true), Some(1));
    queue.due(Duration::from_millis(3)).await;
    let all = records(&queue.take(Batch::default(), UnixMs(3)));
    assert!(matches!(all[0].entry, Entry::Lost(Lost { requests: 1, ends: 0, .. })));
    assert!(matches!(all[1].entry, Entry::Start(_)));
    // Nor is it kept back for long where nothing else comes.
    let lost = Instant::now();
    assert_eq!(start_of(&queue, 4, false), None);
    tokio::time::advance(LOSSES / 2).await;
    assert_eq!(start_of(&queue, 5, false), None);
    queue.due(Duration::ZERO).await;
    assert_eq!(lost.elapsed(), LOSSES);
    let all = records(&queue.take(Batch::default(), UnixMs(6)));
    assert!(matches!(all[..], [Record { entry: Entry::Lost(Lost { requests: 2, ends: 0, .. }), .. }]));
    queue.set_scarce(false);
    assert!(start_of(&queue, 7, false).is_some());
}

#[test]
fn what_was_lost_stands_before_what_comes_next() {
    let queue = Queue::new(0, 1);
    assert!(start(&queue, 1).is_some());
    assert!(start(&queue, 2).is_none());
    let taken = {
        let mut state = queue.lock();
        core::mem::take(&mut state.batch)
    };
    assert_eq!(records(&taken).len(), 1);
    assert_eq!(start(&queue, 3), Some(2));
    let all = records(&queue.take(Batch::default(), UnixMs(4)));
    assert!(matches!(all[0].entry, Entry::Lost(Lost { requests: 1, .. })));
    assert!(matches!(all[1].entry, Entry::Start(_)));
}

#[test]
fn a_record_beyond_its_bound_is_counted_not_cut() {
    let queue = Queue::new(0, 1 << 20);
    let long = "x".repeat(crate::record::LONGEST);
    let end = End { reason: long.into(), ..End::default() };
    assert_eq!(queue.end(UnixMs(1), &end), None);
    let all = records(&queue.take(Batch::default(), UnixMs(2)));
    let lost = |record: &Record| match record.entry {
        Entry::Lost(Lost { requests, ends, .. }) => (requests, ends),
        _ => (9, 9),
    };
    assert_eq!(all.iter().map(lost).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn a_closed_queue_takes_nothing_and_counts() {
    let queue = Queue::new(0, 1 << 20);
    assert!(start(&queue, 1).is_some());
    assert_eq!(queue.close(), (Lost::default(), 1));
    assert_eq!((start(&queue, 2), end(&queue, 3, 0)), (None, None));
    assert_eq!(queue.close().0, Lost { requests: 1, ends: 1, since: UnixMs(2), until: UnixMs(3) });
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_due_when_its_first_record_has_waited_or_there_is_much() {
    let queue = Queue::new(0, 2000);
    let interval = Duration::from_millis(3);
    let waits = |queue: &Queue| queue.start(UnixMs(1), &start_bytes(), (true, true));
    for (hurry, due) in [(0, interval), (2, interval), (5, UNHURRIED)] {
        let begun = Instant::now();
        start(&queue, 1);
        let hurried = async {
            tokio::time::sleep(Duration::from_millis(hurry)).await;
            waits(&queue);
        };
        tokio::select! {
            () = queue.due(interval) => {}
            () = async { hurried.await; core::future::pending().await } => {}
        }
        assert_eq!(begun.elapsed(), due, "from the first record on");
        queue.take(Batch::default(), UnixMs(3));
    }
    let begun = Instant::now();
    while start(&queue, 4).is_some() {}
    queue.due(interval).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "there is much");
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_a_clock_that_is_ahead_of_the_writers() {
    let queue = Arc::new(Queue::new(0, 1 << 20));
    tokio::time::advance(LOSSES * 60).await;
    start(&queue, 1);
    let writer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let due = queue.due(Duration::from_millis(3));
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), due).await })
    });
    writer.join().unwrap().expect("an hour is waited");
}

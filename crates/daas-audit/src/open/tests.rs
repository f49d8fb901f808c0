use super::*;
use crate::chain::Batch;
use crate::queue::Queue;
use crate::record::Opened;
use crate::testing::{Sample, SimDisk, digest, id, records, sample};
use crate::{Record, verify};
use proptest::prelude::*;

const LAST: &str = "audit-00000000.seg";

fn take_up(disk: &SimDisk, expected: &[Anchor]) -> Result<(Chain<SimDisk>, Found), OpenError> {
    open(Arc::new(disk.clone()), id(), expected, UnixMs(50))
}

/// Opens and writes one record more.
fn go_on(disk: &SimDisk) -> Found {
    let (mut chain, found) = take_up(disk, &[]).unwrap();
    let queue = Queue::new(found.records, 1 << 20);
    queue.opened(UnixMs(60), &Opened { version: "0.2.0".into(), torn: found.torn });
    chain.stage(&queue.take(Batch::default(), UnixMs(61)));
    chain.flush().unwrap();
    found
}

/// A log that is whole, has these records and then one more.
fn is_continued(disk: &SimDisk, before: &[Record]) {
    let all = records(disk);
    assert_eq!(&all[..all.len() - 1], before);
    let report = verify(disk, id(), &[]).unwrap();
    assert!(report.is_clean() && report.tail.is_none(), "{report:?}");
}

#[test]
fn a_folder_without_a_log_gets_one() {
    let disk = SimDisk::new(1);
    assert_eq!(go_on(&disk), Found { records: 0, torn: None });
    disk.lose_power();
    is_continued(&disk, &[]);
}

#[test]
fn a_log_is_taken_up_wherever_it_was_cut() {
    let Sample { disk, .. } = sample(&[2]);
    let (all, bytes) = (records(&disk), disk.read(LAST).unwrap());
    // What two batches take; the first has seven records.
    let marks: Vec<_> = bytes.windows(8).enumerate().filter(|(_, w)| w == b"K3DBATCH").map(|(at, _)| at).collect();
    for end in marks[1]..bytes.len() {
        for zeros in [0, 700] {
            let copy = disk.copy();
            copy.edit(LAST, |bytes| {
                bytes.truncate(end);
                bytes.resize(end + zeros, 0);
            });
            let found = go_on(&copy);
            let kept = usize::try_from(found.records).unwrap();
            assert!(kept >= 7, "{end}: a committed record was cut");
            assert!(end < marks[2] || kept == all.len(), "{end}");
            is_continued(&copy, &all[..kept]);
            let Some(torn) = found.torn else { continue };
            let Some(Record { entry: crate::Entry::Opened(opened), .. }) = records(&copy).pop() else { panic!() };
            assert_eq!(opened.torn, Some(torn), "the log says what was cut");
        }
    }
}

#[test]
fn a_clean_end_is_no_loss() {
    let Sample { disk, .. } = sample(&[1, 2]);
    let all = records(&disk);
    assert_eq!(go_on(&disk), Found { records: 19, torn: None });
    is_continued(&disk, &all);
    disk.edit("audit-00000001.seg", |bytes| bytes.extend([1, 2, 3]));
    let found = go_on(&disk);
    assert_eq!(found.torn, Some(Torn { bytes: 3, digest: Digest::of_bytes(&[1, 2, 3]) }));
}

#[test]
fn damage_before_the_last_batch_is_no_crash() {
    let Sample { disk, .. } = sample(&[2]);
    let bytes = disk.read(LAST).unwrap();
    for at in (0..bytes.len() - MARK).step_by(7) {
        let copy = disk.copy();
        copy.edit(LAST, |bytes| bytes[at] ^= 4);
        let error = take_up(&copy, &[]).map(|_| ()).unwrap_err();
        assert_eq!(error.problem().code, ErrorCode::AuditDamaged, "{at}: {error}");
        assert_eq!(copy.read(LAST).unwrap().len(), bytes.len(), "nothing is touched");
    }
}

#[test]
fn a_log_that_lacks_its_anchor_is_not_extended() {
    let Sample { disk, anchors } = sample(&[1, 1, 1]);
    for anchor in &anchors {
        take_up(&disk.copy(), &[*anchor]).map(|_| ()).unwrap();
        let foreign = Anchor { root: digest(1), ..*anchor };
        let error = take_up(&disk, &[foreign]).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Anchor(AnchorMissing::Differs { .. })), "{error}");
        assert_eq!(error.problem().code, ErrorCode::AuditLacksAnchor);
    }
    let later = Anchor { records: 1000, ..anchors[2] };
    let error = take_up(&disk, &[anchors[0], later]).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Anchor(AnchorMissing::Short { records: 19, .. })), "{error}");
    let error = take_up(&SimDisk::new(1), &[anchors[0]]).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Anchor(AnchorMissing::Short { records: 0, .. })), "{error}");
}

#[test]
fn an_anchor_whose_segment_is_gone_is_lacking() {
    let Sample { disk, anchors } = sample(&[1, 1, 1]);
    disk.remove(LAST).unwrap();
    take_up(&disk.copy(), &[anchors[0]]).map(|_| ()).unwrap();
    disk.remove("audit-00000001.seg").unwrap();
    let error = take_up(&disk, &[anchors[0]]).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Anchor(AnchorMissing::Unread { sequence: 1, .. })), "{error}");
    take_up(&disk, &[anchors[1]]).map(|_| ()).unwrap();
}

#[test]
fn a_segment_that_was_being_made_goes() {
    let Sample { disk, .. } = sample(&[1]);
    disk::replace(&disk, "audit-00000001.seg.new", b"K3D").unwrap();
    assert_eq!(go_on(&disk).torn, None);
    assert!(!disk.list().unwrap().contains(&"audit-00000001.seg.new".to_owned()));
}

#[test]
fn a_segment_that_has_another_behind_it_is_whole() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let (mut chain, _) = take_up(&disk, &[]).unwrap();
        let queue = Queue::new(0, 1 << 20);
        // So that the mark of the end lies in two sectors.
        queue.opened(UnixMs(1), &Opened { version: "x".repeat(50 + usize::try_from(seed).unwrap()), torn: None });
        chain.stage(&queue.take(Batch::default(), UnixMs(1)));
        chain.flush().unwrap();
        chain.rest().unwrap();
        chain.rotate(UnixMs(2)).unwrap();
        disk.lose_power();
        let report = verify(&disk, id(), &[]).unwrap();
        assert!(report.is_clean() && report.segments == 2, "{seed}: {report:?}");
    }
}

#[test]
fn a_segment_in_the_middle_ends_with_a_batch() {
    let Sample { disk, anchors } = sample(&[1, 1]);
    let length = disk.read(LAST).unwrap().len();
    disk.edit(LAST, |bytes| bytes.truncate(length - MARK - 9));
    take_up(&disk.copy(), &[anchors[1]]).map(|_| ()).unwrap();
    let start = Anchor { sequence: 0, records: 0, root: crate::Frontier::default().root() };
    let error = take_up(&disk, &[start]).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Read(ReadError::Damaged(_))), "{error}");
}

proptest! {
    /// Power lost at any point of writing, opened, lost again: what was synced stays.
    #[test]
    fn what_was_synced_stays(seed: u64, crashes in 1usize..6, batches in 0u64..4, mark: bool) {
        let disk = SimDisk::new(seed);
        let mut synced: Vec<Record> = Vec::new();
        for _ in 0..crashes {
            let Ok((mut chain, found)) = take_up(&disk, &[]) else { return Err(TestCaseError::fail("not opened")) };
            let kept = usize::try_from(found.records).unwrap();
            prop_assert!(kept >= synced.len());
            let queue = Queue::new(found.records, 1 << 20);
            for n in 0..=batches {
                for _ in 0..4 {
                    queue.opened(UnixMs(n), &Opened { version: "x".repeat(usize::try_from(seed % 400).unwrap()), torn: None });
                }
                chain.stage(&queue.take(Batch::default(), UnixMs(61)));
                if n == batches {
                    // Written, not synced.
                    disk.fail(Some(io::ErrorKind::Other));
                    prop_assert!(chain.flush().is_err());
                    disk.fail(None);
                    continue;
                }
                chain.flush().unwrap();
                if mark {
                    chain.rest().unwrap();
                }
            }
            let all = records(&disk);
            synced = all[..all.len().min(kept + usize::try_from(batches).unwrap() * 4)].to_vec();
            disk.lose_power();
            let report = verify(&disk, id(), &[]).unwrap();
            prop_assert!(report.records >= synced.len() as u64);
        }
        take_up(&disk, &[]).map(|_| ()).unwrap();
        prop_assert!(records(&disk).starts_with(&synced));
    }
}

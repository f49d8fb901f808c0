use super::*;
use crate::Entry;
use crate::segment::Mark;
use crate::testing::{Sample, SimDisk, digest, forged, forged_as_numbered, id, records, sample};
use daas_types::UnixMs;
use proptest::prelude::*;

fn check(disk: &SimDisk, anchors: &[Anchor]) -> Report {
    verify(disk, id(), anchors).unwrap()
}

fn damaged(report: &Report) -> Vec<(u64, u64, &'static str)> {
    let damaged = report.findings.iter().filter_map(|finding| match finding {
        Finding::Damaged(Damaged { segment, record, what, .. }) => Some((*segment, *record, *what)),
        _ => None,
    });
    damaged.collect()
}

#[test]
fn a_whole_log_is_clean_and_says_what_rests_on_whom() {
    let Sample { disk, anchors } = sample(&[2, 1, 2]);
    let report = check(&disk, &anchors[..3]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.segments, report.records, report.root), (3, 31, anchors[4].root));
    assert_eq!((report.anchored, report.on_the_host_alone), (Some(anchors[2]), 12));
    assert_eq!((report.opened, report.cut_short, report.running, report.tail), (1, 0, 0, None));
    assert!(report.problem().is_none());
    let report = check(&disk, &[]);
    assert_eq!((report.is_clean(), report.anchored, report.on_the_host_alone), (true, None, 31));
}

#[test]
fn an_empty_folder_has_no_anchor() {
    let disk = SimDisk::new(1);
    assert!(check(&disk, &[]).is_clean());
    let anchor = Anchor { sequence: 4, records: 9, root: digest(1) };
    let report = check(&disk, &[anchor]);
    assert_eq!(report.findings, [Finding::Anchor(anchor.short(0))]);
    assert_eq!(report.problem().unwrap().code, ErrorCode::AuditLacksAnchor);
}

/// Every single byte of a log is spoken for.
#[test]
fn no_byte_can_be_changed_unseen() {
    let Sample { disk, anchors } = sample(&[1, 2]);
    let all = check(&disk, &anchors).records;
    for name in ["audit-00000000.seg", "audit-00000001.seg"] {
        let length = disk.read(name).unwrap().len();
        for at in 0..length {
            for bit in [1, 0x80] {
                let copy = disk.copy();
                copy.edit(name, |bytes| bytes[at] ^= bit);
                let report = check(&copy, &[]);
                // The last mark says only that nothing is unfinished.
                let end = name.contains('1') && at + MARK_LENGTH >= length;
                let told = if end { report.tail.is_some() && report.records == all } else { !report.is_clean() };
                assert!(told, "{name}, byte {at}: {report:?}");
            }
        }
    }
}

const MARK_LENGTH: usize = segment::MARK;

#[test]
fn damage_is_named_with_its_place_and_the_rest_is_still_read() {
    let Sample { disk, anchors } = sample(&[2, 1, 2]);
    let name = "audit-00000000.seg";
    let needle = b"pod-1";
    disk.edit(name, |bytes| {
        let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        bytes[at + 4] = b'7';
    });
    let report = check(&disk, &anchors);
    assert_eq!(damaged(&report), [(0, 3, "a record does not match its leaf")]);
    let unread: Vec<_> = report.findings.iter().filter(|f| matches!(f, Finding::Anchor(_))).collect();
    assert_eq!(unread, [&Finding::Anchor(anchors[0].unread())], "the others are met by what the headers say");
    assert_eq!((report.records, report.anchored), (31, Some(anchors[4])));
}

#[test]
fn damage_does_not_hide_other_damage() {
    let Sample { disk, .. } = sample(&[1, 1, 1, 1]);
    disk.edit("audit-00000000.seg", |bytes| bytes[600] ^= 1);
    let foreign = sample(&[2, 1, 1, 1]).disk.read("audit-00000002.seg").unwrap();
    disk.edit("audit-00000002.seg", |bytes| *bytes = foreign);
    let report = check(&disk, &[]);
    assert_eq!(damaged(&report).iter().map(|(segment, ..)| *segment).collect::<Vec<_>>(), [0, 2, 3], "{report:?}");
}

#[test]
fn a_removed_segment_is_missed() {
    let Sample { disk, anchors } = sample(&[2, 1, 2]);
    for (gone, record) in [(0, 0), (1, 13)] {
        let copy = disk.copy();
        copy.remove(&segment::name(gone)).unwrap();
        let report = check(&copy, &anchors);
        assert_eq!(damaged(&report), [(gone, record, MISSING)]);
    }
    let copy = disk.copy();
    copy.remove(&segment::name(2)).unwrap();
    assert!(check(&copy, &anchors[..3]).is_clean(), "the end rests on the host alone");
    assert_eq!(
        check(&copy, &anchors).findings,
        [Finding::Anchor(anchors[3].short(19)), Finding::Anchor(anchors[4].short(19))]
    );
}

#[test]
fn a_log_rolled_back_to_an_older_state_lacks_its_anchor() {
    let Sample { disk, .. } = sample(&[2]);
    let anchors = sample(&[3]).anchors;
    assert_eq!(check(&disk, &anchors).findings, [Finding::Anchor(anchors[2].short(13))]);
}

/// A host that has no key can still write a log that fits itself.
#[test]
fn a_log_written_anew_fits_itself_and_no_anchor() {
    let Sample { disk, anchors } = sample(&[2]);
    let all = records(&disk);
    assert!(check(&forged(&all), &anchors).is_clean(), "the same records have the same root");
    let mut removed = all.clone();
    removed.drain(3..5);
    let mut reordered = all.clone();
    reordered.swap(1, 3);
    let mut changed = all.clone();
    changed[1].at = UnixMs(99);
    for records in [removed, reordered, changed] {
        let forged = forged(&records);
        assert!(damaged(&check(&forged, &[])).is_empty());
        let report = check(&forged, &anchors);
        let differs = |finding: &Finding| matches!(finding, Finding::Anchor(AnchorMissing::Differs { .. }));
        assert!(report.findings.iter().any(differs), "{report:?}");
        assert_eq!(report.anchored, None);
    }
}

#[test]
fn a_record_has_the_number_of_its_place() {
    let mut all = records(&sample(&[1]).disk);
    all[3].sequence = 4;
    let report = check(&forged_as_numbered(&all), &[]);
    assert_eq!(damaged(&report), [(0, 3, "a record is not where its number says")]);
}

#[test]
fn a_batch_says_what_it_continues() {
    let bytes = sample(&[2]).disk.read("audit-00000000.seg").unwrap();
    let second = bytes.windows(8).enumerate().filter(|(_, window)| window == b"K3DBATCH").nth(1).unwrap().0;
    let mark = Mark::parse(&bytes[second..], 0, second as u64).unwrap();
    for mark in [Mark { first: 6, ..mark }, Mark { leaf: digest(1), ..mark }] {
        let Sample { disk, .. } = sample(&[2]);
        disk.edit("audit-00000000.seg", |bytes| bytes[second..second + MARK_LENGTH].copy_from_slice(&mark.to_bytes()));
        assert_eq!(damaged(&check(&disk, &[])), [(0, 7, "a batch does not continue the one before")]);
    }
}

#[test]
fn a_change_in_the_last_batch_is_no_tail() {
    let name = "audit-00000000.seg";
    let Sample { disk, .. } = sample(&[2]);
    let end = disk.read(name).unwrap().len() - MARK_LENGTH;
    disk.edit(name, |bytes| {
        bytes.truncate(end);
        bytes[end - 200] ^= 1;
    });
    assert_eq!(damaged(&check(&disk, &[])), [(0, 11, "a record does not match its leaf")]);
}

#[test]
fn a_batch_has_nothing_but_records() {
    let name = "audit-00000000.seg";
    let Sample { disk, .. } = sample(&[1]);
    let bytes = disk.read(name).unwrap();
    let first = bytes.windows(8).position(|window| window == b"K3DBATCH").unwrap();
    let mark = Mark::parse(&bytes[first..], 0, first as u64).unwrap();
    disk.edit(name, |bytes| {
        bytes.truncate(bytes.len() - MARK_LENGTH);
        bytes.extend([1, 2, 3]);
        bytes[first..first + MARK_LENGTH].copy_from_slice(&Mark { length: mark.length + 3, ..mark }.to_bytes());
    });
    assert_eq!(damaged(&check(&disk, &[])), [(0, 6, "a batch is longer than its records")]);
}

#[test]
fn ends_belong_to_starts() {
    let all = records(&sample(&[1]).disk);
    let end = |start| match &all[2].entry {
        Entry::End(end) => Record { entry: Entry::End(crate::End { start, ..end.clone() }), ..all[2].clone() },
        other => panic!("{other:?}"),
    };
    for (end, start) in [(end(0), 0), (end(50), 50)] {
        let mut records = all.clone();
        records[2] = end;
        let report = check(&forged(&records), &[]);
        assert_eq!(report.findings, [Finding::EndWithoutStart { record: 2, start }]);
    }
    let mut twice = all.clone();
    twice.insert(3, all[2].clone());
    assert_eq!(check(&forged(&twice), &[]).findings[0], Finding::EndWithoutStart { record: 3, start: 1 });
    let mut cut = all.clone();
    cut.remove(2);
    assert_eq!(check(&forged(&cut[..3]), &[]).running, 2);
    cut.truncate(2);
    cut.push(all[0].clone());
    let report = check(&forged(&cut), &[]);
    assert_eq!((report.opened, report.cut_short, report.running), (2, 1, 0));
}

#[test]
fn findings_are_bounded() {
    let all = records(&sample(&[1]).disk);
    let many: Vec<_> = core::iter::repeat_n(all[2].clone(), MOST + 7).collect();
    let report = check(&forged(&many), &[]);
    assert_eq!((report.findings.len(), report.more), (MOST, 7));
}

#[test]
fn what_was_being_written_is_a_tail_and_no_finding() {
    let Sample { disk, anchors } = sample(&[2]);
    let name = "audit-00000000.seg";
    let length = disk.read(name).unwrap().len();
    disk.edit(name, |bytes| bytes.truncate(length - MARK_LENGTH - 5));
    let report = check(&disk, &anchors[..1]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.records, 12);
    assert!(report.tail.is_some());
    assert!(!check(&disk, &anchors).is_clean(), "unless it was anchored");
}

proptest! {
    /// Whatever a host does to an anchored log without the key, it is not clean; or the log still has every record.
    #[test]
    fn nothing_anchored_changes_unseen(edits in prop::collection::vec((any::<u32>(), any::<u8>(), 0u8..4), 1..4), which in 0usize..2) {
        let Sample { disk, anchors } = sample(&[1, 2]);
        let before = records(&disk);
        disk.edit(&segment::name(which as u64), |bytes| {
            for (at, value, kind) in edits {
                let at = at as usize % bytes.len().max(1);
                match kind {
                    0 => bytes[at] = value,
                    1 => drop(bytes.drain(at..(at + usize::from(value)).min(bytes.len()))),
                    2 => bytes.insert(at, value),
                    _ => bytes.truncate(at + 1),
                }
            }
        });
        let report = check(&disk, &anchors);
        if report.is_clean() {
            prop_assert_eq!(records(&disk), before);
        }
    }
}

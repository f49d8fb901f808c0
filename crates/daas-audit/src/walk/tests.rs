use super::*;
use crate::testing::{id, records, sample};

fn numbers(disk: &impl Disk, from: u64, most: usize) -> Result<Vec<u64>, ReadError> {
    let mut seen = Vec::new();
    read(disk, id(), from, |record| {
        seen.push(record.sequence);
        if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(seen)
}

#[test]
fn reading_begins_anywhere_and_ends_when_asked() {
    let log = sample(&[2, 1, 2]);
    let all = records(&log.disk).len() as u64;
    assert_eq!(all, 31);
    for from in 0..all + 2 {
        assert_eq!(numbers(&log.disk, from, 100).unwrap(), (from..all).collect::<Vec<_>>());
    }
    assert_eq!(numbers(&log.disk, 5, 3).unwrap(), [5, 6, 7]);
}

#[test]
fn only_what_is_asked_for_is_read() {
    let log = sample(&[2, 1, 2]);
    log.disk.edit("audit-00000000.seg", |bytes| bytes[400] ^= 1);
    assert_eq!(numbers(&log.disk, 13, 100).unwrap().len(), 18);
    assert!(matches!(numbers(&log.disk, 12, 100), Err(ReadError::Damaged(_))));
}

#[test]
fn nothing_stands_behind_the_end_of_a_segment() {
    let log = sample(&[1, 1]);
    log.disk.edit("audit-00000001.seg", |bytes| bytes.push(1));
    assert_eq!(numbers(&log.disk, 0, 100).unwrap().len(), 13, "where a process may have been writing");
    log.disk.edit("audit-00000000.seg", |bytes| bytes.push(1));
    assert!(matches!(numbers(&log.disk, 0, 100), Err(ReadError::Damaged(_))));
}

#[test]
fn a_missing_segment_is_named() {
    let log = sample(&[2, 1, 2]);
    log.disk.remove("audit-00000001.seg").unwrap();
    let Err(ReadError::Damaged(damaged)) = numbers(&log.disk, 0, 100) else { panic!("it was read") };
    assert_eq!((damaged.segment, damaged.record, damaged.what), (1, 13, MISSING));
    log.disk.remove("audit-00000000.seg").unwrap();
    let Err(ReadError::Damaged(damaged)) = numbers(&log.disk, 0, 100) else { panic!("it was read") };
    assert_eq!((damaged.segment, damaged.what), (1, MISSING));
    assert_eq!(numbers(&log.disk, 19, 100).unwrap().len(), 12);
}

#[test]
fn a_segment_of_another_log_or_place_is_refused() {
    let log = sample(&[1, 1]);
    let other = LogId { key: crate::EnclaveKey([1; 32]), ..id() };
    let Err(ReadError::Damaged(damaged)) = read(&log.disk, other, 0, |_| ControlFlow::Continue(())) else { panic!() };
    assert_eq!(damaged.what, "the segment is of another log");
    log.disk.rename("audit-00000000.seg", "audit-00000001.seg").unwrap();
    let Err(ReadError::Damaged(damaged)) = numbers(&log.disk, 0, 9) else { panic!() };
    assert_eq!(damaged.what, "the segment was renamed");
}

use super::*;
use crate::disk::Disk as _;
use crate::hash::LogId;
use crate::merkle::Frontier;
use crate::testing::{digest, id, sample};
use daas_types::UnixMs;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn segment() -> Vec<u8> {
    sample(&[3]).disk.read(&name(0)).unwrap()
}

fn frames(bytes: &[u8]) -> (Vec<Frame<'_>>, Option<Damage>) {
    let (_, start) = Header::parse(bytes).unwrap();
    let mut frames = Frames::new(bytes, 0, start);
    let mut all = Vec::new();
    loop {
        match frames.next() {
            Some(Ok(frame)) => all.push(frame),
            Some(Err(damage)) => return (all, Some(damage)),
            None => return (all, None),
        }
    }
}

#[test]
fn names_are_numbers() {
    assert_eq!((name(0).as_str(), name(123_456_789).as_str()), ("audit-00000000.seg", "audit-123456789.seg"));
    let names =
        ["audit-00000010.seg", "audit-00000002.seg", "lock", "audit-1.seg", "audit-00000003.seg.new", "anchors.json"];
    assert_eq!(indices(&names.map(str::to_owned)), [2, 10]);
}

#[test]
fn the_bytes_of_a_header_are_as_documented() {
    let mut tree = Frontier::default();
    (1..=3).for_each(|leaf| tree.push(digest(leaf)));
    let header = Header::new(id(), 4, digest(9), tree, UnixMs(5));
    let node = Digest::node(&digest(1), &digest(2));
    let body = [
        &[2, 0][..],
        &[0xc1; 32],
        &[0xe2; 32],
        &4u64.to_le_bytes(),
        &[9; 32],
        &3u64.to_le_bytes(),
        &[2],
        &node.0,
        &[3; 32],
        &5u64.to_le_bytes(),
    ]
    .concat();
    let mut bytes = [&b"K3DAUDIT"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat();
    bytes.extend(Digest::of_bytes(&bytes).0);
    assert_eq!(hex::encode(header.to_bytes()), hex::encode(&bytes));
    assert_eq!(Header::parse(&bytes), Ok((header, bytes.len())));
}

#[test]
fn the_bytes_of_a_mark_are_as_documented() {
    let mark = Mark { segment: 1, offset: 2, first: 3, count: 4, length: 5, leaf: digest(6) };
    let mut bytes = b"K3DBATCH".to_vec();
    bytes.extend([1u64, 2, 3].map(u64::to_le_bytes).concat());
    bytes.extend([4u32, 5].map(u32::to_le_bytes).concat());
    bytes.extend([6; 32]);
    bytes.extend(Digest::of_bytes(&bytes).0);
    assert_eq!(mark.to_bytes().as_slice(), bytes);
    assert_eq!(Mark::parse(&bytes, 1, 2), Some(mark));
    assert_eq!((Mark::parse(&bytes, 0, 2), Mark::parse(&bytes, 1, 3)), (None, None));
}

#[test]
fn a_header_of_anything_else_is_refused() {
    let good = Header::new(id(), 0, digest(9), Frontier::default(), UnixMs(5)).to_bytes();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(Header::parse(&bytes).is_err(), "byte {at}");
        assert!(Header::parse(&good[..at]).is_err(), "{at} bytes");
    }
    let signed = |body: &[u8]| {
        let mut bytes = [&b"K3DAUDIT"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat();
        bytes.extend(Digest::of_bytes(&bytes).0);
        bytes
    };
    for other in [1u16, 3] {
        let other = bcs::to_bytes(&(other, id(), 0u64, digest(9), Frontier::default(), 0u64)).unwrap();
        assert_eq!(Header::parse(&signed(&other)), Err("its format is not one this program knows"));
    }
    let unsound = bcs::to_bytes(&(2u16, id(), 0u64, digest(9), (3u64, vec![digest(1)]), 0u64)).unwrap();
    assert_eq!(Header::parse(&signed(&unsound)), Err("its header's tree has the wrong number of parts"));
}

#[test]
fn every_record_is_read_and_every_cut_is_a_cut() {
    let bytes = segment();
    let (all, damage) = frames(&bytes);
    assert_eq!((all.len(), damage), (19, None));
    assert!(all.iter().map(|frame| frame.sequence).eq(0..19));
    let (_, start) = Header::parse(&bytes).unwrap();
    for end in start..bytes.len() {
        let (some, damage) = frames(&bytes[..end]);
        assert!(all.starts_with(&some), "{end}");
        let whole = some.last().is_none_or(|last| last.offset + last.record.len() + FRAMING == end);
        assert!(whole || damage.is_some_and(|damage| damage.cut), "{end}: {damage:?}");
        let mut zeros = bytes[..end].to_vec();
        zeros.resize(bytes.len() + 300, 0);
        let (some, damage) = frames(&zeros);
        let whole = some.iter().take_while(|frame| frame.offset + frame.record.len() + FRAMING <= end).count();
        assert!(all[..whole] == some[..whole] && some.len() <= whole + 1 && damage.is_some(), "{end}");
    }
}

#[test]
fn a_mark_is_found_wherever_it_stands() {
    let bytes = segment();
    let marks: Vec<_> = Mark::candidates(&bytes).collect();
    assert_eq!(marks.len(), 4, "three batches and the end");
    for at in 0..bytes.len() {
        assert_eq!(mark_after(&bytes, 0, at), at < marks[3], "{at}");
        assert!(!mark_after(&bytes, 1, at), "marks of another segment");
    }
    let moved = [&bytes[..marks[3]], &[0], &bytes[marks[3]..]].concat();
    assert!(!mark_after(&moved, 0, marks[2]), "a copy elsewhere is none");
}

#[test]
fn bytes_behind_the_mark_of_the_end_are_damage() {
    let bytes = [segment(), vec![1]].concat();
    let (all, damage) = frames(&bytes);
    assert_eq!((all.len(), damage.map(|damage| damage.cut)), (19, Some(false)));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        crate::fuzz::segment(&bytes);
        crate::fuzz::log(&bytes);
    }

    /// Whole segments with some bytes changed reach further into the reader.
    #[test]
    fn spoiled_segments_never_panic(changes in prop::collection::vec((any::<u32>(), any::<u8>()), 1..8), cut in any::<u32>()) {
        let mut bytes = segment();
        for (at, value) in changes {
            let at = at as usize % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(1 + cut as usize % bytes.len());
        crate::fuzz::segment(&bytes);
        crate::fuzz::log(&bytes);
    }

    /// Lengths and counts that lie, under a mark that is right.
    #[test]
    fn lying_marks_never_panic(count: u32, length: u32, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let header = Header::new(LogId { ..id() }, 0, digest(9), Frontier::default(), UnixMs(5)).to_bytes();
        let mark = Mark { segment: 0, offset: header.len() as u64, first: 0, count, length, leaf: digest(9) };
        crate::fuzz::segment(&[&header[..], &mark.to_bytes(), &body].concat());
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/segment")
}

/// Fuzzing begins with what is written today.
#[test]
fn the_corpus_of_fuzzing_has_this_format() {
    let two = sample(&[2, 1]).disk;
    let (first, second) = (two.read(&name(0)).unwrap(), two.read(&name(1)).unwrap());
    let (header, start) = Header::parse(&first).unwrap();
    let mut frames = Frames::new(&first, header.index, start);
    let record = frames.next().unwrap().unwrap().record.to_vec();
    let torn = first[..first.len() - 7].to_vec();
    let seeds = [("one", segment()), ("first", first), ("second", second), ("torn", torn), ("record", record)];
    for (file, bytes) in seeds {
        let path = corpus().join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).ok();
        assert!(
            kept.as_ref() == Some(&bytes),
            "{} is of another format; UPDATE_GOLDEN=1 writes it anew",
            path.display()
        );
    }
}

#[test]
fn the_corpus_of_fuzzing_is_read_through() {
    for file in std::fs::read_dir(corpus()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        crate::fuzz::segment(&bytes);
        crate::fuzz::record(&bytes);
        crate::fuzz::log(&bytes);
    }
}

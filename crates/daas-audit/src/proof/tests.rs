use super::*;
use crate::testing::{digest, id, records, sample};

#[test]
fn every_record_is_proven_by_every_anchor_that_has_it() {
    let log = sample(&[2, 1]);
    let all = records(&log.disk);
    for anchor in &log.anchors {
        for record in &all {
            let proof = prove(&log.disk, id(), record.sequence, *anchor);
            if record.sequence >= anchor.records {
                assert!(matches!(proof, Err(ProofError::NotAnchored { .. })), "{proof:?}");
                continue;
            }
            let text = serde_json::to_string(&proof.unwrap()).unwrap();
            let proof: Proof = serde_json::from_str(&text).unwrap();
            assert_eq!(&proof.check().unwrap(), record);
        }
    }
}

#[test]
fn what_was_changed_does_not_hold() {
    let log = sample(&[2]);
    let proof = prove(&log.disk, id(), 3, log.anchors[1]).unwrap();
    let other = prove(&log.disk, id(), 4, log.anchors[1]).unwrap();
    let broken = [
        Proof { record: other.record, ..proof.clone() },
        Proof { previous: other.previous, ..proof.clone() },
        Proof { path: other.path, ..proof.clone() },
        Proof { anchor: log.anchors[0], ..proof.clone() },
        Proof { anchor: Anchor { root: digest(1), ..proof.anchor }, ..proof.clone() },
        Proof { path: proof.path[1..].to_vec(), ..proof.clone() },
    ];
    for (n, proof) in broken.iter().enumerate() {
        assert!(matches!(proof.check(), Err(ProofError::Broken)), "{n}");
    }
    assert!(matches!(Proof { record: "00".into(), ..proof }.check(), Err(ProofError::Form)));
}

#[test]
fn a_log_that_lacks_the_anchor_proves_nothing() {
    let log = sample(&[2]);
    let foreign = Anchor { root: digest(1), ..log.anchors[0] };
    assert!(matches!(prove(&log.disk, id(), 0, foreign), Err(ProofError::LacksAnchor(7))));
    let beyond = Anchor { records: 100, ..log.anchors[1] };
    assert!(matches!(prove(&log.disk, id(), 0, beyond), Err(ProofError::LacksAnchor(100))));
    log.disk.edit("audit-00000000.seg", |bytes| bytes[500] ^= 1);
    assert!(matches!(prove(&log.disk, id(), 0, log.anchors[1]), Err(ProofError::Read(_))));
}

#[test]
fn growth_is_proven_between_all_anchors() {
    let log = sample(&[2, 3]);
    for (n, new) in log.anchors.iter().enumerate() {
        for old in &log.anchors[..=n] {
            let growth = prove_growth(&log.disk, id(), *old, *new).unwrap();
            growth.check().unwrap();
            let forged = Growth { old: Anchor { root: digest(1), ..*old }, ..growth };
            assert!(forged.check().is_err());
        }
    }
    let (first, last) = (log.anchors[0], log.anchors[4]);
    assert!(matches!(prove_growth(&log.disk, id(), last, first), Err(ProofError::NotAnchored { .. })));
}

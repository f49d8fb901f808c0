use super::*;
use crate::checkpoint::Sealer;
use crate::keys::ValidatorSecret;
use crate::system;
use std::sync::atomic::{AtomicU64, Ordering};
use sui_sdk_types::CheckpointSummary;

fn open(path: &Path) -> Result<Ledger, StoreError> {
    Ledger::open(path, Arc::new(|| Ok(u64::MAX)))
}

/// Empty checkpoints and others, in two epochs.
fn chain(sealer: &Sealer) -> Vec<(StoredCheckpoint, Vec<StoredTransaction>)> {
    let mut made: Vec<(StoredCheckpoint, Vec<StoredTransaction>)> = vec![];
    for n in 0..40_u64 {
        let last: Option<CheckpointSummary> = made.last().map(|(c, _)| c.summary.clone());
        let next = match &last {
            Some(last) if n % 9 == 8 => {
                let transaction = system::change_epoch(last, n);
                let transactions = vec![system::executed(transaction, Some(last), n, &Changes::default())];
                (sealer.seal_last(last, &transactions, n), transactions)
            }
            // The genesis is a whole one for what it carries.
            _ => (sealer.seal(last.as_ref(), &[], n, if n == 0 { vec![7] } else { vec![] }), vec![]),
        };
        made.push(next);
    }
    made
}

#[test]
fn every_checkpoint_comes_back_as_it_was_and_empty_ones_take_little() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let made = chain(&Sealer::new(ValidatorSecret::of_a_stranger()));
    let ledger = open(&path).unwrap();
    for (checkpoint, transactions) in &made {
        ledger.append(checkpoint, transactions, &Changes::default()).unwrap();
    }
    drop(ledger);
    let ledger = open(&path).unwrap();
    let view = ledger.view().unwrap();
    for (checkpoint, transactions) in &made {
        let sequence = checkpoint.summary.sequence_number;
        let found = view.checkpoint(sequence).unwrap().unwrap();
        assert_eq!(encode(&found), encode(checkpoint), "{sequence}");
        let found = view.checkpoint_by_digest(checkpoint.summary.digest()).unwrap().unwrap();
        assert_eq!(found.summary.sequence_number, sequence);
        for transaction in transactions {
            let place = checkpoint.summary.network_total_transactions - 1;
            assert_eq!(view.transaction_at(place).unwrap().unwrap().digest(), transaction.digest());
        }
    }
    assert_eq!(
        (view.epoch().unwrap(), view.end_of_epoch(0).unwrap(), view.end_of_epoch(4).unwrap()),
        (4, Some(8), None)
    );
    assert!(view.checkpoint_by_digest(Digest::ZERO).unwrap().is_none());

    let txn = ledger.db.begin_write().unwrap();
    let table = txn.open_table(CHECKPOINTS).unwrap();
    let length = |sequence: u64| table.get(sequence).unwrap().unwrap().value().len();
    assert!(length(7) <= 100 && length(8) > 200, "{} and {}", length(7), length(8));
}

#[test]
fn a_ledger_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let ledger = open(&path).unwrap();
    ledger.append(&chain(&Sealer::new(ValidatorSecret::of_a_stranger()))[0].0, &[], &Changes::default()).unwrap();
    let txn = ledger.db.begin_write().unwrap();
    txn.open_table(META).unwrap().insert(FORMAT_KEY, b"1".as_slice()).unwrap();
    txn.commit().unwrap();
    drop(ledger);
    assert!(matches!(open(&path), Err(StoreError::Format)));
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let asked = free.clone();
    let room: Free = Arc::new(move || Ok(asked.load(Ordering::SeqCst)));
    let ledger = Ledger::open(&dir.path().join("ledger"), room).unwrap();
    let made = chain(&Sealer::new(ValidatorSecret::of_a_stranger()));
    let append = |n: usize| ledger.append(&made[n].0, &made[n].1, &Changes::default());
    append(0).unwrap();
    free.store(16 * 1024 * 1024 - 1, Ordering::SeqCst);
    assert!(matches!(append(1), Err(StoreError::Full { reserve_mib: 16 })));
    assert!(matches!(ledger.keep("key", &1_u8), Err(StoreError::Full { .. })));
    assert_eq!(ledger.tip().unwrap().height, 0);
    assert_eq!(ledger.view().unwrap().last_checkpoint().unwrap().unwrap().summary.sequence_number, 0);
    free.store(16 * 1024 * 1024, Ordering::SeqCst);
    append(1).unwrap();
    assert_eq!(ledger.tip().unwrap().height, 1);
    // Being full is no failure of the database.
    assert!(ledger.failed.borrow().is_none());
}

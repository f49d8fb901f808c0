//! Lies, told of the ledger's records.

use super::spec::{Fit, Lie, LieKind};
use crate::checkpoint::{Sealer, contents_of};
use crate::ledger::{StoredCheckpoint, StoredTransaction};
use std::sync::Arc;
use sui_sdk_types::{EndOfEpochData, TransactionEffects, TransactionEvents, ValidatorCommittee};

const HOUR_MS: u64 = 3_600_000;

/// The lies to be told at one moment.
pub(crate) struct Lies {
    list: Vec<Lie>,
    stranger: Arc<Sealer>,
}

// === impl Lies ===

impl Lies {
    pub(super) fn new(list: Vec<Lie>, stranger: Arc<Sealer>) -> Self {
        Self { list, stranger }
    }

    /// The newest checkpoint there is said to be.
    pub(super) fn tip(&self) -> Option<u64> {
        self.of(LieKind::OldTip).filter_map(|lie| lie.checkpoint).min()
    }

    /// The checkpoint that is said to be its epoch's last.
    pub(super) fn forged_end(&self) -> Option<u64> {
        self.of(LieKind::ForgedEpoch).filter_map(|lie| lie.checkpoint).min()
    }

    /// The committee after that.
    pub(super) fn forged_committee(&self, epoch: u64) -> ValidatorCommittee {
        self.stranger.committee(epoch)
    }

    /// A transaction with what is said of it.
    pub(super) fn transaction(&self, mut stored: StoredTransaction) -> StoredTransaction {
        for lie in self.about(stored.checkpoint) {
            if lie.lie == LieKind::AlteredTimestamp {
                stored.timestamp_ms = stored.timestamp_ms.saturating_add(HOUR_MS);
            }
            if let Some(events) = stored.events.take() {
                stored.events = events_under(lie.lie, events);
                if is_about_events(lie) && lie.fit >= Fit::Effects {
                    set_events_digest(&mut stored.effects, stored.events.as_ref());
                }
            }
        }
        stored
    }

    /// A checkpoint with what is said of it; `transactions` are its own, with what is said of them.
    pub(super) fn checkpoint<E>(
        &self,
        mut stored: StoredCheckpoint,
        transactions: impl FnOnce(&StoredCheckpoint) -> Result<Vec<StoredTransaction>, E>,
    ) -> Result<StoredCheckpoint, E> {
        let sequence = stored.summary.sequence_number;
        let mut signed = false;
        let about_events = self.about(sequence).filter(|lie| is_about_events(lie)).map(|lie| lie.fit).max();
        if let Some(fit) = about_events.filter(|fit| *fit >= Fit::Contents) {
            let contents = contents_of(&transactions(&stored)?);
            let differs = contents.digest() != stored.contents.digest();
            stored.contents = contents;
            if fit >= Fit::Summary {
                stored.summary.content_digest = stored.contents.digest();
            }
            signed |= differs && fit == Fit::Signature;
        }
        for lie in self.about(sequence) {
            if lie.lie == LieKind::AlteredTimestamp {
                stored.summary.timestamp_ms = stored.summary.timestamp_ms.saturating_add(HOUR_MS);
                signed |= lie.fit == Fit::Signature;
            }
            signed |= lie.lie == LieKind::ForeignSignature;
        }
        if let Some(end) = self.forged_end().filter(|end| sequence >= *end) {
            if sequence == end {
                stored.summary.end_of_epoch_data = Some(self.forged_end_of(stored.summary.epoch));
            } else {
                stored.summary.epoch += 1;
            }
            signed = true;
        }
        if signed {
            stored.signature = self.stranger.sign(&stored.summary);
        }
        Ok(stored)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn forged_end_of(&self, epoch: u64) -> EndOfEpochData {
        self.stranger.end_of(epoch)
    }

    fn of(&self, kind: LieKind) -> impl Iterator<Item = &Lie> {
        self.list.iter().filter(move |lie| lie.lie == kind)
    }

    fn about(&self, checkpoint: u64) -> impl Iterator<Item = &Lie> {
        self.list.iter().filter(move |lie| lie.checkpoint.is_none_or(|about| about == checkpoint))
    }
}

fn is_about_events(lie: &Lie) -> bool {
    matches!(lie.lie, LieKind::AlteredEvent | LieKind::HiddenEvent | LieKind::InventedEvent)
}

fn events_under(lie: LieKind, mut events: TransactionEvents) -> Option<TransactionEvents> {
    match lie {
        LieKind::HiddenEvent => return None,
        LieKind::AlteredEvent => events.0.iter_mut().for_each(|event| alter(&mut event.contents)),
        LieKind::InventedEvent => {
            if let Some(mut event) = events.0.last().cloned() {
                alter(&mut event.contents);
                events.0.push(event);
            }
        }
        _ => {}
    }
    Some(events)
}

/// The first byte is part of an id or a number: what comes out is still of the event's type.
fn alter(contents: &mut [u8]) {
    if let Some(first) = contents.first_mut() {
        *first ^= 1;
    }
}

fn set_events_digest(effects: &mut TransactionEffects, events: Option<&TransactionEvents>) {
    let digest = events.map(TransactionEvents::digest);
    match effects {
        TransactionEffects::V1(effects) => effects.events_digest = digest,
        TransactionEffects::V2(effects) => effects.events_digest = digest,
    }
}

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

/// The half of an entry that is a place.
const PLACE: u64 = 0xffff_ffff;
/// Bits of a hash that choose its shard.
const SHARDS: u32 = 10;

/// Where things may stand, found by a hash of what they are known by.
///
/// An entry is the hash's upper half and the place, in eight bytes: what a million Seals are found by has to be small. A
/// hash can be that of several things, so a place found is a candidate, and whoever asks looks there. That is why all
/// snapshots share one finder: an entry that is too new for a snapshot leads to a place where that snapshot has nothing,
/// and one that has gone is of something that is about to go. The hash has a key of this process's, so nobody outside can
/// make things that share one.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    /// By the hash's first bits, each in order.
    shards: Arc<[RwLock<Vec<u64>>]>,
    keys: RandomState,
}

// === impl Finder ===

impl Finder {
    pub(super) fn new() -> Self {
        Self { shards: (0..1 << SHARDS).map(|_| RwLock::default()).collect(), keys: RandomState::new() }
    }

    pub(super) fn insert(&self, known_by: &[u8], place: u32) {
        let entry = self.hash(known_by) | u64::from(place);
        let mut shard = self.shard(entry).write().unwrap_or_else(PoisonError::into_inner);
        if let Err(at) = shard.binary_search(&entry) {
            if shard.len() == shard.capacity() {
                // A little more: to double it would waste what the small entries save.
                let more = shard.len() / 16 + 4;
                shard.reserve_exact(more);
            }
            shard.insert(at, entry);
        }
    }

    /// Forgets that something at `place` is known by this, unless others there have the same hash.
    pub(super) fn remove<'a>(&self, known_by: &[u8], place: u32, mut others: impl Iterator<Item = &'a [u8]>) {
        let hash = self.hash(known_by);
        if others.any(|other| self.hash(other) == hash) {
            return;
        }
        let entry = hash | u64::from(place);
        let mut shard = self.shard(entry).write().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = shard.binary_search(&entry) {
            shard.remove(at);
        }
    }

    /// The first that `look` finds at a place where something known by this may be.
    pub(super) fn find<T>(&self, known_by: &[u8], look: impl FnMut(u32) -> Option<T>) -> Option<T> {
        let hash = self.hash(known_by);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        let first = shard.partition_point(|entry| *entry < hash);
        let same = shard[first..].iter().take_while(|entry| **entry & !PLACE == hash);
        same.map(|entry| u32::try_from(entry & PLACE).unwrap_or(u32::MAX)).find_map(look)
    }

    /// The places where something known by this may be.
    pub(super) fn places(&self, known_by: &[u8]) -> Vec<u32> {
        let mut all = Vec::new();
        self.find(known_by, |place| {
            all.push(place);
            None::<()>
        });
        all
    }

    fn shard(&self, entry: u64) -> &RwLock<Vec<u64>> {
        let shard = entry >> (u64::BITS - SHARDS);
        &self.shards[usize::try_from(shard).unwrap_or_default()]
    }

    /// The upper half; the lower is zero.
    fn hash(&self, known_by: &[u8]) -> u64 {
        self.keys.hash_one(known_by) & !PLACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn what_shares_a_place_and_a_hash_is_forgotten_last() {
        let finder = Finder::new();
        finder.insert(b"a", 7);
        finder.insert(b"a", 3);
        finder.insert(b"a", 3);
        assert_eq!(finder.places(b"a"), [3, 7]);
        finder.remove(b"a", 7, [b"b".as_slice(), b"a"].into_iter());
        assert_eq!(finder.places(b"a"), [3, 7]);
        finder.remove(b"a", 7, [b"b".as_slice()].into_iter());
        assert_eq!((finder.places(b"a"), finder.places(b"b")), (vec![3], vec![]));
        assert_eq!(finder.find(b"a", |place| (place == 3).then_some(place)), Some(3));
    }

    #[test]
    fn many_things_are_each_found_where_they_are() {
        let finder = Finder::new();
        let mut expected = BTreeMap::<[u8; 2], BTreeSet<u32>>::new();
        // Several at one place, several places for one, some gone again.
        for n in 0..20_000_u32 {
            let known_by = u16::try_from(n % 7001).unwrap().to_le_bytes();
            let place = n / 3;
            if n % 5 == 4 {
                finder.remove(&known_by, place - 1, std::iter::empty());
                expected.entry(known_by).or_default().remove(&(place - 1));
            } else {
                finder.insert(&known_by, place);
                expected.entry(known_by).or_default().insert(place);
            }
        }
        for (known_by, at) in expected {
            let found: BTreeSet<_> = finder.places(&known_by).into_iter().collect();
            assert!(found.is_superset(&at), "{known_by:?}: {found:?} lacks some of {at:?}");
        }
    }
}

use imbl::OrdSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The half of an entry that is a place.
const PLACE: u64 = 0xffff_ffff;

/// Where things stand, found by a hash of what they are known by. Cloning shares everything.
///
/// An entry is the hash's upper half and the place, in eight bytes: what a million Seals are found by has to be small. A
/// hash can be that of several things, so a place found is a candidate. The hash has a key of this process's, so nobody
/// outside can make things that share one.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    entries: OrdSet<u64>,
    keys: RandomState,
}

// === impl Finder ===

impl Finder {
    pub(super) fn new() -> Self {
        Self { entries: OrdSet::new(), keys: RandomState::new() }
    }

    pub(super) fn insert(&mut self, known_by: &[u8], place: u32) {
        self.entries.insert(self.hash(known_by) | u64::from(place));
    }

    /// Forgets that something at `place` is known by this, unless others there have the same hash.
    pub(super) fn remove<'a>(&mut self, known_by: &[u8], place: u32, mut others: impl Iterator<Item = &'a [u8]>) {
        let hash = self.hash(known_by);
        if !others.any(|other| self.hash(other) == hash) {
            self.entries.remove(&(hash | u64::from(place)));
        }
    }

    /// The places where something known by this may be.
    pub(super) fn places(&self, known_by: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let hash = self.hash(known_by);
        let entries = self.entries.range(hash..=hash | PLACE);
        entries.map(|entry| u32::try_from(entry & PLACE).unwrap_or(u32::MAX))
    }

    /// The upper half; the lower is zero.
    fn hash(&self, known_by: &[u8]) -> u64 {
        self.keys.hash_one(known_by) & !PLACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_place_and_a_hash_is_forgotten_last() {
        let mut finder = Finder::new();
        let places = |finder: &Finder| finder.places(b"a").collect::<Vec<_>>();
        finder.insert(b"a", 7);
        finder.insert(b"a", 3);
        assert_eq!(places(&finder), [3, 7]);
        finder.remove(b"a", 7, [b"b".as_slice(), b"a"].into_iter());
        assert_eq!(places(&finder), [3, 7]);
        let before = finder.clone();
        finder.remove(b"a", 7, [b"b".as_slice()].into_iter());
        assert_eq!((places(&finder), places(&before)), (vec![3], vec![3, 7]));
    }
}

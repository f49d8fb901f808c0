use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The half of an entry that is a place.
const PLACE: u64 = 0xffff_ffff;
/// Changes are settled once there are this many, or one for so many settled entries: the more there are to merge them
/// into, the rarer that is.
const CHANGES: usize = 1024;
const ENTRIES_A_CHANGE: usize = 256;

/// Where things stand, found by a hash of what they are known by. Cloning shares everything; a change copies no more than
/// the latest changes, so a snapshot that someone still holds stays as it was.
///
/// An entry is the hash's upper half and the place, in eight bytes, and there is nothing between the entries: what a
/// million Seals are found by has to be small. A hash can be that of several things, so a place found is a candidate. The
/// hash has a key of this process's, so nobody outside can make things that share one.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    /// In order, as the other two are.
    settled: Arc<Vec<u64>>,
    /// No longer there, if settled. An insertion looks at neither: there are a million to search.
    gone: Arc<Vec<u64>>,
    /// There, settled and gone or not.
    added: Arc<Vec<u64>>,
    keys: RandomState,
}

// === impl Finder ===

impl Finder {
    pub(super) fn new() -> Self {
        let none = Arc::new(Vec::new());
        Self { settled: none.clone(), gone: none.clone(), added: none, keys: RandomState::new() }
    }

    pub(super) fn insert(&mut self, known_by: &[u8], place: u32) {
        let entry = self.hash(known_by) | u64::from(place);
        put(&mut self.added, entry);
        self.settle();
    }

    /// Forgets that something at `place` is known by this, unless others there have the same hash.
    pub(super) fn remove<'a>(&mut self, known_by: &[u8], place: u32, mut others: impl Iterator<Item = &'a [u8]>) {
        let hash = self.hash(known_by);
        if others.any(|other| self.hash(other) == hash) {
            return;
        }
        let entry = hash | u64::from(place);
        if let Ok(at) = self.added.binary_search(&entry) {
            Arc::make_mut(&mut self.added).remove(at);
        }
        put(&mut self.gone, entry);
        self.settle();
    }

    /// The places where something known by this may be, each once.
    pub(super) fn places(&self, known_by: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let hash = self.hash(known_by);
        let stands = |entry: &u64| self.gone.binary_search(entry).is_err();
        let settled = same(&self.settled, hash).filter(move |entry| stands(entry));
        let known = move |entry: &u64| self.settled.binary_search(entry).is_ok() && stands(entry);
        let added = same(&self.added, hash).filter(move |entry| !known(entry));
        settled.chain(added).map(|entry| u32::try_from(entry & PLACE).unwrap_or(u32::MAX))
    }

    /// Once there are changes enough.
    fn settle(&mut self) {
        let changes = self.added.len() + self.gone.len();
        if changes <= CHANGES.max(self.settled.len() / ENTRIES_A_CHANGE) {
            return;
        }
        let mut changes = Vec::with_capacity(changes);
        changes.extend(self.gone.iter().map(|entry| (*entry, false)));
        changes.extend(self.added.iter().map(|entry| (*entry, true)));
        changes.sort_unstable();
        let mut merged = Vec::with_capacity(self.settled.len() + self.added.len());
        let mut rest = self.settled.as_slice();
        for (entry, stands) in changes {
            let before = rest.iter().take_while(|settled| **settled < entry).count();
            merged.extend_from_slice(&rest[..before]);
            rest = &rest[before..];
            rest = rest.strip_prefix(&[entry]).unwrap_or(rest);
            merged.extend(stands.then_some(entry));
        }
        merged.extend_from_slice(rest);
        *self = Self { settled: Arc::new(merged), keys: self.keys.clone(), ..Self::new() };
    }

    /// The upper half; the lower is zero.
    fn hash(&self, known_by: &[u8]) -> u64 {
        self.keys.hash_one(known_by) & !PLACE
    }
}

fn put(entries: &mut Arc<Vec<u64>>, entry: u64) {
    if let Err(at) = entries.binary_search(&entry) {
        Arc::make_mut(entries).insert(at, entry);
    }
}

/// The entries with this hash.
fn same(entries: &[u64], hash: u64) -> impl Iterator<Item = u64> + use<'_> {
    let first = entries.partition_point(|entry| *entry < hash);
    entries[first..].iter().copied().take_while(move |entry| entry & !PLACE == hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn what_shares_a_place_and_a_hash_is_forgotten_last() {
        let mut finder = Finder::new();
        let places = |finder: &Finder| finder.places(b"a").collect::<Vec<_>>();
        finder.insert(b"a", 7);
        finder.insert(b"a", 3);
        finder.insert(b"a", 3);
        assert_eq!(places(&finder), [3, 7]);
        finder.remove(b"a", 7, [b"b".as_slice(), b"a"].into_iter());
        assert_eq!(places(&finder), [3, 7]);
        let before = finder.clone();
        finder.remove(b"a", 7, [b"b".as_slice()].into_iter());
        assert_eq!((places(&finder), places(&before)), (vec![3], vec![3, 7]));
    }

    #[test]
    fn many_things_are_each_found_where_they_are_and_were() {
        let mut finder = Finder::new();
        let mut expected = BTreeMap::<u64, BTreeSet<u32>>::new();
        let mut held = Vec::new();
        // Several at one place, several places for one, some gone again.
        for n in 0..20_000_u32 {
            let (known_by, place) = (u16::try_from(n % 7001).unwrap().to_le_bytes(), n / 7001 * 7);
            // What has the same hash is the same to it.
            let all = expected.entry(finder.hash(&known_by)).or_default();
            finder.insert(&known_by, place);
            all.insert(place);
            if n % 3 == 0 {
                // Of now, or from before.
                let place = if n % 2 == 0 { place } else { place.saturating_sub(7) };
                finder.remove(&known_by, place, std::iter::empty());
                all.remove(&place);
            }
            if n % 4_500 == 0 {
                held.push((finder.clone(), expected.clone()));
            }
        }
        assert!(finder.settled.len() > 10 * CHANGES, "several merges");
        held.push((finder, expected));
        for (finder, expected) in held {
            for known_by in 0..7001_u16 {
                let known_by = known_by.to_le_bytes();
                let found: Vec<_> = finder.places(&known_by).collect();
                let at = expected.get(&finder.hash(&known_by)).cloned().unwrap_or_default();
                assert_eq!(found.len(), at.len(), "each once: {found:?}");
                assert_eq!(BTreeSet::from_iter(found), at);
            }
        }
    }
}

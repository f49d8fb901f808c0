use crate::config::Rate;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 16;
/// Fewer buckets than this in a shard are not worth looking through.
const FEW: usize = 64;
/// A shard without room is looked through at most once in this time.
const PATIENCE: u64 = 1_000_000_000;

/// Token buckets by key, no more than so many.
///
/// A bucket is one number, the time at which it will be full; an empty place in the map is a full bucket. So a full one is
/// forgotten without anyone noticing, and nothing has to fill them as time goes by.
///
/// One request locks one of sixteen shards for a look-up and an addition, some 40 ns, and allocates nothing when its bucket
/// exists. A lock-free map would have to allocate each bucket and to free it later: dearer than the lock, which two threads
/// seldom meet at.
pub(super) struct Buckets<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    hasher: RandomState,
    most: usize,
    debt: u32,
}

struct Shard<K> {
    full_at: HashMap<K, u64>,
    /// Once there are this many, full ones are looked for.
    sweep_at: usize,
    /// Not before then, when it brought nothing.
    not_before: u64,
}

/// What is taken out of a bucket.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    /// The bucket's.
    pub(super) rate: Rate,
    /// How much.
    pub(super) weight: u32,
    /// Taken also where so much is not in it.
    pub(super) owed: bool,
}

/// What came of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// It was there.
    Taken,
    /// It will be in so long.
    Empty(Duration),
    /// As many buckets as there may be are not full.
    NoRoom,
}

// === impl Buckets ===

impl<K: Eq + Hash> Buckets<K> {
    /// None lacks more than `debt`.
    pub(super) fn new(most: usize, debt: u32) -> Self {
        let shard = || Shard { full_at: HashMap::new(), sweep_at: FEW, not_before: 0 };
        let most = most.div_euclid(SHARDS).max(1);
        Self { shards: core::array::from_fn(|_| Mutex::new(shard())), hasher: RandomState::new(), most, debt }
    }

    /// Takes it out of the bucket of `key` at `now`, in nanoseconds, if it is in there or may be owed.
    pub(super) fn draw(&self, key: K, draw: Draw, now: u64) -> Drawn {
        let shard = &self.shards[usize::try_from(self.hasher.hash_one(&key)).unwrap_or_default() % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = shard.full_at.get_mut(&key) {
            return take(full_at, draw, self.debt, now).map_or_else(Drawn::Empty, |()| Drawn::Taken);
        }
        let mut full_at = 0;
        match take(&mut full_at, draw, self.debt, now) {
            Ok(()) if !shard.has_room(self.most, now) => Drawn::NoRoom,
            Ok(()) => {
                shard.full_at.insert(key, full_at);
                Drawn::Taken
            }
            Err(wait) => Drawn::Empty(wait),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().full_at.len()).sum()
    }
}

// === impl Shard ===

impl<K: Eq + Hash> Shard<K> {
    /// Whether one more bucket may be made. Forgets full ones when there are twice as many as last time, so that each bucket
    /// made pays for looking at a few.
    fn has_room(&mut self, most: usize, now: u64) -> bool {
        let len = self.full_at.len();
        if len >= self.sweep_at.min(most) && now >= self.not_before {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = self.full_at.len().saturating_mul(2).max(FEW);
            if self.full_at.len() >= most {
                self.not_before = now.saturating_add(PATIENCE);
            }
        }
        self.full_at.len() < most
    }
}

// === impl Draw ===

impl Draw {
    pub(super) fn of(rate: Rate, weight: u32) -> Self {
        Self { rate, weight, owed: false }
    }
}

/// Takes it at `now` out of the bucket that will be full at `full_at`, which never lacks more than `debt`; or says how long
/// until it can be taken.
pub(super) fn take(full_at: &mut u64, draw: Draw, debt: u32, now: u64) -> Result<(), Duration> {
    let Draw { rate, weight, owed } = draw;
    let one = 60_000_000_000_u64.div_euclid(u64::from(rate.per_minute.max(1)));
    let empty = now.saturating_add(one.saturating_mul(u64::from(rate.burst.max(weight))));
    let lowest = empty.saturating_add(one.saturating_mul(u64::from(debt)));
    // Emptied while it filled more slowly, it is empty and not emptier.
    *full_at = (*full_at).clamp(now, lowest);
    let later = full_at.saturating_add(one.saturating_mul(u64::from(weight)));
    match later.checked_sub(empty) {
        None | Some(0) => {
            *full_at = later;
            Ok(())
        }
        Some(missing) => {
            if owed {
                *full_at = later.min(lowest);
            }
            Err(Duration::from_nanos(missing))
        }
    }
}

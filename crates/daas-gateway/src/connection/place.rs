//! Who may have a connection. Strangers come and go: they have three quarters of the places, and when those are taken the
//! oldest of them that has proven nothing gives way. So nobody without stake keeps anyone with stake out, and nobody with
//! stake has more than so many places. Whoever lost it is a stranger again.

use crate::limits::Holder;
use quick_cache::unsync::Cache;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// Addresses remembered as ones from which a request was admitted.
const KNOWN: usize = 4096;

/// How many connections there may be, in all, of one address and of one holder.
pub(crate) struct Places {
    most: usize,
    most_of_strangers: usize,
    most_of_one: usize,
    most_of_holder: usize,
    taken: Mutex<Taken>,
    emptied: Notify,
}

/// A connection's place; free again when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    number: u64,
    /// Cancelled when another takes it.
    given_up: CancellationToken,
    /// Whether it is somebody's with a right, for those who need no more than that.
    proven: Arc<AtomicBool>,
}

struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Those on which nothing was admitted yet, oldest first.
    unproven: BTreeMap<u64, Unproven>,
    /// The others.
    proven: HashMap<u64, Proven>,
    by_holder: HashMap<Holder, usize>,
    strangers: usize,
    next: u64,
    known: Cache<IpAddr, ()>,
}

struct Unproven {
    address: IpAddr,
    stranger: bool,
    give_up: CancellationToken,
    shown: Arc<AtomicBool>,
}

struct Proven {
    address: IpAddr,
    /// Who was admitted on it first.
    holder: Holder,
    give_up: CancellationToken,
    shown: Arc<AtomicBool>,
}

/// What counts as one address: IPv6 hands out networks, not addresses.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

// === impl Places ===

impl Places {
    pub(crate) fn new(most: usize, most_of_one: usize, most_of_holder: usize) -> Arc<Self> {
        let taken = Taken {
            all: 0,
            by_address: HashMap::new(),
            unproven: BTreeMap::new(),
            proven: HashMap::new(),
            by_holder: HashMap::new(),
            strangers: 0,
            next: 0,
            known: Cache::new(KNOWN),
        };
        let most_of_strangers = most.saturating_sub(most.div_euclid(4));
        let (taken, emptied) = (Mutex::new(taken), Notify::new());
        Arc::new(Self { most, most_of_strangers, most_of_one, most_of_holder, taken, emptied })
    }

    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.lock();
        if taken.by_address.get(&address).is_some_and(|of_one| *of_one >= self.most_of_one) {
            return None;
        }
        let stranger = taken.known.get(&address).is_none();
        if stranger && taken.strangers >= self.most_of_strangers {
            taken.give_up_oldest(true);
        }
        if taken.all >= self.most && !taken.give_up_oldest(true) && !taken.give_up_oldest(false) {
            return None;
        }
        let (number, given_up, proven) = (taken.next, CancellationToken::new(), Arc::<AtomicBool>::default());
        taken.next += 1;
        taken.all += 1;
        taken.strangers += usize::from(stranger);
        *taken.by_address.entry(address).or_default() += 1;
        let unproven = Unproven { address, stranger, give_up: given_up.clone(), shown: proven.clone() };
        taken.unproven.insert(number, unproven);
        drop(taken);
        Some(Place { places: self.clone(), address, number, given_up, proven })
    }

    /// Whether someone was admitted from this address lately.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.lock().known.get(&network(address)).is_some()
    }

    /// Connections of holders who live no more are strangers' again, until somebody else is admitted on them.
    pub(crate) fn lapse(&self, lives: impl Fn(Holder) -> bool) {
        let mut taken = self.lock();
        let gone: Vec<u64> =
            taken.proven.iter().filter(|(_, proven)| !lives(proven.holder)).map(|(number, _)| *number).collect();
        for number in gone {
            taken.lapse(number);
        }
    }

    /// Waits until no place is taken.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().all == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Taken ===

impl Taken {
    /// Frees the place of the oldest connection that has proven nothing. Whether there was one.
    fn give_up_oldest(&mut self, of_strangers: bool) -> bool {
        let oldest = self.unproven.iter().find(|(_, unproven)| unproven.stranger || !of_strangers);
        let Some(number) = oldest.map(|(number, _)| *number) else { return false };
        if let Some(unproven) = self.settle(number) {
            self.leave(unproven.address);
            unproven.give_up.cancel();
        }
        true
    }

    /// It is unproven no more.
    fn settle(&mut self, number: u64) -> Option<Unproven> {
        let unproven = self.unproven.remove(&number)?;
        self.strangers = self.strangers.saturating_sub(usize::from(unproven.stranger));
        Some(unproven)
    }

    /// It is proven no more.
    fn forget(&mut self, number: u64) -> Option<Proven> {
        let proven = self.proven.remove(&number)?;
        proven.shown.store(false, Ordering::Relaxed);
        let left = self.by_holder.get(&proven.holder).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            self.by_holder.remove(&proven.holder);
        } else {
            self.by_holder.insert(proven.holder, left);
        }
        Some(proven)
    }

    /// It is as when it came, and the oldest.
    fn lapse(&mut self, number: u64) {
        let Some(Proven { address, give_up, shown, holder: _ }) = self.forget(number) else { return };
        self.strangers = self.strangers.saturating_add(1);
        self.unproven.insert(number, Unproven { address, stranger: true, give_up, shown });
    }

    fn leave(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        let left = self.by_address.get(&address).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            self.by_address.remove(&address);
        } else {
            self.by_address.insert(address, left);
        }
    }
}

// === impl Place ===

impl Place {
    /// Whether a request of someone on it was admitted who has not lost that right.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// A request of this holder on it is admitted: nobody takes it any more, and its address is remembered. Not so if the
    /// holder has as many as one may have.
    pub(crate) fn prove(&self, holder: Holder) -> bool {
        let mut taken = self.places.lock();
        let of_holder = taken.by_holder.get(&holder).copied().unwrap_or(0);
        if taken.unproven.contains_key(&self.number) && of_holder >= self.places.most_of_holder {
            return false;
        }
        // Otherwise it is proven already, or was given to another and is about to end.
        if let Some(Unproven { address, give_up, shown, stranger: _ }) = taken.settle(self.number) {
            shown.store(true, Ordering::Relaxed);
            taken.by_holder.insert(holder, of_holder.saturating_add(1));
            taken.known.insert(address, ());
            taken.proven.insert(self.number, Proven { address, holder, give_up, shown });
        }
        true
    }

    /// The connection has to end.
    pub(crate) fn give_up(&self) {
        let mut taken = self.places.lock();
        if !self.given_up.is_cancelled() {
            taken.settle(self.number);
            taken.forget(self.number);
            taken.leave(self.address);
            self.given_up.cancel();
        }
    }

    /// Cancelled when the connection has to end for another.
    pub(crate) fn given_up(&self) -> CancellationToken {
        self.given_up.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.settle(self.number);
        taken.forget(self.number);
        // Under the lock, so whoever took it has left already.
        if !self.given_up.is_cancelled() {
            taken.leave(self.address);
        }
        if taken.all == 0 {
            self.places.emptied.notify_waiters();
        }
    }
}

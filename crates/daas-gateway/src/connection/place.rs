//! Who may have a connection. Strangers come and go: they have three quarters of the places, and when those are taken the
//! oldest of them that has proven nothing gives way. At addresses from which somebody was admitted lately others are waited
//! for apart: of both kinds the one gives way of which there are more, and where an address has all that it may have, one of
//! its own. So nobody without stake keeps anyone with stake out, and nobody with stake has more than so many places. Whoever
//! lost it is a stranger again, and so is the address.

use crate::limits::Holder;
use daas_types::PositionId;
use quick_cache::unsync::Cache;
use std::collections::{BTreeSet, HashMap};
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
    by_address: HashMap<IpAddr, OfAddress>,
    /// Those on which nothing was admitted yet.
    unproven: HashMap<u64, Unproven>,
    /// Of them those from addresses that are not known, oldest first,
    strangers: BTreeSet<u64>,
    /// and the others.
    neighbours: BTreeSet<u64>,
    /// The others.
    proven: HashMap<u64, Proven>,
    by_holder: HashMap<Holder, usize>,
    next: u64,
    known: Cache<IpAddr, ()>,
}

#[derive(Default)]
struct OfAddress {
    all: usize,
    /// Oldest first.
    unproven: BTreeSet<u64>,
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
            unproven: HashMap::new(),
            strangers: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            proven: HashMap::new(),
            by_holder: HashMap::new(),
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
        let of_one = taken.by_address.get(&address).filter(|of_one| of_one.all >= self.most_of_one);
        if let Some(oldest) = of_one.map(|of_one| of_one.unproven.first().copied()) {
            taken.give_up(oldest?);
        }
        let stranger = taken.known.get(&address).is_none();
        if stranger && taken.strangers.len() >= self.most_of_strangers {
            let oldest = taken.strangers.first().copied();
            taken.give_up(oldest?);
        }
        if taken.all >= self.most {
            let more =
                if taken.strangers.len() >= taken.neighbours.len() { &taken.strangers } else { &taken.neighbours };
            let oldest = more.first().copied();
            taken.give_up(oldest?);
        }
        let (number, given_up, proven) = (taken.next, CancellationToken::new(), Arc::<AtomicBool>::default());
        taken.next += 1;
        taken.all += 1;
        taken.by_address.entry(address).or_default().all += 1;
        let unproven = Unproven { address, stranger, give_up: given_up.clone(), shown: proven.clone() };
        taken.await_proof(number, unproven);
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
    /// Frees the place of a connection that has proven nothing.
    fn give_up(&mut self, number: u64) {
        if let Some(unproven) = self.settle(number) {
            self.leave(unproven.address);
            unproven.give_up.cancel();
        }
    }

    /// It has proven nothing yet.
    fn await_proof(&mut self, number: u64, unproven: Unproven) {
        let queue = if unproven.stranger { &mut self.strangers } else { &mut self.neighbours };
        queue.insert(number);
        if let Some(of_one) = self.by_address.get_mut(&unproven.address) {
            of_one.unproven.insert(number);
        }
        self.unproven.insert(number, unproven);
    }

    /// It is unproven no more.
    fn settle(&mut self, number: u64) -> Option<Unproven> {
        let unproven = self.unproven.remove(&number)?;
        let queue = if unproven.stranger { &mut self.strangers } else { &mut self.neighbours };
        queue.remove(&number);
        if let Some(of_one) = self.by_address.get_mut(&unproven.address) {
            of_one.unproven.remove(&number);
        }
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

    /// It is as when it came, and the oldest. Others at its address may be known still: their next request says so.
    fn lapse(&mut self, number: u64) {
        let Some(Proven { address, give_up, shown, holder: _ }) = self.forget(number) else { return };
        self.known.remove(&address);
        self.await_proof(number, Unproven { address, stranger: true, give_up, shown });
    }

    fn leave(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        let Some(of_one) = self.by_address.get_mut(&address) else { return };
        of_one.all = of_one.all.saturating_sub(1);
        if of_one.all == 0 {
            self.by_address.remove(&address);
        }
    }
}

// === impl Place ===

impl Place {
    /// Whether a request of someone on it was admitted who has not lost that right.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Whether it is this position's, who has not lost the right.
    pub(crate) fn is_of(&self, position: PositionId) -> bool {
        self.places.lock().proven.get(&self.number).is_some_and(|proven| proven.holder.1 == position)
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

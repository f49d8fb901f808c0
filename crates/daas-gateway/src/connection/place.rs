//! Who may have a connection. Strangers come and go: they have three quarters of the places, and when those are taken the
//! oldest of them that has proven nothing gives way. So nobody without stake keeps anyone with stake out.

use quick_cache::unsync::Cache;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Addresses remembered as ones from which a request was admitted.
const KNOWN: usize = 4096;

/// How many connections there may be, in all and of one address.
pub(crate) struct Places {
    most: usize,
    most_of_strangers: usize,
    most_of_one: usize,
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
}

struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Those on which nothing was admitted yet, oldest first.
    unproven: BTreeMap<u64, Unproven>,
    strangers: usize,
    next: u64,
    known: Cache<IpAddr, ()>,
}

struct Unproven {
    address: IpAddr,
    stranger: bool,
    give_up: CancellationToken,
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
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let taken = Taken {
            all: 0,
            by_address: HashMap::new(),
            unproven: BTreeMap::new(),
            strangers: 0,
            next: 0,
            known: Cache::new(KNOWN),
        };
        let most_of_strangers = most.saturating_sub(most.div_euclid(4));
        Arc::new(Self { most, most_of_strangers, most_of_one, taken: Mutex::new(taken), emptied: Notify::new() })
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
        let (number, given_up) = (taken.next, CancellationToken::new());
        taken.next += 1;
        taken.all += 1;
        taken.strangers += usize::from(stranger);
        *taken.by_address.entry(address).or_default() += 1;
        taken.unproven.insert(number, Unproven { address, stranger, give_up: given_up.clone() });
        drop(taken);
        Some(Place { places: self.clone(), address, number, given_up })
    }

    /// Whether someone was admitted from this address lately.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.lock().known.get(&network(address)).is_some()
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
    /// A request on it was admitted: nobody takes it any more, and its address is remembered.
    pub(crate) fn prove(&self) {
        let mut taken = self.places.lock();
        if taken.settle(self.number).is_some() {
            taken.known.insert(self.address, ());
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
        // Under the lock, so whoever took it has left already.
        if !self.given_up.is_cancelled() {
            taken.leave(self.address);
        }
        if taken.all == 0 {
            self.places.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, n])
    }

    #[test]
    fn places_are_counted_of_one_address_and_given_back() {
        let places = Places::new(8, 2);
        let first = places.take(address(1)).unwrap();
        let _second = places.take(address(1)).unwrap();
        assert!(places.take(address(1)).is_none());
        let _other = places.take(address(2)).unwrap();
        drop(first);
        assert!(places.take(address(1)).is_some());
        assert!(places.lock().by_address.len() <= 2);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let places = Places::new(8, 1);
        let _first = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(places.take("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_some());
        let _four = places.take("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert!(places.take("10.0.0.1".parse().unwrap()).is_none());
        assert!(places.take("10.0.0.2".parse().unwrap()).is_some());
    }

    #[test]
    fn strangers_give_way_and_the_proven_stay() {
        let places = Places::new(4, 4);
        let proven = places.take(address(1)).unwrap();
        proven.prove();
        let strangers: Vec<_> = (2..5).map(|n| places.take(address(n)).unwrap()).collect();
        assert!(strangers.iter().all(|place| !place.given_up.is_cancelled()));
        // A fourth stranger takes the oldest's place, and someone known the next.
        let fourth = places.take(address(9)).unwrap();
        let given_up = || strangers.iter().map(|place| place.given_up.is_cancelled()).collect::<Vec<_>>();
        assert_eq!(given_up(), [true, false, false]);
        let known = places.take(address(1)).unwrap();
        assert_eq!(given_up(), [true, true, false]);
        // Where all have proven who they are, there is no place.
        for place in [&strangers[2], &fourth, &known] {
            place.prove();
        }
        assert!(places.take(address(1)).is_none());
        assert!(!proven.given_up.is_cancelled() && !known.given_up.is_cancelled());
        drop((strangers, fourth, known, proven));
        let taken = places.lock();
        assert_eq!((taken.all, taken.strangers, taken.by_address.len(), taken.unproven.len()), (0, 0, 0, 0));
    }

    #[test]
    fn strangers_leave_room_for_those_who_were_here() {
        let places = Places::new(4, 4);
        places.take(address(1)).unwrap().prove();
        let strangers: Vec<_> = (2..6).map(|n| places.take(address(n)).unwrap()).collect();
        assert!(strangers[0].given_up.is_cancelled(), "three quarters are theirs");
        let _back = places.take(address(1)).unwrap();
        assert!(strangers[1..].iter().all(|place| !place.given_up.is_cancelled()));
    }
}

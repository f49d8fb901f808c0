//! Who may have a connection. Strangers come and go: they have three quarters of the places, and when those are taken the
//! oldest of them that has proven nothing gives way. At addresses from which somebody was admitted lately others are waited
//! for apart: of both kinds the one gives way of which there are more, and where an address has all that it may have, one of
//! its own. So nobody without stake keeps anyone with stake out, and nobody with stake has more than so many places. All people
//! and their pods together have half of them, all nodes the other but for a sixteenth of all, which is always for somebody new: a
//! node has several, for its kubelet, its proxy and its tunnel, and there may be a thousand nodes. At one address a quarter is for
//! somebody new. Where those are taken, whoever has most gives one up for whoever has fewer. Whoever lost the stake is a
//! stranger again, and so is the address, if nobody else was admitted from there since.

use crate::limits::Holder;
use daas_types::PositionId;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use taken::{Taken, Unproven, kind};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod taken;
#[cfg(test)]
mod tests;

/// How many connections there may be, in all, of one address and of one holder.
pub(crate) struct Places {
    most: usize,
    most_of_strangers: usize,
    most_of_one: usize,
    most_of_holder: usize,
    /// Of nodes, and of people.
    most_of_kind: [usize; 2],
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
        let most_of_strangers = most.saturating_sub(most.div_euclid(4));
        // So that there is always one for somebody new.
        let most_of_nodes = most.div_euclid(2).saturating_sub(most.div_euclid(16)).max(1);
        let most_of_kind = [most_of_nodes, most.div_ceil(2)];
        let (taken, emptied) = (Mutex::new(Taken::none()), Notify::new());
        Arc::new(Self { most, most_of_strangers, most_of_one, most_of_holder, most_of_kind, taken, emptied })
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
        taken.know(lives);
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
        if !taken.unproven.contains_key(&self.number) {
            // It is proven already, or was given to another and is about to end.
            return true;
        }
        let places = &self.places;
        let room = taken.of(holder) < places.most_of_holder
            && taken.room_at(self.address, holder, places.most_of_one.saturating_sub(places.most_of_one.div_euclid(4)))
            && taken.room_of_kind(holder, places.most_of_kind[kind(holder)]);
        if room {
            taken.prove(self.number, holder);
        }
        room
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

//! Who has which place, and what changes of it together.

use crate::limits::{Holder, Purse};
use quick_cache::unsync::Cache;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Addresses remembered as ones from which a request was admitted.
const KNOWN: usize = 4096;

pub(super) struct Taken {
    pub(super) all: usize,
    pub(super) by_address: HashMap<IpAddr, OfAddress>,
    /// Those on which nothing was admitted yet.
    pub(super) unproven: HashMap<u64, Unproven>,
    /// Of them those from addresses that are not known, oldest first,
    pub(super) strangers: BTreeSet<u64>,
    /// and the others.
    pub(super) neighbours: BTreeSet<u64>,
    /// The others.
    pub(super) proven: HashMap<u64, Proven>,
    /// Of each the numbers, oldest first.
    pub(super) by_holder: HashMap<Holder, BTreeSet<u64>>,
    /// How many are proven that are no node's.
    pub(super) people: usize,
    pub(super) next: u64,
    /// Whose request was admitted from there last.
    pub(super) known: Cache<IpAddr, Holder>,
}

#[derive(Default)]
pub(super) struct OfAddress {
    pub(super) all: usize,
    /// Oldest first.
    pub(super) unproven: BTreeSet<u64>,
}

pub(super) struct Unproven {
    pub(super) address: IpAddr,
    pub(super) stranger: bool,
    pub(super) give_up: CancellationToken,
    pub(super) shown: Arc<AtomicBool>,
}

pub(super) struct Proven {
    pub(super) address: IpAddr,
    /// Who was admitted on it first.
    pub(super) holder: Holder,
    pub(super) give_up: CancellationToken,
    pub(super) shown: Arc<AtomicBool>,
}

/// Whether it is none of a node's.
pub(super) fn is_people((purse, _): Holder) -> bool {
    matches!(purse, Purse::Person | Purse::Pods)
}

// === impl Taken ===

impl Taken {
    pub(super) fn none() -> Self {
        Self {
            all: 0,
            by_address: HashMap::new(),
            unproven: HashMap::new(),
            strangers: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            proven: HashMap::new(),
            by_holder: HashMap::new(),
            people: 0,
            next: 0,
            known: Cache::new(KNOWN),
        }
    }

    /// Frees the place of a connection that has proven nothing.
    pub(super) fn give_up(&mut self, number: u64) {
        if let Some(unproven) = self.settle(number) {
            self.leave(unproven.address);
            unproven.give_up.cancel();
        }
    }

    /// It has proven nothing yet.
    pub(super) fn await_proof(&mut self, number: u64, unproven: Unproven) {
        let queue = if unproven.stranger { &mut self.strangers } else { &mut self.neighbours };
        queue.insert(number);
        if let Some(of_one) = self.by_address.get_mut(&unproven.address) {
            of_one.unproven.insert(number);
        }
        self.unproven.insert(number, unproven);
    }

    /// It is unproven no more.
    pub(super) fn settle(&mut self, number: u64) -> Option<Unproven> {
        let unproven = self.unproven.remove(&number)?;
        let queue = if unproven.stranger { &mut self.strangers } else { &mut self.neighbours };
        queue.remove(&number);
        if let Some(of_one) = self.by_address.get_mut(&unproven.address) {
            of_one.unproven.remove(&number);
        }
        Some(unproven)
    }

    /// It is proven no more.
    pub(super) fn forget(&mut self, number: u64) -> Option<Proven> {
        let proven = self.proven.remove(&number)?;
        proven.shown.store(false, Ordering::Relaxed);
        if let Some(held) = self.by_holder.get_mut(&proven.holder) {
            held.remove(&number);
            if held.is_empty() {
                self.by_holder.remove(&proven.holder);
            }
        }
        self.people = self.people.saturating_sub(usize::from(is_people(proven.holder)));
        Some(proven)
    }

    /// Addresses of which nobody lives are forgotten, and those of everyone who is here are not.
    pub(super) fn know(&mut self, lives: impl Fn(Holder) -> bool) {
        self.known.retain(|_, holder| lives(*holder));
        for Proven { address, holder, .. } in self.proven.values() {
            if self.known.peek(address).is_none() {
                self.known.insert(*address, *holder);
            }
        }
    }

    /// It is as when it came, and the oldest.
    pub(super) fn lapse(&mut self, number: u64) {
        let Some(Proven { address, give_up, shown, holder: _ }) = self.forget(number) else { return };
        self.await_proof(number, Unproven { address, stranger: true, give_up, shown });
    }

    pub(super) fn of(&self, holder: Holder) -> usize {
        self.by_holder.get(&holder).map_or(0, BTreeSet::len)
    }

    /// Frees the newest place of whoever of the people has most, if that is more than somebody with `than` and one more has.
    /// Looks at all holders, but only when people have all that they may have.
    pub(super) fn take_from_richest(&mut self, than: usize) -> bool {
        let people = self.by_holder.iter().filter(|(holder, _)| is_people(**holder));
        let richest = people.map(|(_, held)| held).max_by_key(|held| held.len());
        let newest = richest.filter(|held| held.len() > than.saturating_add(1)).and_then(|held| held.last().copied());
        let Some(Proven { address, give_up, .. }) = newest.and_then(|number| self.forget(number)) else { return false };
        self.leave(address);
        give_up.cancel();
        true
    }

    pub(super) fn leave(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        let Some(of_one) = self.by_address.get_mut(&address) else { return };
        of_one.all = of_one.all.saturating_sub(1);
        if of_one.all == 0 {
            self.by_address.remove(&address);
        }
    }
}

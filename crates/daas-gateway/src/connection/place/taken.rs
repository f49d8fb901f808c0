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
    /// How many are proven that are nodes', and that are not.
    pub(super) of_kind: [usize; 2],
    pub(super) next: u64,
    /// Whose request was admitted from there last.
    pub(super) known: Cache<IpAddr, Holder>,
}

#[derive(Default)]
pub(super) struct OfAddress {
    pub(super) all: usize,
    /// Oldest first.
    pub(super) unproven: BTreeSet<u64>,
    /// Of each holder the numbers, oldest first.
    pub(super) by_holder: HashMap<Holder, BTreeSet<u64>>,
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

/// Of nodes, with what of the cluster itself runs there, or of people and their pods.
pub(super) fn kind((purse, _): Holder) -> usize {
    usize::from(matches!(purse, Purse::Person | Purse::Pods))
}

/// The newest place of whoever has most, if that is more than somebody with `than` and one more has.
fn richest<'a>(held: impl Iterator<Item = &'a BTreeSet<u64>>, than: usize) -> Option<u64> {
    let most = held.max_by_key(|held| held.len());
    most.filter(|held| held.len() > than.saturating_add(1)).and_then(|held| held.last().copied())
}

/// One less.
fn without(held: &mut HashMap<Holder, BTreeSet<u64>>, holder: Holder, number: u64) {
    if let Some(numbers) = held.get_mut(&holder) {
        numbers.remove(&number);
        if numbers.is_empty() {
            held.remove(&holder);
        }
    }
}

fn count(held: &HashMap<Holder, BTreeSet<u64>>, holder: Holder) -> usize {
    held.get(&holder).map_or(0, BTreeSet::len)
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
            of_kind: [0; 2],
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
        without(&mut self.by_holder, proven.holder, number);
        if let Some(of_one) = self.by_address.get_mut(&proven.address) {
            without(&mut of_one.by_holder, proven.holder, number);
        }
        let of_kind = &mut self.of_kind[kind(proven.holder)];
        *of_kind = of_kind.saturating_sub(1);
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

    /// It is this holder's from now on.
    pub(super) fn prove(&mut self, number: u64, holder: Holder) {
        let Some(Unproven { address, give_up, shown, stranger: _ }) = self.settle(number) else { return };
        shown.store(true, Ordering::Relaxed);
        self.by_holder.entry(holder).or_default().insert(number);
        if let Some(of_one) = self.by_address.get_mut(&address) {
            of_one.by_holder.entry(holder).or_default().insert(number);
        }
        self.of_kind[kind(holder)] += 1;
        self.known.insert(address, holder);
        self.proven.insert(number, Proven { address, holder, give_up, shown });
    }

    pub(super) fn of(&self, holder: Holder) -> usize {
        count(&self.by_holder, holder)
    }

    /// Whether there is room for one more of its kind, where there may be `most`. Looks at all holders, but only when there is
    /// none; then whoever has most gives one up for whoever has fewer.
    pub(super) fn room_of_kind(&mut self, holder: Holder, most: usize) -> bool {
        if self.of_kind[kind(holder)] < most {
            return true;
        }
        let others = self.by_holder.iter().filter(|(other, _)| kind(**other) == kind(holder));
        let newest = richest(others.map(|(_, held)| held), self.of(holder));
        self.evict(newest)
    }

    /// The same at its address.
    pub(super) fn room_at(&mut self, address: IpAddr, holder: Holder, most: usize) -> bool {
        let Some(of_one) = self.by_address.get(&address) else { return true };
        if of_one.all.saturating_sub(of_one.unproven.len()) < most {
            return true;
        }
        let newest = richest(of_one.by_holder.values(), count(&of_one.by_holder, holder));
        self.evict(newest)
    }

    fn evict(&mut self, number: Option<u64>) -> bool {
        let Some(Proven { address, give_up, .. }) = number.and_then(|number| self.forget(number)) else { return false };
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

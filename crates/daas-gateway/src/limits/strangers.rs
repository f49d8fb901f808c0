//! Limits on those of whom nothing is known but an address.
//!
//! A request that is not let through takes as much of our time and of the audit log as one that is. So each is drawn from the
//! bucket of its address, and where that is empty its connection is not kept either. A signature costs more to check than all
//! the rest of a refusal, so an address may have only so many checked, and all the addresses from which nobody was ever admitted
//! only so many together: whatever comes, that is all the time of a core that strangers' signatures take. What is in the cache
//! of verified tokens is not asked here, so those who are in stay in while their neighbour is flooding; and a connection on
//! which a position's token was accepted has new tokens of that position of its own, so a pod that sends rubbish keeps its
//! node's connections from nothing. Anyone can make up a token that names a Seal, so by its Seal alone none is spared. Before all that
//! stands the handshake, of which an address at which nobody is known has a bucket too.

use super::Clock;
use super::buckets::{Buckets, Draw, Drawn, take};
use crate::config::{Rate, Rates};
use crate::connection::network;
use crate::refusal::Refusal;
use core::time::Duration;
use daas_types::ErrorCode::{AddressLimited, TooManyRequests};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Addresses counted at once.
const ADDRESSES: usize = 65_536;
/// What a refusal of somebody unknown counts for, and a question that anyone may ask.
const DEAR: u32 = 10;
/// A /48 of IPv6, which one house can have, may take as much as so many /64.
const OF_ONE_SITE: u32 = 4;
/// New tokens on a connection that is the position's already: a program mints one every few minutes.
const RENEWALS: Rate = Rate { per_minute: 30, burst: 10 };

/// When as many are counted as can be.
const NO_ROOM: Duration = Duration::from_secs(1);

/// The buckets of addresses.
pub(crate) struct Strangers {
    rates: Rates,
    pub(super) addresses: Addresses,
    /// Apart from those, so that a node can ask for evidence whatever its pods send.
    bodies: Addresses,
    /// Apart from both: nobody has said anything yet.
    connections: Addresses,
    /// When the bucket of all strangers' signatures is full.
    signatures: Mutex<u64>,
    clock: Clock,
}

/// A bucket for each address, and one for each site, a /48 of IPv6.
pub(super) struct Addresses {
    pub(super) of_one: Buckets<IpAddr>,
    of_site: Buckets<Ipv6Addr>,
}

/// New tokens of one connection: when its bucket is full.
#[derive(Default)]
pub(crate) struct Renewals(Mutex<u64>);

// === impl Strangers ===

impl Strangers {
    pub(crate) fn new(rates: Rates) -> Self {
        let (addresses, bodies, connections) = (Addresses::new(DEAR), Addresses::new(0), Addresses::new(0));
        Self { rates, addresses, bodies, connections, signatures: Mutex::new(0), clock: Clock::new() }
    }

    /// Whether a handshake is begun with an address from which nobody was admitted who still has that right: it takes as much of our
    /// time as twenty requests, and next to nothing of theirs. Where there is no room to count them, places still bound them.
    pub(crate) fn may_connect(&self, address: IpAddr) -> bool {
        let draw = Draw::of(self.rates.handshakes, 1);
        !matches!(self.connections.draw(address, draw, self.clock.now()), Drawn::Empty(_))
    }

    /// Whether one more signature is checked on a connection of the position that is said to have made it.
    pub(crate) fn may_renew(&self, renewals: &Renewals) -> bool {
        let mut full_at = renewals.0.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut full_at, Draw::of(RENEWALS, 1), 0, self.clock.now()).is_ok()
    }

    /// Whether a signature is checked for this address. `known`: someone was admitted from there lately.
    pub(crate) fn may_verify(&self, address: IpAddr, known: bool) -> Result<(), Refusal> {
        let now = self.clock.now();
        if let Drawn::Empty(wait) = self.draw(address, 1, false) {
            return Err(Refusal::too_fast(AddressLimited, "as many new tokens as one address may show", wait));
        }
        if known {
            return Ok(());
        }
        let mut full_at = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut full_at, Draw::of(self.rates.strangers, 1), 0, now)
            .map_err(|wait| Refusal::too_fast(AddressLimited, "as many new tokens as strangers may show in all", wait))
    }

    /// Whether the body of somebody unknown is waited for. Asked beforehand: whoever breaks off is never refused, and is in the
    /// audit log all the same.
    pub(crate) fn may_send(&self, address: IpAddr) -> Result<(), Refusal> {
        let wait = match self.bodies.draw(address, Draw::of(self.rates.address, 1), self.clock.now()) {
            Drawn::Taken => return Ok(()),
            Drawn::Empty(wait) => wait,
            Drawn::NoRoom => NO_ROOM,
        };
        Err(Refusal::too_fast(AddressLimited, "as many bodies without a token as one address may send", wait))
    }

    /// Whether a question of anyone's is answered.
    pub(crate) fn may_ask(&self, address: IpAddr) -> Result<(), Refusal> {
        let wait = match self.draw(address, DEAR, false) {
            Drawn::Taken => return Ok(()),
            Drawn::Empty(wait) => wait,
            Drawn::NoRoom => NO_ROOM,
        };
        Err(Refusal::too_fast(AddressLimited, "as many questions as one address may ask", wait))
    }

    /// Whether anyone is given what is at hand: it costs us no more than to refuse it.
    pub(crate) fn may_fetch(&self, address: IpAddr) -> Result<(), Refusal> {
        let wait = match self.draw(address, 1, false) {
            Drawn::Taken => return Ok(()),
            Drawn::Empty(wait) => wait,
            Drawn::NoRoom => NO_ROOM,
        };
        Err(Refusal::too_fast(AddressLimited, "as many requests without a token as one address may send", wait))
    }

    /// Counts a request that was not let through; `known`: whose it was. What is said instead once there were too many.
    pub(crate) fn refused(&self, address: IpAddr, known: bool, refusal: Refusal) -> Refusal {
        if refusal.code() == AddressLimited {
            // There was nothing to draw from.
            return refusal;
        }
        // Whoever is known asks again because they do not know yet; and that all is taken, or the master's own reasons, is
        // nobody's fault.
        let nobodys = refusal.code() == TooManyRequests || refusal.status().is_server_error();
        let weight = if known || nobodys { 1 } else { DEAR };
        match self.draw(address, weight, true) {
            Drawn::Empty(wait) => {
                let cause = format!("as many refused requests as one address may send; this one: {}", refusal.cause());
                Refusal::too_fast(AddressLimited, cause, wait)
            }
            // Without room nothing can be counted; the bucket of all strangers still holds.
            Drawn::Taken | Drawn::NoRoom => refusal,
        }
    }

    fn draw(&self, address: IpAddr, weight: u32, owed: bool) -> Drawn {
        self.addresses.draw(address, Draw { rate: self.rates.address, weight, owed }, self.clock.now())
    }
}

// === impl Addresses ===

impl Addresses {
    /// None lacks more than `debt`.
    fn new(debt: u32) -> Self {
        Self { of_one: Buckets::new(ADDRESSES, debt), of_site: Buckets::new(ADDRESSES, debt) }
    }

    /// Out of the address' bucket, and then out of its site's.
    fn draw(&self, address: IpAddr, draw: Draw, now: u64) -> Drawn {
        let address = network(address);
        let drawn = self.of_one.draw(address, draw, now);
        let (IpAddr::V6(address), Drawn::Taken) = (address, drawn) else { return drawn };
        let more = |rate: u32| rate.saturating_mul(OF_ONE_SITE);
        let rate = Rate { per_minute: more(draw.rate.per_minute), burst: more(draw.rate.burst) };
        let site = Ipv6Addr::from_bits(address.to_bits() >> 80 << 80);
        self.of_site.draw(site, Draw { rate, ..draw }, now)
    }
}

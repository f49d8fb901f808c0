//! Limits on those of whom nothing is known but an address.
//!
//! A signature costs more to check than all the rest of a refusal, so an address may have only so many checked, and all the
//! addresses from which nobody was ever admitted only so many together: whatever comes, that is all the time of a core that
//! strangers' signatures take. A token that was refused counts for ten. What is in the cache of verified tokens is not asked
//! here, so those who are in stay in while their neighbour is flooding.

use super::Clock;
use super::buckets::{Buckets, Drawn, take};
use crate::config::Rates;
use crate::connection::network;
use crate::refusal::Refusal;
use daas_types::ErrorCode::AddressLimited;
use http::StatusCode;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Addresses counted at once.
const ADDRESSES: usize = 65_536;
/// What a refused token counts for, and a question that anyone may ask and that looks at every position.
const DEAR: u32 = 10;

/// The buckets of addresses.
pub(crate) struct Strangers {
    rates: Rates,
    pub(super) addresses: Buckets<IpAddr>,
    /// When the bucket of all strangers' signatures is full.
    signatures: Mutex<u64>,
    clock: Clock,
}

// === impl Strangers ===

impl Strangers {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, addresses: Buckets::new(ADDRESSES), signatures: Mutex::new(0), clock: Clock::new() }
    }

    /// Whether a signature is checked for this address. `known`: someone was admitted from there lately.
    pub(crate) fn may_verify(&self, address: IpAddr, known: bool) -> Result<(), Refusal> {
        let now = self.clock.now();
        if let Drawn::Empty(wait) = self.addresses.draw(network(address), self.rates.address, 1, now) {
            return Err(Refusal::too_fast(AddressLimited, "as many new tokens as one address may show", wait));
        }
        if known {
            return Ok(());
        }
        let mut full_at = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut full_at, self.rates.strangers, 1, now)
            .map_err(|wait| Refusal::too_fast(AddressLimited, "as many new tokens as strangers may show in all", wait))
    }

    /// Whether a question of anyone's is answered.
    pub(crate) fn may_ask(&self, address: IpAddr) -> Result<(), Refusal> {
        match self.addresses.draw(network(address), self.rates.address, DEAR, self.clock.now()) {
            Drawn::Empty(wait) => {
                Err(Refusal::too_fast(AddressLimited, "as many questions as one address may ask", wait))
            }
            Drawn::Taken | Drawn::NoRoom => Ok(()),
        }
    }

    /// Counts a refusal of a credential. What is said instead once there were too many.
    pub(crate) fn refused(&self, address: IpAddr, refusal: Refusal) -> Refusal {
        if refusal.status() != StatusCode::UNAUTHORIZED {
            return refusal;
        }
        match self.addresses.draw(network(address), self.rates.address, DEAR, self.clock.now()) {
            Drawn::Empty(wait) => {
                let cause = format!("as many refused tokens as one address may show; this one: {}", refusal.cause());
                Refusal::too_fast(AddressLimited, cause, wait)
            }
            // Without room nothing can be counted; the bucket of all strangers still holds.
            Drawn::Taken | Drawn::NoRoom => refusal,
        }
    }
}

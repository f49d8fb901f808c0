//! How much of the gateway one holder, or one address of strangers, may take.
//!
//! Every request that was admitted is drawn from the bucket of its position: one for the staker, by tier; one for its
//! node; one for its pods and one for the cluster's own there, so that a pod gone mad does not lock its owner or its node out. What lasts, a watch or a tunnel, was one
//! request. Who is not known yet has a bucket by address; see [`strangers`].
//!
//! Buckets are each master's own. None is on the chain or shared: several masters allow as many times as much.

mod buckets;
mod strangers;
#[cfg(test)]
mod tests;

pub(crate) use strangers::{Renewals, Strangers};

use crate::config::{Rate, Rates};
use crate::refusal::Refusal;
use buckets::{Buckets, Draw, Drawn};
use core::time::Duration;
use daas_types::ErrorCode::RateLimited;
use daas_types::{Address, PositionId, Tier};
use tokio::time::Instant;

/// Holders counted at once: four for each of sixteen thousand positions. A bucket takes some 60 bytes.
const HOLDERS: usize = 65_536;

/// Whose bucket a request is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// A staker of this tier.
    Person(PositionId, Tier),
    /// The node of a position of this tier.
    Node(PositionId, Tier),
    /// The pods of the cluster itself that run there, apart, so that one gone mad leaves its node alone.
    System(PositionId, Tier),
    /// The pods of a position of this tier.
    Pods(PositionId, Tier),
}

/// The buckets of everyone who was admitted.
pub(crate) struct Limiter {
    rates: Rates,
    buckets: Buckets<Holder>,
    clock: Clock,
}

/// Whose bucket it is, whatever the tier.
pub(crate) type Holder = (Purse, PositionId);

/// Which of a position's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purse {
    /// The staker's.
    Person,
    /// Its node's.
    Node,
    /// The cluster's pods' there.
    System,
    /// Its pods'.
    Pods,
}

/// Time as buckets count it: nanoseconds since the gateway began.
struct Clock(Instant);

// === impl Payer ===

impl Payer {
    /// The position that answers for what it asks for.
    pub(crate) fn position(self) -> PositionId {
        match self {
            Self::Person(position, _)
            | Self::Pods(position, _)
            | Self::Node(position, _)
            | Self::System(position, _) => position,
        }
    }

    /// K3s' own server, which has no position.
    pub(crate) fn control_plane() -> Self {
        Self::System(PositionId(Address::ZERO), Tier::Super)
    }

    /// Whether it is that.
    pub(crate) fn is_control_plane(self) -> bool {
        self.position() == PositionId(Address::ZERO)
    }

    /// By whose stake it is measured.
    pub(crate) fn tier(self) -> Tier {
        match self {
            Self::Person(_, tier) | Self::Pods(_, tier) | Self::Node(_, tier) | Self::System(_, tier) => tier,
        }
    }

    /// The same, whatever the tier.
    pub(crate) fn holder(self) -> Holder {
        let purse = match self {
            Self::Person(..) => Purse::Person,
            Self::Node(..) => Purse::Node,
            Self::System(..) => Purse::System,
            Self::Pods(..) => Purse::Pods,
        };
        (purse, self.position())
    }
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, buckets: Buckets::new(HOLDERS, 0), clock: Clock::new() }
    }

    /// Draws one request.
    pub(crate) fn draw(&self, payer: Payer) -> Result<(), Refusal> {
        let rate = match payer {
            Payer::Person(_, tier) | Payer::Pods(_, tier) => self.rates.of(tier),
            Payer::Node(..) | Payer::System(..) => self.rates.node,
        };
        match self.buckets.draw(payer.holder(), Draw::of(rate, 1), self.clock.now()) {
            Drawn::Taken => Ok(()),
            Drawn::Empty(wait) => {
                let Rate { per_minute, burst } = rate;
                let position = payer.position();
                let cause = format!("{position} may send {per_minute} requests in a minute, {burst} at once");
                Err(Refusal::too_fast(RateLimited, cause, wait))
            }
            // Unknown means deny: as many others are sending faster than their buckets fill.
            Drawn::NoRoom => Err(Refusal::too_fast(RateLimited, "too many holders at once", Duration::from_secs(1))),
        }
    }
}

// === impl Clock ===

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> u64 {
        // Half a thousand years.
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

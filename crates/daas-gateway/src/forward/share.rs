//! What one holder may have open upstream, so that nobody takes it all.

use crate::admit::{Identity, Kind, Permit};
use crate::refusal::Refusal;
use daas_types::ErrorCode::TooManyRequests;
use daas_types::{NodeId, PositionId};
use http::StatusCode;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

/// Streams and tunnels by who holds them.
pub(super) struct Shares {
    most: usize,
    held: Mutex<HashMap<Holder, usize>>,
}

/// One stream or tunnel; given back when dropped.
pub(crate) struct Share {
    shares: Arc<Shares>,
    holder: Holder,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Position(PositionId),
    Node(NodeId),
    /// All accounts of a namespace together.
    Accounts(String),
}

// === impl Shares ===

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Self>, permit: &Permit) -> Result<Option<Share>, Refusal> {
        let Some(holder) = Holder::of(permit) else { return Ok(None) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = held.entry(holder.clone()).or_default();
        if *of_one >= self.most {
            let cause = format!("{} requests of one holder are open", self.most);
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        }
        *of_one += 1;
        drop(held);
        Ok(Some(Share { shares: self.clone(), holder }))
    }
}

// === impl Holder ===

impl Holder {
    fn of(permit: &Permit) -> Option<Self> {
        match permit.kind() {
            Kind::Person { .. } => permit.identity().and_then(Identity::uid).map(Self::Position),
            Kind::Node { id, .. } => Some(Self::Node(id.clone())),
            Kind::ServiceAccount { namespace, .. } => Some(Self::Accounts(namespace.clone())),
        }
    }
}

// === impl Share ===

impl Share {
    /// A number that all of one holder's requests have in common.
    pub(super) fn shard(&self) -> usize {
        let mut hasher = DefaultHasher::new();
        self.holder.hash(&mut hasher);
        usize::try_from(hasher.finish() >> 32).unwrap_or_default()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(&self.holder).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            held.remove(&self.holder);
        } else {
            held.insert(self.holder.clone(), left);
        }
    }
}

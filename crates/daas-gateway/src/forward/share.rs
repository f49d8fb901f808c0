//! What one holder may have open upstream, so that nobody takes it all. What is counted together is what is drawn from one
//! bucket: a position's own requests, its node's, and those of its pods, in whatever namespaces they are. What lasts is counted
//! apart, so that whatever a kubelet has to watch, its node goes on saying that it lives.

use super::pool::Lane;
use crate::admit::Permit;
use crate::config::Streams;
use crate::limits::Holder;
use crate::refusal::Refusal;
use daas_types::ErrorCode::TooManyRequests;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Streams and tunnels by who holds them.
pub(super) struct Shares {
    most: Streams,
    held: Mutex<HashMap<(Holder, Lane), usize>>,
}

/// One stream or tunnel; given back when dropped.
pub(crate) struct Share {
    shares: Arc<Shares>,
    holder: Holder,
    lane: Lane,
}

// === impl Shares ===

impl Shares {
    pub(super) fn new(most: Streams) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Self>, permit: &Permit, lane: Lane) -> Result<Share, Refusal> {
        let payer = permit.payer();
        let holder = payer.holder();
        let most = self.most.of(payer.tier());
        let mut held = self.lock();
        let of_one = held.entry((holder, lane)).or_default();
        if *of_one >= most {
            let cause = format!("{most} requests of one holder are open");
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        }
        *of_one += 1;
        drop(held);
        Ok(Share { shares: self.clone(), holder, lane })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Holder, Lane), usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Share ===

impl Share {
    /// A number that all of one holder's requests have in common.
    pub(super) fn shard(&self) -> usize {
        let (purse, position) = self.holder;
        let [.., a, b, c, d] = position.0.into_inner();
        usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default().wrapping_add(purse as usize)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let (mut held, key) = (self.shares.lock(), (self.holder, self.lane));
        let left = held.get(&key).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            held.remove(&key);
        } else {
            held.insert(key, left);
        }
    }
}

use crate::connection::network;
use crate::refusal::Refusal;
use daas_types::ErrorCode::TooManyRequests;
use http::StatusCode;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Read at once.
const ALL: usize = 64;
/// Of one address.
const OF_ONE: usize = 2;

/// Bodies that are read before it is known whose they are: anyone may send one, and take long over it.
#[derive(Default)]
pub(crate) struct Unread(Mutex<HashMap<IpAddr, usize>>);

/// One of them.
pub(super) struct Reading<'a> {
    unread: &'a Unread,
    address: IpAddr,
}

// === impl Unread ===

impl Unread {
    /// Room for one of this address. Nobody waits for it: those who would wait behind are nodes, and try again.
    pub(super) fn take(&self, address: IpAddr) -> Result<Reading<'_>, Refusal> {
        let address = network(address);
        let mut all = self.lock();
        let of_one = all.get(&address).copied().unwrap_or(0);
        if of_one >= OF_ONE || all.values().sum::<usize>() >= ALL {
            let cause = "too many bodies without a token before them";
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        }
        all.insert(address, of_one + 1);
        Ok(Reading { unread: self, address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut all = self.unread.lock();
        match all.get_mut(&self.address) {
            Some(of_one) if *of_one > 1 => *of_one -= 1,
            _ => {
                all.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_and_all_together_sixty_four() {
        let unread = Unread::default();
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut held: Vec<_> = (0..32).chain(0..32).map(|n| unread.take(address(n)).unwrap()).collect();
        assert_eq!(held.len(), ALL);
        assert_eq!(unread.take(address(200)).map(drop).unwrap_err().code(), TooManyRequests);
        assert!(unread.take(address(0)).is_err());
        drop(held.pop());
        assert!(unread.take(address(0)).is_err(), "it has two");
        drop(unread.take(address(200)).unwrap());
        drop(held);
        assert!(unread.lock().is_empty());
    }
}

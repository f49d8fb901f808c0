use crate::refusal::Refusal;
use core::hash::Hash;
use daas_types::ErrorCode::TooManyRequests;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bodies that are being read, by whose they are as far as that is known: whoever sends one may take long over it.
pub(crate) struct Unread<K: Eq + Hash + Copy> {
    all: usize,
    of_one: usize,
    reading: Mutex<HashMap<K, usize>>,
}

/// One of them.
pub(super) struct Reading<'a, K: Eq + Hash + Copy> {
    unread: &'a Unread<K>,
    of: K,
}

// === impl Unread ===

impl<K: Eq + Hash + Copy> Unread<K> {
    /// So many at once, and so many of one.
    pub(crate) fn new(all: usize, of_one: usize) -> Self {
        Self { all, of_one, reading: Mutex::default() }
    }

    /// Room for one more. Nobody waits for it: those who would wait behind are nodes, and try again.
    pub(super) fn take(&self, of: K) -> Result<Reading<'_, K>, Refusal> {
        let mut reading = self.lock();
        let of_one = reading.get(&of).copied().unwrap_or(0);
        if of_one >= self.of_one || reading.values().sum::<usize>() >= self.all {
            let cause = "too many bodies are being read";
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        }
        reading.insert(of, of_one + 1);
        Ok(Reading { unread: self, of })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy> Drop for Reading<'_, K> {
    fn drop(&mut self) {
        let mut reading = self.unread.lock();
        match reading.get_mut(&self.of) {
            Some(of_one) if *of_one > 1 => *of_one -= 1,
            _ => {
                reading.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn an_address_has_two_and_all_together_sixty_four() {
        let unread = Unread::new(64, 2);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut held: Vec<_> = (0..32).chain(0..32).map(|n| unread.take(address(n)).unwrap()).collect();
        assert_eq!(held.len(), 64);
        assert_eq!(unread.take(address(200)).map(drop).unwrap_err().code(), TooManyRequests);
        assert!(unread.take(address(0)).is_err());
        drop(held.pop());
        assert!(unread.take(address(0)).is_err(), "it has two");
        drop(unread.take(address(200)).unwrap());
        drop(held);
        assert!(unread.lock().is_empty());
    }
}

use crate::refusal::Refusal;
use core::future::Future;
use daas_types::ErrorCode::TooManyRequests;
use http::StatusCode;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Bodies that are being read, by whose they are as far as that is known: whoever sends one may take long over it. Where there
/// are as many as may be, the one that has taken longest gives way: an honest one is there within a round trip.
pub(crate) struct Unread<K> {
    all: usize,
    of_one: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    /// Oldest first.
    reading: VecDeque<(u64, K, CancellationToken)>,
    next: u64,
}

/// One of them.
pub(super) struct Reading<'a, K> {
    unread: &'a Unread<K>,
    number: u64,
    given_up: CancellationToken,
}

// === impl Unread ===

impl<K: Eq> Unread<K> {
    /// So many at once, and so many of one.
    pub(crate) fn new(all: usize, of_one: usize) -> Self {
        Self { all, of_one, state: Mutex::new(State { reading: VecDeque::new(), next: 0 }) }
    }

    /// Room for one more. Nobody waits for it: those who would wait behind are nodes, and try again.
    pub(super) fn take(&self, of: K) -> Result<Reading<'_, K>, Refusal> {
        let mut state = self.lock();
        if state.reading.iter().filter(|(_, other, _)| *other == of).count() >= self.of_one {
            return Err(too_many());
        }
        if state.reading.len() >= self.all
            && let Some((_, _, oldest)) = state.reading.pop_front()
        {
            oldest.cancel();
        }
        let (number, given_up) = (state.next, CancellationToken::new());
        state.next += 1;
        state.reading.push_back((number, of, given_up.clone()));
        Ok(Reading { unread: self, number, given_up })
    }
}

impl<K> Unread<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[track_caller]
fn too_many() -> Refusal {
    Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, "too many bodies are being read")
}

// === impl Reading ===

impl<K> Reading<'_, K> {
    /// What comes of reading it, unless it has to give way.
    pub(super) async fn of<T>(self, read: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        self.given_up.run_until_cancelled(read).await.unwrap_or_else(|| Err(too_many()))
    }
}

impl<K> Drop for Reading<'_, K> {
    fn drop(&mut self) {
        self.unread.lock().reading.retain(|(number, ..)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::future::{pending, ready};
    use futures::FutureExt as _;
    use std::net::IpAddr;

    #[test]
    fn an_address_has_two_and_of_sixty_four_the_oldest_gives_way() {
        let unread = Unread::new(64, 2);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let held: Vec<_> = (0..32).chain(0..32).map(|n| unread.take(address(n)).unwrap()).collect();
        assert_eq!(held.len(), 64);
        assert_eq!(unread.take(address(0)).map(drop).unwrap_err().code(), TooManyRequests);
        let newcomer = unread.take(address(200)).unwrap();
        let mut ends = held.into_iter().map(|reading| reading.of(pending::<Result<(), _>>()).boxed_local());
        let oldest = ends.next().unwrap().now_or_never().unwrap();
        assert_eq!(oldest.unwrap_err().code(), TooManyRequests);
        let second = ends.next().unwrap();
        assert!(second.now_or_never().is_none(), "one was enough");
        assert!(unread.take(address(0)).is_ok(), "it has one only");
        assert_eq!(newcomer.of(ready(Ok(7))).now_or_never().unwrap().unwrap(), 7);
        drop(ends);
        assert!(unread.lock().reading.is_empty());
    }
}

//! K3s answers so many agents at once and refuses the others. Here the others wait, so that a storm of joins is slow and not lost.

use super::routes::Route;
use crate::refusal::Refusal;
use core::time::Duration;
use daas_types::ErrorCode::TooManyRequests;
use daas_types::PositionId;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What K3s answers at once: what changes nothing, and the rest.
const READS: usize = 20;
const WRITES: usize = 10;
/// Places in all: each may hold a request for a certificate.
const PLACES: usize = 2048;
/// Of one position: an agent asks for one thing after the other.
const OF_ONE: usize = 4;
/// An agent gives up after ten seconds, and asks again.
const WAIT: Duration = Duration::from_secs(8);

/// Those who wait for K3s, and those it answers.
pub(super) struct Queue {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    all: usize,
    of: HashMap<PositionId, usize>,
}

/// A place in the queue; free again when dropped.
pub(super) struct Place {
    queue: Arc<Queue>,
    of: PositionId,
}

// === impl Queue ===

impl Default for Queue {
    fn default() -> Self {
        let [reads, writes] = [READS, WRITES].map(|most| Arc::new(Semaphore::new(most)));
        Self { reads, writes, places: Mutex::default() }
    }
}

impl Queue {
    /// A place, if there is one.
    pub(super) fn enter(self: &Arc<Self>, of: PositionId) -> Result<Place, Refusal> {
        let mut places = self.lock();
        if places.all >= PLACES || places.of.get(&of).is_some_and(|held| *held >= OF_ONE) {
            return Err(too_many("as many wait for K3s as may"));
        }
        places.all += 1;
        *places.of.entry(of).or_default() += 1;
        drop(places);
        Ok(Place { queue: self.clone(), of })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[track_caller]
fn too_many(cause: &str) -> Refusal {
    Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause)
}

// === impl Place ===

impl Place {
    /// Waits until K3s has room for it, which it has until what is given here is dropped.
    pub(super) async fn turn(&self, route: Route) -> Result<OwnedSemaphorePermit, Refusal> {
        let room = if matches!(route, Route::Issue(_)) { &self.queue.writes } else { &self.queue.reads };
        let turn = tokio::time::timeout(WAIT, room.clone().acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| too_many("K3s had no room for it in time"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.queue.lock();
        places.all = places.all.saturating_sub(1);
        let left = places.of.get(&self.of).map_or(0, |held| held.saturating_sub(1));
        if left == 0 {
            places.of.remove(&self.of);
        } else {
            places.of.insert(self.of, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::Issue;
    use super::*;
    use daas_types::Address;
    use futures::FutureExt as _;

    const WRITE: Route = Route::Issue(Issue::Kubelet);

    fn position(n: usize) -> PositionId {
        let [.., high, low] = n.to_be_bytes();
        let mut id = [0; 32];
        (id[0], id[1]) = (high, low);
        PositionId(Address::new(id))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_while_k3s_is_busy_has_a_turn_later_and_in_order() {
        let queue = Arc::new(Queue::default());
        for (route, most) in [(Route::Read, READS), (WRITE, WRITES)] {
            let places: Vec<_> = (0..most + 2).map(|n| queue.enter(position(n)).unwrap()).collect();
            let mut turns = Vec::new();
            for place in &places[..most] {
                turns.push(place.turn(route).now_or_never().expect("there is room").unwrap());
            }
            let (mut first, mut second) = (Box::pin(places[most].turn(route)), Box::pin(places[most + 1].turn(route)));
            assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
            turns.pop();
            assert!((&mut second).now_or_never().is_none(), "it came later");
            assert!((&mut first).now_or_never().unwrap().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_and_writes_do_not_wait_for_each_other() {
        let queue = Arc::new(Queue::default());
        let places: Vec<_> = (0..=READS).map(|n| queue.enter(position(n)).unwrap()).collect();
        let turns: Vec<_> = places[..READS].iter().map(|p| p.turn(Route::Read).now_or_never().unwrap()).collect();
        assert!(places[READS].turn(WRITE).now_or_never().unwrap().is_ok());
        drop(turns);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_its_agent() {
        let queue = Arc::new(Queue::default());
        let places: Vec<_> = (0..=WRITES).map(|n| queue.enter(position(n)).unwrap()).collect();
        let turns: Vec<_> = places[..WRITES].iter().map(|place| place.turn(WRITE).now_or_never().unwrap()).collect();
        let begun = tokio::time::Instant::now();
        let refusal = places[WRITES].turn(WRITE).await.unwrap_err();
        assert_eq!((refusal.code(), refusal.status().as_u16()), (TooManyRequests, 429));
        assert_eq!(begun.elapsed(), WAIT);
        drop(turns);
    }

    #[test]
    fn the_queue_has_an_end_and_one_position_a_part_of_it() {
        let queue = Arc::new(Queue::default());
        let own: Vec<_> = (0..OF_ONE).map(|_| queue.enter(position(0)).unwrap()).collect();
        assert_eq!(queue.enter(position(0)).map(drop).unwrap_err().code(), TooManyRequests);
        let others: Vec<_> = (OF_ONE..PLACES).map(|n| queue.enter(position(n)).unwrap()).collect();
        assert_eq!(queue.enter(position(PLACES)).map(drop).unwrap_err().code(), TooManyRequests);
        drop(own);
        assert!(queue.enter(position(0)).is_ok());
        drop(others);
        assert!(queue.lock().of.is_empty() && queue.lock().all == 0);
    }
}

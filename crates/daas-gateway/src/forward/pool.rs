//! Connections to the API server. It serves a hundred streams on one and lets the rest wait without a word, so the
//! pool counts streams and opens another connection in time.

use super::dial::Dialer;
use super::link::{Link, Room, Slot};
use crate::refusal::Refusal;
use bytes::Bytes;
use daas_types::ErrorCode::{ApiServerUnavailable, TooManyRequests};
use h2::client::SendRequest;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[cfg(test)]
mod tests;

/// Watches and short requests go on different connections, so that a connection full of stalled watchers delays
/// nobody's `get`. Which lane a request takes decides nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Short,
    Long,
}

/// Connections with one TLS identity.
pub(crate) struct Pool {
    dialer: Dialer,
    /// Of each lane.
    most: usize,
    short: Links,
    long: Links,
    tasks: TaskTracker,
    kill: CancellationToken,
}

struct Links {
    /// How many are its own.
    own: usize,
    /// What all threads' pools of this kind may have open beyond those.
    room: Arc<Semaphore>,
    open: Mutex<Vec<Link>>,
    /// Whoever finds no place dials; the others wait for that, and look again or share its failure.
    dialing: tokio::sync::Mutex<Failure>,
    failures: AtomicU64,
}

/// The last dialing that failed.
#[derive(Default)]
struct Failure {
    number: u64,
    cause: String,
}

// === impl Lane ===

impl Lane {
    pub(super) fn of(uri: &Uri) -> Self {
        // As the API server reads them.
        let lasts = |pair: &str| matches!(&*decoded(pair.split('=').next().unwrap_or_default()), "watch" | "follow");
        let queried = uri.query().is_some_and(|query| query.split('&').any(lasts));
        if queried || is_watch(&decoded(uri.path())) { Self::Long } else { Self::Short }
    }
}

/// The older form: `/api/v1/watch/…`, `/apis/GROUP/VERSION/watch/…`.
fn is_watch(path: &str) -> bool {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let versioned = match words.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return false,
    };
    words.nth(versioned) == Some("watch")
}

/// Borrowed, where there is nothing to decode.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

// === impl Pool ===

impl Pool {
    /// One of `pools`, which have no more than `most` connections together, or one each.
    pub(super) fn new(
        dialer: Dialer,
        (most, pools): (usize, usize),
        tasks: TaskTracker,
        kill: CancellationToken,
    ) -> Self {
        // Half of them each for itself, so that nobody's burst leaves the others with one.
        let own = most.div_euclid(pools.saturating_mul(2)).max(1);
        let lane = || Links::within(own, Arc::new(Semaphore::new(most.saturating_sub(own.saturating_mul(pools)))));
        Self { dialer, most, short: lane(), long: lane(), tasks, kill }
    }

    /// Another one, that has as many open as there may be only together with this one.
    pub(super) fn another(&self) -> Self {
        let (short, long) = (self.short.another(), self.long.another());
        let (tasks, kill) = (self.tasks.clone(), self.kill.clone());
        Self { dialer: self.dialer.clone(), most: self.most, short, long, tasks, kill }
    }

    /// A place for one stream, on the connection that requests of this shard had before, if it has one free.
    pub(super) async fn slot(&self, lane: Lane, shard: usize) -> Result<(SendRequest<Bytes>, Slot), Refusal> {
        let links = match lane {
            Lane::Short => &self.short,
            Lane::Long => &self.long,
        };
        let failures = links.failures.load(Ordering::Relaxed);
        if let Some(place) = links.place(shard) {
            return Ok(place);
        }
        let mut dialing = links.dialing.lock().await;
        if dialing.number > failures {
            return Err(Refusal::unavailable(ApiServerUnavailable, &dialing.cause));
        }
        if let Some(place) = links.place(shard) {
            return Ok(place);
        }
        let Some(room) = links.room() else {
            let cause = format!("{} connections to the API server are full", self.most);
            return Err(Refusal::new(TooManyRequests, StatusCode::TOO_MANY_REQUESTS, cause));
        };
        let open = async { Link::over(self.dialer.dial_h2().await?, &self.tasks, &self.kill).await };
        // Boxed: dialing is rare, and every open stream would carry room for it.
        let link = match Box::pin(self.dialer.bounded(open)).await {
            Ok(link) => link.within(room),
            Err(error) => {
                *dialing = Failure { number: failures + 1, cause: error.to_string() };
                links.failures.store(failures + 1, Ordering::Relaxed);
                return Err(Refusal::unavailable(ApiServerUnavailable, error));
            }
        };
        let place = link.place();
        links.open().push(link);
        place.ok_or_else(|| Refusal::unavailable(ApiServerUnavailable, "it went away at once"))
    }

    /// Closes idle connections but one.
    pub(super) fn trim(&self) {
        self.short.trim();
        self.long.trim();
    }
}

// === impl Links ===

impl Links {
    fn within(own: usize, room: Arc<Semaphore>) -> Self {
        Self {
            own,
            room,
            open: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
            failures: AtomicU64::default(),
        }
    }

    fn another(&self) -> Self {
        Self::within(self.own, self.room.clone())
    }

    /// Room for one more connection.
    fn room(&self) -> Option<Room> {
        if self.open().iter().filter(|link| link.is_own()).count() < self.own {
            return Some(Room::Own);
        }
        self.room.clone().try_acquire_owned().ok().map(Room::Shared)
    }

    /// A tenant's requests stay together: their identity headers are compressed once for a connection, and what one
    /// tenant does to a connection few others feel.
    fn place(&self, shard: usize) -> Option<(SendRequest<Bytes>, Slot)> {
        let mut open = self.open();
        open.retain(|link| !link.is_closed());
        let (before, after) = open.split_at(shard.checked_rem(open.len()).unwrap_or_default());
        after.iter().chain(before).find_map(Link::place)
    }

    fn trim(&self) {
        let mut spare = 1_usize;
        self.open().retain(|link| {
            let idle = link.is_idle();
            let keep = !idle || spare > 0;
            spare = spare.saturating_sub(usize::from(idle));
            keep
        });
    }

    fn open(&self) -> MutexGuard<'_, Vec<Link>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

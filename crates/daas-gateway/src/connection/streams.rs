use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

/// How many streams a connection had, and how many of them have ended.
#[derive(Default)]
pub(super) struct Streams {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// One of them. It ends when it is dropped.
pub(super) struct Stream(Arc<Streams>);

// === impl Streams ===

impl Streams {
    /// Ends when there was none for `limit`, or up to twice as long.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut before = None;
        loop {
            let (ended, begun) = (self.ended.load(Ordering::Acquire), self.begun.load(Ordering::Relaxed));
            if ended == begun && before == Some(begun) {
                return;
            }
            before = (ended == begun).then_some(begun);
            tokio::time::sleep(limit).await;
        }
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn begin(streams: &Arc<Streams>) -> Self {
        streams.begun.fetch_add(1, Ordering::Relaxed);
        Self(streams.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_it_had_no_stream_for_long() {
        const LIMIT: Duration = Duration::from_mins(10);
        let (streams, begun) = (Arc::<Streams>::default(), Instant::now());
        streams.idle(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
        let open = Stream::begin(&streams);
        let mut idle = pin!(streams.idle(LIMIT));
        assert!(timeout(5 * LIMIT, idle.as_mut()).await.is_err(), "one is open");
        drop(open);
        let ended = Instant::now();
        idle.await;
        assert!((LIMIT..=2 * LIMIT).contains(&ended.elapsed()), "{:?}", ended.elapsed());
        // Nor while one comes and goes now and then.
        let mut idle = pin!(streams.idle(LIMIT));
        for _ in 0..10 {
            assert!(timeout(LIMIT * 9 / 10, idle.as_mut()).await.is_err(), "one came");
            drop(Stream::begin(&streams));
        }
    }
}

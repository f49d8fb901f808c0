//! One HTTP/2 connection to the API server, and who is on it.
//!
//! h2 itself and not hyper's client, which hands each request through a channel to one task and each answer through
//! another back: two tasks woken for nothing, and no word of a GOAWAY or of what was not processed.

use super::share::Share;
use crate::connection::gather;
use bytes::Bytes;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Kubernetes' `MaxConcurrentStreams`.
const STREAMS: usize = 100;
/// A stalled stream may fill its own window, and a hundred of them still not the connection's.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;
/// Longest head of an answer.
const MAX_HEAD: u32 = 64 * 1024;
/// How often it is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(15);

/// A connection.
pub(super) struct Link {
    sender: SendRequest<Bytes>,
    load: Arc<Load>,
    /// Others may have it when this is dropped.
    room: Room,
}

/// A stream's place on a connection; free again when dropped.
pub(crate) struct Slot {
    load: Arc<Load>,
    share: Option<Share>,
}

/// Of what a connection is one.
pub(super) enum Room {
    /// Of those that its pool may have, whatever the others have.
    Own,
    /// Of those that are anybody's.
    Shared(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
}

#[derive(Default)]
struct Load {
    used: AtomicUsize,
    allowed: AtomicUsize,
    /// It takes nothing new: it has ended, or the API server has said GOAWAY.
    closed: AtomicBool,
}

// === impl Link ===

impl Link {
    /// Speaks HTTP/2 on `io`, and waits for the API server's SETTINGS. `tasks` owns the task that drives it, `kill` ends it.
    pub(super) async fn over<IO>(io: IO, tasks: &TaskTracker, kill: &CancellationToken) -> io::Result<Self>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, mut outlet) = gather(io);
        let (sender, mut connection) = Builder::new()
            // None until its SETTINGS say how many.
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .enable_push(false)
            .handshake::<_, Bytes>(io)
            .await
            .map_err(io::Error::other)?;
        let load = Arc::new(Load::default());
        let (settle, settled) = oneshot::channel();
        let (mut settle, seen) = (Some(settle), load.clone());
        let pings = connection.ping_pong();
        let driver = async move {
            let driven = poll_fn(|cx| {
                let ended = outlet.poll(Pin::new(&mut connection), cx);
                let advertised = connection.max_concurrent_send_streams();
                seen.allowed.store(usable(advertised), Ordering::Relaxed);
                if let Some(settle) = settle.take_if(|_| advertised > 0) {
                    // Whoever dials may have given up.
                    let _ = settle.send(());
                }
                ended
            });
            let ended = tokio::select! {
                ended = driven => ended.and_then(|ended| ended.map_err(io::Error::other)),
                () = silent(pings) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to a ping")),
            };
            seen.closed.store(true, Ordering::Relaxed);
            if let Err(error) = ended {
                tracing::debug!(%error, "an upstream connection ended");
            }
        };
        tasks.spawn(kill.clone().run_until_cancelled_owned(driver));
        let gone = |_| io::Error::new(io::ErrorKind::ConnectionAborted, "the API server closed the connection");
        settled.await.map_err(gone)?;
        Ok(Self { sender, load, room: Room::Own })
    }

    /// The same, in this room.
    pub(super) fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self.room, Room::Own)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.load.closed.load(Ordering::Relaxed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.load.used.load(Ordering::Relaxed) == 0
    }

    /// A place, if one is free. Callers hold the pool's lock, so between looking and taking nobody else takes.
    pub(super) fn place(&self) -> Option<(SendRequest<Bytes>, Slot)> {
        let Load { used, allowed, .. } = &*self.load;
        let mut sender =
            (used.load(Ordering::Relaxed) < allowed.load(Ordering::Relaxed)).then(|| self.sender.clone())?;
        // Nothing is asked for later: with fewer streams than allowed it is ready, or it has been told to go away.
        if let Poll::Ready(Err(_)) = sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            self.load.closed.store(true, Ordering::Relaxed);
            return None;
        }
        used.fetch_add(1, Ordering::Relaxed);
        Some((sender, Slot { load: self.load.clone(), share: None }))
    }
}

/// Ends when a ping is not answered in time.
async fn silent(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return };
    loop {
        tokio::time::sleep(PING).await;
        if !matches!(tokio::time::timeout(PING, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// A stream that was dropped is counted by the other side until it has seen the reset, so some room is left.
fn usable(advertised: usize) -> usize {
    let most = advertised.min(STREAMS);
    most.saturating_sub(most.div_euclid(25)).max(1)
}

// === impl Slot ===

impl Slot {
    /// The same, giving the holder's share back with it.
    pub(super) fn with(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.load.used.fetch_sub(1, Ordering::Relaxed);
        drop(self.share.take());
    }
}

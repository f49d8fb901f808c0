//! One write for all that a connection has to say when its task runs.
//!
//! h2 flushes after every DATA frame, and TLS makes a record and a system call of every flush. Here a flush only notes
//! that there is something to be sent; the task that drives the connection sends it when the connection has said all it
//! has, and only after those who are ready to add to it have had their turn.

use core::cell::Cell;
use core::future::Future;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(test)]
mod tests;

/// A TLS record's worth; where more waits, it is sent without waiting for anyone.
const RECORD: usize = 16 * 1024;
/// Begun with, because the last frame before it is sent may go beyond a record, and growing copies.
const ROOM: usize = 2 * RECORD;
/// What may wait while the other side does not read; then writers wait too.
const FULL: usize = 64 * 1024;

/// What HTTP reads from and writes to.
pub(crate) struct Gathered<IO>(Arc<Mutex<Gathering<IO>>>);

/// Sends what was gathered.
pub(crate) struct Outlet<IO> {
    shared: Arc<Mutex<Gathering<IO>>>,
    /// The others have had their turn.
    waited: bool,
}

struct Gathering<IO> {
    io: IO,
    /// Written and not sent; given back when sent, because most connections are idle.
    waiting: Vec<u8>,
    sent: usize,
    unflushed: bool,
}

/// Reads as much from the network as there is: rustls asks for 4 KiB at a time, each of which would be a system call.
pub(crate) struct ReadAhead<IO> {
    io: IO,
    ahead: Vec<u8>,
    taken: usize,
}

thread_local! {
    /// What was sent last, for whoever writes next: of so many bytes each turn, anew, half are not in any cache.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

fn room() -> Vec<u8> {
    let spare = SPARE.take();
    if spare.capacity() == 0 { Vec::with_capacity(ROOM) } else { spare }
}

/// One for each thread; what grew beyond is freed.
fn give_back(mut sent: Vec<u8>) {
    if sent.capacity() == ROOM {
        sent.clear();
        SPARE.set(sent);
    }
}

/// Both ends of a gathering connection.
pub(crate) fn gather<IO>(io: IO) -> (Gathered<IO>, Outlet<IO>) {
    let shared = Arc::new(Mutex::new(Gathering { io, waiting: Vec::new(), sent: 0, unflushed: false }));
    (Gathered(shared.clone()), Outlet { shared, waited: false })
}

// === impl Gathering ===

impl<IO: AsyncWrite + Unpin> Gathering<IO> {
    fn is_full(&self, limit: usize) -> bool {
        self.waiting.len().saturating_sub(self.sent) >= limit
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
            self.unflushed = true;
        }
        self.sent = 0;
        give_back(core::mem::take(&mut self.waiting));
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_full(FULL) {
            ready!(self.poll_send(cx))?;
        }
        if self.waiting.capacity() == 0 {
            self.waiting = room();
        } else if self.sent >= FULL {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }
}

// === impl Gathered ===

impl<IO> Gathered<IO> {
    fn lock(&self) -> MutexGuard<'_, Gathering<IO>> {
        // Nobody else has it but the task that polls this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Gathered<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gathered<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut gathering = self.lock();
        ready!(gathering.poll_room(cx))?;
        gathering.waiting.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.lock();
        ready!(gathering.poll_room(cx))?;
        for buf in bufs {
            gathering.waiting.extend_from_slice(buf);
        }
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Its [`Outlet`] does.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.lock();
        ready!(gathering.poll_send(cx))?;
        Pin::new(&mut gathering.io).poll_shutdown(cx)
    }
}

// === impl Outlet ===

impl<IO: AsyncWrite + Unpin> Outlet<IO> {
    /// Polls the connection and sends what it wrote. An error is the connection's end.
    pub(crate) fn poll<F: Future>(
        &mut self,
        connection: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<F::Output>> {
        let polled = connection.poll(cx);
        let mut gathering = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = polled.is_pending() && gathering.is_full(1) && !gathering.is_full(RECORD);
        if wait && !self.waited {
            self.waited = true;
            // To the end of the queue of what is ready.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        // Where the other side does not read, this task is woken when it does, and what waits is bounded.
        if let Poll::Ready(Err(error)) = gathering.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        polled.map(Ok)
    }
}

// === impl ReadAhead ===

impl<IO> ReadAhead<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self { io, ahead: Vec::new(), taken: 0 }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadAhead<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut read = [const { MaybeUninit::uninit() }; RECORD];
        let mut read = ReadBuf::uninit(&mut read);
        let ahead = if this.ahead.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            read.filled()
        } else {
            this.ahead.get(this.taken..).unwrap_or_default()
        };
        let (now, later) = ahead.split_at(ahead.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            // Freed, because most connections are idle.
            (this.ahead, this.taken) = (Vec::new(), 0);
        } else if this.ahead.is_empty() {
            this.ahead = later.to_vec();
        } else {
            this.taken += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadAhead<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

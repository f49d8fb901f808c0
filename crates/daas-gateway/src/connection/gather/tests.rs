use super::*;
use core::future::poll_fn;
use futures::task::noop_waker_ref;
use std::collections::VecDeque;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A network that counts, and that takes no more than it has room for.
#[derive(Default)]
struct Wire {
    written: Vec<Vec<u8>>,
    flushes: usize,
    room: usize,
    reads: usize,
    incoming: VecDeque<u8>,
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let taken = buf.len().min(self.room);
        if taken == 0 {
            return Poll::Pending;
        }
        self.room -= taken;
        self.written.push(buf[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reads += 1;
        let size = buf.remaining().min(self.incoming.len());
        let bytes: Vec<u8> = self.incoming.drain(..size).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

fn wire(room: usize) -> Wire {
    Wire { room, ..Wire::default() }
}

fn context() -> Context<'static> {
    Context::from_waker(noop_waker_ref())
}

/// Writes frames as h2 does, flushing after each, and waits for more.
fn says(io: &mut Gathered<Wire>, frames: &[&[u8]]) -> Poll<()> {
    let mut cx = context();
    for frame in frames {
        assert!(matches!(Pin::new(&mut *io).poll_write(&mut cx, frame), Poll::Ready(Ok(_))));
        assert!(Pin::new(&mut *io).poll_flush(&mut cx).is_ready());
    }
    Poll::Pending
}

#[test]
fn what_is_said_in_two_turns_is_one_write() {
    let (mut io, mut outlet) = gather(wire(usize::MAX));
    let mut turn = |outlet: &mut Outlet<Wire>, frames: &[&[u8]]| {
        let connection = core::pin::pin!(poll_fn(|_| says(&mut io, frames)));
        assert!(outlet.poll(connection, &mut context()).is_pending());
        outlet.shared.lock().unwrap().io.written.clone()
    };
    assert_eq!(turn(&mut outlet, &[b"one ", b"two "]), [] as [Vec<u8>; 0], "others have their turn first");
    assert_eq!(turn(&mut outlet, &[b"three"]), [b"one two three"]);
    // With nothing to say, nobody waits and nothing is written.
    assert_eq!(turn(&mut outlet, &[]), [b"one two three"]);
    assert_eq!(outlet.shared.lock().unwrap().io.flushes, 1);
}

#[test]
fn a_full_record_waits_for_nobody() {
    let (mut io, mut outlet) = gather(wire(usize::MAX));
    let frame = vec![1; RECORD];
    let connection = core::pin::pin!(poll_fn(|_| says(&mut io, &[&frame])));
    assert!(outlet.poll(connection, &mut context()).is_pending());
    assert_eq!(outlet.shared.lock().unwrap().io.written, [frame]);
}

#[test]
fn who_does_not_read_is_not_written_for() {
    let (mut io, mut outlet) = gather(wire(0));
    let frame = vec![1; RECORD];
    let mut accepted = 0;
    while Pin::new(&mut io).poll_write(&mut context(), &frame).is_ready() {
        accepted += frame.len();
        let silent = core::pin::pin!(core::future::pending::<()>());
        assert!(outlet.poll(silent, &mut context()).is_pending());
        assert!(accepted <= FULL, "{accepted}");
    }
    assert_eq!(accepted, FULL);
    // It reads again: all comes, in order, and there is room again.
    outlet.shared.lock().unwrap().io.room = usize::MAX;
    assert!(Pin::new(&mut io).poll_write(&mut context(), &frame).is_ready());
    assert_eq!(outlet.shared.lock().unwrap().io.written.concat().len(), FULL);
}

#[test]
fn a_slow_reader_costs_no_more_than_what_waits() {
    let (mut io, mut outlet) = gather(wire(0));
    for _ in 0..100 {
        assert!(Pin::new(&mut io).poll_write(&mut context(), &[1; 1000]).is_ready());
        // Always a little behind.
        outlet.shared.lock().unwrap().io.room = 990;
        for _ in 0..2 {
            let silent = core::pin::pin!(core::future::pending::<()>());
            assert!(outlet.poll(silent, &mut context()).is_pending());
        }
    }
    assert!(outlet.shared.lock().unwrap().waiting.capacity() <= 3 * FULL);
}

#[tokio::test]
async fn the_end_sends_what_waits() {
    let (mut io, outlet) = gather(wire(usize::MAX));
    io.write_all(b"last words").await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(outlet.shared.lock().unwrap().io.written, [b"last words"]);
}

#[tokio::test]
async fn small_reads_are_one_read_of_the_network() {
    let bytes: Vec<u8> = (0..RECORD).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut io = ReadAhead::new(Wire { incoming: bytes.iter().copied().collect(), ..Wire::default() });
    let mut read = vec![0; bytes.len()];
    for part in read.chunks_mut(1000) {
        io.read_exact(part).await.unwrap();
    }
    assert_eq!(read, bytes);
    assert_eq!(io.io.reads, 1);
    assert_eq!(io.read(&mut [0; 10]).await.unwrap(), 0, "the end stays the end");
}

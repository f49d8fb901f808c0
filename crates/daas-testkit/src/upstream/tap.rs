use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// So much of a connection is written down.
const MOST: usize = 4 << 20;

/// What a connection has received, byte for byte as it left the other side's HTTP.
pub(super) type Tape = Arc<Mutex<Vec<u8>>>;

/// A connection with a tape running.
pub(super) struct Tap {
    tls: TlsStream<TcpStream>,
    tape: Tape,
}

// === impl Tap ===

impl Tap {
    pub(super) fn new(tls: TlsStream<TcpStream>, tape: Tape) -> Self {
        Self { tls, tape }
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tls).poll_read(cx, buf);
        let mut tape = self.tape.lock().unwrap();
        let new = &buf.filled()[before..];
        let room = MOST.saturating_sub(tape.len()).min(new.len());
        tape.extend_from_slice(&new[..room]);
        drop(tape);
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

//! The client's end of a tunnel: bytes go through as they are, and a WebSocket that is cut is closed in its own words.

use super::websocket::{CloseCode, Frames, close};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// A client that does not read is not waited for any longer. The API server's end is closed by then.
const GOODBYE: Duration = Duration::from_millis(250);

/// One end of a tunnel, and where in the stream of frames towards it the other end is.
pub(super) struct ClientEnd<T> {
    io: T,
    /// None for what is no WebSocket.
    frames: Option<Frames>,
    /// Bytes from the client, and to it.
    received: u64,
    sent: u64,
}

// === impl ClientEnd ===

impl<T: AsyncRead + AsyncWrite + Unpin> ClientEnd<T> {
    pub(super) fn new(io: T, websocket: bool) -> Self {
        Self { io, frames: websocket.then(Frames::default), received: 0, sent: 0 }
    }

    /// How many bytes have come from the client, and gone to it.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// Says why it ends, if that can be said here, and ends.
    pub(super) async fn close(mut self, code: CloseCode, reason: &str) {
        if self.frames.as_ref().is_none_or(|frames| !frames.may_close()) {
            return;
        }
        let goodbye = async {
            self.io.write_all(&close(code, reason)).await?;
            self.io.shutdown().await
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ClientEnd<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        self.received = self.received.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientEnd<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.sent = self.sent.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        if let Some(frames) = &mut self.frames {
            frames.passed(&bytes[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

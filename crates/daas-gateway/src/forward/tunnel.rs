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
}

// === impl ClientEnd ===

impl<T: AsyncRead + AsyncWrite + Unpin> ClientEnd<T> {
    pub(super) fn new(io: T, websocket: bool) -> Self {
        Self { io, frames: websocket.then(Frames::default) }
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
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientEnd<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
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

//! An answer's body on its way to the client, and what of it is written down.

use crate::admit::Leash;
use crate::connection::cord;
use crate::forward::GatewayBody;
use bytes::Bytes;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use daas_audit::Ticket;
use daas_types::ErrorCode::ApiServerUnavailable;
use http_body::{Body, Frame, SizeHint};
use std::borrow::Cow;
use std::sync::Arc;

/// What may wait for one who does not read, in a stream that nobody watches any more: a connection's 250 together no more than
/// its window.
const LARGE: usize = 4096;
/// Why an answer ended of which the client took nothing for too long.
const STALLED: &str = "Stalled";

/// An answer's body, and the request's end in the log.
pub(crate) struct Recorded {
    pub(super) body: GatewayBody,
    /// The last byte of a large frame.
    pub(super) tail: Option<Bytes>,
    /// None for the 101 that begins a tunnel, which has the ticket.
    pub(super) end: Option<End>,
}

pub(super) struct End {
    pub(super) ticket: Ticket,
    pub(super) received: Option<Arc<AtomicU64>>,
    /// What cuts the answer short, to be named when it did.
    pub(super) until: Option<Leash>,
    pub(super) reason: Cow<'static, str>,
    pub(super) whole: bool,
}

// === impl Recorded ===

impl Recorded {
    /// Over HTTP/2 hyper gives h2 a frame as soon as the client has room for one byte of it, and lets go of the stream with the
    /// answer's end: of one who never reads the rest, nobody would know any more. For the last byte it waits until there is room
    /// for all before it.
    fn all_but_the_last(&mut self, mut data: Bytes) -> Bytes {
        if data.len() > LARGE {
            self.tail = Some(data.split_off(data.len().saturating_sub(1)));
        }
        data
    }

    fn is_whole(&self) -> bool {
        // HTTP/1.1 asks for no more once it has as many bytes as the head says.
        self.tail.is_none() && (self.body.is_end_stream() || self.body.size_hint().exact() == Some(0))
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = <GatewayBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = match self.tail.take() {
            Some(tail) => Poll::Ready(Some(Ok(Frame::data(tail)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        };
        cord::asked(polled.is_ready());
        let frame = ready!(polled).map(|frame| frame.map(|frame| frame.map_data(|data| self.all_but_the_last(data))));
        if let Some(end) = &mut self.end {
            match &frame {
                None => end.whole = true,
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                    let sent = &mut end.ticket.outcome().sent;
                    *sent = sent.saturating_add(bytes);
                }
                Some(Err(_)) => (end.whole, end.reason) = (true, Cow::Borrowed(ApiServerUnavailable.name())),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.tail.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for with the head, before there is a tail.
        if self.tail.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let (whole, stalled) = (self.is_whole(), cord::over());
        let Some(End { mut ticket, received, until, reason, whole: ended }) = self.end.take() else { return };
        let outcome = ticket.outcome();
        outcome.received = received.map_or(0, |received| received.load(Ordering::Relaxed));
        if stalled {
            outcome.reason = Cow::Borrowed(STALLED);
        } else if whole || ended {
            outcome.reason = reason;
        } else if let Some(cut) = until.and_then(|leash| leash.ended()) {
            outcome.reason = cut.code().name().into();
        }
    }
}

use super::exchange::Received;
use super::link::Slot;
use super::share::Share;
use crate::admit::{CutReason, Lease};
use bytes::Bytes;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use std::sync::Arc;

/// A request body on its way up: as it comes, without trailers, and no further than the permit reaches.
pub(crate) struct RequestBody(Option<Content>);

enum Content {
    /// As it comes.
    Flow(Flow),
    /// All of it, looked at before.
    Read(Bytes),
}

struct Flow {
    body: Incoming,
    lease: Lease,
    /// Read by the audit log when the request has ended, which may be before the body has.
    received: Arc<AtomicU64>,
}

/// An answer on its way down.
pub(crate) enum GatewayBody {
    /// Made here.
    Own(Full<Bytes>),
    /// The API server's, and what it holds open there.
    Upstream {
        /// As it comes.
        body: Received,
        /// The stream's place on its connection.
        _slot: Slot,
    },
    /// The API server's on a connection of its own.
    Apart {
        /// As it comes.
        body: Incoming,
        /// It is one of its holder's streams.
        _share: Share,
    },
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The right behind it is gone.
    #[error(transparent)]
    Cut(#[from] CutReason),
    /// The other side failed.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The API server failed. Its reason is what the client's stream is reset with.
    #[error("the API server's answer: {0}")]
    Stream(#[from] h2::Error),
    /// The API server says that it is done, and the answer is not whole. Not with its reason: that is a good end's.
    #[error("the API server's answer ended before its end")]
    Truncated,
}

// === impl RequestBody ===

impl RequestBody {
    pub(crate) fn new(body: Incoming, lease: impl FnOnce() -> Lease) -> Self {
        let flows = !body.is_end_stream();
        Self(flows.then(|| Content::Flow(Flow { body, lease: lease(), received: Arc::default() })))
    }

    /// One that is here already.
    pub(crate) fn read(body: Bytes) -> Self {
        Self((!body.is_empty()).then_some(Content::Read(body)))
    }

    /// How many bytes have come; none for a request without a body.
    pub(crate) fn counter(&self) -> Option<Arc<AtomicU64>> {
        match &self.0 {
            Some(Content::Flow(flow)) => Some(flow.received.clone()),
            Some(Content::Read(_)) | None => None,
        }
    }

    pub(super) fn empty() -> Self {
        Self(None)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(Content::Flow(Flow { body, lease, received })) = &mut self.0 else {
            return match self.0.take() {
                Some(Content::Read(body)) => Poll::Ready(Some(Ok(Frame::data(body)))),
                Some(Content::Flow(_)) | None => Poll::Ready(None),
            };
        };
        if let Poll::Ready(reason) = Pin::new(lease).poll(cx) {
            self.0 = None;
            return Poll::Ready(Some(Err(reason.into())));
        }
        match ready!(Pin::new(body).poll_frame(cx)) {
            // Kubernetes reads no request trailers, so they could only be a second head.
            Some(Ok(frame)) if frame.is_trailers() => {
                self.0 = None;
                Poll::Ready(None)
            }
            other => {
                if let Some(Ok(frame)) = &other {
                    let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                    received.fetch_add(bytes, Ordering::Relaxed);
                }
                Poll::Ready(other.map(|frame| frame.map_err(BodyError::from)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Some(Content::Flow(flow)) => flow.body.is_end_stream(),
            Some(Content::Read(_)) => false,
            None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(Content::Flow(flow)) => flow.body.size_hint(),
            Some(Content::Read(body)) => SizeHint::with_exact(u64::try_from(body.len()).unwrap_or(u64::MAX)),
            None => SizeHint::with_exact(0),
        }
    }
}

// === impl GatewayBody ===

impl From<Bytes> for GatewayBody {
    fn from(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Upstream { body, .. } => Pin::new(body).poll_frame(cx),
            Self::Apart { body, .. } => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream { body, .. } => body.is_end_stream(),
            Self::Apart { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Upstream { body, .. } => body.size_hint(),
            Self::Apart { body, .. } => body.size_hint(),
        }
    }
}

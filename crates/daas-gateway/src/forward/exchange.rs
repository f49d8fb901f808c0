//! One request and its answer on a connection to the API server.

use super::body::{BodyError, RequestBody};
use bytes::Bytes;
use core::future::{Future as _, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// An answer's body as it comes. When it is dropped before its end, the stream is reset.
pub(crate) struct Received {
    stream: RecvStream,
    /// What is left of the length that the head states.
    left: Option<u64>,
    ended: bool,
    /// The request had a body, of which there may be a rest.
    asked_with_body: bool,
    /// What is left of that: held, because dropping it ends it.
    #[expect(dead_code, reason = "held for its drop")]
    sending: Option<Sending>,
}

/// The rest of a request's body on its way up. Dropped, it ends.
struct Sending(JoinHandle<()>);

/// Sends a request, and waits for the head of its answer.
pub(super) async fn exchange(
    sender: &mut SendRequest<Bytes>,
    request: Request<RequestBody>,
    tasks: &TaskTracker,
) -> Result<Response<Received>, h2::Error> {
    let (parts, body) = request.into_parts();
    let ends = body.is_end_stream();
    let (response, stream) = sender.send_request(Request::from_parts(parts, ()), ends)?;
    let sending = if ends { None } else { Sending::begin(stream, body, tasks).await };
    let response = response.await?;
    let left = stated_length(response.headers()).or_else(|| response.body().is_end_stream().then_some(0));
    Ok(response.map(|stream| Received { stream, left, ended: false, asked_with_body: !ends, sending }))
}

/// The API server says that it did not look at the request: it refused the stream, or went away before it.
pub(super) fn unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

// === impl Sending ===

impl Sending {
    /// What has come already goes at once; a task is made only for what comes later.
    async fn begin(stream: SendStream<Bytes>, body: RequestBody, tasks: &TaskTracker) -> Option<Self> {
        let mut sending = Box::pin(send(stream, body));
        let sent = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())).await;
        (!sent).then(|| Self(tasks.spawn(sending)))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends as fast as the API server reads. A body that fails resets the stream.
async fn send(mut stream: SendStream<Bytes>, mut body: RequestBody) {
    loop {
        let frame = tokio::select! {
            biased;
            _ = poll_fn(|cx| stream.poll_reset(cx)) => return,
            frame = body.frame() => frame,
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if !room(&mut stream, &data).await || stream.send_data(data, body.is_end_stream()).is_err() {
                    return;
                }
                if body.is_end_stream() {
                    return;
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a request's body ended early");
                return stream.send_reset(Reason::CANCEL);
            }
            None => {
                // An error means that nobody waits for it any more.
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        }
    }
}

/// Waits until some of `data` may be sent. One byte is asked for: what `send_data` is given it asks for itself, and a
/// stream that waits should not hold what others could use.
async fn room(stream: &mut SendStream<Bytes>, data: &Bytes) -> bool {
    if data.is_empty() {
        return true;
    }
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        if !matches!(poll_fn(|cx| stream.poll_capacity(cx)).await, Some(Ok(_))) {
            return false;
        }
    }
    true
}

// === impl Received ===

impl Received {
    /// After a reset with `NO_ERROR`, which says that the answer is complete and the rest of the request is not wanted. Of
    /// the end of the answer h2 keeps nothing then; so it has to be as long as it said, and without a length there has to
    /// be a body that the API server may not have read, although all of it was sent.
    fn is_complete(&self) -> bool {
        self.left.map_or(self.asked_with_body, |left| left == 0)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It is asked for only when the client has room, so what is handed on may be sent again at once.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.left = self.left.map(|left| left.saturating_sub(length));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => {
                    return Poll::Ready((!self.is_complete()).then_some(Err(BodyError::Truncated)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers).map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

//! A streamed answer on its way out: cut into the messages it is made of, each held back, repeated, or followed by the
//! stream's end.

use super::Faults;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;

/// Of a gRPC message: one byte for compression, four for the length.
const PREFIX: usize = 5;

/// A body that is passed on message by message.
struct Passing {
    from: Body,
    faults: Arc<Faults>,
    method: &'static str,
    /// Whether it ends when streams are dropped.
    dropped: Option<watch::Receiver<u64>>,
    rest: BytesMut,
    ready: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    ended: bool,
}

/// `from`, with the faults that there are when each message passes.
pub(super) fn through(from: Body, faults: Arc<Faults>, method: &'static str, droppable: bool) -> Body {
    let dropped = droppable.then(|| faults.dropped.subscribe());
    let passing = Passing {
        from,
        faults,
        method,
        dropped,
        rest: BytesMut::new(),
        ready: VecDeque::new(),
        trailers: None,
        ended: false,
    };
    let frames = stream::unfold(passing, |mut passing| async {
        let frame = passing.next().await?;
        Some((frame, passing))
    });
    Body::new(StreamBody::new(frames))
}

// === impl Passing ===

impl Passing {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        if self.ended {
            return None;
        }
        let mut dropped = self.dropped.take();
        let cut = async {
            match &mut dropped {
                Some(dropped) => drop(dropped.changed().await),
                None => std::future::pending().await,
            }
        };
        let frame = tokio::select! {
            biased;
            () = cut => {
                self.ended = true;
                let mut trailers = HeaderMap::new();
                return match Status::unavailable("injected: the stream was dropped").add_header(&mut trailers) {
                    Ok(()) => Some(Ok(Frame::trailers(trailers))),
                    Err(status) => Some(Err(status)),
                };
            }
            frame = self.frame() => frame,
        };
        self.dropped = dropped;
        self.ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        frame
    }

    /// The next message, when it is due, and at last the trailers.
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        while self.ready.is_empty() {
            if let Some(message) = self.split() {
                self.faults.hold_back(self.method).await;
                if self.faults.duplicates(self.method) {
                    self.ready.push_back(message.clone());
                }
                self.ready.push_back(message);
                break;
            }
            if let Some(trailers) = self.trailers.take() {
                return Some(Ok(Frame::trailers(trailers)));
            }
            let frame = match self.from.frame().await? {
                Ok(frame) => frame,
                Err(status) => return Some(Err(status)),
            };
            match frame.into_data() {
                Ok(data) => self.rest.extend_from_slice(&data),
                Err(other) => self.trailers = other.into_trailers().ok(),
            }
        }
        self.ready.pop_front().map(|message| Ok(Frame::data(message)))
    }

    /// A whole message off the front of what has come.
    fn split(&mut self) -> Option<Bytes> {
        let mut length = self.rest.get(1..PREFIX)?;
        let whole = usize::try_from(length.get_u32()).ok()?.checked_add(PREFIX)?;
        (self.rest.len() >= whole).then(|| self.rest.split_to(whole).freeze())
    }
}

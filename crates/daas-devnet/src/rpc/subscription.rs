//! Following the ledger. A stream starts with where the ledger stands now, so that a client knows at once that it is
//! connected and what it must read from the `List*` methods; then everything, in order, as it is committed.

use super::filter::Filter;
use super::ledger::{events_at, passing_checkpoint, transactions_at};
use super::query::Position;
use super::{Services, read_mask, render};
use crate::faults::shown::Shown;
use crate::ledger::Tip;
use futures::{Stream, StreamExt as _, stream};
use std::collections::VecDeque;
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::SubscriptionService;
use sui_rpc::proto::sui::rpc::v2::{self as proto, Checkpoint, Event, ExecutedTransaction, Watermark};
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl SubscriptionService for Services {
    async fn subscribe_checkpoints(
        &self,
        request: Request<proto::SubscribeCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeCheckpointsResponse>>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Checkpoint>(request.read_mask.as_ref(), "sequence_number,digest")?;
        let filter = Filter::transactions(request.filter.as_ref())?;
        let frames = move |shown: &Shown, sequence: u64, first: bool| {
            let mut response = proto::SubscribeCheckpointsResponse::default().with_cursor(sequence);
            if !first || filter.is_absent() {
                let stored = passing_checkpoint(shown, sequence, &filter)?;
                response.checkpoint = stored.map(|s| render::checkpoint(shown, &s, &mask)).transpose()?;
            }
            Ok(vec![response])
        };
        Ok(Response::new(self.follow(frames)?.boxed()))
    }

    async fn subscribe_transactions(
        &self,
        request: Request<proto::SubscribeTransactionsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeTransactionsResponse>>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<ExecutedTransaction>(request.read_mask.as_ref(), "digest")?;
        let filter = Filter::transactions(request.filter.as_ref())?;
        let frames = move |shown: &Shown, sequence: u64, first: bool| {
            let items = if first { vec![] } else { transactions_at(shown, sequence, &filter, &mask)? };
            Ok(framed(sequence, items, |item, watermark| {
                let mut response = proto::SubscribeTransactionsResponse::default().with_watermark(watermark);
                response.transaction = item;
                response
            }))
        };
        Ok(Response::new(self.follow(frames)?.boxed()))
    }

    async fn subscribe_events(
        &self,
        request: Request<proto::SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeEventsResponse>>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Event>(request.read_mask.as_ref(), "checkpoint,transaction_index,event_index")?;
        let filter = Filter::events(request.filter.as_ref())?;
        let frames = move |shown: &Shown, sequence: u64, first: bool| {
            let items = if first { vec![] } else { events_at(shown, sequence, &filter, &mask)? };
            Ok(framed(sequence, items, |item, watermark| {
                let mut response = proto::SubscribeEventsResponse::default().with_watermark(watermark);
                response.event = item;
                response
            }))
        };
        Ok(Response::new(self.follow(frames)?.boxed()))
    }
}

/// Where a stream stands.
struct Follower<R, F> {
    services: Services,
    tips: watch::Receiver<Option<Tip>>,
    faults: watch::Receiver<u64>,
    next: u64,
    first: bool,
    ready: VecDeque<R>,
    frames: F,
}

// === impl Services ===

impl Services {
    /// The frames of each checkpoint from the newest on; `frames` is told whether it is that first one.
    fn follow<R, F>(&self, frames: F) -> Result<impl Stream<Item = Result<R, Status>> + Send + 'static, Status>
    where
        R: Send + 'static,
        F: Fn(&Shown, u64, bool) -> Result<Vec<R>, Status> + Send + 'static,
    {
        let (tips, faults) = (self.node.executor.ledger().follow(), self.node.faults.follow());
        let next = self.tip()?.height;
        let ready = VecDeque::new();
        let follower = Follower { services: self.clone(), tips, faults, next, first: true, ready, frames };
        Ok(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            let shutdown = follower.services.node.shutdown.clone();
            let frame = tokio::select! {
                () = shutdown.cancelled() => return None,
                frame = follower.next() => frame,
            };
            let rest = frame.is_ok().then_some(follower);
            Some((frame, rest))
        }))
    }
}

// === impl Follower ===

impl<R, F: Fn(&Shown, u64, bool) -> Result<Vec<R>, Status>> Follower<R, F> {
    async fn next(&mut self) -> Result<R, Status> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            let (reached, shown) = (self.next, self.services.shown()?);
            if shown.tip()?.is_none_or(|tip| tip.height < reached) {
                self.more().await?;
                continue;
            }
            self.ready.extend((self.frames)(&shown, reached, self.first)?);
            self.next += 1;
            self.first = false;
        }
    }

    /// Waits for a checkpoint, or for one to be no longer hidden.
    async fn more(&mut self) -> Result<(), Status> {
        tokio::select! {
            tip = self.tips.changed() => tip.map_err(|_| Status::unavailable("the devnet is stopping")),
            () = self.services.node.faults.next_change(&mut self.faults) => Ok(()),
        }
    }
}

/// Items, each short of covering its checkpoint, and then the frame that covers it.
fn framed<T, R>(sequence: u64, items: Vec<(Position, T)>, to: impl Fn(Option<T>, Watermark) -> R) -> Vec<R> {
    let covered = sequence.checked_sub(1);
    let mut frames: Vec<R> = items.into_iter().map(|(at, item)| to(Some(item), at.watermark(covered))).collect();
    frames.push(to(None, Position::end_of(sequence).watermark(Some(sequence))));
    frames
}

use super::filter::Filter;
use super::query::{Frame, Position, Query};
use super::{CHAIN, SERVER, Services, address, digest, read_mask, render};
use crate::faults::shown::Shown;
use crate::ledger::{StoredCheckpoint, Tip};
use futures::{StreamExt as _, stream};
use sui_rpc::field::FieldMaskTree;
use sui_rpc::merge::Merge as _;
use sui_rpc::proto::google::rpc;
use sui_rpc::proto::sui::rpc::v2::get_checkpoint_request::CheckpointId;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::LedgerService;
use sui_rpc::proto::sui::rpc::v2::{self as proto, Checkpoint, Epoch, Event, ExecutedTransaction, Object};
use sui_rpc::proto::timestamp_ms_to_proto;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

const OBJECT_FIELDS: &str = "object_id,version,digest";
const TRANSACTION_FIELDS: &str = "digest";
const CHECKPOINT_FIELDS: &str = "sequence_number,digest";
const EPOCH_FIELDS: &str =
    "epoch,first_checkpoint,last_checkpoint,start,end,reference_gas_price,protocol_config.protocol_version";
const EVENT_FIELDS: &str = "checkpoint,transaction_digest,transaction_index,event_index,event_type";
const MAX_BATCH: usize = 1000;

#[tonic::async_trait]
impl LedgerService for Services {
    async fn get_service_info(
        &self,
        _: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        let tip = self.tip()?;
        let info = proto::GetServiceInfoResponse::default()
            .with_chain_id(self.chain.to_string())
            .with_chain(CHAIN)
            .with_epoch(tip.epoch)
            .with_checkpoint_height(tip.height)
            .with_timestamp(timestamp_ms_to_proto(tip.timestamp_ms))
            .with_lowest_available_checkpoint(0)
            .with_lowest_available_checkpoint_objects(0)
            .with_server(SERVER);
        Ok(Response::new(info))
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Object>(request.read_mask.as_ref(), OBJECT_FIELDS)?;
        let object = one_object(&self.shown()?, &request, &mask)?;
        Ok(Response::new(proto::GetObjectResponse::new(object)))
    }

    async fn batch_get_objects(
        &self,
        request: Request<proto::BatchGetObjectsRequest>,
    ) -> Result<Response<proto::BatchGetObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Object>(request.read_mask.as_ref(), OBJECT_FIELDS)?;
        within_batch(request.requests.len())?;
        let shown = self.shown()?;
        let one = |r| match one_object(&shown, r, &mask) {
            Ok(object) => proto::GetObjectResult::new_object(object),
            Err(status) => proto::GetObjectResult::new_error(rpc_status(&status)),
        };
        let objects = request.requests.iter().map(one).collect();
        Ok(Response::new(proto::BatchGetObjectsResponse::new(objects)))
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<ExecutedTransaction>(request.read_mask.as_ref(), TRANSACTION_FIELDS)?;
        let transaction = one_transaction(&self.shown()?, request.digest.as_deref(), &mask)?;
        Ok(Response::new(proto::GetTransactionResponse::new(transaction)))
    }

    async fn batch_get_transactions(
        &self,
        request: Request<proto::BatchGetTransactionsRequest>,
    ) -> Result<Response<proto::BatchGetTransactionsResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<ExecutedTransaction>(request.read_mask.as_ref(), TRANSACTION_FIELDS)?;
        within_batch(request.digests.len())?;
        let shown = self.shown()?;
        let one = |digest: &String| match one_transaction(&shown, Some(digest), &mask) {
            Ok(transaction) => proto::GetTransactionResult::new_transaction(transaction),
            Err(status) => proto::GetTransactionResult::new_error(rpc_status(&status)),
        };
        let transactions = request.digests.iter().map(one).collect();
        Ok(Response::new(proto::BatchGetTransactionsResponse::new(transactions)))
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Checkpoint>(request.read_mask.as_ref(), CHECKPOINT_FIELDS)?;
        let shown = self.shown()?;
        let stored = match &request.checkpoint_id {
            None => shown.last_checkpoint()?,
            Some(CheckpointId::SequenceNumber(sequence)) => shown.checkpoint(*sequence)?,
            Some(CheckpointId::Digest(text)) => shown.checkpoint_by_digest(digest("digest", Some(text))?)?,
            Some(_) => return Err(Status::invalid_argument("checkpoint_id: unknown kind")),
        };
        let stored = stored.ok_or_else(|| Status::not_found("checkpoint not found"))?;
        let checkpoint = render::checkpoint(&shown, &stored, &mask)?;
        Ok(Response::new(proto::GetCheckpointResponse::new(checkpoint)))
    }

    async fn get_epoch(
        &self,
        request: Request<proto::GetEpochRequest>,
    ) -> Result<Response<proto::GetEpochResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<Epoch>(request.read_mask.as_ref(), EPOCH_FIELDS)?;
        let epoch = self.epoch(request.epoch)?;
        Ok(Response::new(proto::GetEpochResponse::new(Epoch::merge_from(&epoch, &mask))))
    }

    async fn list_checkpoints(
        &self,
        request: Request<proto::ListCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::ListCheckpointsResponse>>, Status> {
        let r = request.into_inner();
        let mask = read_mask::<Checkpoint>(r.read_mask.as_ref(), CHECKPOINT_FIELDS)?;
        let filter = Filter::transactions(r.filter.as_ref())?;
        let (shown, query) = self.query(r.options.as_ref(), r.start_checkpoint, r.end_checkpoint, true)?;
        let frames = query.walk(|c| {
            let Some(stored) = passing_checkpoint(&shown, c, &filter)? else {
                return Ok(vec![]);
            };
            Ok(vec![(Position::end_of(c), render::checkpoint(&shown, &stored, &mask)?)])
        })?;
        Ok(answer(frames, |Frame { item, watermark, end }| {
            let mut response = proto::ListCheckpointsResponse::default().with_watermark(watermark);
            (response.checkpoint, response.end) = (item, end);
            response
        }))
    }

    async fn list_transactions(
        &self,
        request: Request<proto::ListTransactionsRequest>,
    ) -> Result<Response<BoxStream<proto::ListTransactionsResponse>>, Status> {
        let r = request.into_inner();
        let mask = read_mask::<ExecutedTransaction>(r.read_mask.as_ref(), TRANSACTION_FIELDS)?;
        let filter = Filter::transactions(r.filter.as_ref())?;
        let (shown, query) = self.query(r.options.as_ref(), r.start_checkpoint, r.end_checkpoint, false)?;
        let frames = query.walk(|c| transactions_at(&shown, c, &filter, &mask))?;
        Ok(answer(frames, |Frame { item, watermark, end }| {
            let mut response = proto::ListTransactionsResponse::default().with_watermark(watermark);
            (response.transaction, response.end) = (item, end);
            response
        }))
    }

    async fn list_events(
        &self,
        request: Request<proto::ListEventsRequest>,
    ) -> Result<Response<BoxStream<proto::ListEventsResponse>>, Status> {
        let r = request.into_inner();
        let mask = read_mask::<Event>(r.read_mask.as_ref(), EVENT_FIELDS)?;
        let filter = Filter::events(r.filter.as_ref())?;
        let (shown, query) = self.query(r.options.as_ref(), r.start_checkpoint, r.end_checkpoint, false)?;
        let frames = query.walk(|c| events_at(&shown, c, &filter, &mask))?;
        Ok(answer(frames, |Frame { item, watermark, end }| {
            let mut response = proto::ListEventsResponse::default().with_watermark(watermark);
            (response.event, response.end) = (item, end);
            response
        }))
    }
}

// === impl Services ===

impl Services {
    pub(super) fn shown(&self) -> Result<Shown, Status> {
        let lies = self.node.faults.lies();
        Ok(Shown::new(self.node.executor.ledger().view()?, lies))
    }

    pub(super) fn tip(&self) -> Result<Tip, Status> {
        let tip =
            if self.node.faults.lies().is_empty() { self.node.executor.ledger().tip() } else { self.shown()?.tip()? };
        tip.ok_or_else(no_genesis)
    }

    fn query(
        &self,
        options: Option<&proto::QueryOptions>,
        start: Option<u64>,
        end: Option<u64>,
        whole_checkpoints: bool,
    ) -> Result<(Shown, Query), Status> {
        let shown = self.shown()?;
        let tip = shown.last_checkpoint()?.ok_or_else(no_genesis)?.summary.sequence_number;
        Ok((shown, Query::new(options, start, end, tip, whole_checkpoints)?))
    }
}

/// The checkpoint, if one of its transactions passes.
pub(super) fn passing_checkpoint(
    shown: &Shown,
    sequence: u64,
    filter: &Filter,
) -> Result<Option<StoredCheckpoint>, Status> {
    let Some(stored) = shown.checkpoint(sequence)? else {
        return Ok(None);
    };
    let passes =
        filter.is_absent() || render::transactions_of(shown, &stored)?.iter().any(|t| filter.passes_transaction(t));
    Ok(passes.then_some(stored))
}

/// The passing transactions of a checkpoint.
pub(super) fn transactions_at(
    shown: &Shown,
    sequence: u64,
    filter: &Filter,
    mask: &FieldMaskTree,
) -> Result<Vec<(Position, ExecutedTransaction)>, Status> {
    let Some(stored) = shown.checkpoint(sequence)? else {
        return Ok(vec![]);
    };
    let all = render::transactions_of(shown, &stored)?;
    let passing = all.iter().filter(|t| filter.passes_transaction(t));
    passing.map(|t| Ok((Position::of_transaction(sequence, t.index), render::transaction(shown, t, mask)?))).collect()
}

/// The passing events of a checkpoint.
pub(super) fn events_at(
    shown: &Shown,
    sequence: u64,
    filter: &Filter,
    mask: &FieldMaskTree,
) -> Result<Vec<(Position, Event)>, Status> {
    let Some(stored) = shown.checkpoint(sequence)? else {
        return Ok(vec![]);
    };
    let mut found = vec![];
    for transaction in render::transactions_of(shown, &stored)? {
        let events = transaction.events.as_ref().map_or(&[][..], |events| &events.0);
        for (index, event) in (0..).zip(events).filter(|(_, e)| filter.passes_event(e)) {
            let position = Position::of_event(sequence, transaction.index, index);
            found.push((position, render::event(&transaction, index, event, mask)));
        }
    }
    Ok(found)
}

fn one_object(shown: &Shown, request: &proto::GetObjectRequest, mask: &FieldMaskTree) -> Result<Object, Status> {
    let id = address("object_id", request.object_id.as_deref())?;
    let found = match request.version {
        Some(version) => shown.object_at(id, version)?,
        None => shown.object(id)?,
    };
    let found = found.ok_or_else(|| match request.version {
        Some(version) => Status::not_found(format!("object {id} with version {version} not found")),
        None => Status::not_found(format!("object {id} not found")),
    })?;
    Ok(render::object(found, mask))
}

fn one_transaction(shown: &Shown, text: Option<&str>, mask: &FieldMaskTree) -> Result<ExecutedTransaction, Status> {
    let digest = digest("digest", text)?;
    let found = shown.transaction(digest)?;
    let found = found.ok_or_else(|| Status::not_found(format!("transaction {digest} not found")))?;
    Ok(render::transaction(shown, &found, mask)?)
}

fn answer<T, R: Send + 'static>(frames: Vec<Frame<T>>, to: impl Fn(Frame<T>) -> R) -> Response<BoxStream<R>> {
    let responses: Vec<Result<R, Status>> = frames.into_iter().map(to).map(Ok).collect();
    Response::new(stream::iter(responses).boxed())
}

fn rpc_status(status: &Status) -> rpc::Status {
    rpc::Status::default().with_code(status.code().into()).with_message(status.message())
}

fn within_batch(size: usize) -> Result<(), Status> {
    if size <= MAX_BATCH { Ok(()) } else { Err(Status::invalid_argument(format!("at most {MAX_BATCH} at once"))) }
}

pub(super) fn no_genesis() -> Status {
    Status::unavailable("there is no checkpoint yet")
}

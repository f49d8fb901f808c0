//! A server in memory, so that time is the test's.

use crate::verified::Claim;
use core::time::Duration;
use daas_types::Address;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::get_checkpoint_request::CheckpointId;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_sdk_types::Object;
use tokio::task::JoinSet;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
pub(super) struct Server {
    /// From checkpoint 1 on.
    checkpoints: Arc<Vec<proto::Checkpoint>>,
    pub(super) objects: HashMap<Address, Object>,
    /// Before each answer.
    pub(super) pause: Duration,
    pub(super) compressed: bool,
}

// === impl Server ===

impl Server {
    /// The next checkpoint.
    pub(super) fn has(&mut self, claim: Claim) {
        let bcs = |bytes: bytes::Bytes| proto::Bcs::default().with_value(bytes);
        let signature = claim.signature.unwrap();
        let signature = proto::ValidatorAggregatedSignature::default()
            .with_epoch(signature.epoch)
            .with_signature(signature.signature)
            .with_bitmap(signature.bitmap);
        let transactions = claim.transactions.into_iter().map(|transaction| {
            let effects = proto::TransactionEffects::default().with_bcs(bcs(transaction.effects.unwrap()));
            let mut served = proto::ExecutedTransaction::default().with_effects(effects);
            served.events = transaction.events.map(|events| proto::TransactionEvents::default().with_bcs(bcs(events)));
            served
        });
        let checkpoint = proto::Checkpoint::default()
            .with_summary(proto::CheckpointSummary::default().with_bcs(bcs(claim.summary.unwrap())))
            .with_signature(signature)
            .with_contents(proto::CheckpointContents::default().with_bcs(bcs(claim.contents.unwrap())))
            .with_transactions(transactions.collect());
        Arc::make_mut(&mut self.checkpoints).push(checkpoint);
    }

    /// The way to it. It ends with the test.
    pub(super) fn serve(self) -> Channel {
        let (near, far) = tokio::io::duplex(1 << 20);
        let mut service = LedgerServiceServer::new(self.clone()).max_encoding_message_size(32 << 20);
        if self.compressed {
            service = service.send_compressed(CompressionEncoding::Zstd);
        }
        let only = futures::stream::iter([Ok::<_, io::Error>(far)]);
        let mut tasks = JoinSet::new();
        tasks.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(only));
        let mut near = Some(near);
        Endpoint::from_static("http://in.memory").connect_with_connector_lazy(tower::service_fn(move |_| {
            // The server ends with the channel.
            let _owned = &tasks;
            let near = near.take().map(TokioIo::new);
            async move { near.ok_or_else(|| io::Error::other("it was connected to before")) }
        }))
    }
}

#[tonic::async_trait]
impl LedgerService for Server {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        tokio::time::sleep(self.pause).await;
        let Some(CheckpointId::SequenceNumber(sequence)) = request.into_inner().checkpoint_id else {
            return Err(Status::invalid_argument("no sequence number"));
        };
        let at = usize::try_from(sequence).unwrap().checked_sub(1);
        let checkpoint = at.and_then(|at| self.checkpoints.get(at)).ok_or_else(|| Status::not_found("none"))?;
        Ok(Response::new(proto::GetCheckpointResponse::default().with_checkpoint(checkpoint.clone())))
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        tokio::time::sleep(self.pause).await;
        let object = self.objects.get(&request.into_inner().object_id().parse().unwrap());
        let object = object.ok_or_else(|| Status::not_found("none"))?;
        let served = proto::Object::default()
            .with_bcs(proto::Bcs::serialize(object).unwrap())
            .with_previous_transaction(object.previous_transaction().to_string());
        Ok(Response::new(proto::GetObjectResponse::default().with_object(served)))
    }
}

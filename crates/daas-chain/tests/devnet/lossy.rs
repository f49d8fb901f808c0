//! An endpoint that loses requests or answers, or tells something else than it was told.

use crate::world::World;
use daas_chain::client::ChainClient;
use daas_chain::index::IndexIds;
use daas_types::onchain::{Cluster, ClusterState};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_rpc::proto::sui::rpc::v2::state_service_server::{StateService, StateServiceServer};
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::{
    TransactionExecutionService, TransactionExecutionServiceServer,
};
use sui_sdk_types::Transaction;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What happens to the first transactions that are sent.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// Executed, but the sender never hears of it.
    Answer,
    /// Not even received.
    Request,
    /// Executed; the sender hears that it was refused, at first that there is no such transaction, and of coins that it did not spend.
    Truth,
    /// The same, and it never says anything else.
    TruthForGood,
    /// Nothing; but it says that what was executed has failed.
    Success,
    /// Nothing; but it says that the cluster runs another version of the package.
    Version,
    /// Nothing; but the code that a cluster is to be moved to calls itself by this number.
    Migration(IndexIds, u64),
    /// Nothing; but ten times as much lies at the address itself.
    AddressBalance,
    /// Nothing; but it names an epoch that is far off.
    Epoch,
    /// Nothing; but what it says of a transaction has no time.
    Time,
    /// Nothing; but what it says of a transaction has no events.
    Events,
}

/// Passes everything on, except for the first `losses` executions.
#[derive(Clone)]
struct Lossy {
    real: Client,
    loss: Loss,
    losses: usize,
    sent: Arc<AtomicUsize>,
    /// Transactions that it will say once it does not know.
    denied: Arc<Mutex<HashSet<String>>>,
}

impl Loss {
    fn is_of_truth(self) -> bool {
        matches!(self, Self::Truth | Self::TruthForGood)
    }
}

#[tonic::async_trait]
impl LedgerService for Lossy {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        self.real.clone().ledger_client().get_checkpoint(request.into_inner()).await
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        let mut answer = self.real.clone().ledger_client().get_object(request.into_inner()).await?;
        let contents = answer.get_mut().object.as_mut().and_then(|object| object.contents.as_mut());
        if let (Loss::Version, Some(contents)) = (self.loss, contents)
            && let Ok(cluster) = bcs::from_bytes::<Cluster>(contents.value())
        {
            self.sent.fetch_add(1, Ordering::SeqCst);
            let other = Cluster { version: cluster.version + 1, ..cluster };
            contents.set_value(bcs::to_bytes(&other).unwrap());
        }
        Ok(answer)
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        let request = request.into_inner();
        let denied = match self.loss {
            Loss::TruthForGood => self.denied.lock().unwrap().contains(request.digest()),
            // Once: whoever looks at the coin later finds what took it.
            _ => self.denied.lock().unwrap().remove(request.digest()),
        };
        if denied {
            return Err(Status::not_found("no such transaction"));
        }
        let mut answer = self.real.clone().ledger_client().get_transaction(request).await?;
        let transaction = answer.get_mut().transaction_mut();
        match self.loss {
            Loss::Success => {
                transaction.effects_mut().set_status(proto::ExecutionStatus::default().with_success(false));
            }
            Loss::Time => transaction.timestamp = None,
            Loss::Events => transaction.events = None,
            _ => {}
        }
        Ok(answer)
    }

    async fn get_epoch(
        &self,
        request: Request<proto::GetEpochRequest>,
    ) -> Result<Response<proto::GetEpochResponse>, Status> {
        let mut answer = self.real.clone().ledger_client().get_epoch(request.into_inner()).await?;
        if let (Loss::Epoch, Some(epoch)) = (self.loss, &mut answer.get_mut().epoch) {
            epoch.epoch = Some(1000);
        }
        Ok(answer)
    }

    async fn get_service_info(
        &self,
        request: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        self.real.clone().ledger_client().get_service_info(request.into_inner()).await
    }
}

#[tonic::async_trait]
impl StateService for Lossy {
    async fn list_owned_objects(
        &self,
        request: Request<proto::ListOwnedObjectsRequest>,
    ) -> Result<Response<proto::ListOwnedObjectsResponse>, Status> {
        let mut answer = self.real.clone().state_client().list_owned_objects(request.into_inner()).await?;
        if self.loss.is_of_truth() {
            // One coin, another every time.
            let objects = &mut answer.get_mut().objects;
            objects.sort_by_key(proto::Object::version);
            objects.truncate(1);
        }
        Ok(answer)
    }

    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let mut answer = self.real.clone().state_client().get_balance(request.into_inner()).await?;
        if matches!(self.loss, Loss::AddressBalance) {
            let balance = answer.get_mut().balance_mut();
            let coins = balance.balance();
            balance.set_address_balance(10 * coins);
            balance.set_balance(11 * coins);
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl TransactionExecutionService for Lossy {
    async fn execute_transaction(
        &self,
        request: Request<proto::ExecuteTransactionRequest>,
    ) -> Result<Response<proto::ExecuteTransactionResponse>, Status> {
        let request = request.into_inner();
        let lost = self.sent.fetch_add(1, Ordering::SeqCst) < self.losses;
        if lost && matches!(self.loss, Loss::Request) {
            return Err(Status::unavailable("lost on the way there"));
        }
        let digest = Transaction::try_from(request.transaction()).unwrap().digest();
        let answer = self.real.clone().execution_client().execute_transaction(request).await;
        if lost && self.loss.is_of_truth() {
            self.denied.lock().unwrap().insert(digest.to_string());
            return Err(Status::invalid_argument("the transaction is not valid"));
        }
        if lost { Err(Status::unavailable("lost on the way back")) } else { answer }
    }

    async fn simulate_transaction(
        &self,
        request: Request<proto::SimulateTransactionRequest>,
    ) -> Result<Response<proto::SimulateTransactionResponse>, Status> {
        let mut answer = self.real.clone().execution_client().simulate_transaction(request.into_inner()).await?;
        if let Loss::Migration(ids, version) = self.loss {
            let transaction = answer.get_mut().transaction_mut();
            transaction.set_events(self.migrated(&ids, version).await?);
            transaction.effects_mut().set_status(proto::ExecutionStatus::default().with_success(true));
        }
        Ok(answer)
    }
}

impl Lossy {
    /// What code says that calls itself version `version`.
    async fn migrated(&self, ids: &IndexIds, version: u64) -> Result<proto::TransactionEvents, Status> {
        let request = proto::GetObjectRequest::new(&ids.cluster.0).with_read_mask(FieldMask::from_str("contents"));
        let answer = self.real.clone().ledger_client().get_object(request).await?.into_inner();
        let cluster: Cluster = bcs::from_bytes(answer.object().contents().value()).unwrap();
        let state = bcs::to_bytes(&ClusterState { version, ..cluster.state() }).unwrap();
        let event = proto::Event::default()
            .with_event_type(format!("{}::cluster::ClusterMigrated", ids.package))
            .with_contents(proto::Bcs::default().with_value(state));
        Ok(proto::TransactionEvents::default().with_events(vec![event]))
    }
}

/// A client of the world's network through a lossy endpoint.
pub(crate) async fn lossy(world: &World, loss: Loss, losses: usize) -> (ChainClient, Arc<AtomicUsize>, JoinSet<()>) {
    let real = Client::new(world.net.devnet.rpc_url()).unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let service = Lossy { real, loss, losses, sent: sent.clone(), denied: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(LedgerServiceServer::new(service.clone()))
        .add_service(StateServiceServer::new(service.clone()))
        .add_service(TransactionExecutionServiceServer::new(service));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    });
    (ChainClient::connect(&url, world.client.genesis()).await.unwrap(), sent, tasks)
}

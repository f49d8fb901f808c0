//! A server that passes everything on to a real one, and says something else now and then.

use futures::StreamExt;
use std::sync::{Arc, Mutex};
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::get_checkpoint_request::CheckpointId;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_rpc::proto::sui::rpc::v2::state_service_server::{StateService, StateServiceServer};
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::{SubscriptionService, SubscriptionServiceServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::codegen::BoxStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

type Change<T> = Option<Box<dyn Fn(&mut T) + Send + Sync>>;

/// What it changes, if anything.
#[derive(Default)]
pub(crate) struct Lies {
    /// Checkpoints, asked for or pushed.
    pub(crate) checkpoint: Change<proto::Checkpoint>,
    /// Only what is pushed.
    pub(crate) pushed: Change<proto::Checkpoint>,
    /// It has no checkpoint 0 any more.
    pub(crate) forgot_genesis: bool,
    pub(crate) info: Change<proto::GetServiceInfoResponse>,
    pub(crate) epoch: Change<proto::Epoch>,
    pub(crate) asked_object: Change<proto::GetObjectRequest>,
    pub(crate) object: Change<proto::Object>,
    pub(crate) asked_transaction: Change<proto::GetTransactionRequest>,
    pub(crate) transaction: Change<proto::ExecutedTransaction>,
    /// It has no transaction any more.
    pub(crate) forgot_transactions: bool,
    pub(crate) fields: Change<Vec<proto::DynamicField>>,
    pub(crate) owned: Change<Vec<proto::Object>>,
}

/// The server. It ends when dropped.
pub(crate) struct Liar {
    pub(crate) url: String,
    service: Service,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Service {
    /// Who serves checkpoint 0 and names the network.
    face: Client,
    /// Who serves everything else.
    real: Arc<Mutex<Client>>,
    lies: Arc<Mutex<Lies>>,
}

// === impl Liar ===

impl Liar {
    /// In front of `url`, honest until it is told a lie.
    pub(crate) async fn start(url: &str) -> Self {
        Self::with_face(url, url).await
    }

    /// In front of `url`, with the genesis of the network at `face`.
    pub(crate) async fn with_face(face: &str, url: &str) -> Self {
        let real = Arc::new(Mutex::new(Client::new(url).unwrap()));
        let service = Service { face: Client::new(face).unwrap(), real, lies: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(LedgerServiceServer::new(service.clone()))
            .add_service(StateServiceServer::new(service.clone()))
            .add_service(SubscriptionServiceServer::new(service.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        Self { url, service, _server: tasks }
    }

    /// From now on this, and no other lie.
    pub(crate) fn says(&self, lies: Lies) {
        *self.service.lies.lock().unwrap() = lies;
    }

    /// From now on in front of `url`.
    pub(crate) fn turns_to(&self, url: &str) {
        *self.service.real.lock().unwrap() = Client::new(url).unwrap();
    }
}

// === impl Service ===

impl Service {
    fn real(&self) -> Client {
        self.real.lock().unwrap().clone()
    }

    fn tell<T>(&self, lie: impl Fn(&Lies) -> &Change<T>, truth: &mut T) {
        if let Some(change) = lie(&self.lies.lock().unwrap()) {
            change(truth);
        }
    }
}

#[tonic::async_trait]
impl LedgerService for Service {
    async fn get_service_info(
        &self,
        request: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        let named = self.face.clone().ledger_client().get_service_info(request.into_inner()).await?.into_inner();
        let mut answer = self.real().ledger_client().get_service_info(proto::GetServiceInfoRequest::default()).await?;
        answer.get_mut().chain_id = named.chain_id;
        self.tell(|lies| &lies.info, answer.get_mut());
        Ok(answer)
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let request = request.into_inner();
        if request.checkpoint_id == Some(CheckpointId::SequenceNumber(0)) {
            if self.lies.lock().unwrap().forgot_genesis {
                return Err(Status::not_found("it was pruned"));
            }
            return self.face.clone().ledger_client().get_checkpoint(request).await;
        }
        let mut answer = self.real().ledger_client().get_checkpoint(request).await?;
        self.tell(|lies| &lies.checkpoint, answer.get_mut().checkpoint.as_mut().unwrap());
        Ok(answer)
    }

    async fn get_epoch(
        &self,
        request: Request<proto::GetEpochRequest>,
    ) -> Result<Response<proto::GetEpochResponse>, Status> {
        let mut answer = self.real().ledger_client().get_epoch(request.into_inner()).await?;
        self.tell(|lies| &lies.epoch, answer.get_mut().epoch.as_mut().unwrap());
        Ok(answer)
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        let mut request = request.into_inner();
        self.tell(|lies| &lies.asked_object, &mut request);
        let mut answer = self.real().ledger_client().get_object(request).await?;
        self.tell(|lies| &lies.object, answer.get_mut().object.as_mut().unwrap());
        Ok(answer)
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        if self.lies.lock().unwrap().forgot_transactions {
            return Err(Status::not_found("it was pruned"));
        }
        let mut request = request.into_inner();
        self.tell(|lies| &lies.asked_transaction, &mut request);
        let mut answer = self.real().ledger_client().get_transaction(request).await?;
        self.tell(|lies| &lies.transaction, answer.get_mut().transaction.as_mut().unwrap());
        Ok(answer)
    }
}

#[tonic::async_trait]
impl StateService for Service {
    async fn list_dynamic_fields(
        &self,
        request: Request<proto::ListDynamicFieldsRequest>,
    ) -> Result<Response<proto::ListDynamicFieldsResponse>, Status> {
        let mut answer = self.real().state_client().list_dynamic_fields(request.into_inner()).await?;
        self.tell(|lies| &lies.fields, &mut answer.get_mut().dynamic_fields);
        Ok(answer)
    }

    async fn list_owned_objects(
        &self,
        request: Request<proto::ListOwnedObjectsRequest>,
    ) -> Result<Response<proto::ListOwnedObjectsResponse>, Status> {
        let mut answer = self.real().state_client().list_owned_objects(request.into_inner()).await?;
        self.tell(|lies| &lies.owned, &mut answer.get_mut().objects);
        Ok(answer)
    }
}

#[tonic::async_trait]
impl SubscriptionService for Service {
    async fn subscribe_checkpoints(
        &self,
        request: Request<proto::SubscribeCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeCheckpointsResponse>>, Status> {
        let stream = self.real().subscription_client().subscribe_checkpoints(request.into_inner()).await?;
        let liar = self.clone();
        let frames = stream.into_inner().map(move |frame| {
            let mut frame = frame?;
            let checkpoint = frame.checkpoint.as_mut().unwrap();
            liar.tell(|lies| &lies.checkpoint, checkpoint);
            liar.tell(|lies| &lies.pushed, checkpoint);
            Ok(frame)
        });
        Ok(Response::new(frames.boxed()))
    }
}

//! An endpoint that stays connected but says nothing more, and one that skips checkpoints.

use crate::world::{Following, PATIENCE, World};
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_rpc::proto::sui::rpc::v2::state_service_server::{StateService, StateServiceServer};
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::{SubscriptionService, SubscriptionServiceServer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::codegen::BoxStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Passes reads on. The first subscription falls silent after one checkpoint; later ones leave out every second.
#[derive(Clone)]
struct Flawed {
    real: Client,
    subscriptions: Arc<AtomicUsize>,
    seen: watch::Sender<usize>,
}

#[tonic::async_trait]
impl LedgerService for Flawed {
    async fn get_service_info(
        &self,
        request: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        self.real.clone().ledger_client().get_service_info(request.into_inner()).await
    }

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
        self.real.clone().ledger_client().get_object(request.into_inner()).await
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        self.real.clone().ledger_client().get_transaction(request.into_inner()).await
    }
}

#[tonic::async_trait]
impl StateService for Flawed {
    async fn list_dynamic_fields(
        &self,
        request: Request<proto::ListDynamicFieldsRequest>,
    ) -> Result<Response<proto::ListDynamicFieldsResponse>, Status> {
        self.real.clone().state_client().list_dynamic_fields(request.into_inner()).await
    }
}

#[tonic::async_trait]
impl SubscriptionService for Flawed {
    async fn subscribe_checkpoints(
        &self,
        request: Request<proto::SubscribeCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeCheckpointsResponse>>, Status> {
        let count = self.subscriptions.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.send_replace(count);
        let stream = self.real.clone().subscription_client().subscribe_checkpoints(request.into_inner()).await?;
        let stream = stream.into_inner();
        Ok(Response::new(if count == 1 {
            stream.take(1).chain(futures::stream::pending()).boxed()
        } else {
            stream.enumerate().filter_map(async |(n, frame)| (n % 2 == 0).then_some(frame)).boxed()
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_noticed_and_gaps_are_filled() {
    let world = World::start().await;
    let real = Client::new(world.net.devnet.rpc_url()).unwrap();
    let (seen, mut subscribed) = watch::channel(0);
    let service = Flawed { real, subscriptions: Arc::default(), seen };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(LedgerServiceServer::new(service.clone()))
        .add_service(StateServiceServer::new(service.clone()))
        .add_service(SubscriptionServiceServer::new(service));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    });

    let client = ChainClient::connect(&url, world.client.genesis()).await.unwrap();
    let follower = Follower::new(client, Index::new(world.ids)).with_idle_limit(Duration::from_millis(500));
    let following = Following::of(follower);
    let again = subscribed.wait_for(|count| *count >= 2);
    tokio::time::timeout(PATIENCE, again).await.expect("silence must be noticed").unwrap();

    let mut changes = following.index.changes();
    let staker = world.rich(2).await;
    let mut last = world.stake(&staker, 5, "node-1").await.unwrap();
    for _ in 0..4 {
        last = staker.restake(&world.ids, last.position.position, last.position.active).await.unwrap();
    }
    assert_eq!(following.sees(&last).await.state.generation, 5);
    // Every change in order, though the endpoint pushed only half of the checkpoints: nothing had to be read again.
    let seen: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).map(|change| change.generation).collect();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    following.stop().await;
}

//! An endpoint that loses requests or answers: nothing may be done twice.

use crate::world::World;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_chain::client::ChainClient;
use daas_chain::index::IndexIds;
use daas_chain::ops::{Ops, TxError};
use daas_types::onchain::{Cluster, ClusterState};
use daas_types::{ErrorCode, Mist, Problem};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use sui_crypto::SuiSigner as _;
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
enum Loss {
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
        if matches!(self.loss, Loss::Success) {
            let failed = proto::ExecutionStatus::default().with_success(false);
            answer.get_mut().transaction_mut().effects_mut().set_status(failed);
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
async fn lossy(world: &World, loss: Loss, losses: usize) -> (ChainClient, Arc<AtomicUsize>, JoinSet<()>) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_stake_twice() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let (client, sent, _server) = lossy(&world, Loss::Answer, 1).await;
    let before = client_balance(&world, &staker).await;
    let unlucky = Ops::new(client, crate::world::wallet(2));
    let staked = world.stake(&unlucky, 5, "node-1").await.unwrap();
    assert_eq!(staked.position.active, Mist::from_sui(5));
    assert_eq!(sent.load(Ordering::SeqCst), 1, "it was found, so it was not sent again");
    let spent = before.0 - client_balance(&world, &staker).await.0;
    assert!((Mist::from_sui(5).0..Mist::from_sui(6).0).contains(&spent), "{spent}");
    assert_eq!(world.client.positions(&world.ids).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_request_is_sent_again() {
    let world = World::start().await;
    let _paid = world.rich(2).await;
    let (client, sent, _server) = lossy(&world, Loss::Request, 2).await;
    let unlucky = Ops::new(client, crate::world::wallet(2));
    world.stake(&unlucky, 5, "node-1").await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 3);
    assert_eq!(world.client.positions(&world.ids).await.unwrap().len(), 1);
}

/// Which code is called, no endpoint decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_only_said_is_not_called() {
    let world = World::start().await;
    let _paid = world.rich(2).await;
    let (client, said, _server) = lossy(&world, Loss::Version, 0).await;
    let ops = Ops::new(client, crate::world::wallet(2));
    let staked = world.stake(&ops, 5, "node-1").await.unwrap();
    assert!(said.load(Ordering::SeqCst) > 0);
    ops.unstake(&world.ids, staked.position.position, Mist::from_sui(5)).await.unwrap();
}

/// Whoever says that a payment was refused, having made it, must not get another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_said_to_be_refused_is_not_made_again() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    for _ in 0..2 {
        world.operator.transfer(payer.wallet().address(), Mist::from_sui(20)).await.unwrap();
    }
    assert!(world.client.coins(payer.wallet().address()).await.unwrap().len() >= 3);
    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let to = crate::world::wallet(7).address();
    let error = Ops::new(client, crate::world::wallet(2)).transfer(to, Mist::from_sui(5)).await.unwrap_err();
    let TxError::Doubtful { digest, .. } = &error else { panic!("{error}") };
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5), "once");
    let problem = Problem::from(TxError::Doubtful { digest: *digest, cause: "no".into() });
    assert_eq!(problem.code, ErrorCode::OutcomeDoubtful);
    assert!(problem.cause.contains(&digest.to_string()), "{problem}");
}

/// What was shown and confirmed, or signed elsewhere, is not built anew; but whoever hears "refused" types it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_shown_payment_that_is_said_to_be_refused_is_doubtful() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    let to = crate::world::wallet(7).address();
    for (paid, loss) in [(1, Loss::Truth), (2, Loss::TruthForGood)] {
        let (client, sent, _server) = lossy(&world, loss, 9).await;
        let ops = Ops::new(client, crate::world::wallet(2));
        let call = ops.transfer(to, Mist::from_sui(5));
        let shown = call.estimate().await.unwrap().transaction;
        let error = call.send(&shown).await.unwrap_err();
        assert!(matches!(&error, TxError::Doubtful { digest, .. } if *digest == shown.digest()), "{error}");
        assert_eq!(Problem::from(error).code, ErrorCode::OutcomeDoubtful);
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5 * paid));
    }

    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let shown = payer.transfer(to, Mist::from_sui(5)).unsigned().await.unwrap();
    let bytes = STANDARD.decode(shown.to_string()).unwrap();
    let signature = payer.wallet().sign_transaction(&bcs::from_bytes(&bytes).unwrap()).unwrap();
    let error = shown.submit(&client, None, &[signature]).await.unwrap_err();
    assert!(matches!(&error, TxError::Doubtful { digest, .. } if *digest == shown.digest()), "{error}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(15));
}

/// Nor is it one that is said to have failed; one that has failed is known by the checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_said_to_have_failed_is_doubtful() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let to = crate::world::wallet(7).address();
    let (client, _, _server) = lossy(&world, Loss::Success, 0).await;
    let error = Ops::new(client, crate::world::wallet(2)).transfer(to, Mist::from_sui(5)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeDoubtful, "{error}");
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5));
    let too_little = world.stake(&staker, 0, "node-1").await.unwrap_err();
    assert!(matches!(&too_little, TxError::Aborted { .. }), "{too_little}");
}

/// A wallet that cannot pay a second time has perhaps paid the first time.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_payment_took_is_not_missing() {
    let world = World::start().await;
    let (payer, to) = (crate::world::wallet(8), crate::world::wallet(7).address());
    world.operator.transfer(payer.address(), Mist::from_sui(5)).await.unwrap();
    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let error = Ops::new(client, payer).transfer(to, Mist::from_sui(4)).await.unwrap_err();
    assert!(matches!(&error, TxError::Doubtful { .. }), "{error}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(4));
}

/// A cluster whose version is no package's is found by no program: everybody's stake would be locked in.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_not_moved_to_code_that_calls_itself_something_else() {
    let world = World::start().await;
    let estimate = async |version| {
        let (client, _, _server) = lossy(&world, Loss::Migration(world.ids, version), 0).await;
        Ops::new(client, crate::world::wallet(1)).migrate(&world.ids).estimate().await
    };
    // The package is its own first version.
    assert_eq!(estimate(1).await.unwrap().code, None);
    for version in [0, 2] {
        let error = estimate(version).await.unwrap_err();
        assert!(matches!(&error, TxError::Misnumbered { number: 1, said, .. } if *said == version), "{error}");
        assert_eq!(Problem::from(error).code, ErrorCode::CodeMisnumbered);
    }
}

/// Whoever waits for gas waits for coins, since nothing else pays.
#[tokio::test(flavor = "multi_thread")]
async fn only_coins_count_as_balance() {
    let world = World::start().await;
    let address = world.rich(2).await.wallet().address();
    let (client, _, _server) = lossy(&world, Loss::AddressBalance, 0).await;
    assert_eq!(client.balance(address).await.unwrap(), world.client.balance(address).await.unwrap());
}

async fn client_balance(world: &World, ops: &Ops) -> Mist {
    world.client.balance(ops.wallet().address()).await.unwrap()
}

#[test]
fn an_unknown_outcome_names_the_transaction() {
    let error = TxError::Unknown { digest: daas_types::Digest::ZERO, cause: "gone".into() };
    let problem = Problem::from(error);
    assert!(problem.cause.contains(&daas_types::Digest::ZERO.to_string()), "{problem}");
    assert_eq!(problem.code, ErrorCode::OutcomeDoubtful);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_for_an_epoch_that_an_endpoint_makes_up() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    let (client, _, _server) = lossy(&world, Loss::Epoch, 0).await;
    let through = Ops::new(client, crate::world::wallet(2));
    // The network refuses what is signed for a later epoch, and the endpoint might keep it for then.
    through.transfer(crate::world::wallet(7).address(), Mist(3)).await.unwrap();
    assert_eq!(through.sender(), payer.sender());
}

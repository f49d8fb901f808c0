use super::{Services, read_mask, render};
use crate::execute::{REFERENCE_GAS_PRICE, Simulated};
use crate::ledger::{StoredTransaction, View};
use sui_rpc::field::{FieldMask, FieldMaskTree, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::simulate_transaction_request::TransactionChecks;
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::TransactionExecutionService;
use sui_sdk_types::{SignedTransaction, Transaction, TransactionEffects, UserSignature};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl TransactionExecutionService for Services {
    async fn execute_transaction(
        &self,
        request: Request<proto::ExecuteTransactionRequest>,
    ) -> Result<Response<proto::ExecuteTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<proto::ExecutedTransaction>(request.read_mask.as_ref(), "effects.status,checkpoint")?;
        let signed = parse(&request)?;
        let executor = self.executor.clone();
        let done = blocking(move || executor.submit(signed)).await??;
        let transaction = render::transaction(&self.view()?, &done, &mask)?;
        let mut response = proto::ExecuteTransactionResponse::default();
        response.transaction = Some(transaction);
        Ok(Response::new(response))
    }

    async fn simulate_transaction(
        &self,
        request: Request<proto::SimulateTransactionRequest>,
    ) -> Result<Response<proto::SimulateTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = request.read_mask.clone().unwrap_or_else(|| FieldMask::from_str("transaction.effects.status"));
        let mask = read_mask::<proto::SimulateTransactionResponse>(Some(&mask), "")?;
        if request.checks() == TransactionChecks::Disabled {
            return Err(Status::unimplemented("this devnet does not simulate with checks disabled"));
        }
        let Some(transaction) = request.transaction.clone() else {
            return Err(Status::invalid_argument("transaction is missing"));
        };
        let (executor, select_gas) = (self.executor.clone(), request.do_gas_selection());
        let simulated = blocking(move || executor.complete(&transaction, select_gas)).await??;
        let mut response = proto::SimulateTransactionResponse::default();
        if let Some(mask) = mask.subtree("transaction") {
            response.transaction = Some(executed(&self.view()?, simulated, &mask)?);
        }
        if mask.contains("suggested_gas_price") {
            response.suggested_gas_price = Some(REFERENCE_GAS_PRICE);
        }
        Ok(Response::new(response))
    }
}

/// A simulation as if it had been executed, without checkpoint and time.
fn executed(view: &View, simulated: Simulated, mask: &FieldMaskTree) -> Result<proto::ExecutedTransaction, Status> {
    let Simulated { transaction, executed } = simulated;
    let stored = StoredTransaction {
        signed: SignedTransaction { transaction, signatures: vec![] },
        effects: TransactionEffects::V2(Box::new(executed.effects)),
        events: executed.events,
        balance_changes: executed.balance_changes,
        checkpoint: 0,
        index: 0,
        timestamp_ms: 0,
    };
    let mut message = render::transaction(view, &stored, mask)?;
    (message.checkpoint, message.timestamp, message.transaction_index) = (None, None, None);
    if let Some(mask) = mask.subtree("objects.objects") {
        let written = executed.changes.written.into_values().map(|o| render::object(o, &mask));
        let before = message.objects.take().unwrap_or_default().objects;
        message.objects = Some(proto::ObjectSet::default().with_objects(before.into_iter().chain(written).collect()));
    }
    Ok(message)
}

fn parse(request: &proto::ExecuteTransactionRequest) -> Result<SignedTransaction, Status> {
    let transaction = request.transaction.as_ref().ok_or_else(|| Status::invalid_argument("transaction is missing"))?;
    let transaction =
        Transaction::try_from(transaction).map_err(|e| Status::invalid_argument(format!("transaction: {e}")))?;
    let signatures = request
        .signatures
        .iter()
        .map(UserSignature::try_from)
        .collect::<Result<_, _>>()
        .map_err(|e| Status::invalid_argument(format!("signatures: {e}")))?;
    Ok(SignedTransaction { transaction, signatures })
}

/// Work that ends with a write to disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Status::internal(format!("execution: {e}")))
}

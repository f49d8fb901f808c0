use super::{Services, json, read_mask, render};
use crate::execute::{REFERENCE_GAS_PRICE, Simulated};
use crate::faults::shown::Shown;
use crate::ledger::StoredTransaction;
use crate::node::blocking;
use sui_rpc::field::{FieldMask, FieldMaskTree, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::simulate_transaction_request::TransactionChecks;
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::TransactionExecutionService;
use sui_sdk_types::{SignedTransaction, Transaction, TransactionEffects, TypeTag, UserSignature};
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
        let done = self.node.submit(signed).await?;
        let shown = self.shown()?;
        let done = shown.just_executed(done);
        let mut transaction = render::transaction(&shown, &done, &mask)?;
        if !shown.reaches(done.checkpoint) {
            (transaction.checkpoint, transaction.timestamp, transaction.transaction_index) = (None, None, None);
        }
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
        let Some(transaction) = request.transaction.clone() else {
            return Err(Status::invalid_argument("transaction is missing"));
        };
        let (executor, select_gas) = (self.node.executor.clone(), request.do_gas_selection());
        let unchecked = request.checks() == TransactionChecks::Disabled;
        let simulated = blocking(move || executor.complete(&transaction, select_gas, unchecked)).await??;
        let mut response = proto::SimulateTransactionResponse::default();
        if mask.contains("command_outputs") {
            response.command_outputs = simulated.executed.answers.iter().map(|answers| outputs(answers)).collect();
        }
        if let Some(mask) = mask.subtree("transaction") {
            response.transaction = Some(executed(&self.shown()?, simulated, &mask)?);
        }
        if mask.contains("suggested_gas_price") {
            response.suggested_gas_price = Some(REFERENCE_GAS_PRICE);
        }
        Ok(Response::new(response))
    }
}

/// What a command answered, as far as it is no object.
fn outputs(answers: &[(TypeTag, Vec<u8>)]) -> proto::CommandResult {
    let output = |(tag, bytes): &(TypeTag, Vec<u8>)| {
        let value = proto::Bcs::default().with_name(tag.to_string()).with_value(bytes.clone());
        let mut output = proto::CommandOutput::default().with_value(value);
        output.json = json::of(tag, bytes);
        output
    };
    proto::CommandResult::default().with_return_values(answers.iter().map(output).collect())
}

/// A simulation as if it had been executed, without checkpoint and time.
fn executed(shown: &Shown, simulated: Simulated, mask: &FieldMaskTree) -> Result<proto::ExecutedTransaction, Status> {
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
    let mut message = render::transaction(shown, &stored, mask)?;
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

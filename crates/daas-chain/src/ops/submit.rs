use super::build::{Draft, Known};
use super::{Ops, Outcome, TxError};
use crate::client::{ChainClient, ChainError, TRANSACTION_EVENTS, deadline};
use core::time::Duration;
use daas_types::{Digest, PackageId};
use futures::future::{try_join_all, try_join3};
use sui_crypto::SuiSigner;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2::{self as proto, ExecutedTransaction};
use sui_sdk_types::{Transaction, UserSignature};
use tokio::time::Instant;
use tonic::Code;

/// How often a transaction is built anew because the objects it names have moved on.
const BUILDS: usize = 3;
/// How long the fate of a sent transaction is asked for.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What became of a transaction that was sent.
enum Fate {
    Executed(Box<ExecutedTransaction>),
    Refused(String),
}

/// What the endpoint knows of a transaction.
enum Lookup {
    InCheckpoint(Box<ExecutedTransaction>),
    Pending,
    NotThere,
}

// === impl Ops ===

impl Ops {
    /// Builds, signs and executes, and waits until the transaction is in a checkpoint. Events are those of `package`.
    pub(super) async fn run(&self, package: Option<PackageId>, draft: &Draft) -> Result<Outcome, TxError> {
        let _turn = self.turn.lock().await;
        let mut refused: Option<(Digest, String)> = None;
        for _ in 0..BUILDS {
            let transaction = draft.build(&self.know(draft).await?)?;
            let digest = transaction.digest();
            if refused.as_ref().is_some_and(|(before, _)| *before == digest) {
                // Nothing has moved, so the answer would be the same.
                break;
            }
            let signature = self.wallet.sign_transaction(&transaction);
            let signature = signature.map_err(|e| TxError::Broken(format!("the transaction cannot be signed: {e}")))?;
            match self.settle(&transaction, &signature).await? {
                Fate::Executed(executed) => return Outcome::of(digest, package, &executed),
                Fate::Refused(cause) => refused = Some((digest, cause)),
            }
        }
        let (digest, cause) = refused.expect("a transaction neither executed nor unknown must have been refused");
        Err(TxError::Rejected { digest, cause })
    }

    /// Waits for a transaction of someone else, such as the faucet's, to be in a checkpoint.
    pub(super) async fn await_checkpoint(client: &ChainClient, digest: Digest) -> Result<(), TxError> {
        let end = Instant::now() + SETTLED_WITHIN;
        let mut wait = FIRST_WAIT;
        loop {
            let cause = match look_up(client, digest).await {
                Ok(Lookup::InCheckpoint(_)) => return Ok(()),
                Ok(Lookup::Pending | Lookup::NotThere) => "it is in no checkpoint".to_owned(),
                Err(error) => error.to_string(),
            };
            pause(&mut wait, end, digest, &cause).await?;
        }
    }

    async fn know(&self, draft: &Draft) -> Result<Known, ChainError> {
        let sender = self.wallet.address();
        let objects = draft.objects().into_iter().map(|id| self.client.reference(id));
        let price = async {
            let request = proto::GetEpochRequest::latest().with_read_mask(FieldMask::from_str("reference_gas_price"));
            deadline("get epoch", self.client.rpc().ledger_client().get_epoch(request)).await
        };
        let (coins, objects, epoch) = try_join3(self.client.coins(sender), try_join_all(objects), price).await?;
        let objects = objects.into_iter().map(|object| (object.id, object)).collect();
        Ok(Known { sender, coins, objects, gas_price: epoch.epoch().reference_gas_price() })
    }

    /// Sends until the endpoint has taken or refused it, looking it up by digest after every attempt. Sending again is
    /// harmless: the same bytes are the same transaction.
    async fn settle(&self, transaction: &Transaction, signature: &UserSignature) -> Result<Fate, TxError> {
        let digest = transaction.digest();
        let end = Instant::now() + SETTLED_WITHIN;
        let (mut wait, mut taken, mut refused) = (FIRST_WAIT, false, None);
        loop {
            let mut cause = "it is in no checkpoint".to_owned();
            if !taken && refused.is_none() {
                match self.send(transaction, signature).await {
                    Ok(()) => taken = true,
                    Err(ChainError::Refused { cause, .. }) => refused = Some(cause),
                    Err(error) => cause = error.to_string(),
                }
            }
            match look_up(&self.client, digest).await {
                Ok(Lookup::InCheckpoint(executed)) => return Ok(Fate::Executed(executed)),
                Ok(Lookup::NotThere) => {
                    if let Some(cause) = refused {
                        return Ok(Fate::Refused(cause));
                    }
                }
                Ok(Lookup::Pending) => {}
                Err(error) => cause = error.to_string(),
            }
            pause(&mut wait, end, digest, &cause).await?;
        }
    }

    async fn send(&self, transaction: &Transaction, signature: &UserSignature) -> Result<(), ChainError> {
        let request = proto::ExecuteTransactionRequest::new(transaction.clone().into())
            .with_signatures(vec![signature.clone().into()])
            .with_read_mask(FieldMask::from_str("effects.status"));
        let mut execution = self.client.rpc().execution_client();
        deadline("execute transaction", execution.execute_transaction(request)).await.map(drop)
    }
}

async fn look_up(client: &ChainClient, digest: Digest) -> Result<Lookup, ChainError> {
    let mask = ["digest", "checkpoint", "timestamp", "effects", TRANSACTION_EVENTS];
    let request = proto::GetTransactionRequest::new(&digest).with_read_mask(FieldMask::from_paths(mask));
    match deadline("get transaction", client.rpc().ledger_client().get_transaction(request)).await {
        Ok(answer) => Ok(match answer.transaction {
            Some(executed) if executed.checkpoint.is_some() => Lookup::InCheckpoint(Box::new(executed)),
            _ => Lookup::Pending,
        }),
        Err(ChainError::Refused { code: Code::NotFound, .. }) => Ok(Lookup::NotThere),
        Err(error) => Err(error),
    }
}

/// Waits a little longer each time; an error once `end` has come.
async fn pause(wait: &mut Duration, end: Instant, digest: Digest, cause: &str) -> Result<(), TxError> {
    if Instant::now() >= end {
        return Err(TxError::Unknown { digest, cause: cause.to_owned() });
    }
    tokio::time::sleep(*wait).await;
    *wait = LONGEST_WAIT.min(*wait * 2);
    Ok(())
}

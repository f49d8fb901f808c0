use super::build::{Draft, Known, Office};
use super::{Ops, Outcome, TxError, Unsigned};
use crate::client::{ChainClient, ChainError, TRANSACTION_EVENTS, deadline};
use crate::index::IndexIds;
use core::time::Duration;
use daas_types::{Address, Digest, PackageId, UnixMs};
use futures::future::{try_join, try_join_all, try_join5};
use std::collections::{BTreeMap, BTreeSet};
use sui_crypto::SuiSigner;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::proto_to_timestamp_ms;
use sui_rpc::proto::sui::rpc::v2::{self as proto, ExecutedTransaction};
use sui_sdk_types::{Owner, Transaction, UserSignature};
use tokio::time::Instant;
use tonic::Code;

/// How often a transaction is built anew because the objects it names have moved on.
const BUILDS: usize = 3;
/// How often what it needs is asked for before an endpoint that does not answer is an error.
const ASKS: usize = 4;
/// How long the fate of a sent transaction is asked for.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// How many coins of a refused transaction are looked at. The first is the one that is left of all of them.
const PROVEN_COINS: usize = 4;
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What became of a transaction that was sent.
enum Fate {
    Executed(Box<ExecutedTransaction>),
    Refused(String),
}

/// What the endpoint knows of a transaction.
pub(super) enum Lookup {
    InCheckpoint(Box<ExecutedTransaction>),
    Pending,
    NotThere,
}

// === impl Ops ===

impl Ops {
    /// Builds, signs and executes, and waits until the transaction is in a checkpoint.
    pub(super) async fn run(&self, draft: &Draft) -> Result<Outcome, TxError> {
        if !self.wallet.has_key() {
            return Err(TxError::KeyMissing(self.sender()));
        }
        let _turn = self.turn.lock().await;
        let mut refused: Vec<(Transaction, String)> = Vec::new();
        for _ in 0..BUILDS {
            let transaction = match self.built(draft).await {
                Ok(transaction) => transaction,
                // What is missing may be what a refused one took.
                Err(error) => return Err(refusal(&self.client, refused, Some(error)).await),
            };
            let digest = transaction.digest();
            if refused.last().is_some_and(|(before, _)| before.digest() == digest) {
                // Nothing has moved, so the answer would be the same.
                break;
            }
            for (before, cause) in &refused {
                if !exclude(before, &transaction) && !is_dead(&self.client, before).await {
                    return Err(TxError::Doubtful { digest: before.digest(), cause: cause.clone() });
                }
            }
            match settle(&self.client, &transaction, &[self.signed(&transaction)?]).await? {
                Fate::Executed(executed) => return outcome(&self.client, digest, draft.package, &executed).await,
                Fate::Refused(cause) => refused.push((transaction, cause)),
            }
        }
        Err(refusal(&self.client, refused, None).await)
    }

    /// Signs and executes that transaction and no other.
    pub(super) async fn run_shown(&self, shown: &Unsigned, package: Option<PackageId>) -> Result<Outcome, TxError> {
        let _turn = self.turn.lock().await;
        submit(&self.client, shown.transaction(), &[self.signed(shown.transaction())?], package).await
    }

    fn signed(&self, transaction: &Transaction) -> Result<UserSignature, TxError> {
        if !self.wallet.has_key() {
            return Err(TxError::KeyMissing(self.sender()));
        }
        let signature = self.wallet.sign_transaction(transaction);
        signature.map_err(|e| TxError::Broken(format!("the transaction cannot be signed: {e}")))
    }

    /// The transaction, of what the chain is now.
    pub(super) async fn built(&self, draft: &Draft) -> Result<Transaction, TxError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..ASKS {
            match self.know(draft).await {
                Err(TxError::Chain(error)) if matches!(error, ChainError::Unreachable { .. }) || error.is_lie() => {
                    give_way(&self.client, &error).await;
                }
                known => return self.paid(draft, known?).await,
            }
            tokio::time::sleep(wait).await;
            wait = LONGEST_WAIT.min(wait * 2);
        }
        self.paid(draft, self.know(draft).await?).await
    }

    /// The transaction, and who pays. What a wallet holds is an endpoint's word, and that it is too little ends what was asked for:
    /// that is believed if no other endpoint knows of more.
    async fn paid(&self, draft: &Draft, mut known: Known) -> Result<Transaction, TxError> {
        let poor = match draft.build(&known) {
            Err(error @ TxError::InsufficientFunds { .. }) => error,
            built => return built,
        };
        for other in self.client.others() {
            // One that does not answer knows of nothing.
            let Ok(coins) = other.coins(known.sender).await else { continue };
            known.coins = coins;
            match draft.build(&known) {
                Err(TxError::InsufficientFunds { .. }) => {}
                built => {
                    give_way(&self.client, &ChainError::malformed("list coins", "another endpoint lists more")).await;
                    return built;
                }
            }
        }
        Err(poor)
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

    async fn know(&self, draft: &Draft) -> Result<Known, TxError> {
        let sender = self.sender();
        let offices = draft.offices().into_iter();
        let offices = offices.map(async |(office, ids)| Ok::<_, TxError>((office, self.office(office, &ids).await?)));
        let offices: BTreeMap<_, _> = try_join_all(offices).await?.into_iter().collect();
        let objects = draft.objects().into_iter().chain(offices.values().copied());
        let objects = try_join_all(objects.map(|id| self.client.reference(id)));
        let price = async {
            let request = proto::GetEpochRequest::latest().with_read_mask(FieldMask::from_str("reference_gas_price"));
            deadline("get epoch", self.client.rpc().ledger_client().get_epoch(request)).await
        };
        // Until when a signature counts, no endpoint says: one that named a later epoch could keep it for then.
        let newest = self.client.newest();
        let code = Box::pin(async {
            Ok(match (&draft.cluster, draft.package) {
                (Some(ids), Some(package)) => self.code_for(ids).await?.map(|code| (package, code)),
                (None, Some(package)) => self.code.map(|code| (package, code)),
                _ => None,
            })
        });
        let now = async { if draft.needs_now() { network_time(&self.client).await } else { Ok(UnixMs(0)) } };
        let coins = self.client.coins(sender);
        let chain = async { try_join5(coins, objects, price, newest, now).await.map_err(TxError::from) };
        let ((coins, objects, price, newest, now), code) = Box::pin(try_join(chain, code)).await?;
        let objects = objects.into_iter().map(|object| (object.id, object)).collect();
        let (gas_price, epoch) = (price.epoch().reference_gas_price(), newest.epoch);
        let chain = self.client.genesis().digest();
        Ok(Known { sender, coins, objects, offices, gas_price, epoch, chain, code, now })
    }

    /// The sender's capability. Only the cluster's current proposer's and judge's count.
    async fn office(&self, office: Office, ids: &IndexIds) -> Result<Address, TxError> {
        let sender = self.sender();
        let missing = || TxError::CapMissing { address: sender, cap: office.cap() };
        let current = match office {
            Office::Admin => return self.client.caps(ids, sender).await?.admin.ok_or_else(missing),
            Office::Proposer => self.client.cluster(ids).await?.proposer_cap.0,
            Office::Judge => self.client.cluster(ids).await?.judge_cap.0,
        };
        let owner = self.client.reference(current).await?.owner;
        if owner == Owner::Address(sender.0) { Ok(current) } else { Err(missing()) }
    }
}

/// The time of the network's last checkpoint, as the endpoint says: never after the network's own clock, whatever this
/// machine's says.
pub async fn network_time(client: &ChainClient) -> Result<UnixMs, ChainError> {
    const CALL: &str = "get service info";
    let request = proto::GetServiceInfoRequest::default();
    let info = deadline(CALL, client.rpc().ledger_client().get_service_info(request)).await?;
    let time = info.timestamp.ok_or_else(|| ChainError::malformed(CALL, "no timestamp"))?;
    proto_to_timestamp_ms(time).map(UnixMs).map_err(|e| ChainError::malformed(CALL, e))
}

/// Executes a signed transaction, and waits until it is in a checkpoint. The events are those of `package`.
pub(super) async fn submit(
    client: &ChainClient,
    transaction: &Transaction,
    signatures: &[UserSignature],
    package: Option<PackageId>,
) -> Result<Outcome, TxError> {
    let digest = transaction.digest();
    match settle(client, transaction, signatures).await? {
        Fate::Executed(executed) => outcome(client, digest, package, &executed).await,
        Fate::Refused(cause) => Err(refusal(client, vec![(transaction.clone(), cause)], None).await),
    }
}

/// What it did, as the endpoint says. That it did nothing is believed only if a checkpoint has it so: whoever reads that it
/// failed does it again.
async fn outcome(
    client: &ChainClient,
    digest: Digest,
    package: Option<PackageId>,
    executed: &ExecutedTransaction,
) -> Result<Outcome, TxError> {
    let outcome = Outcome::of(digest, package, executed);
    let error = match outcome {
        Ok(outcome) => return Ok(outcome),
        Err(error @ (TxError::Aborted { .. } | TxError::Failed { .. })) => error,
        // It was executed, whatever else is wrong with what is said of it.
        Err(error) => return Err(TxError::Doubtful { digest, cause: error.to_string() }),
    };
    match Box::pin(client.proven_to_fail(digest)).await {
        Ok(true) => Err(error),
        Ok(false) => Err(TxError::Doubtful { digest, cause: format!("{error}, says {}, and is wrong", client.url()) }),
        Err(unproven) => Err(TxError::Doubtful { digest, cause: format!("{error}; not proven: {unproven}") }),
    }
}

/// What is said of transactions of which none was executed, if the endpoint is believed. It might be the one that executed
/// them: whoever reads that nothing happened would pay again. So it is said, or what else came in the way, only if none of
/// them ever can be.
async fn refusal(client: &ChainClient, refused: Vec<(Transaction, String)>, instead: Option<TxError>) -> TxError {
    for (transaction, cause) in &refused {
        if !is_dead(client, transaction).await {
            return TxError::Doubtful { digest: transaction.digest(), cause: cause.clone() };
        }
    }
    match (instead, refused.into_iter().next_back()) {
        (Some(error), _) => error,
        (None, Some((last, cause))) => TxError::Rejected { digest: last.digest(), cause },
        (None, None) => TxError::Broken("a transaction was neither executed nor refused".to_owned()),
    }
}

/// Whether it is proven that a transaction can never be executed, since another has taken one of its coins: a
/// checkpoint's validators say so, and no endpoint.
async fn is_dead(client: &ChainClient, transaction: &Transaction) -> bool {
    let mut wait = FIRST_WAIT;
    for _ in 0..ASKS {
        for coin in transaction.gas_payment.objects.iter().take(PROVEN_COINS) {
            match Box::pin(client.proven_object(*coin.object_id())).await {
                Ok(Some(proven)) if proven.replaced() == Some(coin.version()) => {
                    return proven.object().previous_transaction() != transaction.digest();
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, coin.id = %coin.object_id(), "coin not proven"),
            }
        }
        // The other transaction may be on its way into a checkpoint.
        tokio::time::sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
    false
}

/// Whether at most one of the two can ever be executed: both spend one version of one coin. Other inputs do not count, as
/// only a coin that pays is surely not shared or immutable, whatever the endpoint says of it.
fn exclude(one: &Transaction, other: &Transaction) -> bool {
    let coins = |transaction: &Transaction| -> BTreeSet<_> {
        transaction.gas_payment.objects.iter().map(|coin| (*coin.object_id(), coin.version())).collect()
    };
    !coins(one).is_disjoint(&coins(other))
}

/// Sends until an endpoint has taken or refused it, looking it up by digest after every attempt. Sending again is
/// harmless: the same bytes are the same transaction.
async fn settle(
    client: &ChainClient,
    transaction: &Transaction,
    signatures: &[UserSignature],
) -> Result<Fate, TxError> {
    let digest = transaction.digest();
    let end = Instant::now() + SETTLED_WITHIN;
    let (mut wait, mut taken, mut refused) = (FIRST_WAIT, false, None);
    loop {
        let mut cause = "it is in no checkpoint".to_owned();
        if !taken && refused.is_none() {
            match send(client, transaction, signatures).await {
                Ok(()) => taken = true,
                Err(ChainError::Refused { cause, .. }) => refused = Some(cause),
                Err(error) => {
                    cause = error.to_string();
                    give_way(client, &error).await;
                }
            }
        }
        match look_up(client, digest).await {
            Ok(Lookup::InCheckpoint(executed)) => return Ok(Fate::Executed(executed)),
            Ok(Lookup::NotThere) => {
                if let Some(cause) = refused {
                    return Ok(Fate::Refused(cause));
                }
            }
            Ok(Lookup::Pending) => {}
            Err(error) => {
                cause = error.to_string();
                give_way(client, &error).await;
            }
        }
        pause(&mut wait, end, digest, &cause).await?;
    }
}

async fn send(client: &ChainClient, transaction: &Transaction, signatures: &[UserSignature]) -> Result<(), ChainError> {
    let request = proto::ExecuteTransactionRequest::new(transaction.clone().into())
        .with_signatures(signatures.iter().cloned().map(Into::into).collect::<Vec<_>>())
        .with_read_mask(FieldMask::from_str("effects.status"));
    let mut execution = client.rpc().execution_client();
    deadline("execute transaction", execution.execute_transaction(request)).await.map(drop)
}

pub(super) async fn look_up(client: &ChainClient, digest: Digest) -> Result<Lookup, ChainError> {
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

/// Holds an error against the endpoint, and goes on to another if there is one.
async fn give_way(client: &ChainClient, error: &ChainError) {
    tracing::debug!(%error, rpc.url = client.url(), "RPC endpoint did not answer");
    client.blame(error);
    if let Err(error) = client.move_on().await {
        tracing::debug!(%error, rpc.url = client.url(), "the next one neither");
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

//! `POST /v2/gas`: money for anyone who asks, sent by ordinary transactions of the faucet's own key.

use crate::DevnetError;
use crate::callers::Callers;
use crate::execute::{REFERENCE_GAS_PRICE, Refusal};
use crate::ledger::{Holder, StoredTransaction};
use crate::node::{Node, blocking};
use crate::objects::{reference, sui_balance};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use sui_crypto::SuiSigner as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{
    Address, Argument, Command, GasPayment, Input, ObjectReference, ProgrammableTransaction, SignedTransaction,
    SplitCoins, Transaction, TransactionEffects, TransactionExpiration, TransactionKind, TransferObjects,
};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tower_http::cors::ExposeHeaders;

/// One request's coins.
const COINS: u16 = 5;
/// Each of 200 SUI.
const COIN_MIST: u64 = 200_000_000_000;
const BUDGET: u64 = 100_000_000;

/// The faucet.
pub(crate) struct Faucet {
    node: Node,
    key: Ed25519PrivateKey,
    /// Two requests at once would spend the same version of the faucet's coin.
    turn: Mutex<()>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "FixedAmountRequest")]
    fixed: FixedAmount,
}

#[derive(Deserialize)]
struct FixedAmount {
    recipient: Address,
}

/// Serves until `shutdown`.
pub(crate) async fn serve(
    faucet: Faucet,
    listener: TcpListener,
    callers: Callers,
    shutdown: CancellationToken,
) -> Result<(), DevnetError> {
    let routes =
        Router::new().route("/", get(|| async { "OK" })).route("/v2/gas", post(gas)).with_state(Arc::new(faucet));
    // Wallets in a browser ask too.
    let routes = callers.admit(routes, ExposeHeaders::default());
    axum::serve(listener, routes)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(|e| DevnetError::Server { server: "the faucet", cause: e.to_string() })
}

async fn gas(State(faucet): State<Arc<Faucet>>, Json(request): Json<Request>) -> (StatusCode, Json<Value>) {
    let recipient = request.fixed.recipient;
    match faucet.give(recipient).await {
        Ok(sent) => {
            let coins: Vec<Value> = sent
                .coins
                .iter()
                .map(|id| json!({ "amount": COIN_MIST, "id": id, "transferTxDigest": sent.digest }))
                .collect();
            (StatusCode::OK, Json(json!({ "status": "Success", "coins_sent": coins })))
        }
        Err(error) => {
            tracing::warn!(%recipient, %error, "faucet failed");
            let failure = json!({ "Failure": { "Internal": error.to_string() } });
            (StatusCode::OK, Json(json!({ "status": failure, "coins_sent": null })))
        }
    }
}

struct Sent {
    digest: String,
    coins: Vec<String>,
}

// === impl Faucet ===

impl Faucet {
    pub(crate) fn new(node: Node, key: Ed25519PrivateKey) -> Self {
        Self { node, key, turn: Mutex::new(()) }
    }

    async fn give(self: &Arc<Self>, recipient: Address) -> Result<Sent, Refusal> {
        let _turn = self.turn.lock().await;
        let faucet = self.clone();
        let signed = blocking(move || faucet.transfer_to(recipient)).await??;
        let done = self.node.submit(signed).await?;
        let view = self.node.executor.ledger().view()?;
        let mut coins = vec![];
        for id in created(&done) {
            let object = view.object(id)?;
            coins.extend(object.and_then(|o| sui_balance(&o)).map(|_| id.to_string()));
        }
        Ok(Sent { digest: done.digest().to_string(), coins })
    }

    fn transfer_to(&self, recipient: Address) -> Result<SignedTransaction, Refusal> {
        let sender = self.key.public_key().derive_address();
        let transaction = transfer(sender, recipient, self.richest_coin(sender)?);
        let signature =
            self.key.sign_transaction(&transaction).map_err(|e| Refusal::Invalid(format!("the faucet's key: {e}")))?;
        Ok(SignedTransaction { transaction, signatures: vec![signature] })
    }

    fn richest_coin(&self, owner: Address) -> Result<ObjectReference, Refusal> {
        let coins = self.node.executor.ledger().view()?.held_objects(Holder::Address(owner))?;
        let richest = coins.iter().filter_map(|c| Some((sui_balance(c)?, c))).max_by_key(|(balance, _)| *balance);
        richest.map(|(_, coin)| reference(coin)).ok_or_else(|| Refusal::Stale("the faucet is empty".to_owned()))
    }
}

fn transfer(sender: Address, recipient: Address, gas: ObjectReference) -> Transaction {
    let pure = |bytes: &[u8]| Input::Pure(bytes.to_vec());
    let split = SplitCoins { coin: Argument::Gas, amounts: vec![Argument::Input(0); usize::from(COINS)] };
    let objects = (0..COINS).map(|n| Argument::NestedResult(0, n)).collect();
    let transfer = TransferObjects { objects, address: Argument::Input(1) };
    Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs: vec![pure(&COIN_MIST.to_le_bytes()), pure(recipient.as_bytes())],
            commands: vec![Command::SplitCoins(split), Command::TransferObjects(transfer)],
        }),
        sender,
        gas_payment: GasPayment { objects: vec![gas], owner: sender, price: REFERENCE_GAS_PRICE, budget: BUDGET },
        expiration: TransactionExpiration::None,
    }
}

fn created(done: &StoredTransaction) -> Vec<Address> {
    let TransactionEffects::V2(effects) = &done.effects else {
        return vec![];
    };
    let new = effects.changed_objects.iter().filter(|c| c.id_operation == sui_sdk_types::IdOperation::Created);
    new.map(|c| c.object_id).collect()
}

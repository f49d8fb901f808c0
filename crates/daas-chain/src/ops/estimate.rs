use super::build::Draft;
use super::code::check_number;
use super::outcome::succeeded;
use super::{Gas, Ops, TxError, Unsigned, published_package};
use crate::client::{ChainError, deadline, decode_events};
use daas_types::{Mist, PackageId};
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;

/// What a transaction would do now, as the endpoint says.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The transaction.
    pub transaction: Unsigned,
    /// What executing it would cost.
    pub gas: Gas,
    /// What else would leave the wallet.
    pub amount: Mist,
    /// The version of the package whose code gets it, and the sender's objects, if it is not the package's first.
    pub code: Option<PackageId>,
}

// === impl Estimate ===

impl Estimate {
    /// The most that could leave the wallet, however much gas it takes in the end. The estimate is the endpoint's word; this
    /// is what is signed.
    pub fn at_most(&self) -> Mist {
        self.transaction.gas_budget().saturating_add(self.amount)
    }

    /// All that would leave the wallet, in MIST; below zero if more would come back.
    pub fn total(&self) -> i128 {
        self.gas.net() + i128::from(self.amount.0)
    }
}

// === impl Ops ===

impl Ops {
    /// Builds the transaction and lets the endpoint try it. One that would fail is an error; nothing is spent.
    pub(super) async fn simulate(&self, draft: &Draft) -> Result<Estimate, TxError> {
        const CALL: &str = "simulate transaction";
        let transaction = self.built(draft).await?;
        let digest = transaction.digest();
        let request = proto::SimulateTransactionRequest::new(transaction.clone().into())
            .with_read_mask(FieldMask::from_paths(["transaction.effects", "transaction.events"]));
        let mut execution = self.client.rpc().execution_client();
        let answer = deadline(CALL, execution.simulate_transaction(request)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(ChainError::Refused { cause, .. }) => return Err(TxError::Rejected { digest, cause }.foreseen()),
            Err(error) => return Err(error.into()),
        };
        let effects = answer.transaction().effects();
        succeeded(digest, effects).map_err(TxError::foreseen)?;
        let gas = effects.gas_used_opt().ok_or_else(|| ChainError::malformed(CALL, "no cost"))?;
        let gas = Gas::of(gas);
        let code = draft.foreign_code(&transaction);
        if let Some(package) = draft.migrates() {
            let code = code.unwrap_or(package);
            let number = published_package(&self.client, code).await?.version;
            check_number(code, number, &decode_events(package, answer.transaction().events())?)?;
        }
        Ok(Estimate { transaction: Unsigned::of(transaction), gas, amount: draft.amount(), code })
    }
}

use super::build::Draft;
use super::outcome::succeeded;
use super::{Gas, Ops, TxError, Unsigned};
use crate::client::{ChainError, deadline};
use daas_types::Mist;
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
            .with_read_mask(FieldMask::from_str("transaction.effects"));
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
        Ok(Estimate { transaction: Unsigned::of(transaction), gas: Gas::of(gas), amount: draft.amount() })
    }
}

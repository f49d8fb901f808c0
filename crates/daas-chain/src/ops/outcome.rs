use super::{MoveAbort, TxError};
use crate::client::{ChainError, decode_events};
use daas_types::onchain::{Event, PositionState};
use daas_types::{Address, Digest, Mist, PackageId, SealId, UnixMs};
use sui_rpc::proto::proto_to_timestamp_ms;
use sui_rpc::proto::sui::rpc::v2::changed_object::{IdOperation, OutputObjectState};
use sui_rpc::proto::sui::rpc::v2::execution_error::ExecutionErrorKind;
use sui_rpc::proto::sui::rpc::v2::{self as proto, ExecutedTransaction};
use sui_sdk_types::StructTag;

/// What a transaction did. It is in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The transaction.
    pub digest: Digest,
    /// The checkpoint it is in.
    pub checkpoint: u64,
    /// That checkpoint's time.
    pub timestamp: UnixMs,
    /// Our package's events, in order.
    pub events: Vec<Event>,
    /// Objects and packages it made.
    pub created: Vec<Created>,
    /// What it cost.
    pub gas: Gas,
}

/// Something new on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: Address,
    /// Its type; none for a package.
    pub tag: Option<StructTag>,
}

/// What a transaction costs beside what it pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gas {
    /// For executing it.
    pub computation: Mist,
    /// For keeping what it writes.
    pub storage: Mist,
    /// Comes back for what it wrote over or removed.
    pub rebate: Mist,
}

/// What a transaction did to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionOutcome {
    /// The position after it.
    pub position: PositionState,
    /// The transaction.
    pub outcome: Outcome,
}

// === impl Gas ===

impl Gas {
    pub(super) fn of(used: &proto::GasCostSummary) -> Self {
        Self {
            computation: Mist(used.computation_cost()),
            storage: Mist(used.storage_cost()),
            rebate: Mist(used.storage_rebate()),
        }
    }

    /// What it takes out of the payer's coins, in MIST; below zero if more comes back than is paid.
    pub fn net(&self) -> i128 {
        i128::from(self.computation.0) + i128::from(self.storage.0) - i128::from(self.rebate.0)
    }
}

// === impl Outcome ===

impl Outcome {
    /// Reads an executed transaction. One that failed is an error.
    pub(super) fn of(digest: Digest, package: Option<PackageId>, got: &ExecutedTransaction) -> Result<Self, TxError> {
        const CALL: &str = "get transaction";
        let effects = got.effects();
        succeeded(digest, effects)?;
        let checkpoint = got.checkpoint_opt().ok_or_else(|| ChainError::malformed(CALL, "no checkpoint"))?;
        let timestamp = got.timestamp.ok_or_else(|| ChainError::malformed(CALL, "no timestamp"))?;
        let timestamp = proto_to_timestamp_ms(timestamp).map_err(|e| ChainError::malformed(CALL, e))?;
        let created = effects.changed_objects().iter().filter(|object| object.id_operation() == IdOperation::Created);
        let created = created.map(|object| {
            let id = object.object_id().parse().map_err(|_| ChainError::malformed(CALL, "no object id"))?;
            let package = object.output_state() == OutputObjectState::PackageWrite;
            let tag = if package { None } else { object.object_type().parse().ok() };
            Ok(Created { id, tag })
        });
        Ok(Self {
            digest,
            checkpoint,
            timestamp: UnixMs(timestamp),
            events: package.map_or(Ok(Vec::new()), |package| decode_events(package, got.events()))?,
            created: created.collect::<Result<_, ChainError>>()?,
            gas: Gas::of(effects.gas_used()),
        })
    }

    /// The first created object of `module::name`.
    pub fn created(&self, module: &str, name: &str) -> Option<Address> {
        let is = |tag: &StructTag| tag.module().as_str() == module && tag.name().as_str() == name;
        self.created.iter().find(|created| created.tag.as_ref().is_some_and(is)).map(|created| created.id)
    }

    /// The created package.
    pub(super) fn package(&self) -> Option<PackageId> {
        self.created.iter().find(|created| created.tag.is_none()).map(|created| PackageId(created.id))
    }

    pub(super) fn position(self) -> Result<PositionOutcome, TxError> {
        let state = self.events.iter().rev().find_map(|event| match event {
            Event::Position { state, .. } => Some(state.clone()),
            _ => None,
        });
        match state {
            Some(position) => Ok(PositionOutcome { position, outcome: self }),
            None => Err(TxError::Broken(format!("transaction {} has no event of a position", self.digest))),
        }
    }
}

// === impl PositionOutcome ===

impl PositionOutcome {
    /// The Seal it minted, if it did.
    pub fn seal(&self) -> Option<SealId> {
        self.outcome.created("seal_token", "SealToken").map(SealId)
    }
}

/// Why a transaction failed, if it did.
pub(super) fn succeeded(digest: Digest, effects: &proto::TransactionEffects) -> Result<(), TxError> {
    if effects.status().success() {
        return Ok(());
    }
    let error = effects.status().error();
    Err(match error.abort_opt() {
        Some(abort) => TxError::Aborted { digest, abort: MoveAbort::of(abort) },
        None => TxError::Failed {
            digest,
            cause: error.to_string(),
            out_of_gas: error.kind() == ExecutionErrorKind::InsufficientGas,
        },
    })
}

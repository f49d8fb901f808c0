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
    /// What it cost, rebates taken off.
    pub gas: Mist,
}

/// Something new on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: Address,
    /// Its type; none for a package.
    pub tag: Option<StructTag>,
}

/// What a transaction did to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionOutcome {
    /// The position after it.
    pub position: PositionState,
    /// The transaction.
    pub outcome: Outcome,
}

// === impl Outcome ===

impl Outcome {
    /// Reads an executed transaction. One that failed is an error.
    pub(super) fn of(digest: Digest, package: Option<PackageId>, got: &ExecutedTransaction) -> Result<Self, TxError> {
        const CALL: &str = "get transaction";
        let effects = got.effects();
        if !effects.status().success() {
            let error = effects.status().error();
            return Err(match error.abort_opt() {
                Some(abort) => TxError::Aborted { digest, abort: MoveAbort::of(abort) },
                None => TxError::Failed {
                    digest,
                    cause: error.to_string(),
                    out_of_gas: error.kind() == ExecutionErrorKind::InsufficientGas,
                },
            });
        }
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
            gas: gas(effects.gas_used()),
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
            Event::ClusterCreated(_) | Event::PolicyChanged(_) | Event::Nautilus(_) => None,
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

fn gas(used: &proto::GasCostSummary) -> Mist {
    let spent = used.computation_cost().saturating_add(used.storage_cost());
    Mist(spent.saturating_sub(used.storage_rebate()))
}

use super::checkpoint::{decode, digest, effects_of};
use super::{Check, ProofError};
use bytes::Bytes;
use daas_types::{Address, Digest};
use std::collections::HashMap;
use sui_sdk_types::{ExecutionStatus, Object, ObjectIn, ObjectOut, TransactionEffects};

/// What a server says an object is. Nothing of it is believed.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedObject {
    /// Asked for.
    pub(crate) id: Address,
    /// `Object`, in BCS.
    pub(crate) bytes: Bytes,
    /// The transaction that wrote it.
    pub(crate) transaction: Digest,
}

/// A version of an object that a verified checkpoint has.
///
/// It proves that the object was so, and not that it still is: a later version may exist.
#[derive(Clone, Debug)]
pub(crate) struct ProvenObject {
    object: Object,
    replaced: Option<u64>,
}

/// A package that a verified checkpoint has as a later version of one that existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    pub(crate) id: Address,
    transaction: Digest,
    digest: Digest,
}

/// What a transaction did, by a verified checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct ProvenEffects {
    checkpoint: u64,
    effects: TransactionEffects,
}

// === impl ProvenEffects ===

impl ProvenEffects {
    /// Checks that the transaction is in checkpoint `sequence`, whose transactions and effects are `committed`, and that
    /// these are its effects.
    pub(crate) fn prove(
        sequence: u64,
        transaction: Digest,
        committed: &HashMap<Digest, Digest>,
        effects: Option<&Bytes>,
    ) -> Result<Self, ProofError> {
        let fails = ProofError::at(sequence);
        let expected = committed.get(&transaction).ok_or(Check::Unincluded { transaction }).map_err(&fails)?;
        let effects = effects_of(transaction, *expected, effects).map_err(&fails)?;
        Ok(Self { checkpoint: sequence, effects })
    }

    /// Whether it was executed and did nothing.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.effects.status(), ExecutionStatus::Failure { .. })
    }
}

// === impl ClaimedObject ===

impl ClaimedObject {
    /// Checks that the transaction which is said to have written these bytes has done so.
    pub(crate) fn prove(&self, done: &ProvenEffects) -> Result<ProvenObject, ProofError> {
        let &Self { id, ref bytes, transaction } = self;
        let ProvenEffects { checkpoint, effects } = done;
        let fails = ProofError::at(*checkpoint);
        let digest = digest("Object::", bytes);
        if *effects.transaction_digest() != transaction || written(effects, id) != Some(digest) {
            return Err(fails(Check::Unwritten { id, digest, transaction }));
        }
        Ok(ProvenObject { object: decode("object", bytes).map_err(fails)?, replaced: replaced(effects, id) })
    }
}

// === impl Upgrade ===

impl Upgrade {
    /// Those of a transaction.
    pub(super) fn all_in(effects: &TransactionEffects) -> Vec<Self> {
        let transaction = *effects.transaction_digest();
        let TransactionEffects::V2(effects) = effects else {
            return Vec::new();
        };
        let upgraded = effects.changed_objects.iter().filter_map(|change| match change.output_state {
            // Those of Sui itself are written anew under the ids they have, so by now they may be other bytes. No cluster's is.
            ObjectOut::PackageWrite { version, digest } if version > 1 && change.input_state == ObjectIn::NotExist => {
                Some(Self { id: change.object_id, transaction, digest })
            }
            _ => None,
        });
        upgraded.collect()
    }

    /// Checks that `claimed` is what was written in checkpoint `sequence`. Nobody writes a version of a package twice.
    pub(crate) fn prove(&self, sequence: u64, claimed: &ClaimedObject) -> Result<ProvenObject, ProofError> {
        let &Self { id, transaction, digest: expected } = self;
        let fails = ProofError::at(sequence);
        let digest = digest("Object::", &claimed.bytes);
        if digest != expected {
            return Err(fails(Check::Unwritten { id, digest, transaction }));
        }
        Ok(ProvenObject { object: decode("object", &claimed.bytes).map_err(fails)?, replaced: None })
    }
}

// === impl ProvenObject ===

impl ProvenObject {
    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// The version that the transaction which wrote it took in. Nothing else can ever take in that version.
    pub(crate) fn replaced(&self) -> Option<u64> {
        self.replaced
    }
}

/// The digest of the object as the transaction left it.
fn written(effects: &TransactionEffects, id: Address) -> Option<Digest> {
    match effects {
        TransactionEffects::V1(effects) => {
            let all = effects.created.iter().chain(&effects.mutated).chain(&effects.unwrapped);
            let mut same = all.filter(|written| *written.reference.object_id() == id);
            same.next().map(|written| *written.reference.digest())
        }
        TransactionEffects::V2(effects) => {
            let change = effects.changed_objects.iter().find(|change| change.object_id == id)?;
            match change.output_state {
                ObjectOut::ObjectWrite { digest, .. } | ObjectOut::PackageWrite { digest, .. } => Some(digest),
                _ => None,
            }
        }
    }
}

/// The version of the object that the transaction took in.
fn replaced(effects: &TransactionEffects, id: Address) -> Option<u64> {
    match effects {
        TransactionEffects::V1(effects) => {
            effects.modified_at_versions.iter().find(|was| was.object_id == id).map(|was| was.version)
        }
        TransactionEffects::V2(effects) => {
            let change = effects.changed_objects.iter().find(|change| change.object_id == id)?;
            match change.input_state {
                ObjectIn::Exist { version, .. } => Some(version),
                _ => None,
            }
        }
    }
}

//! A chain that a test writes: checkpoints that one-validator committees really signed, without a network.

mod signed;

pub use signed::SignedCheckpoint;

use crate::verified::{Claim, ClaimedSignature, ClaimedTransaction, Committees, Packages, VerifiedCheckpoint, prove};
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::onchain::{Event, PositionEvent, PositionState};
use daas_types::{Address, Digest, Mist, PackageId, UnixMs};
use std::collections::BTreeMap;
use sui_crypto::Signer as _;
use sui_crypto::bls12381::Bls12381PrivateKey;
use sui_sdk_types::hash::Hasher;
use sui_sdk_types::{
    Bitmap, ChangedObject, CheckpointContents, CheckpointSummary, CheckpointTransactionInfo, EndOfEpochData,
    ExecutionStatus, GasCostSummary, IdOperation, Identifier, MovePackage, Object, ObjectData, ObjectIn, ObjectOut,
    Owner, StructTag, TransactionEffects, TransactionEffectsV2, TransactionEvents, TypeOrigin, ValidatorCommittee,
    ValidatorCommitteeMember,
};

/// Total stake of a committee.
const STAKE: u64 = 10_000;

/// A chain whose validator has another key in each epoch. The same seed makes the same chain.
pub struct TestChain {
    seed: u8,
    genesis: Genesis,
    committees: Committees,
    last: CheckpointSummary,
}

/// A transaction to put into a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct TestTransaction {
    /// What it emits.
    pub events: Vec<sui_sdk_types::Event>,
    /// What it writes.
    pub changed: Vec<ChangedObject>,
}

// === impl TestChain ===

impl TestChain {
    /// A chain that has its genesis alone.
    pub fn new(seed: u8) -> Self {
        let anchor = DevnetAnchor { validator: key(seed, 0).public_key().as_bytes().to_vec(), tee_root: [seed; 32] };
        let contents = CheckpointContents::new_v1(vec![]);
        let last = CheckpointSummary {
            epoch: 0,
            sequence_number: 0,
            network_total_transactions: 0,
            content_digest: contents.digest(),
            previous_digest: None,
            epoch_rolling_gas_cost_summary: GasCostSummary::default(),
            timestamp_ms: 0,
            checkpoint_commitments: vec![],
            end_of_epoch_data: None,
            version_specific_data: anchor.to_version_specific_data(),
        };
        let genesis = Genesis::pinned(last.digest(), &bcs(&last)).expect("the genesis must be its own");
        let committees = Committees::pinned(&genesis).expect("a devnet names its committee").expect("of good keys");
        Self { seed, genesis, committees, last }
    }

    /// Its trust anchor.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The committees so far.
    pub fn committees(&self) -> &Committees {
        &self.committees
    }

    /// Its last checkpoint's summary.
    pub fn last(&self) -> &CheckpointSummary {
        &self.last
    }

    /// The next checkpoint, with events of `package`.
    pub fn checkpoint(&mut self, package: PackageId, at: UnixMs, events: &[Event]) -> VerifiedCheckpoint {
        let claim = self.append(at, &[TestTransaction::of(package, events)], false);
        self.verified(package, self.last.sequence_number, &claim)
    }

    /// A checkpoint that stands at `sequence`, with nothing before it.
    pub fn lone(&self, package: PackageId, sequence: u64, at: UnixMs, events: &[Event]) -> VerifiedCheckpoint {
        let summary = CheckpointSummary { sequence_number: sequence, timestamp_ms: at.0, ..self.last.clone() };
        let claim = self.claim(summary, &[TestTransaction::of(package, events)]);
        self.verified(package, sequence, &claim)
    }

    /// A checkpoint like [`Self::lone`], with an event in it that nobody knows.
    pub fn unknown(&self, package: PackageId, sequence: u64, at: UnixMs) -> VerifiedCheckpoint {
        let summary = CheckpointSummary { sequence_number: sequence, timestamp_ms: at.0, ..self.last.clone() };
        let transaction = TestTransaction { events: vec![unknown(package.0)], changed: vec![] };
        let claim = self.claim(summary, &[transaction]);
        self.verified(package, sequence, &claim)
    }

    /// Appends a checkpoint, and says what an honest server says of it.
    pub fn append(&mut self, at: UnixMs, transactions: &[TestTransaction], ends_epoch: bool) -> Claim {
        let last = &self.last;
        let epoch = last.epoch + u64::from(last.end_of_epoch_data.is_some());
        let summary = CheckpointSummary {
            epoch,
            sequence_number: last.sequence_number + 1,
            previous_digest: Some(last.digest()),
            timestamp_ms: at.0,
            end_of_epoch_data: ends_epoch.then(|| EndOfEpochData {
                next_epoch_committee: committee(self.seed, epoch + 1).members,
                next_epoch_protocol_version: 1,
                epoch_commitments: vec![],
            }),
            version_specific_data: vec![],
            ..last.clone()
        };
        let claim = self.claim(summary, transactions);
        let claimed = claim.signed_summary().expect("the claim must decode");
        self.last = claimed.checkpoint.clone();
        if ends_epoch {
            self.committees.advance(claimed).expect("the epoch must end");
        }
        claim
    }

    /// The signature of the summary's epoch's committee over it, whatever it says.
    pub fn sign(&self, summary: &CheckpointSummary) -> ClaimedSignature {
        let signature = key(self.seed, summary.epoch).try_sign(&summary.signing_message());
        let signature = signature.expect("a key must sign");
        // The sum of one signature is that signature.
        let (mut signers, mut bitmap) = (Bitmap::new(), Vec::new());
        signers.insert(0);
        signers.serialize_into(&mut bitmap).expect("a vector takes all bytes");
        ClaimedSignature {
            epoch: summary.epoch,
            signature: signature.as_bytes().to_vec().into(),
            bitmap: bitmap.into(),
        }
    }

    fn claim(&self, mut summary: CheckpointSummary, transactions: &[TestTransaction]) -> Claim {
        let effects: Vec<_> = (0_u64..).zip(transactions).map(|(n, t)| t.effects(&summary, n)).collect();
        let infos = effects
            .iter()
            .map(|effects| CheckpointTransactionInfo::new(*effects.transaction_digest(), effects.digest(), vec![]));
        let contents = CheckpointContents::new_v1(infos.collect());
        summary.content_digest = contents.digest();
        let served = effects.iter().zip(transactions).map(|(effects, transaction)| ClaimedTransaction {
            effects: Some(bcs(effects).into()),
            events: transaction.emitted().map(|events| bcs(&events).into()),
        });
        Claim {
            signature: Some(self.sign(&summary)),
            summary: Some(bcs(&summary).into()),
            contents: Some(bcs(&contents).into()),
            transactions: served.collect(),
        }
    }

    fn verified(&self, package: PackageId, sequence: u64, claim: &Claim) -> VerifiedCheckpoint {
        let epoch = claim.epoch().expect("the claim must decode");
        let committee = self.committees.of_epoch(epoch).expect("the epoch must have begun");
        let proven = prove(sequence, claim, &committee).expect("the claim must be true");
        proven.read(&Packages::of(package)).expect("the events must decode")
    }
}

// === impl TestTransaction ===

impl TestTransaction {
    /// A transaction that emits `events` of `package`.
    pub fn of(package: PackageId, events: &[Event]) -> Self {
        Self { events: events.iter().map(|event| emitted(package.0, event)).collect(), changed: vec![] }
    }

    /// A transaction that writes a package.
    pub fn writing(package: &Object) -> Self {
        let output_state = ObjectOut::PackageWrite { version: package.version(), digest: package.digest() };
        let (object_id, id_operation) = (package.object_id(), IdOperation::Created);
        let changed = vec![ChangedObject { object_id, input_state: ObjectIn::NotExist, output_state, id_operation }];
        Self { events: vec![], changed }
    }

    fn emitted(&self) -> Option<TransactionEvents> {
        (!self.events.is_empty()).then(|| TransactionEvents(self.events.clone()))
    }

    fn effects(&self, summary: &CheckpointSummary, index: u64) -> TransactionEffects {
        let place = [summary.sequence_number.to_le_bytes(), index.to_le_bytes()].concat();
        TransactionEffects::V2(Box::new(TransactionEffectsV2 {
            status: ExecutionStatus::Success,
            epoch: summary.epoch,
            gas_used: GasCostSummary::default(),
            transaction_digest: Hasher::digest(place),
            gas_object_index: None,
            events_digest: self.emitted().map(|events| events.digest()),
            dependencies: vec![],
            lamport_version: 1,
            changed_objects: self.changed.clone(),
            unchanged_consensus_objects: vec![],
            auxiliary_data_digest: None,
        }))
    }
}

/// A version of a package whose types come from `origins`.
pub fn package(id: Address, version: u64, origins: &[Address]) -> Object {
    let origin = |package: &Address| TypeOrigin {
        module_name: Identifier::from_static("cluster"),
        struct_name: Identifier::from_static("T"),
        package: *package,
    };
    let package = MovePackage {
        id,
        version,
        modules: BTreeMap::new(),
        type_origin_table: origins.iter().map(origin).collect(),
        linkage_table: BTreeMap::new(),
    };
    Object::new(ObjectData::Package(package), Owner::Immutable, Digest::ZERO, 0)
}

/// An event as the package at `defining` emits it.
pub fn emitted(defining: Address, event: &Event) -> sui_sdk_types::Event {
    let (module, name, contents) = encoded(event);
    let module = Identifier::from_static(module);
    sui_sdk_types::Event {
        package_id: defining,
        module: module.clone(),
        sender: Address::ZERO,
        type_: StructTag::new(defining, module, Identifier::from_static(name), vec![]),
        contents,
    }
}

/// An event that the package at `defining` emits and nobody knows.
pub fn unknown(defining: Address) -> sui_sdk_types::Event {
    let module = Identifier::from_static("staking");
    sui_sdk_types::Event {
        package_id: defining,
        module: module.clone(),
        sender: Address::ZERO,
        type_: StructTag::new(defining, module, Identifier::from_static("SomethingNew"), vec![]),
        contents: vec![1],
    }
}

/// What [`Event::decode`] reads.
fn encoded(event: &Event) -> (&'static str, &'static str, Vec<u8>) {
    match event {
        Event::Cluster { name, state } => (name.module(), name.as_str(), bcs(state)),
        Event::TreasuryPaid(paid) => ("cluster", "TreasuryPaid", bcs(paid)),
        Event::Position { name, state } => (name.module(), name.as_str(), position(*name, state)),
        Event::Nautilus { name, state } => (name.module(), name.as_str(), bcs(state)),
        Event::Request { name, state } => (name.module(), name.as_str(), bcs(state)),
        Event::RootAnchored(anchored) => ("k8s_gateway", "RootAnchored", bcs(anchored)),
    }
}

/// The state, and whatever else such an event says.
fn position(name: PositionEvent, state: &PositionState) -> Vec<u8> {
    use PositionEvent as E;
    match name {
        E::Unstaked | E::Withdrawn | E::SlashExecuted => bcs(&(state, Mist(0))),
        E::SealRefreshed | E::SealRevoked | E::WorkerSealCreated => bcs(&(state, Address::ZERO)),
        E::SlashAppealed => bcs(&(state, "")),
        E::Jailed => bcs(&(state, UnixMs(0))),
        E::Staked
        | E::Restaked
        | E::AllSealsRevoked
        | E::OperatorChanged
        | E::OwnershipOffered
        | E::OwnershipAccepted
        | E::Unjailed
        | E::MaintenanceAnnounced
        | E::SlashProposed
        | E::SlashUpheld
        | E::SlashReduced
        | E::SlashCancelled
        | E::SlashLapsed => bcs(state),
    }
}

fn committee(seed: u8, epoch: u64) -> ValidatorCommittee {
    let member = ValidatorCommitteeMember { public_key: key(seed, epoch).public_key(), stake: STAKE };
    ValidatorCommittee { epoch, members: vec![member] }
}

fn key(seed: u8, epoch: u64) -> Bls12381PrivateKey {
    let mut scalar = [0; Bls12381PrivateKey::LENGTH];
    scalar[16] = seed;
    scalar[24..].copy_from_slice(&epoch.saturating_add(1).to_be_bytes());
    Bls12381PrivateKey::new(scalar).expect("the scalar must be in the group")
}

fn bcs(value: &impl serde::Serialize) -> Vec<u8> {
    ::bcs::to_bytes(value).expect("chain data must serialize")
}

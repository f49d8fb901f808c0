use super::{Check, Committee, Packages, ProofError, Upgrade, VerifiedCheckpoint, VerifiedEvent};
use bytes::Bytes;
use daas_types::onchain::{Event, EventError};
use daas_types::{Digest, UnixMs};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use sui_sdk_types::{
    Bitmap, Bls12381Signature, CheckpointContents, CheckpointSummary, SignedCheckpointSummary, TransactionEffects,
    TransactionEvents, ValidatorAggregatedSignature, hash::Hasher,
};

/// A bitmap of a committee's members is much smaller; a small one can say that it is huge.
const MAX_BITMAP: usize = 4096;

/// What a server says of a checkpoint, in BCS. Nothing of it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// `CheckpointSummary`.
    pub summary: Option<Bytes>,
    /// The committee's signature over it.
    pub signature: Option<ClaimedSignature>,
    /// `CheckpointContents`.
    pub contents: Option<Bytes>,
    /// The transactions, in the contents' order.
    pub transactions: Vec<ClaimedTransaction>,
}

/// What a server says a committee signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedSignature {
    /// The committee's epoch.
    pub epoch: u64,
    /// The sum of the members' signatures.
    pub signature: Bytes,
    /// Which members signed.
    pub bitmap: Bytes,
}

/// What a server says a transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedTransaction {
    /// `TransactionEffects`.
    pub effects: Option<Bytes>,
    /// `TransactionEvents`, if it had any.
    pub events: Option<Bytes>,
}

/// Summary and contents of a checkpoint, verified.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    summary: SignedCheckpointSummary,
    contents: CheckpointContents,
}

/// A whole checkpoint, verified: everything that happened in it.
#[derive(Clone, Debug)]
pub struct Proven {
    header: SignedCheckpointSummary,
    events: Vec<sui_sdk_types::Event>,
    upgrades: Vec<Upgrade>,
}

/// Why a verified event of the package's could not be read. No server is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint {checkpoint}: {cause}")]
pub struct Unreadable {
    /// The checkpoint it is in.
    pub checkpoint: u64,
    /// What is wrong with it.
    pub cause: EventError,
}

/// Takes a claim about checkpoint `sequence` through every check, against the committee of the epoch it is said to be of.
pub fn prove(sequence: u64, claim: &Claim, committee: &Committee) -> Result<Proven, ProofError> {
    let fails = ProofError::at(sequence);
    let header = Header::prove(sequence, claim, committee)?;
    let committed = header.contents.transactions();
    let (mut events, mut upgrades) = (Vec::new(), Vec::new());
    for (at, info) in committed.iter().enumerate() {
        let transaction = *info.transaction();
        let served = claim.transactions.get(at).ok_or(Check::TransactionHidden { transaction }).map_err(&fails)?;
        let effects = effects_of(transaction, *info.effects(), served.effects.as_ref()).map_err(&fails)?;
        events.extend(events_of(&effects, served.events.as_ref()).map_err(&fails)?);
        upgrades.extend(Upgrade::all_in(&effects));
    }
    if claim.transactions.len() > committed.len() {
        let (served, committed) = (claim.transactions.len(), committed.len());
        return Err(fails(Check::TransactionInvented { served, committed }));
    }
    Ok(Proven { header: header.summary, events, upgrades })
}

// === impl Claim ===

impl Claim {
    /// The epoch it says it is of: which committee is to be asked.
    pub fn epoch(&self) -> Result<u64, Check> {
        Ok(self.summary()?.epoch)
    }

    /// The summary and what it is said to be signed with. Nobody has checked it.
    pub(crate) fn signed_summary(&self) -> Result<SignedCheckpointSummary, Check> {
        let checkpoint = self.summary()?;
        let signature = self.signature.as_ref().ok_or(Check::Absent("signature"))?.decode()?;
        Ok(SignedCheckpointSummary { checkpoint, signature })
    }

    fn summary(&self) -> Result<CheckpointSummary, Check> {
        let summary = self.summary.as_ref().ok_or(Check::Absent("summary"))?;
        bcs::from_bytes(summary).map_err(|_| Check::Layout("summary"))
    }
}

// === impl Header ===

impl Header {
    /// Checks the summary's signature and the contents' digest.
    pub(crate) fn prove(sequence: u64, claim: &Claim, committee: &Committee) -> Result<Self, ProofError> {
        let fails = ProofError::at(sequence);
        let summary = claim.signed_summary().map_err(&fails)?;
        if summary.checkpoint.sequence_number != sequence {
            return Err(fails(Check::Sequence { got: summary.checkpoint.sequence_number }));
        }
        committee.check(&summary.checkpoint, &summary.signature).map_err(&fails)?;
        let contents = claim.contents.as_ref().ok_or(Check::Absent("contents")).map_err(&fails)?;
        let (expected, got) = (summary.checkpoint.content_digest, digest("CheckpointContents::", contents));
        if got != expected {
            return Err(fails(Check::Contents { expected, got }));
        }
        Ok(Self { summary, contents: decode("contents", contents).map_err(&fails)? })
    }

    pub(crate) fn summary(&self) -> &CheckpointSummary {
        &self.summary.checkpoint
    }

    /// The digests of its transactions and of their effects.
    pub(crate) fn into_effects(self) -> HashMap<Digest, Digest> {
        self.contents.transactions().iter().map(|info| (*info.transaction(), *info.effects())).collect()
    }
}

// === impl ClaimedSignature ===

impl ClaimedSignature {
    fn decode(&self) -> Result<ValidatorAggregatedSignature, Check> {
        let signature = Bls12381Signature::from_bytes(&self.signature).map_err(|_| Check::Layout("signature"))?;
        if self.bitmap.len() > MAX_BITMAP {
            return Err(Check::Layout("signature's bitmap"));
        }
        let bitmap = Bitmap::deserialize_from(&self.bitmap[..]).map_err(|_| Check::Layout("signature's bitmap"))?;
        Ok(ValidatorAggregatedSignature { epoch: self.epoch, signature, bitmap })
    }
}

// === impl Proven ===

impl Proven {
    /// Its sequence number.
    pub fn sequence(&self) -> u64 {
        self.header.checkpoint.sequence_number
    }

    /// The signed summary, if it is the last of its epoch.
    pub(crate) fn end_of_epoch(&self) -> Option<&SignedCheckpointSummary> {
        Some(&self.header).filter(|header| header.checkpoint.end_of_epoch_data.is_some())
    }

    /// The packages upgraded in it, whosever they are.
    pub(crate) fn upgrades(&self) -> &[Upgrade] {
        &self.upgrades
    }

    /// Reads the events of `packages` in it. That there is one of a type that this program does not know is remembered: a
    /// later version of the package may have more. One that it knows but cannot decode is an error.
    pub fn read(&self, packages: &Packages) -> Result<VerifiedCheckpoint, Unreadable> {
        let summary = &self.header.checkpoint;
        let checkpoint = summary.sequence_number;
        let (mut events, mut unknown) = (Vec::new(), false);
        for event in self.events.iter().filter(|event| packages.define(event.type_.address())) {
            let (module, name) = (event.type_.module().as_str(), event.type_.name().as_str());
            match Event::decode(module, name, &event.contents) {
                Ok(event) => events.push(VerifiedEvent { checkpoint, event }),
                Err(EventError::UnknownType(kind)) => {
                    tracing::warn!(%kind, checkpoint, "event of unknown type; is there a newer version of this program?");
                    unknown = true;
                }
                Err(cause @ EventError::Layout { .. }) => return Err(Unreadable { checkpoint, cause }),
            }
        }
        Ok(VerifiedCheckpoint {
            sequence: checkpoint,
            epoch: summary.epoch,
            ends_epoch: summary.end_of_epoch_data.is_some(),
            digest: summary.digest(),
            previous: summary.previous_digest,
            timestamp: UnixMs(summary.timestamp_ms),
            events,
            unknown,
        })
    }
}

/// The effects of `transaction`, if their digest is `expected`.
pub(super) fn effects_of(
    transaction: Digest,
    expected: Digest,
    served: Option<&Bytes>,
) -> Result<TransactionEffects, Check> {
    let served = served.ok_or(Check::Absent("effects"))?;
    let got = digest("TransactionEffects::", served);
    if got != expected {
        return Err(Check::Effects { transaction, expected, got });
    }
    decode("effects", served)
}

/// The events, if they are the ones that the effects commit to.
fn events_of(effects: &TransactionEffects, served: Option<&Bytes>) -> Result<Vec<sui_sdk_types::Event>, Check> {
    let transaction = *effects.transaction_digest();
    let (expected, served) = match (effects.events_digest(), served) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(_)) => return Err(Check::EventsInvented { transaction }),
        (Some(_), None) => return Err(Check::EventsHidden { transaction }),
        (Some(expected), Some(served)) => (*expected, served),
    };
    let got = digest("TransactionEvents::", served);
    if got != expected {
        return Err(Check::Events { transaction, expected, got });
    }
    Ok(decode::<TransactionEvents>("events", served)?.0)
}

/// Bytes whose digest is the one that was signed.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &Bytes) -> Result<T, Check> {
    bcs::from_bytes(bytes).map_err(|_| Check::Unreadable(what))
}

/// The digest of a value by its bytes. Taking it before they are decoded keeps the decoder from bytes that nobody signed.
pub(super) fn digest(salt: &str, bytes: &Bytes) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(salt);
    hasher.update(bytes);
    hasher.finalize()
}

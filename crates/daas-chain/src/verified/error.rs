use core::fmt;
use daas_types::{Address, Digest};

/// What a server said that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ProofError {
    /// The checkpoint it was said about, where it is known.
    pub checkpoint: Option<u64>,
    /// The check that failed.
    pub check: Check,
}

/// The checks, each by what it finds when it fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Check {
    /// A part of the answer is not there.
    #[error("absent: the answer has no {0}")]
    Absent(&'static str),
    /// A part of the answer is not what it should be.
    #[error("layout: the {0} does not decode")]
    Layout(&'static str),
    /// A part of what was signed is not as this program knows it.
    #[error("layout: the {0} is the one that was signed, and this program cannot read it")]
    Unreadable(&'static str),
    /// Another checkpoint than the one asked for.
    #[error("sequence: checkpoint {got} was served in its place")]
    Sequence {
        /// The one served.
        got: u64,
    },
    /// It does not come next.
    #[error("order: it was served after checkpoint {last}")]
    Order {
        /// The last verified one.
        last: u64,
    },
    /// Nothing newer comes any more.
    #[error("replay: it was served again after checkpoint {last}, and nothing newer")]
    Replayed {
        /// The last verified one.
        last: u64,
    },
    /// It does not build on the checkpoint before it.
    #[error("previous digest: it follows a checkpoint {got:?}, and the verified one is {expected}")]
    Previous {
        /// Of the last verified checkpoint.
        expected: Digest,
        /// Named by this one.
        got: Option<Digest>,
    },
    /// Time went back.
    #[error("timestamp: {got} ms is before the {last} ms of the checkpoint before it")]
    Timestamp {
        /// Of the last verified checkpoint.
        last: u64,
        /// Of this one.
        got: u64,
    },
    /// The epoch is not the one that must come next.
    #[error("epoch: it is of epoch {got}, and epoch {expected} must come next")]
    Epoch {
        /// The one that follows.
        expected: u64,
        /// This one's.
        got: u64,
    },
    /// No committee of that epoch is known.
    #[error("committee: no committee of epoch {epoch} is reached from the pinned one of epoch {pinned}")]
    UnknownCommittee {
        /// The epoch.
        epoch: u64,
        /// Of the pinned committee.
        pinned: u64,
    },
    /// The committee did not sign this.
    #[error("signature: it is not signed by the committee of epoch {epoch}: {cause}")]
    Signature {
        /// The committee's.
        epoch: u64,
        /// What the signature check says.
        cause: String,
    },
    /// A committee that cannot sign anything.
    #[error("committee: {0}")]
    Committee(String),
    /// Said to be the last of its epoch.
    #[error("end of epoch: it does not end epoch {epoch}")]
    EndOfEpoch {
        /// The epoch.
        epoch: u64,
    },
    /// The contents are of another checkpoint.
    #[error("contents: their digest is {got}, and the summary has {expected}")]
    Contents {
        /// By the summary.
        expected: Digest,
        /// Computed.
        got: Digest,
    },
    /// A transaction of the contents is not among those served.
    #[error("transactions: {transaction} is left out")]
    TransactionHidden {
        /// The first of them.
        transaction: Digest,
    },
    /// More transactions are served than the contents have.
    #[error("transactions: {served} are served, and the contents have {committed}")]
    TransactionInvented {
        /// In the answer.
        served: usize,
        /// In the contents.
        committed: usize,
    },
    /// The effects are others.
    #[error("effects: those of transaction {transaction} have digest {got}, and the contents have {expected}")]
    Effects {
        /// Whose.
        transaction: Digest,
        /// By the contents.
        expected: Digest,
        /// Computed.
        got: Digest,
    },
    /// The effects name events, and none are served.
    #[error("events: those of transaction {transaction} are left out")]
    EventsHidden {
        /// Whose.
        transaction: Digest,
    },
    /// The effects name no events, and some are served.
    #[error("events: transaction {transaction} has none")]
    EventsInvented {
        /// Whose.
        transaction: Digest,
    },
    /// The events are others.
    #[error("events: those of transaction {transaction} have digest {got}, and its effects have {expected}")]
    Events {
        /// Whose.
        transaction: Digest,
        /// By the effects.
        expected: Digest,
        /// Computed.
        got: Digest,
    },
    /// The transaction that is said to have written the object is not in that checkpoint.
    #[error("inclusion: transaction {transaction} is not in the checkpoint that is said to have it")]
    Unincluded {
        /// The transaction.
        transaction: Digest,
    },
    /// The transaction did not write that object.
    #[error("inclusion: transaction {transaction} did not write object {id} with digest {digest}")]
    Unwritten {
        /// The object.
        id: Address,
        /// Of its bytes as served.
        digest: Digest,
        /// Which wrote its last version, by those bytes.
        transaction: Digest,
    },
    /// Fewer positions are listed than the registry counts.
    #[error("registry: {listed} positions are listed, and it counts {counted}")]
    PositionsHidden {
        /// In the answer.
        listed: u64,
        /// By the verified registry.
        counted: u64,
    },
}

// === impl ProofError ===

impl ProofError {
    pub(crate) fn at(checkpoint: u64) -> impl Fn(Check) -> Self {
        move |check| Self { checkpoint: Some(checkpoint), check }
    }

    /// Whether it shows that whoever said so, in all parts, is not honest. What is left out does not; nor does what is
    /// true, and from before the pinned committee or newer than this program.
    pub(crate) fn convicts(&self) -> bool {
        let innocent = matches!(
            self.check,
            Check::Absent(_) | Check::Unreadable(_) | Check::UnknownCommittee { .. } | Check::Committee(_)
        );
        self.checkpoint.is_some() && !innocent
    }

    /// About no checkpoint in particular.
    pub(crate) fn unplaced(check: Check) -> Self {
        Self { checkpoint: None, check }
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checkpoint {
            Some(checkpoint) => write!(f, "checkpoint {checkpoint} does not verify: {}", self.check),
            None => write!(f, "the answer does not verify: {}", self.check),
        }
    }
}

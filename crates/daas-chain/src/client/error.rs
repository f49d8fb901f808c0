use crate::verified::{Check, ProofError, Unreadable};
use daas_types::{Address, Digest, ErrorCode, Problem};
use tonic::{Code, Status};

/// Why the chain could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No answer, or none in time.
    #[error("{call}: {cause}")]
    Unreachable {
        /// What was asked.
        call: &'static str,
        /// Why there is no answer.
        cause: String,
    },
    /// The endpoint is of another network.
    #[error("the endpoint serves the network with genesis {got}, the pinned one is {expected}")]
    Foreign {
        /// Pinned.
        expected: Digest,
        /// The endpoint's.
        got: Digest,
    },
    /// The endpoint refuses the question.
    #[error("{call}: refused: {cause}")]
    Refused {
        /// What was asked.
        call: &'static str,
        /// Which kind of refusal.
        code: Code,
        /// Its reason.
        cause: String,
    },
    /// The answer makes no sense.
    #[error("{call}: {cause}")]
    Malformed {
        /// What was asked.
        call: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no such object.
    #[error("{what} {id} does not exist")]
    Missing {
        /// What it was to be.
        what: &'static str,
        /// Its id.
        id: Address,
    },
    /// The object is something else.
    #[error("object {id} is a {got}, not a {expected}")]
    WrongType {
        /// The object.
        id: Address,
        /// What it was to be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// What the endpoint says does not verify.
    #[error(transparent)]
    Unproven(Box<ProofError>),
    /// An event is not as this program knows it.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Checkpoints that have not been read are no longer served, and too little time has passed for that.
    #[error("checkpoint {next} is no longer served, only those from {lowest} on")]
    Pruned {
        /// The next one to read.
        next: u64,
        /// The lowest one served.
        lowest: u64,
    },
    /// The endpoint is behind the others.
    #[error("its newest checkpoint, {checkpoint}, is {age_ms} ms old")]
    Lagging {
        /// Its newest.
        checkpoint: u64,
        /// How old that is.
        age_ms: u128,
    },
    /// No committee is pinned.
    #[error("no validator committee is pinned for the network with genesis {0}")]
    NoCommittee(Digest),
    /// The pinned committee cannot sign anything.
    #[error("the pinned {0}")]
    BadCommittee(Check),
    /// No address was given.
    #[error("no RPC endpoint is named")]
    NoEndpoint,
}

// === impl ChainError ===

impl ChainError {
    /// By gRPC status.
    pub(crate) fn of(call: &'static str, status: &Status) -> Self {
        let cause = format!("{}: {}", status.code(), status.message());
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => Self::Refused { call, code: status.code(), cause },
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Unreachable { call, cause },
        }
    }

    pub(crate) fn malformed(call: &'static str, cause: impl core::fmt::Display) -> Self {
        Self::Malformed { call, cause: cause.to_string() }
    }

    /// Whether what the endpoint said does not verify.
    pub(crate) fn is_lie(&self) -> bool {
        matches!(self, Self::Unproven(_) | Self::Foreign { .. })
    }

    /// Whether no honest endpoint can have said so, whatever it has forgotten and whoever chose the question.
    pub(crate) fn convicts(&self) -> bool {
        matches!(self, Self::Unproven(error) if error.convicts())
    }

    /// Its entry of the catalogue.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::Pruned { .. }
            | Self::Lagging { .. } => ErrorCode::ChainUnreachable,
            Self::Foreign { .. } => ErrorCode::ChainForeign,
            Self::Unproven(_) => ErrorCode::ChainUnproven,
            Self::Missing { .. } => ErrorCode::ObjectMissing,
            Self::WrongType { .. } | Self::Unreadable(_) => ErrorCode::PackageMismatch,
            Self::NoCommittee(_) | Self::BadCommittee(_) => ErrorCode::ClusterFileBad,
            Self::NoEndpoint => ErrorCode::ConfigInvalid,
        }
    }
}

impl From<ProofError> for ChainError {
    fn from(error: ProofError) -> Self {
        Self::Unproven(Box::new(error))
    }
}

impl From<ChainError> for Problem {
    fn from(error: ChainError) -> Self {
        Self::new(error.code(), error)
    }
}

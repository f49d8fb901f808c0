use crate::verified::NotADevnet;
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
    /// Checkpoints of this network cannot be verified by this release.
    #[error(transparent)]
    NotADevnet(#[from] NotADevnet),
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

    /// Its entry of the catalogue.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Malformed { .. } => ErrorCode::ChainUnreachable,
            Self::Foreign { .. } | Self::NotADevnet(_) => ErrorCode::ChainForeign,
            Self::Missing { .. } | Self::WrongType { .. } => ErrorCode::PackageMismatch,
        }
    }
}

impl From<ChainError> for Problem {
    fn from(error: ChainError) -> Self {
        Self::new(error.code(), error)
    }
}

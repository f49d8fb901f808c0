use crate::StoreError;
use sui_sdk_types::{Address, CommandArgumentError, ExecutionError};

/// Why a transaction is not executed at all: it costs nothing and leaves no trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It can never be right.
    #[error("{0}")]
    Invalid(String),
    /// Something it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// It was right once, or for somebody else: an old version, a foreign object, too little money.
    #[error("{0}")]
    Stale(String),
    /// The package is not the one this program executes.
    #[error(
        "this devnet executes the package with digest {expected} only; the one to publish has digest {got}: \
         publish contracts/k3s_daas/compiled.json of the same version as this program"
    )]
    ForeignPackage {
        /// Built in.
        expected: String,
        /// Submitted.
        got: String,
    },
    /// The network is being stopped.
    #[error("the devnet is stopping")]
    Stopping,
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an executed transaction failed: it costs gas and its effects say why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ExecutionError,
    pub(crate) command: Option<u64>,
}

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The transaction fails.
    Execution(Box<ExecutionError>),
    /// The ledger does: nobody's fault, nothing is recorded.
    Store(StoreError),
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn no_object(id: Address) -> Self {
        Self::NotFound(format!("object {id} does not exist"))
    }
}

// === impl Failure ===

impl Failure {
    pub(crate) fn boxed(error: ExecutionError, command: Option<u64>) -> Box<Self> {
        Box::new(Self { error, command })
    }
}

// === impl Fault ===

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Self {
        Self::Execution(Box::new(error))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A command's n-th argument is wrong.
pub(crate) fn bad_argument(argument: usize, kind: CommandArgumentError) -> Fault {
    let argument = u16::try_from(argument).unwrap_or(u16::MAX);
    ExecutionError::CommandArgumentError { argument, kind }.into()
}

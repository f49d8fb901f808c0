use super::{MoveAbort, UnsignedError};
use crate::client::ChainError;
use daas_types::{Digest, ErrorCode, Mist, PackageId, Problem, WalletAddress};

/// Why a transaction did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// A contract refused. Gas was spent, nothing else.
    #[error("transaction {digest}: {abort}")]
    Aborted {
        /// The transaction.
        digest: Digest,
        /// Where and why.
        abort: MoveAbort,
    },
    /// Executed and failed otherwise. Gas was spent, nothing else.
    #[error("transaction {digest} failed: {cause}")]
    Failed {
        /// The transaction.
        digest: Digest,
        /// The network's words.
        cause: String,
        /// Whether the gas the wallet could pay for was too little.
        out_of_gas: bool,
    },
    /// Would fail if it were sent. Nothing was spent.
    #[error("not sent, nothing was spent: {0}")]
    Foreseen(#[source] Box<Self>),
    /// Refused before execution, and it can never be executed: it was only tried, or others have taken its coins.
    #[error("transaction {digest} was refused: {cause}")]
    Rejected {
        /// The transaction.
        digest: Digest,
        /// The network's words.
        cause: String,
    },
    /// Refused or failed, as the endpoint says, and nothing proves that it is not executed all the same.
    #[error(
        "transaction {digest} is said to have done nothing ({cause}), but nothing proves that: one more might do the same a \
         second time"
    )]
    Doubtful {
        /// The transaction.
        digest: Digest,
        /// The network's words.
        cause: String,
    },
    /// Not enough SUI.
    #[error("{address} has {have} SUI in coins; {need} SUI are needed, gas included")]
    InsufficientFunds {
        /// The wallet.
        address: WalletAddress,
        /// What it has in coins; what lies at the address itself pays for nothing here.
        have: Mist,
        /// What it needs at least.
        need: Mist,
    },
    /// Sent, but nobody says whether it was executed. It must be looked up before it is made again.
    #[error("transaction {digest} was sent, but its outcome is not known: {cause}")]
    Unknown {
        /// The transaction.
        digest: Digest,
        /// Why not.
        cause: String,
    },
    /// The wallet lacks the capability for it.
    #[error("{address} does not hold this cluster's {cap}")]
    CapMissing {
        /// The wallet.
        address: WalletAddress,
        /// Which one.
        cap: &'static str,
    },
    /// The cluster would run code that nobody finds.
    #[error("{code} is version {number} of its package, and calls itself version {said}")]
    Misnumbered {
        /// The code.
        code: PackageId,
        /// Its number as a package.
        number: u64,
        /// The number that the cluster would have.
        said: u64,
    },
    /// The wallet's key is elsewhere.
    #[error("the key of {0} is not here")]
    KeyMissing(WalletAddress),
    /// A signature that was made elsewhere does not fit.
    #[error(transparent)]
    Signature(#[from] UnsignedError),
    /// The chain cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The transaction cannot be built or signed, or its outcome lacks something it must have.
    #[error("{0}")]
    Broken(String),
}

// === impl TxError ===

impl TxError {
    /// The same failure, of a transaction that was only tried.
    pub(super) fn foreseen(self) -> Self {
        Self::Foreseen(Box::new(self))
    }

    /// Its entry of the catalogue.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Aborted { abort, .. } => abort.catalogue(),
            Self::Foreseen(error) => error.code(),
            Self::InsufficientFunds { .. } | Self::Failed { out_of_gas: true, .. } => ErrorCode::InsufficientFunds,
            Self::Failed { .. } => ErrorCode::TransactionFailed,
            Self::Rejected { .. } => ErrorCode::TransactionRefused,
            Self::Doubtful { .. } | Self::Unknown { .. } => ErrorCode::OutcomeDoubtful,
            Self::CapMissing { .. } => ErrorCode::OfficeMissing,
            Self::Misnumbered { .. } => ErrorCode::CodeMisnumbered,
            Self::KeyMissing(_) => ErrorCode::KeyElsewhere,
            Self::Signature(_) => ErrorCode::SignatureRefused,
            Self::Chain(error) => error.code(),
            Self::Broken(_) => ErrorCode::Internal,
        }
    }

    /// The contract's refusal, if it was one.
    pub fn abort(&self) -> Option<&MoveAbort> {
        match self {
            Self::Aborted { abort, .. } => Some(abort),
            Self::Foreseen(error) => error.abort(),
            _ => None,
        }
    }
}

impl From<TxError> for Problem {
    fn from(error: TxError) -> Self {
        Self::new(error.code(), error)
    }
}

use std::path::PathBuf;

/// Why the devnet cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// A file of the state folder.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key file holds something else.
    #[error("{path} is not a key of {expected} hex characters")]
    Key {
        /// Which.
        path: PathBuf,
        /// Its right length.
        expected: usize,
    },
    /// A key file holds another key than the seed's.
    #[error("{path} was not made from this seed: use another state folder")]
    ForeignSeed {
        /// Which.
        path: PathBuf,
    },
    /// An address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The ledger was made for another simulated TEE or by another validator.
    #[error("the ledger's genesis names {what} {expected}, this start has {got}: use another state folder")]
    ForeignState {
        /// Which part differs.
        what: &'static str,
        /// In the ledger.
        expected: String,
        /// Now.
        got: String,
    },
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger takes no more writes.
    #[error("the ledger failed: {cause}; everything that was answered is in it: start again when the disk is well")]
    Ledger {
        /// What the database said first.
        cause: String,
    },
    /// A server ended by itself.
    #[error("{server} ended: {cause}")]
    Server {
        /// Which.
        server: &'static str,
        /// Why.
        cause: String,
    },
}

/// The ledger file failed, or holds what this program never wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database.
    #[error("the ledger: {0}")]
    Database(#[from] Box<redb::Error>),
    /// The disk is nearly full. Nothing was written, and reading goes on.
    #[error("the disk has less than {reserve_mib} MiB left: nothing is executed until there is more")]
    Full {
        /// What must be free.
        reserve_mib: u64,
    },
    /// The disk cannot be asked.
    #[error("the disk of the ledger: {0}")]
    Disk(std::io::Error),
    /// Another process has the ledger.
    #[error("another process serves from this state folder")]
    InUse,
    /// The ledger's file is none, or not whole.
    #[error("the ledger is damaged ({0}): use another state folder")]
    Damaged(String),
    /// The ledger was made by another version of this program.
    #[error("the ledger was written by another version of this program: use another state folder")]
    Format,
    /// Work on it did not end.
    #[error("the ledger: {0}")]
    Task(String),
    /// A record does not decode.
    #[error("the ledger's {table} has a record that does not decode: {cause}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Why.
        cause: String,
    },
}

macro_rules! from_redb {
    ($($kind:ident),*) => {
        $(impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

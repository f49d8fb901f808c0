//! An index on disk, so that a restart resumes where it stopped: the cluster, the positions, the last checkpoint that is in
//! them, and how the committee was reached that signed it.
//!
//! What is read back was written by this program on this machine's disk, which nobody vouches for. The committees do not
//! need it: the signed ends of epochs are kept, and each is verified again from the pinned committee on. The rest cannot be
//! verified, so it is kept for a devnet only; elsewhere a restart reads it from the chain again, with proofs.

use crate::index::{Applied, IndexIds, Snapshot};
use crate::verified::{Committees, Sequence};
use daas_types::genesis::Genesis;
use daas_types::onchain::{ClusterState, NautilusState, PositionState};
use daas_types::{Digest, ErrorCode, Problem, UnixMs};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use std::path::Path;
use sui_sdk_types::SignedCheckpointSummary;

const HEAD: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("head");
const POSITIONS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("positions");
/// The last checkpoint of each epoch, signed.
const ENDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("ends");
/// +1 when the layout changes; what an older program wrote is then read from the chain again.
const FORMAT: u8 = 3;

/// A place for one cluster's index.
#[derive(Debug)]
pub struct Store {
    database: Database,
    genesis: Digest,
    ids: IndexIds,
    /// Whether what is on disk may be believed.
    devnet: bool,
    /// The first epoch whose end is not saved yet.
    next_end: u64,
}

/// Why an index could not be saved or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("index file: {0}")]
    File(#[from] redb::Error),
    /// A value of ours cannot be encoded.
    #[error("index file: {0}")]
    Encode(#[from] bcs::Error),
}

/// All but the positions.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u8,
    genesis: Digest,
    ids: IndexIds,
    checkpoint: u64,
    timestamp: UnixMs,
    sequence: Sequence,
    cluster: Option<ClusterState>,
    nautilus: Option<NautilusState>,
}

// === impl Store ===

impl Store {
    /// Opens or makes the file at `path` for the index of `ids` on `genesis`.
    pub fn open(path: &Path, genesis: &Genesis, ids: IndexIds) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(redb::Error::from)?;
        Ok(Self { database, genesis: genesis.digest(), ids, devnet: genesis.devnet().is_some(), next_end: 0 })
    }

    /// The saved ends of epochs, in order. They are to be verified.
    pub(crate) fn ends(&self) -> Result<Vec<SignedCheckpointSummary>, StoreError> {
        let read = || {
            let transaction = self.database.begin_read().map_err(boxed)?;
            let ends = match transaction.open_table(ENDS) {
                Ok(ends) => ends,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(boxed(error)),
            };
            let mut all = Vec::new();
            for entry in ends.iter().map_err(boxed)? {
                let (_, bytes) = entry.map_err(boxed)?;
                all.extend(bcs::from_bytes(bytes.value()).ok());
            }
            Ok(all)
        };
        read().map_err(|error: Box<redb::Error>| StoreError::File(*error))
    }

    /// Saves how committees were reached since the last time.
    pub(crate) fn save_ends(&mut self, committees: &Committees) -> Result<(), StoreError> {
        let last = committees.last_epoch();
        if last <= self.next_end {
            return Ok(());
        }
        let ends = committees.ends_from(self.next_end);
        let ends = ends.iter().map(|end| Ok((end.checkpoint.epoch, bcs::to_bytes(end)?)));
        let ends = ends.collect::<Result<Vec<_>, bcs::Error>>()?;
        let write = || {
            let transaction = self.database.begin_write().map_err(boxed)?;
            {
                let mut table = transaction.open_table(ENDS).map_err(boxed)?;
                for (epoch, end) in &ends {
                    table.insert(epoch, end.as_slice()).map_err(boxed)?;
                }
            }
            transaction.commit().map_err(boxed)
        };
        write().map_err(|error: Box<redb::Error>| StoreError::File(*error))?;
        self.next_end = last;
        Ok(())
    }

    /// What was saved for this cluster, if anything was and all of it is readable. Anything else is removed.
    pub(crate) fn load(&self) -> Result<Option<(Snapshot, Sequence)>, StoreError> {
        if !self.devnet {
            return Ok(None);
        }
        let saved = self.read().map_err(|error| StoreError::File(*error))?;
        if saved.is_none() {
            self.clear().map_err(|error| StoreError::File(*error))?;
        }
        Ok(saved)
    }

    /// Saves what `applied` says has changed. The head goes with it in one transaction.
    pub(crate) fn save(&self, snapshot: &Snapshot, sequence: Sequence, applied: &Applied) -> Result<(), StoreError> {
        let Some(timestamp) = snapshot.timestamp().filter(|_| self.devnet) else {
            return Ok(());
        };
        let head = Head {
            format: FORMAT,
            genesis: self.genesis,
            ids: self.ids,
            checkpoint: snapshot.checkpoint(),
            timestamp,
            sequence,
            cluster: snapshot.cluster().cloned(),
            nautilus: snapshot.nautilus().cloned(),
        };
        let head = bcs::to_bytes(&head)?;
        let changed = applied.positions.iter().filter_map(|id| snapshot.position(*id));
        let changed =
            changed.map(|live| Ok((live.state.position.0.into_inner(), bcs::to_bytes(&(&live.state, live.gap))?)));
        let changed = changed.collect::<Result<Vec<_>, bcs::Error>>()?;
        self.write(&head, &changed).map_err(|error| StoreError::File(*error))
    }

    fn clear(&self) -> Result<(), Box<redb::Error>> {
        let transaction = self.database.begin_write().map_err(boxed)?;
        transaction.delete_table(HEAD).map_err(boxed)?;
        transaction.delete_table(POSITIONS).map_err(boxed)?;
        transaction.commit().map_err(boxed)
    }

    fn write(&self, head: &[u8], changed: &[([u8; 32], Vec<u8>)]) -> Result<(), Box<redb::Error>> {
        let mut transaction = self.database.begin_write().map_err(boxed)?;
        if changed.is_empty() {
            // Losing the cursor of an empty checkpoint costs reading it again.
            transaction.set_durability(redb::Durability::None).map_err(boxed)?;
        }
        {
            let mut heads = transaction.open_table(HEAD).map_err(boxed)?;
            heads.insert(0, head).map_err(boxed)?;
            let mut positions = transaction.open_table(POSITIONS).map_err(boxed)?;
            for (id, state) in changed {
                positions.insert(id, state.as_slice()).map_err(boxed)?;
            }
        }
        transaction.commit().map_err(boxed)
    }

    fn read(&self) -> Result<Option<(Snapshot, Sequence)>, Box<redb::Error>> {
        let transaction = self.database.begin_read().map_err(boxed)?;
        let heads = match transaction.open_table(HEAD) {
            Ok(heads) => heads,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(boxed(error)),
        };
        let Some(head) = heads.get(0).map_err(boxed)? else {
            return Ok(None);
        };
        let Ok(head) = bcs::from_bytes::<Head>(head.value()) else {
            return Ok(None);
        };
        if (head.format, head.genesis, head.ids) != (FORMAT, self.genesis, self.ids) {
            return Ok(None);
        }
        let mut states = Vec::new();
        let positions = transaction.open_table(POSITIONS).map_err(boxed)?;
        for entry in positions.iter().map_err(boxed)? {
            let (_, bytes) = entry.map_err(boxed)?;
            let Ok(state) = bcs::from_bytes::<(PositionState, bool)>(bytes.value()) else {
                return Ok(None);
            };
            states.push(state);
        }
        let Head { checkpoint, timestamp, sequence, cluster, nautilus, .. } = head;
        Ok(Some((Snapshot::of_saved((checkpoint, timestamp), cluster, nautilus, states), sequence)))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::File(_) => ErrorCode::StateUnreadable,
            StoreError::Encode(_) => ErrorCode::Internal,
        };
        Self::new(code, error)
    }
}

fn boxed(error: impl Into<redb::Error>) -> Box<redb::Error> {
    Box::new(error.into())
}

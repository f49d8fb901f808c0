//! An index on disk, so that a restart resumes where it stopped: the policy, the positions, and the last checkpoint
//! that is in them.
//!
//! What is read back was written by this program on this machine's disk, which nobody vouches for. So it is taken only
//! where the network itself is taken on trust: for a devnet.

use crate::index::{Applied, IndexIds, Snapshot};
use daas_types::genesis::Genesis;
use daas_types::onchain::{NautilusState, Policy, PositionState};
use daas_types::{Digest, ErrorCode, Problem, UnixMs};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use std::path::Path;

const HEAD: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("head");
const POSITIONS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("positions");
/// +1 when the layout changes; what an older program wrote is then read from the chain again.
const FORMAT: u8 = 1;

/// A place for one cluster's index.
#[derive(Debug)]
pub struct Store {
    database: Database,
    genesis: Digest,
    ids: IndexIds,
}

/// Why an index could not be saved or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("index file: {0}")]
    File(#[from] redb::Error),
    /// Disk contents are not taken on trust for a real network.
    #[error("a saved index is used on a devnet only")]
    NotADevnet,
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
    policy_generation: u64,
    policy: Policy,
    nautilus: Option<NautilusState>,
}

// === impl Store ===

impl Store {
    /// Opens or makes the file at `path` for the index of `ids` on `genesis`.
    pub fn open(path: &Path, genesis: &Genesis, ids: IndexIds) -> Result<Self, StoreError> {
        if genesis.devnet().is_none() {
            return Err(StoreError::NotADevnet);
        }
        let database = Database::create(path).map_err(redb::Error::from)?;
        Ok(Self { database, genesis: genesis.digest(), ids })
    }

    /// What was saved for this cluster, if anything was and all of it is readable. Anything else is removed.
    pub(crate) fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        let saved = self.read().map_err(|error| StoreError::File(*error))?;
        if saved.is_none() {
            self.clear().map_err(|error| StoreError::File(*error))?;
        }
        Ok(saved)
    }

    /// Saves what `applied` says has changed. The head goes with it in one transaction.
    pub(crate) fn save(&self, snapshot: &Snapshot, applied: &Applied) -> Result<(), StoreError> {
        let Some(timestamp) = snapshot.timestamp() else {
            return Ok(());
        };
        let head = Head {
            format: FORMAT,
            genesis: self.genesis,
            ids: self.ids,
            checkpoint: snapshot.checkpoint(),
            timestamp,
            policy_generation: snapshot.policy_generation(),
            policy: snapshot.policy().clone(),
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

    fn read(&self) -> Result<Option<Snapshot>, Box<redb::Error>> {
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
        let Head { checkpoint, timestamp, policy_generation, policy, nautilus, .. } = head;
        let rules = (policy_generation, policy);
        Ok(Some(Snapshot::of_saved((checkpoint, timestamp), rules, nautilus, states)))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::File(_) => ErrorCode::StateUnreadable,
            StoreError::NotADevnet => ErrorCode::DatastoreNotEncrypted,
            StoreError::Encode(_) => ErrorCode::Internal,
        };
        Self::new(code, error)
    }
}

fn boxed(error: impl Into<redb::Error>) -> Box<redb::Error> {
    Box::new(error.into())
}

//! The same records in other places.

use crate::population::{AT_ONCE, EVENTS, Population};
use daas_testkit::bench::{resident, timed};
use daas_types::PositionId;
use daas_types::onchain::{Event, PositionState};
use redb::{Database, Durability, TableDefinition};
use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const POSITIONS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("positions");
/// Checkpoints that the database takes.
const SAVED: u32 = 400;

pub(crate) struct Peers {
    pub(crate) map_per_s: f64,
    pub(crate) map_bytes_per_seal: f64,
    pub(crate) redb_per_s: f64,
}

/// The word with which this program is a peer's process.
const MAP: &str = "--map";

/// The map is filled by a process of its own, because memory that was used and freed before would not be counted.
pub(crate) fn measure() -> Peers {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg(MAP).stderr(Stdio::inherit()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (per_s, bytes) = said.trim().split_once(' ').unwrap();
    Peers { map_per_s: per_s.parse().unwrap(), map_bytes_per_seal: bytes.parse().unwrap(), redb_per_s: redb() }
}

/// Is the peer's process, if it was started as that.
pub(crate) fn is_peer() -> bool {
    let asked = std::env::args().any(|argument| argument == MAP);
    if asked {
        let (per_s, bytes) = map();
        std::io::stdout().write_all(format!("{per_s} {bytes}\n").as_bytes()).unwrap();
    }
    asked
}

fn map() -> (f64, f64) {
    let population = Population::new();
    let empty = resident();
    let mut map: HashMap<PositionId, PositionState> = HashMap::new();
    let mut seconds = 0.0;
    for n in 0..EVENTS / AT_ONCE {
        let events = population.events(n);
        let insert = || states(&events).for_each(|state| drop(map.insert(state.position, state.clone())));
        seconds += timed(insert).0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a quotient")]
    let bytes = resident().saturating_sub(empty) as f64;
    assert_eq!(map.values().map(|state| state.seals.len()).sum::<usize>(), EVENTS as usize);
    (f64::from(EVENTS) / seconds, bytes / f64::from(EVENTS))
}

fn redb() -> f64 {
    let population = Population::new();
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(folder.path().join("peer.redb")).unwrap();
    let mut seconds = 0.0;
    for n in 0..SAVED {
        let events = population.events(n);
        let save = || {
            let mut transaction = database.begin_write().unwrap();
            transaction.set_durability(Durability::None).unwrap();
            {
                let mut table = transaction.open_table(POSITIONS).unwrap();
                for state in states(&events) {
                    let bytes = bcs::to_bytes(state).unwrap();
                    table.insert(state.position.0.into_inner(), bytes.as_slice()).unwrap();
                }
            }
            transaction.commit().unwrap();
        };
        seconds += timed(save).0;
    }
    f64::from(SAVED * AT_ONCE) / seconds
}

fn states(events: &[Event]) -> impl Iterator<Item = &PositionState> {
    events.iter().filter_map(|event| match event {
        Event::Position { state, .. } => Some(state),
        _ => None,
    })
}

//! The same records in other places.

use crate::growth;
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

/// The words with which this program measures memory in a process of its own, because memory that was used and freed
/// before would not be counted.
const MAP: &str = "--map";
const INDEX: &str = "--index";

pub(crate) fn measure() -> Peers {
    let said = ask(MAP);
    Peers { map_per_s: said[0], map_bytes_per_seal: said[1], redb_per_s: redb() }
}

/// Bytes for each Seal of an index that starts.
pub(crate) fn bytes_per_seal() -> f64 {
    ask(INDEX)[0]
}

/// Is one of those processes, if it was started as that.
pub(crate) fn is_child() -> bool {
    let said = match std::env::args().nth(1).as_deref() {
        Some(MAP) => {
            let (per_s, bytes) = map();
            format!("{per_s} {bytes}\n")
        }
        Some(INDEX) => format!("{}\n", growth::started_with()),
        _ => return false,
    };
    std::io::stdout().write_all(said.as_bytes()).unwrap();
    true
}

fn ask(word: &str) -> Vec<f64> {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg(word).stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
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

//! The workers of this machine, by what each writes down of its life in its state folder. So one that was killed is told of, too, and
//! nothing secret is read.

use crate::paths::StateDir;
use crate::status_view::{LifeLine, WorkerLine};
use daas_engine::lock::is_held;
use daas_types::worker::{LOCK_FILE, Life, STATE_FILE};
use daas_types::{ErrorCode, Problem};
use std::fs;
use std::io;
use std::path::PathBuf;

/// What the service is called, whose node's name its folder does not say.
const SERVICE: &str = "k3s-worker";

/// Those whose folders lie where this program and the service have them.
pub(crate) fn of_this_machine(state: &StateDir) -> Vec<WorkerLine> {
    let joined = fs::read_dir(state.nodes()).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let named = |folder: PathBuf| Some((folder.file_name()?.to_str()?.to_owned(), folder));
    let mut folders: Vec<_> = joined.filter_map(named).collect();
    folders.sort_unstable();
    folders.push((SERVICE.to_owned(), state.service_worker()));
    folders.into_iter().filter_map(|(name, folder)| look(name, folder)).collect()
}

/// One of them; `None` if none was ever there.
fn look(name: String, folder: PathBuf) -> Option<WorkerLine> {
    let path = folder.join(STATE_FILE);
    let unusable = |error: &dyn std::fmt::Display| {
        Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()))
    };
    let life = match fs::read(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return None,
        Err(error) => Err(unusable(&error)),
        Ok(text) => serde_json::from_slice::<Life>(&text).map_err(|error| unusable(&error)),
    };
    let running = is_held(&folder.join(LOCK_FILE));
    Some(WorkerLine { name, folder, running, life: life.map(|life| LifeLine::new(&life)).into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_view::Part;
    use daas_types::worker::Phase;
    use std::fs::File;

    #[test]
    fn who_lives_who_was_killed_and_whose_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path()).unwrap();
        assert!(of_this_machine(&state).is_empty());
        // As a worker writes it, with more than is for others.
        let text = r#"{"phase":"joined","position":"0x1","ending":null,"leave":"no","history":[
            {"at_ms":5,"from":"verified-master","to":"joined","reason":"the node is registered and running"},
            {"at_ms":9,"from":"joined","to":"joined","reason":"several heartbeats in a row failed"}]}"#;
        let nodes = ["n1", "n2", "n3", "n4"].map(|name| state.nodes().join(name));
        for node in nodes.iter().chain([&state.service_worker()]) {
            fs::create_dir_all(node).unwrap();
            fs::write(node.join(LOCK_FILE), "").unwrap();
            fs::write(node.join(STATE_FILE), text).unwrap();
        }
        fs::write(nodes[2].join(STATE_FILE), "{").unwrap();
        fs::remove_file(nodes[3].join(STATE_FILE)).unwrap();
        let held = File::open(nodes[1].join(LOCK_FILE)).unwrap();
        held.lock().unwrap();
        let found = of_this_machine(&state);
        let told: Vec<_> = found.iter().map(|worker| (worker.name.as_str(), worker.running)).collect();
        assert_eq!(told, [("n1", false), ("n2", true), ("n3", false), (SERVICE, false)]);
        let Part::Up(life) = &found[0].life else { panic!("it must be read") };
        assert_eq!((life.phase, life.since_ms.0, life.history.len()), (Phase::Joined, 5, 2));
        assert_eq!(life.reason, "the node is registered and running");
        assert!(matches!(&found[2].life, Part::Down { error, .. } if error == "StateUnreadable"));
    }
}

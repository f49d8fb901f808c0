use super::cleanup::{Record, can_go_on, is_left};
use super::*;
use std::io::Write as _;
use std::process::{Command, Stdio};

#[test]
fn names_on_the_machine_fit_and_differ_between_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("a".repeat(200));
    let (one, two) = (Layout::new(folder.path()).unwrap(), Layout::new(&long).unwrap());
    for layout in [&one, &two] {
        assert!(layout.bridge().len() <= 15, "an interface name has at most 15 bytes");
        assert!(layout.sockets().join("s").as_os_str().len() <= 42, "containerd allows no more");
    }
    assert_ne!(one.bridge(), two.bridge());
    assert_ne!(one.cgroup_root(), two.cgroup_root());
    assert_ne!(one.sockets(), two.sockets());
    assert_eq!(one.bridge(), Layout::new(folder.path()).unwrap().bridge());
}

#[tokio::test]
async fn there_is_nothing_to_clean_up_where_no_node_was() {
    let folder = tempfile::tempdir().unwrap();
    cleanup(&folder.path().join("missing")).await.unwrap();
    cleanup(folder.path()).await.unwrap();
}

#[test]
fn images_that_were_read_to_their_end_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path()).unwrap();
    cleanup::forget_half_images(&layout).expect("there is nothing yet");
    let content = layout.state.join("containerd/root/io.containerd.content.v1.content");
    let (half, whole) = (content.join("ingest/1/data"), content.join("blobs/sha256/2"));
    for file in [&half, &whole] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }
    cleanup::forget_half_images(&layout).unwrap();
    assert!(!half.exists() && whole.exists());
}

/// Locks and one of a node's two records lie in `/run`.
fn skipped() -> bool {
    if nix::unistd::geteuid().is_root() {
        return false;
    }
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(b"\nSKIPPED (data folders): not root\n").unwrap();
    true
}

#[test]
fn a_data_folder_is_one_workers_whatever_is_removed() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(HeldFolder::holder(&data), None);
    assert!(!data.exists(), "who only asks makes nothing");
    let taken = || match HeldFolder::take(&data, "the second") {
        Err(NodeError::Taken { place, by }) => Some((place, by)),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    };
    let held = HeldFolder::take(&data, "the first").unwrap();
    let first = Some((data.canonicalize().unwrap(), "the first".to_owned()));
    assert_eq!((taken(), HeldFolder::holder(&data)), (first.clone(), Some("the first".to_owned())));
    // By another of its names.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&data, &link).unwrap();
    assert!(matches!(HeldFolder::take(&link, "the second"), Err(NodeError::Taken { .. })));
    // `rm -rf`, of all that is in it, of itself, and of what lies beside its sockets.
    let layout = Layout::new(&data).unwrap();
    files::make_folder(&layout.sockets()).unwrap();
    for removed in [&data, &layout.sockets()] {
        std::fs::remove_dir_all(removed).unwrap();
    }
    std::fs::create_dir(&data).unwrap();
    assert_eq!(taken(), first);
    // What was started meanwhile goes on, as containers' supervisors do, and does not have it: else it would after a kill.
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().map(|entry| entry.unwrap().path());
    let inherited = open.filter(|fd| std::fs::read_link(fd).is_ok_and(|file| file == layout.lock()));
    assert_eq!(inherited.count(), 0);
    drop(held);
    assert!(!layout.lock().exists(), "nothing is left on the machine");
    assert_eq!(HeldFolder::holder(&data), None);
    let again = HeldFolder::take(&data, "the second").unwrap();
    assert_eq!(HeldFolder::holder(&data).as_deref(), Some("the second"), "nothing of the longer name is left");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(again);
}

#[tokio::test]
async fn a_file_left_by_a_killed_worker_locks_nobody_out() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path()).unwrap();
    std::fs::write(layout.lock(), "who was killed").unwrap();
    assert_eq!(HeldFolder::holder(folder.path()), None);
    let held = HeldFolder::take(folder.path(), "the next").unwrap();
    cleanup(folder.path()).await.unwrap();
    assert!(HeldFolder::take(folder.path(), "the second").is_err(), "it was given up with what was cleaned up");
    drop(held);
    assert!(!layout.lock().exists());
    // Nobody comes after it.
    std::fs::write(layout.lock(), "who was killed").unwrap();
    cleanup(folder.path()).await.unwrap();
    assert!(!layout.lock().exists());
}

#[test]
fn what_another_worker_left_is_not_gone_on_with() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path()).unwrap();
    let goes_on = |owner: &str| can_go_on(&layout, Engine::Kubernetes, owner).unwrap();
    assert!(!goes_on("a"), "nothing was left");
    Record::of("a").write(&layout).unwrap();
    assert!(goes_on("a") && !goes_on("b"));
    // Of a release whose records do not say whose they are.
    for folder in [layout.run(), layout.sockets()] {
        let path = folder.join("node.json");
        let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(record.as_object_mut().unwrap().remove("owner").unwrap(), "a");
        std::fs::write(&path, record.to_string()).unwrap();
    }
    assert!(goes_on("a") && goes_on("b"));
    std::fs::remove_dir_all(layout.sockets()).unwrap();
}

#[test]
fn what_is_being_taken_down_is_known_of_and_not_gone_on_with() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path()).unwrap();
    Record::of("a").write(&layout).unwrap();
    let fleeting = std::fs::read(layout.sockets().join("node.json")).unwrap();
    // Its data is thrown away, and whoever takes it down is killed when that is written down, and no sooner.
    std::fs::remove_dir_all(layout.run()).unwrap();
    std::fs::create_dir(layout.run()).unwrap();
    assert!(is_left(folder.path()));
    Record::of("a").retire(&layout).unwrap();
    assert!(is_left(folder.path()) && !layout.sockets().join("node.json").exists());
    std::fs::write(layout.sockets().join("node.json"), fleeting).unwrap();
    assert!(!can_go_on(&layout, Engine::Kubernetes, "a").unwrap());
    std::fs::remove_dir_all(layout.sockets()).unwrap();
    assert!(is_left(folder.path()));
}

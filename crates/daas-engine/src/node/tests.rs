use super::*;

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

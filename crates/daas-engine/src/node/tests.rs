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

use super::*;
use daas_testkit::chain::Chain;
use daas_types::{Address, Permissions};
use tempfile::TempDir;

fn key(n: u8) -> KeyId {
    KeyId::of(&[n])
}

fn owner(n: u8) -> (PositionId, SealId) {
    (PositionId(Address::new([n; 32])), SealId(Address::new([n ^ 0x80; 32])))
}

struct World {
    folder: TempDir,
    chain: Chain,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), chain: Chain::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn open(&self) -> Keys {
        Keys::open(&self.path()).unwrap()
    }

    async fn bind(&self, keys: &Keys, n: u8, of: u8, issue: Issue) -> Option<Change> {
        keys.bind(key(n), owner(of), issue, &self.chain.index.snapshot()).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_bound_is_known_after_a_restart() {
    let world = World::new();
    let keys = world.open();
    assert!(keys.get(key(1)).is_none());
    assert!(world.bind(&keys, 1, 7, Issue::Kubelet).await.is_some());
    assert!(world.bind(&keys, 2, 8, Issue::KubeProxy).await.is_some());
    // As an agent that starts again.
    assert!(world.bind(&keys, 1, 7, Issue::Kubelet).await.is_none());
    drop(keys);
    let keys = world.open();
    let Bound { position, seal, issue, .. } = keys.get(key(1)).unwrap();
    assert_eq!(((position, seal), issue), (owner(7), Issue::Kubelet));
    assert_eq!(keys.get(key(2)).unwrap().issue, Issue::KubeProxy);
    assert!(keys.get(key(3)).is_none());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(world.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_k3s_refused_leaves_nothing_and_what_was_there_stays() {
    let world = World::new();
    let keys = world.open();
    let position = |keys: &Keys| keys.get(key(1)).map(|bound| bound.position);
    let change = world.bind(&keys, 1, 7, Issue::Kubelet).await.unwrap();
    keys.undo(key(1), change).await;
    assert_eq!((position(&keys), position(&world.open())), (None, None));
    world.bind(&keys, 1, 7, Issue::Kubelet).await.unwrap();
    // Its owner moves, and may not.
    let moved = world.bind(&keys, 1, 8, Issue::Kubelet).await.unwrap();
    assert_eq!(position(&keys), Some(owner(8).0));
    keys.undo(key(1), moved).await;
    assert_eq!((position(&keys), position(&world.open())), (Some(owner(7).0), Some(owner(7).0)));
    // Who moves at the same time and may is not undone.
    let refused = world.bind(&keys, 1, 8, Issue::Kubelet).await.unwrap();
    world.bind(&keys, 1, 9, Issue::Kubelet).await.unwrap();
    keys.undo(key(1), refused).await;
    assert_eq!(position(&keys), Some(owner(9).0));
}

#[tokio::test]
async fn the_last_seal_that_was_shown_is_known() {
    let world = World::new();
    let keys = world.open();
    world.bind(&keys, 1, 7, Issue::Kubelet).await;
    let renewed = SealId(Address::new([0xee; 32]));
    let snapshot = world.chain.index.snapshot();
    let change = keys.bind(key(1), (owner(7).0, renewed), Issue::Kubelet, &snapshot).await.unwrap().unwrap();
    assert_eq!(keys.get(key(1)).unwrap().seal, renewed);
    keys.undo(key(1), change).await;
    assert_eq!(keys.get(key(1)).unwrap().seal, owner(7).1);
}

#[tokio::test]
async fn of_one_position_and_kind_the_oldest_gives_way() {
    let world = World::new();
    let keys = world.open();
    world.bind(&keys, 100, 7, Issue::KubeProxy).await;
    world.bind(&keys, 101, 8, Issue::Kubelet).await;
    for n in 0..6 {
        world.bind(&keys, n, 7, Issue::Kubelet).await;
    }
    let kept: Vec<u8> = (0..6).filter(|n| keys.get(key(*n)).is_some()).collect();
    assert_eq!(kept, [2, 3, 4, 5]);
    assert!(keys.get(key(100)).is_some() && keys.get(key(101)).is_some());
    // Their age is known after a restart.
    drop(keys);
    let keys = world.open();
    world.bind(&keys, 6, 7, Issue::Kubelet).await;
    assert!(keys.get(key(2)).is_none() && keys.get(key(3)).is_some());
}

#[test]
fn when_there_is_no_room_those_without_a_right_give_way() {
    let chain = Chain::new();
    let staker = chain.staker(1, "5", Permissions::NODE);
    let mut known = Known::default();
    let bound = |position, change| Bound { position, seal: owner(0).1, issue: Issue::Kubelet, change };
    for n in 0..u64::try_from(MOST).unwrap() {
        let id = KeyId::of(&n.to_be_bytes());
        let position = if n == 0 { staker.state.position } else { owner(9).0 };
        known.keys.insert(id, bound(position, n));
    }
    known.make_room(owner(2).0, Issue::Kubelet, &chain.index.snapshot()).unwrap();
    assert_eq!(known.keys.len(), 1);
    for n in 1..u64::try_from(MOST).unwrap() {
        known.keys.insert(KeyId::of(&n.to_be_bytes()), bound(staker.state.position, n));
    }
    let refusal = known.make_room(owner(2).0, Issue::Kubelet, &chain.index.snapshot()).unwrap_err();
    assert_eq!((refusal.code(), refusal.status().as_u16()), (TooManyRequests, 503));
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_said_and_not_replaced() {
    let world = World::new();
    let line = |key: &str| {
        let id = Address::ZERO.to_string();
        format!(r#"{{"version":1,"keys":[{{"key":"{key}","position":"{id}","seal":"{id}","issue":"Kubelet"}}]}}"#)
    };
    let good = line(&"0a".repeat(32));
    for text in ["", "{}", r#"{"version":2,"keys":[]}"#, &line("0a"), &line(&"0x".repeat(32)), &line(&"+1".repeat(32))]
    {
        fs::write(world.path(), text).unwrap();
        assert!(matches!(Keys::open(&world.path()), Err(K3sError::KeysDamaged { .. })), "{text}");
        assert_eq!(fs::read_to_string(world.path()).unwrap(), text);
    }
    fs::write(world.path(), &good).unwrap();
    assert!(world.open().get(KeyId([10; 32])).is_some());
}

#[tokio::test]
async fn what_cannot_be_written_is_not_bound() {
    let world = World::new();
    let keys = Keys::open(&world.folder.path().join("absent/keys.json")).unwrap();
    let snapshot = world.chain.index.snapshot();
    let refusal = keys.bind(key(1), owner(1), Issue::Kubelet, &snapshot).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.status().as_u16()), (StateUnreadable, 503));
    assert!(keys.get(key(1)).is_none());
    // Nor the next time, without being written.
    assert!(keys.bind(key(1), owner(1), Issue::Kubelet, &snapshot).await.is_err());
    fs::create_dir(world.folder.path().join("absent")).unwrap();
    assert!(keys.bind(key(1), owner(1), Issue::Kubelet, &snapshot).await.unwrap().is_some());
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let world = World::new();
    let keys = world.open();
    let all = (0..100).map(|n| world.bind(&keys, n, n, Issue::Controller));
    futures::future::join_all(all).await;
    let read = world.open();
    assert!((0..100).all(|n| read.get(key(n)).unwrap().position == owner(n).0));
}

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

    async fn bind(&self, keys: &Keys, n: u8, of: u8, issue: Issue) {
        keys.bind(key(n), owner(of), issue, &self.chain.index.snapshot()).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_bound_is_known_after_a_restart() {
    let world = World::new();
    let keys = world.open();
    assert!(keys.get(key(1)).is_none());
    world.bind(&keys, 1, 7, Issue::Kubelet).await;
    world.bind(&keys, 2, 8, Issue::KubeProxy).await;
    // As an agent that starts again.
    let changes = keys.0.lock().changes;
    world.bind(&keys, 1, 7, Issue::Kubelet).await;
    assert_eq!(keys.0.lock().changes, changes);
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
async fn the_last_that_was_shown_is_known() {
    let world = World::new();
    let keys = world.open();
    world.bind(&keys, 1, 7, Issue::Kubelet).await;
    let renewed = SealId(Address::new([0xee; 32]));
    keys.bind(key(1), (owner(7).0, renewed), Issue::Kubelet, &world.chain.index.snapshot()).await.unwrap();
    assert_eq!(keys.get(key(1)).unwrap().seal, renewed);
    // Its owner moves.
    world.bind(&keys, 1, 8, Issue::Kubelet).await;
    assert_eq!(
        (keys.get(key(1)).unwrap().position, world.open().get(key(1)).unwrap().position),
        (owner(8).0, owner(8).0)
    );
}

#[tokio::test]
async fn a_seal_that_was_replaced_takes_its_keys_along() {
    let world = World::new();
    let keys = world.open();
    let mut staker = world.chain.staker(1, "5", Permissions::NODE);
    let (position, first) = (staker.state.position, staker.state.seals[0].clone());
    let other = daas_types::onchain::SealRecord { id: SealId(Address::new([0xee; 32])), ..first.clone() };
    let kinds = [Issue::Kubelet, Issue::KubeProxy, Issue::Controller];
    let bind = async |n: u8, seal: SealId, issue| {
        keys.bind(key(n), (position, seal), issue, &world.chain.index.snapshot()).await.unwrap();
    };
    for (n, issue) in (0..).zip(kinds) {
        bind(n, first.id, issue).await;
    }
    world.bind(&keys, 9, 9, Issue::Kubelet).await;
    // While both live, both count.
    world.chain.put(&mut staker, |state| state.seals.push(other.clone()));
    bind(3, other.id, Issue::Kubelet).await;
    assert!((0..4).all(|n| keys.get(key(n)).is_some()));
    world.chain.put(&mut staker, |state| state.seals.retain(|seal| seal.id == other.id));
    assert!((0..4).all(|n| keys.get(key(n)).is_some()), "what runs is not ended by that alone");
    // The machine's own key comes with the new Seal; those of the old one end.
    bind(1, other.id, Issue::KubeProxy).await;
    let kept: Vec<u8> = (0..10).filter(|n| keys.get(key(*n)).is_some()).collect();
    assert_eq!(kept, [1, 3, 9]);
    assert!(world.open().get(key(0)).is_none());
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
    known.make_room(owner(2).0, Issue::Kubelet, &chain.index.snapshot(), &mut Vec::new()).unwrap();
    assert_eq!(known.keys.len(), 1);
    for n in 1..u64::try_from(MOST).unwrap() {
        known.keys.insert(KeyId::of(&n.to_be_bytes()), bound(staker.state.position, n));
    }
    let refusal = known.make_room(owner(2).0, Issue::Kubelet, &chain.index.snapshot(), &mut Vec::new()).unwrap_err();
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
    for n in 1..=4 {
        keys.bind(key(n), owner(1), Issue::Kubelet, &snapshot).await.unwrap();
    }
    // Nor does anything give way to it.
    fs::remove_dir_all(world.folder.path().join("absent")).unwrap();
    assert!(keys.bind(key(5), owner(1), Issue::Kubelet, &snapshot).await.is_err());
    let kept: Vec<u8> = (1..=5).filter(|n| keys.get(key(*n)).is_some()).collect();
    assert_eq!(kept, [1, 2, 3, 4]);
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

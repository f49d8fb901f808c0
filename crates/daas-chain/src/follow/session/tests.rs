use super::*;
use crate::client::ChainClient;
use crate::index::{Base, Index, IndexIds};
use crate::testing::{TestChain, TestTransaction, unknown};
use crate::verified::prove;
use daas_types::onchain::{ClusterState, NautilusState, Policy};
use daas_types::{Address, ClusterId, NautilusId, PackageId, RegistryId, UnixMs, WalletAddress};

fn ids() -> IndexIds {
    let id = |n: u8| Address::new([n; 32]);
    IndexIds {
        package: PackageId(id(1)),
        cluster: ClusterId(id(2)),
        registry: RegistryId(id(3)),
        nautilus: NautilusId(id(4)),
    }
}

#[tokio::test]
async fn what_events_do_not_tell_is_asked_for_before_anything_else_is_taken() {
    let mut chain = TestChain::new(1);
    // Nobody is there.
    let client = ChainClient::unchecked(["http://127.0.0.1:1"], chain.genesis()).unwrap();
    let mut follower = Follower::new(client, Index::new(ids()));
    let happened = TestTransaction { events: vec![unknown(ids().package.0)], changed: vec![] };
    let claim = chain.append(UnixMs(1), &[happened], false);
    let proven = prove(1, &claim, &chain.committees().of_epoch(0).unwrap()).unwrap();
    let error = follower.take(&proven).await.unwrap_err();
    assert!(matches!(error, FollowError::Chain(ChainError::Unreachable { .. })), "{error}");
    assert_eq!((follower.index.snapshot().next_checkpoint(), follower.sequence.last()), (0, None));
    follower.index.read_again(base(1));
    follower.take(&proven).await.unwrap();
    assert_eq!((follower.index.snapshot().next_checkpoint(), follower.sequence.last()), (2, Some(1)));
}

fn base(checkpoint: u64) -> Base {
    let IndexIds { cluster, registry, nautilus, .. } = ids();
    let state = ClusterState {
        cluster,
        version: 1,
        name: "test".into(),
        genesis: vec![9; 32],
        generation: 1,
        registry,
        nautilus,
        anchors: Address::ZERO.into(),
        policy: Policy::devnet(WalletAddress(Address::ZERO)),
        announced: None,
        paused: false,
        operator_positions: vec![],
        proposer_cap: Address::ZERO.into(),
        judge_cap: Address::ZERO.into(),
    };
    let (measurements, masters, endorsements) = (vec![], vec![], vec![]);
    let nautilus =
        NautilusState { id: nautilus, cluster, generation: 1, registrations: 0, measurements, masters, endorsements };
    Base { cluster: state, nautilus, positions: vec![], checkpoint }
}

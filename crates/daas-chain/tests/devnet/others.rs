//! Lies that are not about one checkpoint: objects, other networks; and what an honest endpoint beside a liar is worth.

use crate::liar::{Liar, Lies};
use crate::log;
use crate::world::{Following, Net, World};
use core::time::Duration;
use daas_chain::client::{ChainClient, ChainError};
use daas_chain::follow::Follower;
use daas_chain::index::{FRESH_FOR, Index};
use daas_chain::ops::{DiscoverError, discover};
use daas_chain::verified::Check;
use daas_devnet::control::Request;
use daas_types::genesis::Genesis;
use daas_types::{Digest, ErrorCode, Mist, Problem};
use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::Object;
use tonic::Code;

async fn through(liar: &Liar, world: &World) -> ChainClient {
    ChainClient::connect(&liar.url, world.client.genesis()).await.unwrap()
}

fn check<T: core::fmt::Debug>(answer: Result<T, ChainError>) -> Check {
    match answer {
        Err(ChainError::Unproven(error)) => error.check,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_what_a_checkpoint_has() {
    let world = World::start().await;
    let staked = world.stake(&world.rich(2).await, 5, "node-1").await.unwrap();
    let position = staked.position.position;
    let liar = Liar::start(&world.net.devnet.rpc_url()).await;
    let client = through(&liar, &world).await;
    assert_eq!(client.position(&world.ids, position).await.unwrap(), Some(staked.position.clone()));

    let object = |lie: fn(&mut proto::Object)| liar.says(Lies { object: Some(Box::new(lie)), ..Lies::default() });
    object(|object| {
        let mut bytes = object.bcs().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        object.bcs_mut().value = Some(bytes.into());
    });
    let error = client.position(&world.ids, position).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ChainUnproven);
    assert!(Problem::from(error).cause.contains("inclusion: transaction"));
    // As it would be after another change.
    object(|object| {
        let old: Object = object.bcs().deserialize().unwrap();
        let mut bytes = object.bcs().value().to_vec();
        let version = old.version().to_le_bytes();
        let at = bytes.windows(8).position(|part| part == version).unwrap();
        bytes[at..at + 8].copy_from_slice(&(old.version() + 1).to_le_bytes());
        let new: Object = bcs_of(&bytes);
        assert_eq!(new.version(), old.version() + 1);
        object.bcs_mut().value = Some(bytes.into());
    });
    assert!(matches!(check(client.position(&world.ids, position).await), Check::Unwritten { .. }));
    // In a checkpoint that does not have it.
    liar.says(Lies { transaction: Some(Box::new(|transaction| transaction.checkpoint = Some(1))), ..Lies::default() });
    assert!(matches!(check(client.position(&world.ids, position).await), Check::Unincluded { .. }));
    // Not among the positions at all.
    liar.says(Lies { fields: Some(Box::new(Vec::clear)), ..Lies::default() });
    let hidden = Check::PositionsHidden { listed: 0, counted: 1 };
    assert_eq!(check(client.positions(&world.ids).await), hidden);

    // Nothing starts from any of it.
    let log = log::listen();
    let following = Following::of(Follower::new(client, Index::new(world.ids)));
    log.says(&[&liar.url, "registry: 0 positions are listed, and it counts 1"]).await;
    assert_eq!(following.index.snapshot().timestamp(), None);
    liar.says(Lies::default());
    following.sees(&staked).await;
    following.stop().await;
}

fn bcs_of(bytes: &[u8]) -> Object {
    proto::Bcs::default().with_value(bytes.to_vec()).deserialize().unwrap()
}

/// An empty entry is 2 bytes in an answer, and hundreds of times as much once it is decoded.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_many_empty_parts_are_not_decoded() {
    const MANY: usize = 40_000;
    let world = World::start().await;
    let liar = Liar::start(&world.net.devnet.rpc_url()).await;
    let client = through(&liar, &world).await;
    let fields = |fields: &mut Vec<proto::DynamicField>| fields.resize(MANY, proto::DynamicField::default());
    let epoch = |epoch: &mut proto::Epoch| {
        epoch.committee_mut().members = vec![proto::ValidatorCommitteeMember::default(); MANY];
    };
    liar.says(Lies { fields: Some(Box::new(fields)), epoch: Some(Box::new(epoch)), ..Lies::default() });
    let too_long = |error: &ChainError| matches!(error, ChainError::Refused { code: Code::OutOfRange, .. });
    let error = client.positions(&world.ids).await.unwrap_err();
    assert!(too_long(&error), "{error}");
    let error = discover(std::slice::from_ref(&liar.url)).await.unwrap_err();
    assert!(matches!(&error, DiscoverError::Chain { error, .. } if too_long(error)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_behind_the_right_genesis_is_not_followed() {
    let world = World::start().await;
    let other = Net::start().await;
    let liar = Liar::with_face(&world.net.devnet.rpc_url(), &other.devnet.rpc_url()).await;
    // It shows the pinned genesis, in full.
    let client = through(&liar, &world).await;
    let log = log::listen();
    let following = Following::of(Follower::new(client, Index::new(world.ids)));
    log.says(&[&liar.url, "signature: it is not signed by the committee of epoch 0"]).await;
    assert_eq!(following.index.snapshot().timestamp(), None);
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_branch_by_the_same_validator_is_not_followed() {
    let world = World::start().await;
    let (net, twin) = world.net.fork().await;
    let world = World { net, ..world };
    let liar = Liar::start(&world.net.devnet.rpc_url()).await;
    let following = Following::of(Follower::new(through(&liar, &world).await, Index::new(world.ids)));
    let staked = world.stake(&world.rich(2).await, 5, "node-1").await.unwrap();
    following.sees(&staked).await;
    // The other branch never had that stake, and is longer.
    let log = log::listen();
    liar.says(Lies { pushed: Some(Box::new(|checkpoint| checkpoint.signature = None)), ..Lies::default() });
    log.says(&[&liar.url, "absent: the answer has no signature"]).await;
    liar.says(Lies::default());
    liar.turns_to(&twin.devnet.rpc_url());
    while twin.connect().await.heights().await.unwrap().0 < staked.outcome.checkpoint + 20 {
        twin.devnet.control.ask(Request::Checkpoint).await.unwrap();
    }
    log.says(&[&liar.url, "previous digest: it follows a checkpoint"]).await;
    assert!(following.index.snapshot().position(staked.position.position).is_some());
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_short_id_is_not_the_same_network() {
    let net = Net::start().await;
    let mut near = net.devnet.genesis.digest().into_inner();
    near[31] ^= 1;
    let near = Genesis::of_digest(Digest::new(near)).with_committee(net.devnet.committee.clone()).unwrap();
    let error = ChainClient::connect(&net.devnet.rpc_url(), &near).await.unwrap_err();
    let ChainError::Foreign { expected, got } = error else { panic!("{error}") };
    assert_eq!((expected, got), (near.digest(), net.devnet.genesis.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_without_the_genesis_names_it_in_full() {
    let net = Net::start().await;
    let liar = Liar::start(&net.devnet.rpc_url()).await;
    let digest = net.devnet.genesis.digest();
    let connect = async |name: String| {
        let info = move |info: &mut proto::GetServiceInfoResponse| info.chain_id = Some(name.clone());
        liar.says(Lies { forgot_genesis: true, info: Some(Box::new(info)), ..Lies::default() });
        ChainClient::connect(&liar.url, &net.devnet.genesis).await
    };
    connect(digest.to_string()).await.unwrap();
    // What Sui calls a chain's identifier is the first four bytes.
    let short = hex::encode(&digest.inner()[..4]);
    let error = connect(short).await.unwrap_err();
    assert!(matches!(&error, ChainError::Malformed { cause, .. } if cause.contains("full digest")), "{error}");
    let mut near = digest.into_inner();
    near[31] ^= 1;
    let error = connect(Digest::new(near).to_string()).await.unwrap_err();
    assert!(matches!(error, ChainError::Foreign { got, .. } if got == Digest::new(near)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_honest_endpoint_is_enough() {
    let world = World::start().await;
    let honest = world.net.devnet.rpc_url();
    let staker = world.rich(2).await;
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();
    let (position, amount) = (staked.position.position, staked.position.active);
    let request = proto::GetObjectRequest::new(&position.0);
    let object = Client::new(&*honest).unwrap().ledger_client().get_object(request).await.unwrap();
    let old = object.into_inner().object().version();
    let more = staker.restake(&world.ids, position, amount).await.unwrap();

    // An object as it was is proven too; who has a later one knows better.
    let liar = Liar::start(&honest).await;
    liar.says(Lies {
        asked_object: Some(Box::new(move |asked| {
            if asked.object_id() == position.to_string() {
                asked.version = Some(old);
            }
        })),
        ..Lies::default()
    });
    let alone = through(&liar, &world).await;
    assert_eq!(alone.position(&world.ids, position).await.unwrap(), Some(staked.position));
    let both = || ChainClient::connect_any([&*liar.url, &*honest], world.client.genesis());
    assert_eq!(both().await.unwrap().position(&world.ids, position).await.unwrap(), Some(more.position.clone()));

    let client = both().await.unwrap();
    assert_eq!(client.url(), liar.url);
    let log = log::listen();
    let following = Following::of(Follower::new(client.clone(), Index::new(world.ids)));
    following.sees(&more).await;
    liar.says(Lies { pushed: Some(Box::new(|checkpoint| checkpoint.signature = None)), ..Lies::default() });
    log.says(&[&liar.url, "the RPC endpoint is not believed", "absent: the answer has no signature"]).await;
    let twice = Mist(more.position.active.0);
    let last = staker.restake(&world.ids, position, twice).await.unwrap();
    following.sees(&last).await;
    assert_eq!(client.url(), honest, "all who share the client ask the honest one now");
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_passed_over() {
    let world = World::start().await;
    let gone = Net::start().await;
    let dead = gone.devnet.rpc_url();
    gone.devnet.stop().await.unwrap();
    let honest = world.net.devnet.rpc_url();
    let client = ChainClient::connect_any([&*dead, &*honest], world.client.genesis()).await.unwrap();
    assert_eq!(client.url(), honest);
    let follower = Follower::new(client, Index::new(world.ids)).with_idle_limit(Duration::from_secs(1));
    let following = Following::of(follower);
    let staked = world.stake(&world.rich(2).await, 5, "node-1").await.unwrap();
    following.sees(&staked).await;
    following.stop().await;
    let error = ChainClient::connect_any(Vec::<String>::new(), world.client.genesis()).await.unwrap_err();
    assert!(matches!(error, ChainError::NoEndpoint), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_behind_does_not_count() {
    let world = World::start().await;
    let liar = Liar::start(&world.net.devnet.rpc_url()).await;
    let urls = [liar.url.clone(), world.net.devnet.rpc_url()];
    let client = ChainClient::connect_any(urls, world.client.genesis()).await.unwrap();
    let staker = world.rich(2).await;
    world.net.advance(FRESH_FOR + Duration::from_secs(1));
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();
    let old = |info: &mut proto::GetServiceInfoResponse| info.checkpoint_height = Some(1);
    liar.says(Lies { info: Some(Box::new(old)), ..Lies::default() });
    let log = log::listen();
    let following = Following::of(Follower::new(client, Index::new(world.ids)));
    log.says(&[&liar.url, "RPC endpoint passed over", "its newest checkpoint, 1, is"]).await;
    following.sees(&staked).await;
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_tells_of_nothing_young_is_left() {
    let world = World::start().await;
    let first = Liar::start(&world.net.devnet.rpc_url()).await;
    let second = world.net.devnet.rpc_url();
    let client = ChainClient::connect_any([&*first.url, &*second], world.client.genesis()).await.unwrap();
    let log = log::listen();
    // For whom every checkpoint is old.
    let following = Following::of(Follower::new(client, Index::with_bound(world.ids, Duration::ZERO)));
    for url in [&first.url, &second] {
        log.says(&[url, "chain lost", "its newest checkpoint, "]).await;
    }
    let staked = world.stake(&world.rich(2).await, 5, "node-1").await.unwrap();
    following.sees(&staked).await;
    following.stop().await;
}

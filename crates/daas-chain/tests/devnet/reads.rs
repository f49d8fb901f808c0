use crate::world::{Net, World, spec};
use daas_chain::client::{Caps, ChainClient, ChainError};
use daas_chain::index::IndexIds;
use daas_chain::ops::Pcrs;
use daas_types::genesis::{Genesis, MAINNET};
use daas_types::onchain::MeasurementStatus;
use daas_types::{ErrorCode, NautilusId, Permissions, PositionId, Problem};

#[tokio::test(flavor = "multi_thread")]
async fn objects_read_as_the_transactions_left_them() {
    let world = World::start().await;
    let World { client, operator, ids, .. } = &world;
    let staker = world.rich(2).await;
    let staked = world.stake(&staker, 5, "node-1").await.unwrap();

    let cluster = client.cluster(ids).await.unwrap();
    assert_eq!((cluster.name.as_str(), cluster.registry, cluster.nautilus), ("test", ids.registry, ids.nautilus));
    assert_eq!(cluster.policy, spec().policy);
    assert_eq!(client.ids_of(ids.package, ids.cluster).await.unwrap(), *ids);
    let registry = client.registry(ids).await.unwrap();
    assert_eq!((registry.positions.size, registry.nodes.size), (1, 1));
    assert_eq!(client.positions(ids).await.unwrap(), std::slice::from_ref(&staked.position));
    assert_eq!(client.position(ids, staked.position.position).await.unwrap(), Some(staked.position.clone()));
    assert_eq!(client.position(ids, PositionId("0x123".parse().unwrap())).await.unwrap(), None);

    let seals = client.seals(ids, staker.wallet().address()).await.unwrap();
    assert_eq!(seals.len(), 1);
    assert_eq!((seals[0].position, seals[0].permissions), (staked.position.position, Permissions::BOTH));
    assert_eq!(seals[0].record(), staked.position.seals[0]);
    assert_eq!(client.seal(ids, seals[0].id).await.unwrap().as_ref(), Some(&seals[0]));

    let caps = client.caps(ids, operator.wallet().address()).await.unwrap();
    assert!(caps.admin.is_some() && caps.proposer.is_none() && caps.judge.is_none());
    let caps = client.caps(ids, world.proposer.wallet().address()).await.unwrap();
    assert!(caps.admin.is_none() && caps.proposer.is_some());
    assert_eq!(client.caps(ids, staker.wallet().address()).await.unwrap(), Caps::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_and_endorsements_reach_the_index() {
    let world = World::start().await;
    let World { client, operator, ids, .. } = &world;
    let following = world.follow();
    let pcrs = Pcrs { pcr0: [1; 48], pcr1: [2; 48], pcr2: [3; 48] };
    operator.announce_measurement(ids, &pcrs).await.unwrap();
    operator.activate_measurement(ids, &pcrs.pcr0).await.unwrap();
    let position = world.stake(operator, 5, "node-1").await.unwrap().position.position;
    operator.set_operator_positions(ids, &[position]).await.unwrap();
    let done = operator.endorse_master(ids, position, &[5; 32]).await.unwrap();
    following.reaches(done.checkpoint).await;
    let read = client.nautilus(ids).await.unwrap();
    let snapshot = following.index.snapshot();
    assert_eq!(snapshot.nautilus(), Some(&read));
    let measured = &read.measurements[0];
    assert_eq!((measured.pcr0.as_slice(), measured.status), (&[1; 48][..], MeasurementStatus::InForce));
    assert_eq!(read.endorsements.len(), 1);
    assert!(snapshot.is_operator(position));

    let done = operator.revoke_measurement(ids, &pcrs.pcr0).await.unwrap();
    following.reaches(done.checkpoint).await;
    assert!(following.index.snapshot().nautilus().unwrap().measurements.is_empty());
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_is_refused_by_its_full_digest() {
    let net = Net::start().await;
    let url = net.devnet.rpc_url();
    let mainnet = Genesis::of_digest(MAINNET.parse().unwrap());
    let error = ChainClient::connect(&url, &mainnet).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCommittee(digest) if digest == mainnet.digest()), "{error}");
    let mainnet = mainnet.with_committee(net.devnet.committee.clone()).unwrap();
    for foreign in [mainnet, Net::start().await.devnet.genesis.clone()] {
        let error = ChainClient::connect(&url, &foreign).await.unwrap_err();
        let ChainError::Foreign { expected, got } = error else { panic!("{error}") };
        assert_eq!((expected, got), (foreign.digest(), net.devnet.genesis.digest()));
    }
    let free = Net::start().await;
    let gone = free.devnet.rpc_url();
    free.devnet.stop().await.unwrap();
    let error = ChainClient::connect(&gone, &net.devnet.genesis).await.unwrap_err();
    assert_eq!(Problem::from(error).code, ErrorCode::ChainUnreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_type_is_not_believed() {
    let world = World::start().await;
    let wrong = IndexIds { nautilus: NautilusId(world.ids.cluster.0), ..world.ids };
    let error = world.client.nautilus(&wrong).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongType { .. }), "{error}");
    let missing = IndexIds { nautilus: NautilusId("0x77".parse().unwrap()), ..world.ids };
    let error = world.client.nautilus(&missing).await.unwrap_err();
    assert!(matches!(error, ChainError::Missing { .. }), "{error}");
}

//! The package: publishing, clusters, positions, slashes.

use crate::support::*;
use daas_types::onchain::{Cluster, Event, NautilusState, PositionState, Registry, Status};
use daas_types::{Mist, PositionId};
use futures::StreamExt as _;
use std::time::Duration;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{ExecutedTransaction, GetFunctionRequest, ListDynamicFieldsRequest};
use sui_sdk_types::Address;
use sui_transaction_builder::{Error, TransactionBuilder};

#[tokio::test]
async fn another_package_is_refused_by_both_digests() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let (mut modules, dependencies) = compiled();
    modules[0].push(0);
    let error = net.build(&ann, |b| {
        let cap = b.publish(modules, dependencies);
        let to = b.pure(&ann.address);
        b.transfer_objects(vec![cap], to);
    });
    let error = error.await.unwrap_err().to_string();
    let text = include_str!("../../../../contracts/k3s_daas/compiled.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert!(error.contains(json["digest"].as_str().unwrap()), "{error}");
    assert!(error.contains("has digest"), "{error}");
}

#[tokio::test]
async fn a_published_package_describes_itself() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let package = net.publish(&ann).await;
    let request =
        GetFunctionRequest::default().with_package_id(package.0).with_module_name("staking").with_name("restake");
    let function = net.client.clone().package_client().get_function(request).await.unwrap().into_inner();
    let function = function.function.unwrap();
    assert!(function.is_entry());
    let types: Vec<_> = function.parameters.iter().map(|p| p.body().type_name().to_owned()).collect();
    assert!(types[0].starts_with(&package.to_string()) && types[0].ends_with("::cluster::Cluster"), "{types:?}");
    // The stored code names its own package.
    let object = net.object(package.0).await;
    let code = object.package().modules[0].contents().to_vec();
    assert!(code.windows(32).any(|w| w == package.0.as_bytes()));
}

#[tokio::test]
async fn a_cluster_is_three_shared_objects_and_three_capabilities() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let cluster: Cluster = net.read(made.cluster.0).await;
    assert_eq!((cluster.version, cluster.generation, cluster.name.as_str()), (1, 1, "test"));
    assert_eq!((cluster.registry, cluster.nautilus), (made.registry, made.nautilus));
    assert_eq!(cluster.policy.thresholds, daas_types::Thresholds::default());
    let nautilus: NautilusState = net.read(made.nautilus.0).await;
    assert_eq!((nautilus.cluster, nautilus.generation), (made.cluster, 1));

    net.run(&ann, |b| {
        let positions = vec![Address::TWO];
        let args = vec![object(b, made.admin), object(b, made.cluster.0), b.pure(&positions)];
        call(b, made.package, "cluster", "set_operator_positions", args);
    })
    .await;
    let cluster: Cluster = net.read(made.cluster.0).await;
    assert_eq!((cluster.generation, cluster.policy.operator_positions.len()), (2, 1));
}

#[tokio::test]
async fn a_stake_makes_the_position_it_promised() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;

    let state: PositionState = net.read(position.0).await;
    assert_eq!((state.position, state.owner.0, state.active), (position, ann.address, Mist(5 * SUI)));
    assert_eq!((state.status, state.generation, state.node_id.as_str()), (Status::Active, 1, "node-1"));
    let token = net.object(state.seals[0].id.0).await;
    assert!(token.object_type().ends_with("::seal_token::SealToken") && !token.has_public_transfer());
    let registry: Registry = net.read(made.registry.0).await;
    assert_eq!((registry.positions.size, registry.nodes.size), (1, 1));
    assert_eq!(names(&net, registry.positions.id).await, [(bcs(&0_u64), bcs(&position))]);
    assert_eq!(names(&net, registry.nodes.id).await, [(bcs(&"node-1"), bcs(&position))]);

    // The Seal is bound to its owner, the salt and the node id are used up.
    let sold = net.build(&ann, |b| {
        let token = object(b, state.seals[0].id.0);
        let to = b.pure(&Address::TWO);
        b.transfer_objects(vec![token], to);
    });
    assert!(sold.await.unwrap_err().to_string().contains("INVALID_TRANSFER_OBJECT"));
    assert_abort(net.build(&ann, |b| stake(b, made, SUI, "")).await, "EPositionExists", 8);
    let bob = net.wallet(2).await;
    assert_abort(net.build(&bob, |b| stake(b, made, SUI, "node-1")).await, "ENodeIdTaken", 10);
    assert_abort(net.build(&bob, |b| stake(b, made, SUI / 4, "")).await, "EBelowMinimum", 3);
    assert_abort(net.build(&bob, |b| stake(b, made, SUI, "Node_1")).await, "EBadNodeId", 9);
}

#[tokio::test]
async fn an_abort_that_is_executed_anyway_is_recorded_and_paid() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    // Valid when built, too late when sent.
    let late = net.build(&ann, |b| propose(b, made, position, net.now_ms())).await.unwrap();
    net.pass(Duration::from_secs(61));
    let done = net.execute(&late, &[ann.sign(&late)]).await.unwrap();
    let error = done.effects().status().error();
    let abort = error.abort();
    assert_eq!((abort.location().module(), abort.location().function_name()), ("staking", "propose_slash"));
    assert_eq!(abort.location().package(), made.package.to_string());
    assert_eq!((abort.clever_error().error_code(), abort.clever_error().constant_name()), (16, "EEvidenceTooOld"));
    assert_eq!(abort.abort_code() >> 48 & 0xff, 16);
    assert!(done.events.is_none());
    assert_eq!(net.read::<PositionState>(position.0).await.generation, 1);
    // Bob has no capability at all, and Ann's is not his to use.
    let error = net.build(&bob, |b| propose(b, made, position, net.now_ms())).await.unwrap_err();
    assert!(error.to_string().contains("not owned by the sender"), "{error}");
}

#[tokio::test]
async fn measurements_and_masters_are_the_admins() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let pcr = |n: u8, length: usize| vec![n; length];
    let allow = |length: usize| {
        move |b: &mut TransactionBuilder| {
            let pcrs = [pcr(1, 48), pcr(2, 48), pcr(3, length)].map(|p| b.pure(&p));
            let args = [vec![object(b, made.admin), object(b, made.nautilus.0)], pcrs.to_vec()].concat();
            call(b, made.package, "nautilus", "allow_measurement", args);
        }
    };
    assert_abort(net.build(&ann, allow(47)).await, "EBadPcrLength", 1);
    net.run(&ann, allow(48)).await;
    let done = net
        .run(&ann, |b| {
            let texts = [b.pure(&"https://a:6443"), b.pure(&pcr(4, 32)), b.pure(&pcr(5, 32)), b.pure(&pcr(6, 32))];
            let mut args = vec![object(b, made.admin), object(b, made.nautilus.0)];
            args.extend(texts);
            args.push(clock(b));
            call(b, made.package, "nautilus", "register_master", args);
        })
        .await;
    let Event::Nautilus(state) = only_event(&done) else { panic!() };
    assert_eq!((state.generation, state.measurements.len(), state.masters.len()), (3, 1, 1));
    assert_eq!(net.read::<NautilusState>(made.nautilus.0).await, state);
}

pub(crate) fn propose(b: &mut TransactionBuilder, made: Made, position: PositionId, evidence_ms: u64) {
    let args = vec![
        object(b, made.proposer),
        object(b, made.cluster.0),
        object(b, position.0),
        b.pure(&5_u8),
        b.pure(&vec![9_u8; 32]),
        b.pure(&evidence_ms),
        b.pure(&"https://evidence"),
        clock(b),
    ];
    call(b, made.package, "staking", "propose_slash", args);
}

pub(crate) fn execute(b: &mut TransactionBuilder, made: Made, position: PositionId) {
    let args = vec![object(b, made.cluster.0), object(b, position.0), clock(b)];
    call(b, made.package, "staking", "execute_slash", args);
}

pub(crate) fn restake(b: &mut TransactionBuilder, made: Made, position: PositionId) {
    let gas = b.gas();
    let amount = b.pure(&SUI);
    let payment = b.split_coins(gas, vec![amount])[0];
    let args = vec![object(b, made.cluster.0), object(b, position.0), payment];
    call(b, made.package, "staking", "restake", args);
}

pub(crate) fn refresh(b: &mut TransactionBuilder, made: Made, position: PositionId) {
    let args = vec![
        object(b, made.cluster.0),
        object(b, position.0),
        b.pure(&None::<Address>),
        b.pure(&1_u8),
        b.pure(&vec![3_u8; 16]),
        b.pure(&vec![4_u8; 32]),
        b.pure(&Some(Address::TWO)),
        b.pure(&1000_u64),
        clock(b),
    ];
    call(b, made.package, "staking", "refresh_seal_token", args);
}

/// Name and value of each dynamic field.
pub(crate) async fn names(net: &Net, parent: Address) -> Vec<(Vec<u8>, Vec<u8>)> {
    let request =
        ListDynamicFieldsRequest::default().with_parent(parent).with_read_mask(FieldMask::from_str("name,value"));
    let fields: Vec<_> = net.client.list_dynamic_fields(request).collect().await;
    fields.into_iter().map(|f| f.unwrap()).map(|f| (f.name().value().to_vec(), f.value().value().to_vec())).collect()
}

fn bcs<T: serde::Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).unwrap()
}

pub(crate) fn only_event(done: &ExecutedTransaction) -> Event {
    let [event] = &done.events().events[..] else { panic!("one event") };
    let name = event.event_type().rsplit("::").next().unwrap();
    Event::decode(event.module(), name, event.contents().value()).unwrap()
}

pub(crate) fn assert_abort(built: Result<sui_sdk_types::Transaction, Error>, name: &str, code: u64) {
    let Err(Error::SimulationFailure(failure)) = built else { panic!("expected {name}, got {built:?}") };
    let clever = failure.clever_error().unwrap_or_else(|| panic!("expected {name}, got {failure}"));
    assert_eq!((clever.constant_name(), clever.error_code()), (name, code));
}

//! Kubernetes requests as transactions, and anchored audit roots.

use crate::contract::*;
use crate::masters::Fleet;
use daas_types::RequestId;
use daas_types::onchain::{Anchor, AuditAnchors, Event, RequestKey, RequestState, RequestStatus, request_id};
use std::time::Duration;

const KEY: [u8; 16] = [7; 16];

fn submit(fleet: &Fleet, key: &[u8], expires_ms: u64) -> Act {
    let texts = [pure("GET"), pure("/api/v1/pods"), pure("default"), pure("pods")];
    let rest = [pure(&vec![1_u8]), pure(&Vec::<u8>::new()), pure(&expires_ms), pure(key), CLOCK];
    let objects = [it(fleet.made.cluster), it(fleet.position)];
    act("k8s_gateway::submit_k8s_request", [objects.to_vec(), texts.to_vec(), rest.to_vec()].concat())
}

fn record(fleet: &Fleet, request: RequestId, status: u16) -> Act {
    let objects = [it(fleet.made.cluster), it(fleet.made.nautilus), it(request)];
    let result = [pure(&status), pure(&vec![9_u8; 32]), CLOCK];
    act("k8s_gateway::record_result", [objects, result].concat())
}

fn cancel(fleet: &Fleet, request: RequestId) -> Act {
    act("k8s_gateway::cancel_k8s_request", vec![it(fleet.made.cluster), it(request)])
}

#[tokio::test]
async fn a_request_is_made_once_and_answered_by_a_master() {
    let fleet = Fleet::with_master().await;
    let (net, made, admin, enclave) = (&fleet.net, fleet.made, &fleet.admin, &fleet.enclave);
    let expires_ms = net.now_ms() + 1000;
    net.refused(enclave, made, submit(&fleet, &KEY, expires_ms), "position::ENotOwner").await;
    net.refused(admin, made, submit(&fleet, &KEY[1..], expires_ms), "k8s_gateway::EBadKey").await;
    net.refused(admin, made, submit(&fleet, &KEY, expires_ms + 3_600_000), "k8s_gateway::EBadExpiry").await;
    let done = net.act(admin, made, submit(&fleet, &KEY, expires_ms)).await;
    let [Event::Request { state, .. }] = &done[..] else { panic!() };
    let id = request_id(made.package, fleet.position, &RequestKey(KEY.to_vec()));
    assert_eq!((state.request, state.requester, state.status), (id, wallet_of(admin), RequestStatus::Pending));
    assert_eq!(net.read::<RequestState>(id.0).await, *state);
    net.refused(admin, made, submit(&fleet, &KEY, expires_ms), "k8s_gateway::EDuplicateRequest").await;

    net.refused(admin, made, record(&fleet, id, 200), "nautilus::ENotMaster").await;
    net.refused(enclave, made, record(&fleet, id, 99), "k8s_gateway::EBadResult").await;
    net.act(enclave, made, record(&fleet, id, 200)).await;
    let answered: RequestState = net.read(id.0).await;
    assert_eq!((answered.status, answered.result_status), (RequestStatus::Answered, 200));
    assert!(net.ask_view::<bool>(admin, made, act("k8s_gateway::is_answered", vec![it(id)])).await);
    net.refused(admin, made, cancel(&fleet, id), "k8s_gateway::ENotPending").await;
}

#[tokio::test]
async fn a_request_is_taken_back_by_its_maker_or_expires() {
    let fleet = Fleet::with_master().await;
    let (net, made, admin, enclave) = (&fleet.net, fleet.made, &fleet.admin, &fleet.enclave);
    let ids = [7_u8, 8].map(|n| request_id(made.package, fleet.position, &RequestKey(vec![n; 16])));
    for n in [7_u8, 8] {
        net.act(admin, made, submit(&fleet, &[n; 16], net.now_ms() + 1000)).await;
    }
    net.refused(enclave, made, cancel(&fleet, ids[0]), "k8s_gateway::ENotRequester").await;
    net.act(admin, made, cancel(&fleet, ids[0])).await;
    assert_eq!(net.read::<RequestState>(ids[0].0).await.status, RequestStatus::Cancelled);
    net.refused(enclave, made, record(&fleet, ids[0], 200), "k8s_gateway::ENotPending").await;
    net.pass(Duration::from_secs(1));
    net.refused(enclave, made, record(&fleet, ids[1], 200), "k8s_gateway::ERequestExpired").await;
}

#[tokio::test]
async fn a_logs_roots_are_anchored_in_order() {
    let fleet = Fleet::with_master().await;
    let (net, made, enclave) = (&fleet.net, fleet.made, &fleet.enclave);
    let anchor = |sequence: u64, length: usize| {
        let objects = [it(made.cluster), it(made.nautilus), it(made.anchors)];
        let root = [pure(&sequence), pure(&vec![1_u8; length]), pure(&(sequence * 10)), CLOCK];
        act("k8s_gateway::anchor_root", [objects.to_vec(), root.to_vec()].concat())
    };
    net.refused(&fleet.admin, made, anchor(5, 32), "nautilus::ENotMaster").await;
    net.refused(enclave, made, anchor(5, 31), "k8s_gateway::EBadRoot").await;
    net.act(enclave, made, anchor(5, 32)).await;
    net.refused(enclave, made, anchor(5, 32), "k8s_gateway::EOldSequence").await;
    let [Event::RootAnchored(told)] = &net.act(enclave, made, anchor(6, 32)).await[..] else { panic!() };
    assert_eq!((&told.signing_key, told.anchor.records), (&fleet.key(), 60));
    let anchors: AuditAnchors = net.read(made.anchors.0).await;
    assert_eq!(anchors.logs.size, 1);
    assert_eq!(fields(net, anchors.logs.id).await, [(bcs(&fleet.key()), bcs(&told.anchor))]);
    let last = act("k8s_gateway::last_anchor", vec![it(made.anchors), pure(&fleet.key())]);
    assert_eq!(net.ask_view::<Option<Anchor>>(enclave, made, last).await, Some(told.anchor.clone()));
}

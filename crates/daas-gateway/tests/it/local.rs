use crate::harness::{World, build, get, text, user, within};
use daas_gateway::NodeCaller;
use daas_testkit::client;
use daas_types::Permissions;
use daas_types::api::EXPORTER_LABEL;
use daas_types::pop::Usage;
use serde_json::{Value, json};

fn heartbeat(node: &str, token: Option<&str>) -> String {
    let mut body = json!({
        "node_id": node, "timestamp": 1, "stake_status": "active", "stake_amount": 1, "running_pods": 0,
        "resource_usage": {},
    });
    if let Some(token) = token {
        body["seal_token"] = json!(token);
    }
    body.to_string()
}

fn register(node: &str) -> String {
    json!({ "node_id": node, "ip_address": "10.0.0.2", "timestamp": 1, "serving_csr": "", "instance_id": "" })
        .to_string()
}

#[tokio::test]
async fn evidence_is_open_to_all_and_bound_to_the_session() {
    let world = World::new().await;
    let nonce = "ab".repeat(32);
    let tls = client::tls(world.addr, &world.ca.roots(), &["http/1.1"]).await.unwrap();
    let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).unwrap();
    let mut http1 = client::Http1::over(tls).await;
    let mut request =
        build("POST", "/api/v1/attestation", &[("host", "localhost")], &json!({ "nonce": nonce }).to_string());
    *request.uri_mut() = "/api/v1/attestation".parse().unwrap();
    let response = within(http1.send(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body.get("informative"), None);
    {
        let attested = world.local.attested.lock().unwrap();
        assert_eq!(attested[0].0.exporter, exporter);
        assert_eq!((attested[0].1.nonce.as_deref(), attested[0].2), (Some(nonce.as_str()), false));
    }
    for request in [build("GET", "/api/v1/attestation", &[], ""), build("POST", "/api/v1/attestation", &[], "")] {
        let body: Value = serde_json::from_str(&text(world.send(request).await).await).unwrap();
        assert_eq!(body["informative"], true);
    }
    for bad in ["{", r#"{"nonce":1}"#, r#"{"nonce":"00","extra":1}"#] {
        assert_eq!(world.refusal(build("POST", "/api/v1/attestation", &[], bad)).await.0, 400);
    }
    let large = format!(r#"{{"nonce":"{}"}}"#, "0".repeat(70_000));
    assert_eq!(world.refusal(build("POST", "/api/v1/attestation", &[], &large)).await.0, 413);
}

#[tokio::test]
async fn a_worker_registers_and_beats_with_any_one_token() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::NODE);
    let (pop, opaque) = (staker.token(Usage::Worker), staker.opaque());
    let (pop_bearer, opaque_bearer) = (format!("Bearer {pop}"), format!("Bearer {opaque}"));
    let beat = "/api/v1/nodes/heartbeat";
    for (headers, field) in [
        (vec![("authorization", pop_bearer.as_str())], None),
        (vec![("authorization", opaque_bearer.as_str())], None),
        (vec![("x-seal-token", opaque.as_str())], None),
        (vec![], Some(opaque.as_str())),
        (vec![("x-seal-token", opaque.as_str()), ("authorization", opaque_bearer.as_str())], Some(opaque.as_str())),
    ] {
        let response = world.send(build("POST", beat, &headers, &heartbeat("worker-1", field))).await;
        assert_eq!(response.status(), 200, "{headers:?}");
    }
    let response =
        world.send(build("POST", "/api/v1/register-worker", &[("x-seal-token", &opaque)], &register("worker-1"))).await;
    assert_eq!(response.status(), 200);
    let caller = NodeCaller {
        position: staker.state.position,
        node_id: "worker-1".parse().unwrap(),
        seal: staker.state.seals[0].id,
    };
    assert_eq!(*world.local.callers.lock().unwrap(), vec![caller; 6]);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn workers_that_are_not_who_they_say() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::NODE);
    let person = world.chain.staker(2, "5", Permissions::USER);
    let (pop, opaque) = (format!("Bearer {}", staker.token(Usage::Worker)), staker.opaque());
    let other = person.opaque();
    let kubelet = format!("Bearer {}", staker.token(Usage::Kubelet));
    let of_person = format!("Bearer {}", person.token(Usage::Worker));
    let body = heartbeat("worker-1", None);
    let with_field = heartbeat("worker-1", Some(&opaque));
    let beat = |headers: Vec<(&'static str, String)>, body: &str| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        build("POST", "/api/v1/nodes/heartbeat", &headers, body)
    };
    let cases = [
        (beat(vec![], &body), 401, "TokenMissing"),
        (beat(vec![("x-seal-token", opaque.clone()), ("authorization", pop.clone())], &body), 401, "TokenAmbiguous"),
        (beat(vec![("authorization", pop.clone())], &with_field), 401, "TokenAmbiguous"),
        (beat(vec![("x-seal-token", other.clone())], &with_field), 401, "TokenAmbiguous"),
        (beat(vec![("x-seal-token", opaque.clone()), ("x-seal-token", other)], &body), 401, "TokenAmbiguous"),
        (beat(vec![("authorization", kubelet)], &body), 403, "UsageNotPermitted"),
        (beat(vec![("authorization", of_person)], &heartbeat("worker-2", None)), 403, "UsageNotPermitted"),
        (beat(vec![("authorization", pop.clone())], &heartbeat("worker-2", None)), 403, "NodeIdMismatch"),
        (beat(vec![("authorization", pop.clone())], "{}"), 400, "PathRefused"),
    ];
    for (request, status, expected) in cases {
        let (got, reason) = world.refusal(request).await;
        assert_eq!((got.as_u16(), reason.as_str()), (status, expected));
    }
    world.chain.suspend(&mut staker);
    assert_eq!(world.refusal(beat(vec![("authorization", pop)], &body)).await.1, "PositionSuspended");
    // X-Seal-Token is a credential nowhere else.
    let elsewhere = build("GET", "/api/v1/nodes", &[("x-seal-token", &opaque)], "");
    assert_eq!(world.refusal(elsewhere).await.1, "TokenMissing");
    assert!(world.local.callers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn status_shows_totals_to_all_and_ones_own_to_oneself() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let _other = world.chain.staker(2, "2.5", Permissions::USER);
    let path = "/api/v1/staking/status";
    let body: Value = serde_json::from_str(&text(world.send(build("GET", path, &[], "")).await).await).unwrap();
    assert_eq!((body["total_active"].as_u64(), body["positions"].as_u64()), (Some(7_500_000_000), Some(2)));
    assert_eq!(body["thresholds"]["viewer"], 500_000_000);
    assert_eq!(body.get("mine"), None);
    world.chain.suspend(&mut staker);
    let body: Value = serde_json::from_str(&text(world.send(get(path, &user(&staker))).await).await).unwrap();
    assert_eq!(body["mine"]["status"], "suspended");
    assert_eq!(body["mine"]["tier"], Value::Null);
    assert_eq!(world.refusal(get(path, "nonsense")).await.0, 401);
}

#[tokio::test]
async fn the_security_context_tells_as_whom_one_is_seen() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let path = "/api/v1/security-context";
    let body: Value = serde_json::from_str(&text(world.send(build("GET", path, &[], "")).await).await).unwrap();
    assert_eq!((&body["tee_type"], &body["security_level"]), (&json!("SIMULATED_NITRO"), &json!(0)));
    assert!(body["checkpoint_age_ms"].is_u64());
    assert_eq!(body.get("caller"), None);
    let body: Value = serde_json::from_str(&text(world.send(get(path, &user(&staker))).await).await).unwrap();
    let position = staker.state.position.to_string();
    let groups = json!(["daas:admin", format!("daas:position:{position}")]);
    let user_name = staker.state.owner.to_string();
    assert_eq!(body["caller"], json!({ "user": user_name, "uid": position, "groups": groups, "tier": "admin" }));
    world.chain.suspend(&mut staker);
    assert_eq!(world.refusal(get(path, &user(&staker))).await.1, "PositionSuspended");
    assert_eq!(world.refusal(get(path, "nonsense")).await.0, 401);
    assert!(
        world
            .local
            .attested
            .lock()
            .unwrap()
            .iter()
            .all(|(_, request, informative)| { *informative && request.nonce.is_none() })
    );
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn the_kubeconfig_is_for_all() {
    let world = World::new().await;
    let response = world.send(build("GET", "/kubectl/config", &[], "")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(text(response).await, r#"{"kind":"Config"}"#);
    assert_eq!(world.refusal(build("POST", "/kubectl/config", &[], "")).await.1, "TokenMissing");
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_the_body() {
    let world = World::new().await;
    let stranger = daas_testkit::chain::Staker::new(9, "5", Permissions::NODE);
    let bearer = format!("Bearer {}", stranger.token(Usage::Worker));
    let large = "x".repeat(70_000);
    let request = build("POST", "/api/v1/nodes/heartbeat", &[("authorization", &bearer)], &large);
    assert_eq!(world.refusal(request).await.0, 401);
    // Without one the body is looked at for it, so far as it is a body of ours.
    assert_eq!(world.refusal(build("POST", "/api/v1/nodes/heartbeat", &[], &large)).await.0, 413);
}

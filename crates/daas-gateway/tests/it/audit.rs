//! One start and one end in the audit log for every request, whichever way it takes.

use crate::harness::{Options, World, build, get, reason, text, user, within};
use daas_audit::{Caller, End, Start};
use daas_gateway::{Limits, Streams};
use daas_types::pop::Usage;
use daas_types::{Address, ClusterId, Permissions};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WATCH: &str = "/api/v1/pods?watch=true";
const EXEC: &str = "/api/v1/namespaces/default/pods/p/exec?command=sh";

fn line((_, start, end): &(u64, Start, Option<End<'_>>)) -> String {
    let end = end.as_ref().unwrap();
    let kind = match start.who.kind {
        Caller::Unknown => "unknown",
        Caller::Person => "person",
        Caller::Node => "node",
        Caller::ServiceAccount => "pod",
        Caller::Master => "master",
    };
    let reason = end.reason.split(' ').next().unwrap_or_default();
    let line = format!("{kind} {} {} {} {reason}", start.what.method(), start.what.path(), end.status);
    line.trim_end().to_owned()
}

async fn over_http1(world: &World, bearer: &str, path: &str, upgrade: bool) -> Response<Incoming> {
    let mut client = world.http1().await;
    let mut request =
        Request::get(path).header("host", "localhost").header("authorization", format!("Bearer {bearer}"));
    if upgrade {
        request = request.header("connection", "Upgrade").header("upgrade", "websocket");
    }
    let response = within(client.send(request.body(Full::default()).unwrap())).await.unwrap();
    // The connection's driver must outlive the answer; tests end soon enough.
    std::mem::forget(client);
    response
}

async fn has(world: &World, ended: usize) {
    within(world.trail.ended(ended)).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one log of one world, compared as a whole")]
async fn item_38_what_is_forwarded_is_recorded_with_its_end() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let (bearer, client) = (user(&staker), world.http2().await);
    text(world.send(get("/api/v1/pods", &bearer)).await).await;
    let authorization = format!("Bearer {bearer}");
    let headers = [("authorization", authorization.as_str()), ("impersonate-user", "jane"), ("audit-id", "theirs")];
    assert_eq!(text(world.send(build("POST", "/echo", &headers, "hello")).await).await, "hello");
    drop(world.send(build("HEAD", "/api", &[], "")).await);
    text(over_http1(&world, &bearer, "/big/100000", false).await).await;
    text(world.send(get("/apis", &staker.token(Usage::Kubelet))).await).await;
    has(&world, 5).await;
    // A tunnel, to the end of both ways.
    let mut response = over_http1(&world, &bearer, EXEC, true).await;
    let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
    tunnel.write_all(b"ping").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut got = Vec::new();
    within(tunnel.read_to_end(&mut got)).await.unwrap();
    has(&world, 6).await;
    // The client goes away: before an answer, and within one.
    let gone = client.send(get("/stuck", &bearer));
    tokio::select! {
        _ = gone => panic!("it is never answered"),
        () = world.upstream.saw(6) => {}
    }
    has(&world, 7).await;
    drop(within(client.send(get(WATCH, &bearer))).await.unwrap());
    has(&world, 8).await;
    // The right goes away: of a stream, of a tunnel, and before an answer.
    let mut watch = within(client.send(get(WATCH, &bearer))).await.unwrap();
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    let mut response = over_http1(&world, &bearer, EXEC, true).await;
    let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
    tunnel.write_all(b"ping").await.unwrap();
    within(tunnel.read_exact(&mut [0; 4])).await.unwrap();
    let stuck = client.send(get("/stuck", &bearer));
    let answer = async {
        world.upstream.saw(10).await;
        world.chain.suspend(&mut staker);
    };
    let (stuck, ()) = within(async { tokio::join!(stuck, answer) }).await;
    assert_eq!(reason(stuck.unwrap()).await, "RightLost");

    let found = within(world.trail.ended(11)).await;
    assert_eq!(
        found.iter().map(line).collect::<Vec<_>>(),
        [
            "person GET /api/v1/pods 200",
            "person POST /echo 200",
            "unknown HEAD /api 401 TokenMissing",
            "person GET /big/100000 200",
            "node GET /apis 200",
            "person GET /api/v1/namespaces/default/pods/p/exec 101",
            "person GET /stuck 0 Aborted",
            "person GET /api/v1/pods 200 Aborted",
            "person GET /api/v1/pods 200 RightLost",
            "person GET /api/v1/namespaces/default/pods/p/exec 101 RightLost",
            "person GET /stuck 403 RightLost",
        ]
    );
    let (.., start, end) = &found[1];
    let end = end.as_ref().unwrap();
    assert_eq!((end.received, end.sent, start.who.acting_as.as_ref()), (5, 5, "jane"));
    assert_eq!(start.who.user, staker.state.owner.to_string());
    assert_eq!((start.who.position, start.who.tier.is_some()), (Some(staker.state.position), true));
    assert!(start.who.seal.is_some());
    let (.., big) = &found[3];
    assert_eq!(big.as_ref().unwrap().sent, 100_000);
    let (.., exec, tunnel) = &found[5];
    let tunnel = tunnel.as_ref().unwrap();
    assert_eq!((tunnel.received, tunnel.sent), (4, u64::try_from(got.len()).unwrap()));
    assert!(exec.what.command().is_some());
}

#[tokio::test]
async fn item_38_what_is_refused_is_recorded_with_the_line_that_refuses() {
    let limits = Limits { streams: Streams { admin: 1, ..Streams::default() }, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let poor = world.chain.staker(2, "0.1", Permissions::USER);
    let bearer = user(&staker);
    let mut places = Vec::new();
    let mut refuse = async |request: Request<Full<bytes::Bytes>>, expected: &str| {
        let response = world.send(request).await;
        let id = response.headers()["audit-id"].to_str().unwrap().parse::<u64>().unwrap();
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["reason"], expected);
        let causes = body["details"]["causes"].as_array().unwrap();
        let place = causes.iter().find(|cause| cause["reason"] == "place").unwrap()["message"].as_str().unwrap();
        places.push((id, format!("{expected} {place}")));
    };
    refuse(build("GET", "/api", &[], ""), "TokenMissing").await;
    refuse(get("/api", &"ab".repeat(32)), "TokenUnknown").await;
    refuse(get("/api", &user(&poor)), "StakeTooLow").await;
    refuse(get("/api", &staker.token(Usage::Worker)), "UsageNotPermitted").await;
    let mut foreign = staker.claims(Usage::User);
    foreign.cluster = ClusterId(Address::new([7; 32]));
    refuse(get("/api", foreign.sign(&staker.key).unwrap().as_ref()), "TokenForeign").await;
    refuse(build("GET", "/api", &[("host", "elsewhere")], ""), "PathRefused").await;
    refuse(build("POST", "/api/v1/register-worker", &[], "{"), "PathRefused").await;
    let held = world.send(get(WATCH, &bearer)).await;
    refuse(get(WATCH, &bearer), "TooManyRequests").await;
    drop(held);

    let found = within(world.trail.ended(9)).await;
    let refused: Vec<_> = found.iter().filter(|(.., end)| end.as_ref().unwrap().status != 200).collect();
    assert_eq!(
        refused.iter().map(|found| line(found)).collect::<Vec<_>>(),
        [
            "unknown GET /api 401 TokenMissing",
            "unknown GET /api 401 TokenUnknown",
            "person GET /api 403 StakeTooLow",
            "node GET /api 403 UsageNotPermitted",
            "unknown GET /api 401 TokenForeign",
            "unknown GET /api 400 PathRefused",
            "unknown POST /api/v1/register-worker 400 PathRefused",
            "person GET /api/v1/pods 429 TooManyRequests",
        ]
    );
    let recorded: Vec<_> =
        refused.iter().map(|(id, _, end)| (*id, end.as_ref().unwrap().reason.clone().into_owned())).collect();
    assert_eq!(recorded, places);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (_, reason) in &places {
        let (name, place) = reason.split_once(' ').unwrap();
        let (file, number) = place.split_once(':').unwrap();
        let source = std::fs::read_to_string(crates.join(file)).unwrap();
        let source = source.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap();
        let refuses = ["Refusal::", "refused(&error)"].iter().any(|word| source.contains(word));
        assert!(refuses || source.contains(name), "{reason}: {source}");
    }
}

#[tokio::test]
async fn our_own_endpoints_are_recorded() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let worker = format!("Bearer {}", staker.token(Usage::Worker));
    let node = staker.state.node().unwrap();
    text(world.send(build("POST", "/api/v1/attestation", &[], "")).await).await;
    text(world.send(get("/api/v1/staking/status", &user(&staker))).await).await;
    let joins =
        json!({ "node_id": node, "ip_address": "10.0.0.2", "timestamp": 1, "serving_csr": "", "instance_id": "" });
    let joins = joins.to_string();
    let answer = world.send(build("POST", "/api/v1/register-worker", &[("authorization", &worker)], &joins)).await;
    let id = answer.headers()["audit-id"].to_str().unwrap().to_owned();
    text(answer).await;
    let beat = json!({ "node_id": node, "timestamp": 1, "stake_status": "active", "stake_amount": 1, "running_pods": 0,
        "resource_usage": {} });
    let beat = build("POST", "/api/v1/nodes/heartbeat", &[("authorization", &worker)], &beat.to_string());
    text(world.send(beat).await).await;
    let found = within(world.trail.ended(4)).await;
    assert_eq!(
        found.iter().map(line).collect::<Vec<_>>(),
        [
            "unknown POST /api/v1/attestation 200",
            "person GET /api/v1/staking/status 200",
            "node POST /api/v1/register-worker 200",
            "node POST /api/v1/nodes/heartbeat 200",
        ]
    );
    let (sequence, start, end) = &found[2];
    assert_eq!((sequence.to_string(), start.who.position), (id, Some(staker.state.position)));
    assert_eq!(end.as_ref().unwrap().received, u64::try_from(joins.len()).unwrap());
}

#[tokio::test]
async fn what_changes_something_is_forwarded_when_its_start_is_on_disk() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let (bearer, client) = (format!("Bearer {}", user(&staker)), world.http2().await);
    world.trail.disk.hold();
    let change = client.send(build("DELETE", "/api/v1/pods", &[("authorization", &bearer)], ""));
    let meanwhile = async {
        world.trail.disk.until_held().await;
        // A read waits for nothing.
        let read = client.send(get("/api/v1/pods", &user(&staker))).await.unwrap();
        assert_eq!((read.status().as_u16(), world.upstream.requests().len()), (200, 1));
        world.trail.disk.release();
    };
    let (change, ()) = within(async { tokio::join!(change, meanwhile) }).await;
    assert_eq!((change.unwrap().status().as_u16(), world.upstream.requests().len()), (200, 2));
}

#[tokio::test]
async fn on_a_full_disk_what_changes_something_is_refused_and_reads_go_on() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let (bearer, worker) = (format!("Bearer {}", user(&staker)), format!("Bearer {}", staker.token(Usage::Worker)));
    let post = || build("POST", "/api/v1/pods", &[("authorization", &bearer)], "{}");
    world.trail.disk.fill(true);
    for _ in 0..2 {
        assert_eq!(world.refusal(post()).await, (503.try_into().unwrap(), "AuditFull".to_owned()));
    }
    // By GET, and changes something all the same.
    let refused = over_http1(&world, &user(&staker), EXEC, true).await;
    assert_eq!((refused.status().as_u16(), reason(refused).await), (503, "AuditFull".to_owned()));
    assert_eq!(world.upstream.requests().len(), 0);
    text(world.send(get("/api/v1/pods", &user(&staker))).await).await;
    // A node that lives is heard.
    let node = staker.state.node().unwrap();
    let beat = json!({ "node_id": node, "timestamp": 1, "stake_status": "active", "stake_amount": 1, "running_pods": 0,
        "resource_usage": {} });
    let beat = build("POST", "/api/v1/nodes/heartbeat", &[("authorization", &worker)], &beat.to_string());
    assert_eq!(world.send(beat).await.status(), 200);

    world.trail.disk.fill(false);
    let found = within(world.trail.ended(5)).await;
    let status = |(.., end): &(u64, Start, Option<End<'_>>)| end.as_ref().unwrap().status;
    assert_eq!(found.iter().map(status).collect::<Vec<_>>(), [503, 503, 503, 200, 200]);
    assert_eq!(world.send(post()).await.status(), 200);
}

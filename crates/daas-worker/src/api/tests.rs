//! The whole API over real sockets, with a worker that a test plays.

mod document;
mod rig;

use super::command::{Command, Leaving, Staked};
use super::credential::{METRICS_FILE, TOKEN_FILE};
use super::listen::Listen;
use super::server::Server;
use crate::state::Action;
use core::time::Duration;
use daas_client::exchange;
use daas_testkit::pki::Ca;
use daas_types::onchain::Status;
use daas_types::{Mist, Permissions, SealSecret, UnixMs};
use http_body_util::Full;
use hyper::{Method, Request};
use rig::{Rig, seal};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SECRET: &str = "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1";

fn guarded() -> impl Iterator<Item = (Method, &'static str)> {
    let routes = super::routes::ROUTES.iter().filter(|(_, path, _)| *path != "/health");
    routes.map(|(method, path, _)| (method.parse().unwrap(), *path))
}

#[tokio::test]
async fn everything_but_health_needs_a_token_also_on_loopback() {
    let mut rig = Rig::new().await;
    for (method, path) in guarded().chain([(Method::GET, "/nothing")]) {
        for header in [("x", "y"), ("authorization", "Bearer x"), ("x-seal-token", SECRET)] {
            let answer = rig.send(method.clone(), path, &[("host", "localhost"), header], "").await;
            assert_eq!((answer.status, answer.reason().as_str()), (401, "ApiTokenRefused"), "{method} {path}");
        }
    }
    assert!(rig.inbox.try_recv().is_err(), "nothing was done");
    assert_eq!(rig.send(Method::GET, "/health", &[("host", "localhost")], "").await.status, 503);
    rig.staked();
    assert_eq!(rig.send(Method::GET, "/health", &[("host", "localhost")], "").await.status, 200);
}

#[tokio::test]
async fn the_file_opens_until_the_first_seal_and_then_the_seal_in_use() {
    let mut rig = Rig::new().await;
    let token = rig.token();
    assert_eq!(rig.get("/api/v1/config", &token).await.status, 200);
    let secret = rig.staked();
    assert_eq!(rig.get("/api/v1/config", &token).await.status, 401);
    assert_eq!(rig.get("/api/v1/config", &secret).await.status, 200);
    let next = rig.staked();
    assert_eq!(rig.get("/api/v1/config", &secret).await.status, 401);
    assert_eq!(rig.get("/api/v1/config", &next).await.status, 200);
    // One that was prepared and never minted changes nothing.
    let mut prepared = seal();
    prepared.seal = None;
    rig.board.sealed(&prepared);
    assert_eq!(rig.get("/api/v1/config", &next).await.status, 200);
}

#[tokio::test]
async fn who_scrapes_reads_the_metrics_and_nothing_else_whatever_the_seal() {
    let mut rig = Rig::new().await;
    let token = std::fs::read_to_string(rig.store.file(METRICS_FILE)).unwrap();
    for _ in 0..2 {
        for (method, path) in guarded() {
            let bearer = format!("Bearer {token}");
            let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
            let expected = if path == "/metrics" { 200 } else { 401 };
            assert_eq!(rig.send(method.clone(), path, &headers, "").await.status, expected, "{method} {path}");
        }
        rig.staked();
    }
    assert!(rig.inbox.try_recv().is_err(), "nothing was done");
}

#[tokio::test]
async fn a_worker_that_starts_again_has_had_its_first_seal() {
    let kept = seal();
    let rig = Rig::with(None, None, Some(&kept)).await;
    assert!(!rig.store.file(TOKEN_FILE).exists());
    assert_eq!(rig.get("/api/v1/config", kept.secret().expose_hex().as_str()).await.status, 200);
    let mut prepared = seal();
    prepared.seal = None;
    let rig = Rig::with(None, None, Some(&prepared)).await;
    assert_eq!(rig.get("/api/v1/config", prepared.secret().expose_hex().as_str()).await.status, 401);
    assert_eq!(rig.get("/api/v1/config", &rig.token()).await.status, 200);
}

#[tokio::test]
async fn foreign_hosts_and_web_pages_are_refused_everywhere() {
    let rig = Rig::new().await;
    let bearer = format!("Bearer {}", rig.token());
    for (method, path) in guarded().chain([(Method::GET, "/health")]) {
        for foreign in [
            &[("host", "evil.example"), ("authorization", bearer.as_str())][..],
            &[("host", "localhost"), ("origin", "http://localhost:8080"), ("authorization", bearer.as_str())],
            &[("authorization", bearer.as_str())],
        ] {
            let answer = rig.send(method.clone(), path, foreign, "").await;
            assert_eq!(
                (answer.status, answer.reason().as_str()),
                (403, "ApiOriginRefused"),
                "{method} {path} {foreign:?}"
            );
        }
    }
    let own = rig.address.to_string();
    for host in [own.as_str(), "worker-1", "LOCALHOST:1"] {
        assert_eq!(rig.send(Method::GET, "/health", &[("host", host)], "").await.status, 503, "{host}");
    }
}

#[tokio::test]
async fn only_what_made_a_secret_returns_it_once() {
    let mut rig = Rig::new().await;
    let token = rig.token();
    let body = r#"{"node_id":"worker-1","stake_amount":"5000000000","duration":3600}"#;
    let made = rig
        .commanded("/api/v1/staking", &token, body, |command| {
            let Command::Stake(order, reply) = command else { panic!("{command:?}") };
            assert_eq!(order.amount, Some(Mist::from_sui(5)));
            assert_eq!(order.lifetime, Some(Duration::from_hours(1)));
            let secret: SealSecret = SECRET.parse().unwrap();
            let staked =
                Staked { secret: Some(secret), expires: UnixMs(1_234_567_890_000), permissions: Permissions::NODE };
            reply.send(Ok(staked)).unwrap();
        })
        .await;
    let expected =
        json!({ "success": true, "seal_token": SECRET, "expires_at": 1_234_567_890, "permissions": ["node"] });
    assert_eq!((made.status, made.json()), (200, expected));
    let secret = rig.staked();
    let again = rig
        .commanded("/api/v1/staking", &secret, "", |command| {
            let Command::Stake(_, reply) = command else { panic!("{command:?}") };
            let staked = Staked { secret: None, expires: UnixMs(1000), permissions: Permissions::BOTH };
            reply.send(Ok(staked)).unwrap();
        })
        .await;
    assert_eq!(again.json()["seal_token"], Value::Null);
    assert_eq!(again.json()["permissions"], json!(["user", "node"]));
    let mut all = again.text;
    for path in ["/api/v1/staking", "/api/v1/config", "/api/v1/metrics", "/metrics", "/health"] {
        write!(all, "{}", rig.get(path, &secret).await.text).unwrap();
    }
    assert!(!all.contains(&secret) && !all.contains(SECRET) && !all.contains(&token), "{all}");
}

#[tokio::test]
async fn what_is_told_is_the_chains() {
    let mut rig = Rig::new().await;
    let before = rig.get("/api/v1/staking", &rig.token()).await.json();
    assert_eq!(
        (before["status"]["status"].clone(), before["status"]["is_staked"].clone()),
        (json!("pending"), json!(false))
    );
    assert_eq!(before["ordered"], Value::Null);
    rig.board.tell(|status| status.ordered = Some(Mist(7)));
    assert_eq!(rig.get("/api/v1/staking", &rig.token()).await.json()["ordered"], 7);
    let secret = rig.staked();
    rig.board.tell(|status| status.pods = Some(3));
    let told = rig.get("/api/v1/staking", &secret).await.json();
    let position = rig.staker.state.position.to_string();
    assert_eq!(told["stake_amount"], 5_000_000_000_u64);
    assert_eq!(told["status"]["stake_object_id"], position);
    assert_eq!(told["status"]["seal_token"], Value::Null);
    assert_eq!(told["seal_token"], Value::Null);
    assert_eq!(told["seal"]["expires_at"], 1_234_567);
    let steps: Vec<_> = told["history"].as_array().unwrap().iter().map(|step| step["to"].as_str().unwrap()).collect();
    assert_eq!((steps, &told["phase"]), (vec!["verified-master", "joined"], &json!("joined")));
    assert_eq!((&told["history"][1]["from"], &told["history"][1]["at"]), (&json!("verified-master"), &told["since"]));
    assert_eq!((&told["history"][1]["reason"], &told["trouble"]), (&told["reason"], &Value::Null));
    let problem = daas_types::Problem::new(daas_types::ErrorCode::MasterUnreachable, "test");
    rig.board.tries(Action::VerifyMaster, &problem);
    let since = rig.get("/api/v1/staking", &secret).await.json()["trouble"]["since"].clone();
    rig.board.tries(Action::VerifyMaster, &problem);
    let tried = rig.get("/api/v1/staking", &secret).await.json()["trouble"].clone();
    assert_eq!(
        tried,
        json!({ "doing": "verifying the master", "reason": "MasterUnreachable", "cause": "test", "since": since })
    );
    rig.board.done();
    assert_eq!(rig.get("/api/v1/staking", &secret).await.json()["trouble"], Value::Null);
    assert_eq!(told["wallet_address"], rig.staker.state.owner.to_string());
    assert_eq!(told["min_stake"], rig.chain.index.snapshot().policy().node_minimum.0);
    let health = rig.get("/health", &secret).await.json();
    assert_eq!((health["status"].clone(), health["running_pods"].clone()), (json!("healthy"), json!(3)));
    rig.board.tell(|status| (status.since, status.heartbeat.last) = (UnixMs(1), Some(UnixMs(2))));
    assert_eq!(rig.get("/health", &secret).await.json()["status"], "unhealthy");
    rig.chain.put(&mut rig.staker, |state| {
        (state.status, state.active, state.unbonding) = (Status::Closed, Mist(0), Mist(7));
        state.unbonding_until_ms = UnixMs(9_000_000);
    });
    let told = rig.get("/api/v1/staking", &secret).await.json();
    assert_eq!((told["status"]["status"].clone(), told["withdrawable_at"].clone()), (json!("unbonding"), json!(9000)));
    rig.chain.put(&mut rig.staker, |state| state.unbonding = Mist(0));
    let told = rig.get("/api/v1/staking", &secret).await.json();
    assert_eq!((told["status"]["status"].clone(), told["withdrawable_at"].clone()), (json!("unstaked"), Value::Null));
}

#[tokio::test]
async fn a_stake_that_may_not_be_is_refused_before_the_worker_hears_of_it() {
    let mut rig = Rig::new().await;
    let token = rig.token();
    let longest = rig.chain.index.snapshot().policy().max_seal_lifetime_ms / 1000;
    let refused = [
        (format!(r#"{{"duration":{}}}"#, longest + 1), "LifetimeRefused"),
        (r#"{"duration":1}"#.to_owned(), "LifetimeRefused"),
        (r#"{"duration":18446744073709551615}"#.to_owned(), "LifetimeRefused"),
        (r#"{"stake_amount":"1"}"#.to_owned(), "StakeBelowMinimum"),
        (r#"{"stake_amount":"18446744073709551615"}"#.to_owned(), "StakeAboveMaximum"),
        (r#"{"node_id":"worker-2"}"#.to_owned(), "NodeIdMismatch"),
        (r#"{"wallet":"0x123"}"#.to_owned(), "NotYours"),
        (r#"{"seal_token":"x"}"#.to_owned(), "ApiRequestRefused"),
        ("{".to_owned(), "ApiRequestRefused"),
    ];
    for (body, reason) in refused {
        let answer = rig.post("/api/v1/staking", &token, &body).await;
        assert_eq!((answer.status, answer.reason().as_str()), (400, reason), "{body}: {answer:?}");
    }
    let secret = rig.staked();
    let more = rig.post("/api/v1/staking", &secret, r#"{"stake_amount":6000000000}"#).await;
    assert_eq!((more.status, more.reason().as_str()), (409, "AlreadyStaked"));
    assert!(rig.inbox.try_recv().is_err(), "nothing was asked of the worker");
    let longest = format!(r#"{{"duration":{longest}}}"#);
    let longest = rig.commanded("/api/v1/staking", &secret, &longest, |command| {
        let Command::Stake(_, reply) = command else { panic!("{command:?}") };
        let staked = Staked { secret: None, expires: UnixMs(0), permissions: Permissions::NODE };
        reply.send(Ok(staked)).unwrap();
    });
    assert_eq!(longest.await.status, 200);
}

#[tokio::test]
async fn the_way_out_is_told_step_by_step() {
    let mut rig = Rig::new().await;
    let secret = rig.staked();
    for (leaving, expected) in [
        (
            Leaving::Unbonding { withdrawable: UnixMs(9_000_500) },
            json!({ "status": "unbonding", "withdrawable_at": 9000 }),
        ),
        (Leaving::Unstaked, json!({ "status": "unstaked", "withdrawable_at": null })),
    ] {
        let answer = rig
            .commanded("/api/v1/unstake", &secret, "{}", |command| {
                let Command::Unstake(reply) = command else { panic!("{command:?}") };
                reply.send(Ok(leaving)).unwrap();
            })
            .await;
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
}

#[tokio::test]
async fn registering_takes_no_parameters() {
    let mut rig = Rig::new().await;
    let secret = rig.staked();
    let answer = rig.post("/api/v1/register", &secret, r#"{"seal_token":"x"}"#).await;
    assert_eq!((answer.status, answer.reason().as_str()), (400, "ApiRequestRefused"));
    let answer = rig
        .commanded("/api/v1/register", &secret, "", |command| {
            let Command::Register(reply) = command else { panic!("{command:?}") };
            reply.send(Ok(())).unwrap();
        })
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "registered" })));
}

#[tokio::test]
async fn unknown_paths_wrong_methods_and_large_bodies() {
    let rig = Rig::new().await;
    let token = rig.token();
    assert_eq!(rig.get("/api/v1/stakes", &token).await.status, 404);
    assert_eq!(rig.get("/api/v1/unstake", &token).await.status, 405);
    assert_eq!(rig.post("/api/v1/metrics", &token, "").await.status, 405);
    let large = format!(r#"{{"node_id":"{}"}}"#, "x".repeat(5000));
    let answer = rig.post("/api/v1/staking", &token, &large).await;
    assert_eq!((answer.status, answer.reason().as_str()), (413, "ApiRequestRefused"));
}

#[tokio::test]
async fn metrics_are_json_and_text_and_the_configuration_is_masked() {
    let rig = Rig::new().await;
    let token = rig.token();
    let metrics = rig.get("/api/v1/metrics", &token).await.json();
    let names: Vec<_> = metrics.as_object().unwrap().keys().cloned().collect();
    let mut expected =
        ["cpu_usage", "memory_usage", "pod_count", "container_count", "network_rx", "network_tx", "timestamp"];
    expected.sort_unstable();
    assert_eq!(names.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), expected.into());
    let text = rig.get("/metrics", &token).await.text;
    assert!(text.contains("\n# TYPE daas_worker_memory_usage_percent gauge\n"), "{text}");
    let config = rig.get("/api/v1/config", &token).await.json();
    assert_eq!((config["node_id"].clone(), config["runtime"].clone()), (json!("worker-1"), json!("containerd")));
    assert_eq!(config["settings"]["some.secret"], "***");
}

#[tokio::test]
async fn a_connection_answers_once() {
    let rig = Rig::new().await;
    let mut tcp = TcpStream::connect(rig.address).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    assert!(text.contains("cache-control: no-store"), "{text}");
}

#[tokio::test]
async fn with_a_certificate_it_is_https() {
    let ca = Ca::new("owner");
    let rig = Rig::with(Some(&ca), None, None).await;
    let config = std::sync::Arc::new(daas_client::client_config(&ca.pem(), &[]).unwrap());
    let endpoint = format!("https://localhost:{}", rig.address.port());
    let tls = daas_client::connect(&endpoint, &config).await.unwrap();
    let request = Request::builder().uri("/health").header("host", "localhost").body(Full::default()).unwrap();
    assert_eq!(exchange(tls, request, 1 << 20).await.unwrap().0, 503);
    // And nothing else.
    let mut plain = TcpStream::connect(rig.address).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_of_a_named_authority_opens_it() {
    let (server, owner, other) = (Ca::new("server"), Ca::new("owner"), Ca::new("other"));
    let mut rig = Rig::with(Some(&server), Some(&owner), None).await;
    let (seal, token) = (rig.staked(), format!("Bearer {}", "ab".repeat(32)));
    // One that is good opens it, whatever else is shown; a wrong one, an expired one or one for servers is no connection.
    assert_eq!(rig.asked_over_tls(&server, Some(owner.client("me")), None).await, Some(200));
    assert_eq!(rig.asked_over_tls(&server, Some(owner.client("me")), Some(&token)).await, Some(200));
    for bad in [other.client("me"), owner.expired(&["me"]), owner.server(&["me"])] {
        assert_eq!(rig.asked_over_tls(&server, Some(bad), None).await, None);
    }
    // Who has none shows a token.
    assert_eq!(rig.asked_over_tls(&server, None, None).await, Some(401));
    assert_eq!(rig.asked_over_tls(&server, None, Some(&token)).await, Some(401));
    assert_eq!(rig.asked_over_tls(&server, None, Some(&format!("Bearer {seal}"))).await, Some(200));
    // Nobody is asked for one where no authority is named.
    let rig = Rig::with(Some(&server), None, None).await;
    assert_eq!(rig.asked_over_tls(&server, Some(owner.client("me")), None).await, Some(401));
}

#[tokio::test]
async fn a_port_that_is_taken_matters_to_who_asked_for_it() {
    let rig = Rig::new().await;
    let listen = |asked| Listen { address: rig.address, asked, tls: None, names: Vec::new() };
    let problem = Server::bind(&listen(true)).await.err().unwrap();
    assert_eq!(problem.code, daas_types::ErrorCode::PortBusy);
    assert!(Server::bind(&listen(false)).await.unwrap().is_none());
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let mut rig = Rig::new().await;
    // Somebody who has said nothing yet does not keep it.
    let _silent = TcpStream::connect(rig.address).await.unwrap();
    rig.stop.cancel();
    let mut serving = std::mem::take(&mut rig.serving);
    serving.join_next().await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(rig.address).await.is_err());
}

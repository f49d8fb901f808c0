//! Item 30: what those of whom nothing is known can take, and one holder alone.

use super::wire::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Wire, field, frame};
use crate::harness::{Options, World, build, get, reason, user, within};
use daas_gateway::{Limits, Rate, Rates};
use daas_testkit::client::{self, Http2};
use daas_types::Permissions;
use daas_types::pop::Usage;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WATCH: &str = "/api/v1/pods?watch=true";
const BEAT: &str = r#"{"node_id":"worker-1","timestamp":1,"stake_status":"active","stake_amount":1,"running_pods":0,"resource_usage":{}}"#;

async fn limited(limits: Limits) -> World {
    World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await
}

/// A world in which an address has so little, and no test lives to see it filled again.
async fn narrow(burst: u32) -> World {
    let rates = Rates { address: Rate { per_minute: 1, burst }, ..Rates::default() };
    limited(Limits { rates, ..Limits::default() }).await
}

#[tokio::test]
async fn item_30_whatever_is_refused_counts_and_then_its_connection_ends() {
    let forms = [
        "Host: elsewhere\r\n",                    // 421
        "Host: localhost\r\nHost: localhost\r\n", // 400
        "Host: localhost\r\n",                    // 401, no token
    ];
    for form in forms {
        let world = narrow(31).await;
        let token = user(&world.chain.staker(1, "5", Permissions::USER));
        let holder = world.http2().await;
        assert_eq!(within(holder.send(get("/api", &token))).await.unwrap().status(), 200);
        let mut wire = Wire::open(&world).await;
        wire.send(format!("GET /api HTTP/1.1\r\n{form}\r\n").repeat(10)).await;
        let answers = wire.rest().await;
        let statuses: Vec<_> =
            answers.split("HTTP/1.1 ").skip(1).map(|answer| answer.split(' ').next().unwrap()).collect();
        assert_eq!((statuses.len(), statuses[3]), (4, "429"), "{form}: {statuses:?}");
        // Over HTTP/2 what asks no more ends too, and what goes on asking sooner.
        let client = world.http2().await;
        let limited = within(client.send(build("GET", "/api", &[], ""))).await.unwrap();
        assert_eq!((limited.status().as_u16(), reason(limited).await.as_str()), (429, "AddressLimited"));
        within(async { while client.send(build("GET", "/api", &[], "")).await.is_ok() {} }).await;
        assert_eq!(within(holder.send(get("/api", &token))).await.unwrap().status(), 200);
        assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    }
}

#[tokio::test]
async fn item_30_handshakes_of_one_address_are_counted_before_they_begin() {
    let rates = Rates { handshakes: Rate { per_minute: 1, burst: 5 }, ..Rates::default() };
    let world = limited(Limits { rates, ..Limits::default() }).await;
    let roots = world.ca.roots();
    let from = |last| client::tls_from([127, 0, 0, last].into(), world.addr, &roots, &["h2"]);
    for _ in 0..5 {
        // Finished and given up, so that there are never many at once.
        drop(from(2).await.unwrap());
    }
    assert!(from(2).await.is_err());
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let holder = Http2::over(from(3).await.unwrap()).await;
    assert_eq!(holder.send(get("/api", &token)).await.unwrap().status(), 200);
    // Where somebody was admitted there is no such bound.
    for _ in 0..20 {
        drop(from(3).await.unwrap());
    }
    assert!(from(2).await.is_err());
}

#[tokio::test]
async fn item_30_one_who_does_not_hear_of_the_end_is_cut_off() {
    let world = narrow(1).await;
    let mut frames = Frames::open(&world, &[]).await;
    let block = [(":method", "GET"), (":scheme", "https"), (":path", "/api")].map(|(n, v)| field(n, v)).concat();
    // No PING of ours is answered, so HTTP/2 alone would hear it for ever.
    let mut answered = 0;
    for id in (1..200).step_by(2) {
        frames.write(&frame(HEADERS, END_STREAM | END_HEADERS, id, &block)).await;
        if frames.read_on(id).await.is_none() {
            break;
        }
        answered += 1;
    }
    assert!((1..40).contains(&answered), "{answered}");
}

#[tokio::test]
async fn item_30_one_holder_has_so_many_connections() {
    let limits = Limits { connections_per_holder: 2, ..Limits::default() };
    let world = limited(limits).await;
    let (greedy, other) =
        (world.chain.staker(1, "0.5", Permissions::BOTH), world.chain.staker(2, "0.5", Permissions::USER));
    let token = user(&greedy);
    let (first, second, third) = (world.http2().await, world.http2().await, world.http2().await);
    let status =
        async |client: &Http2, token: &str| within(client.send(get("/api", token))).await.unwrap().status().as_u16();
    assert_eq!([status(&first, &token).await, status(&second, &token).await], [200, 200]);
    let refused = within(third.send(get("/api", &token))).await.unwrap();
    assert_eq!((refused.status().as_u16(), reason(refused).await.as_str()), (429, "TooManyRequests"));
    // On those there are it goes on; its node and others have their own.
    assert_eq!(status(&first, &token).await, 200);
    assert_eq!(world.send(get("/api", &user(&other))).await.status(), 200);
    assert_eq!(world.send(get("/api", &greedy.token(Usage::Kubelet))).await.status(), 200);
    drop(second);
    within(async { while status(&third, &token).await != 200 {} }).await;
}

#[tokio::test]
async fn item_30_a_connection_that_nobody_uses_is_closed() {
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let world = limited(limits).await;
    let token = user(&world.chain.staker(1, "0.5", Permissions::USER));
    let mut tls = client::tls(world.addr, &world.ca.roots(), &["h2"]).await.unwrap();
    let busy = world.http2().await;
    let mut watch = within(busy.send(get(WATCH, &token))).await.unwrap();
    assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
    // It says goodbye first; `unproven` would not, and comes much later.
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut said = Vec::new();
    let goodbye = async {
        while !said.windows(5).any(|frame: &[u8]| frame == [GOAWAY, 0, 0, 0, 0]) {
            said.push(tls.read_u8().await.unwrap());
        }
    };
    within(goodbye).await;
    world.upstream.emit("still here");
    assert_eq!(&within(watch.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap()[..], b"still here\n");
}

#[tokio::test]
async fn item_30_half_sent_bodies_of_one_address_are_two() {
    let world = World::new().await;
    let half = "POST /api/v1/nodes/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    // Which of three came third is not known, but one of them is told.
    let mut wires = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::open(&world).await;
        wire.send(half).await;
        wires.push(wire);
    }
    let heads = wires.iter_mut().map(|wire| Box::pin(wire.head()));
    let (head, ..) = within(futures::future::select_all(heads)).await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    // A node's own word is heard, and a stranger's elsewhere.
    let staker = world.chain.staker(1, "5", Permissions::NODE);
    let bearer = format!("Bearer {}", staker.token(Usage::Worker));
    let beat = |headers: &[(&str, &str)]| build("POST", "/api/v1/nodes/heartbeat", headers, BEAT);
    assert_eq!(world.send(beat(&[("authorization", &bearer)])).await.status(), 200);
    let elsewhere = world.http2_from("127.0.0.2").await;
    assert_eq!(within(elsewhere.send(beat(&[]))).await.unwrap().status(), 401);
}

#[tokio::test]
async fn item_30_questions_for_evidence_have_a_bucket_of_their_own() {
    let world = narrow(12).await;
    let ask = || build("POST", "/api/v1/attestation", &[], "{}");
    // However many tokens are refused there, a node can find out to whom it speaks.
    for _ in 0..3 {
        world.send(build("GET", "/api", &[], "")).await;
    }
    assert_eq!(world.refusal(build("GET", "/api", &[], "")).await.1, "AddressLimited");
    for _ in 0..12 {
        assert_eq!(world.send(ask()).await.status(), 200);
    }
    assert_eq!(world.refusal(ask()).await.1, "AddressLimited");
    let mut wire = Wire::open(&world).await;
    wire.send("POST /api/v1/attestation HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").await;
    assert!(wire.head().await.starts_with("HTTP/1.1 429 "), "without its body");
    // Elsewhere all is there still, and a worker's body without a token takes of it too.
    let elsewhere = world.http2_from("127.0.0.2").await;
    for _ in 0..12 {
        assert_eq!(within(elsewhere.send(ask())).await.unwrap().status(), 200);
    }
    let refused = within(elsewhere.send(build("POST", "/api/v1/nodes/heartbeat", &[], BEAT))).await.unwrap();
    assert_eq!(reason(refused).await, "AddressLimited");
}

#[tokio::test]
async fn item_30_a_node_is_let_in_before_its_body_and_its_answer_are_there() {
    let world = limited(Limits { unproven: Duration::from_secs(2), ..Limits::default() }).await;
    let staker = world.chain.staker(1, "5", Permissions::NODE);
    let bearer = format!("Bearer {}", staker.token(Usage::Worker));
    let mut slow = Wire::open(&world).await;
    let (length, (first, rest)) = (BEAT.len(), BEAT.split_at(5));
    slow.send(format!(
        "POST /api/v1/nodes/heartbeat HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\n\
         Content-Length: {length}\r\n\r\n{first}"
    ))
    .await;
    let held = world.local.slow.lock().await;
    let node = world.http2().await;
    let answer = node.send(build("POST", "/api/v1/nodes/heartbeat", &[("x-seal-token", &staker.opaque())], BEAT));
    let stranger = async {
        within(world.local.asked.notified()).await;
        // One that came later and says nothing is gone before either is done.
        let mut idle = client::tls(world.addr, &world.ca.roots(), &["h2"]).await.unwrap();
        let _ = within(idle.read_to_end(&mut Vec::new())).await;
        drop(held);
        slow.send(rest).await;
        assert!(slow.head().await.starts_with("HTTP/1.1 200 "));
    };
    let (answer, ()) = tokio::join!(answer, stranger);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn item_21_a_head_of_many_small_lines_is_refused() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let names: Vec<_> = (0..99).map(|n| format!("x-{n}")).collect();
    let bearer = format!("Bearer {token}");
    let mut lines: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    lines.push(("authorization", &bearer));
    assert_eq!(world.send(build("GET", "/api", &lines, "")).await.status(), 200);
    lines.push(("x", "1"));
    assert_eq!(world.refusal(build("GET", "/api", &lines, "")).await.0, 431);
    assert_eq!(world.refusal(build("POST", "/api/v1/attestation", &lines, "")).await.0, 431);
}

//! Items 4 to 7 and 9 to 12: what a client shows.

use super::wire::status;
use crate::harness::{World, build, get, is, reason, refused, user, within};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use daas_chain::clock;
use daas_testkit::chain::{Staker, cluster};
use daas_types::pop::{Claims, MAX_LIFETIME, PREFIX, Usage};
use daas_types::{Address, ClusterId, Permissions, UnixMs};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use sui_crypto::SuiSigner;
use sui_sdk_types::PersonalMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn item_04_no_text_of_the_chain_becomes_a_header() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let token = staker.token(Usage::Kubelet);
    assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    for id in [
        "a\r\nx-remote-group: system:masters",
        "a\nb",
        "a\0",
        "system:masters",
        "system:node:worker-2",
        "system:serviceaccount:kube-system:admin",
        "Worker-1",
        "worker 1",
        "../worker-1",
        "worker-1.",
        "wörker",
    ] {
        world.chain.put(&mut staker, |state| id.clone_into(&mut state.node_id));
        assert_eq!(refused(&world, &token).await, is(403, "UsageNotPermitted"), "{id:?}");
    }
    // Of people nothing is text: an address, an id and the groups of a tier.
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
    let groups = world.upstream.last().all("x-remote-group");
    assert_eq!(groups, ["daas:admin".to_owned(), format!("daas:position:{}", staker.state.position)]);
}

#[tokio::test]
async fn item_05_one_credential_from_any_of_its_places() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    let protocol = format!("base64url.bearer.authorization.k8s.io.{}", B64.encode(&token));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = build("GET", "/api", &[("authorization", &format!("{scheme} {token}"))], "");
        assert_eq!(world.send(request).await.status(), 200);
    }
    let protocols = format!("v5.channel.k8s.io, {protocol}, v4.channel.k8s.io");
    let request = build("GET", "/api", &[("sec-websocket-protocol", &protocols)], "");
    assert_eq!(world.send(request).await.status(), 200);
    assert_eq!(world.upstream.last().all("sec-websocket-protocol"), ["v5.channel.k8s.io, v4.channel.k8s.io"]);
    let bearer = format!("Bearer {token}");
    let (shown, hidden) = (("authorization", bearer.as_str()), ("sec-websocket-protocol", protocol.as_str()));
    for two in [[shown, shown], [shown, hidden], [shown, ("authorization", "Bearer x")], [hidden, hidden]] {
        let (status, reason) = world.refusal(build("GET", "/api", &two, "")).await;
        assert!(status == 401 && (reason == "TokenAmbiguous" || reason == "TokenMalformed"), "{reason}");
    }
    for scheme in ["Basic dXNlcjpwYXNz", "Token x", "Bearerx", "Bearer x, Bearer y"] {
        let (status, reason) = world.refusal(build("GET", "/api", &[("authorization", scheme)], "")).await;
        assert_eq!((status.as_u16(), reason), is(401, "TokenMalformed"), "{scheme}");
    }
    let query = build("GET", &format!("/api?access_token={token}&token={token}"), &[], "");
    assert_eq!(world.refusal(query).await.1, "TokenMissing");
    assert!(world.upstream.requests().iter().all(|seen| !format!("{seen:?}").contains(&token)), "the token went on");
}

#[tokio::test]
async fn item_06_what_is_no_token_is_none() {
    let world = World::new().await;
    let staker = world.chain.staker(0xab, "5", Permissions::BOTH);
    let opaque = staker.opaque();
    let token = user(&staker);
    assert!(opaque.bytes().any(|b| b.is_ascii_lowercase()), "the test's secret has no letters");
    for bad in [
        "x",
        &opaque[1..],
        &format!("{opaque}0"),
        &opaque.to_uppercase(),
        &format!("0x{opaque}"),
        &token[..token.len() - 1],
        &token[..40],
        "daas1.",
        "daas1..",
        "daas1.AA.AA",
        "null",
        "undefined",
        &"a".repeat(1 << 14),
        "a b",
    ] {
        assert_eq!(refused(&world, bad).await, is(401, "TokenMalformed"), "{bad}");
    }
    // Digits that are none to us, which other languages' parsers take.
    let foreign = format!("GET /api HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", "٣".repeat(64));
    assert_eq!(status(&world, foreign).await, 401);
    for empty in ["Bearer", "Bearer ", "bearer    ", ""] {
        let (status, reason) = world.refusal(build("GET", "/api", &[("authorization", empty)], "")).await;
        assert!(status == 401 && (reason == "TokenMissing" || reason == "TokenMalformed"), "{empty:?}: {reason}");
    }
    assert_eq!(world.refusal(build("GET", "/api", &[], "")).await.1, "TokenMissing");
    assert_eq!(refused(&world, &"0".repeat(64)).await, is(401, "TokenUnknown"));
}

/// Says whether it was asked for a certificate.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn item_07_a_client_certificate_is_never_asked_for() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let asked = Arc::new(Asked::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(world.ca.roots()).with_client_cert_resolver(asked.clone());
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let tcp = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    let tls = within(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap();
    let mut client = daas_testkit::client::Http1::over(tls).await;
    for (bearer, expected) in [(Some(user(&staker)), 200), (None, 401)] {
        let mut request = http::Request::get("/api").header("host", "localhost");
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = within(client.send(request.body(http_body_util::Full::default()).unwrap())).await.unwrap();
        assert_eq!(response.status(), expected);
        within(response.into_body().collect()).await.unwrap();
    }
    assert!(!asked.0.load(Ordering::Relaxed), "the gateway asked for a certificate");
}

#[tokio::test]
async fn item_09_tokens_of_another_time_cluster_key_or_spelling() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let stranger = world.chain.staker(2, "5", Permissions::BOTH);
    let (seal, now) = (staker.state.seals[0].id, clock::now());
    let sign = |cluster, now: UnixMs| {
        Claims::new(cluster, seal, Usage::User, now, MAX_LIFETIME).unwrap().sign(&staker.key).unwrap()
    };
    for (token, reason) in [
        (sign(ClusterId(Address::new([9; 32])), now), "TokenForeign"),
        (sign(ClusterId(Address::new([0; 32])), now), "TokenForeign"),
        (sign(cluster(), UnixMs(now.0 - 300_001)), "TokenExpired"),
        (sign(cluster(), UnixMs(now.0 + 120_000)), "TokenExpired"),
        (staker.claims(Usage::User).sign(&stranger.key).unwrap(), "TokenUnknown"),
    ] {
        assert_eq!(refused(&world, &token).await, is(401, reason));
    }
    let never = Staker::new(3, "5", Permissions::BOTH);
    assert_eq!(refused(&world, &user(&never)).await, is(401, "TokenUnknown"));
    // Within its time the same token serves again, which client-go relies on; a clock a little fast does no harm.
    let token = sign(cluster(), UnixMs(now.0 + 30_000));
    for _ in 0..2 {
        assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    }
    for forged in forgeries(&staker, &token) {
        let (status, reason) = refused(&world, &forged).await;
        assert!(status == 401 && (reason == "TokenMalformed" || reason == "TokenUnknown"), "{reason}: {forged}");
    }
}

/// The same claims and a signature that is not its signer's, in every way a verifier was once taken in by.
fn forgeries(staker: &Staker, token: &str) -> Vec<String> {
    let (claims, signature) = token.strip_prefix(PREFIX).unwrap().split_once('.').unwrap();
    let (claims, signature) = (B64.decode(claims).unwrap(), B64.decode(signature).unwrap());
    let spell = |claims: &[u8], signature: &[u8]| format!("{PREFIX}{}.{}", B64.encode(claims), B64.encode(signature));
    let mut forged = Vec::new();
    // Another scheme's flag.
    for flag in [1, 2, 3, 4, 5, 6, 0xff] {
        forged.push(spell(&claims, &[&[flag], &signature[1..]].concat()));
    }
    // S + L: the same number to a verifier that does not look.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&order[2 * n..2 * n + 2], 16).unwrap()).collect();
    let mut malleated = signature.clone();
    let mut carry = 0;
    for (byte, more) in malleated[33..65].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    forged.push(spell(&claims, &malleated));
    // A key of small order, whose signature fits any message.
    let mut identity = [0; 32];
    identity[0] = 1;
    forged.push(spell(&claims, &[&[0][..], &identity, &[0; 32], &identity].concat()));
    // Another thing that the same key signed: the claims without the label, and as another's message.
    for message in [claims.clone(), [b"k3s-daas/pop/v2", &claims[..]].concat()] {
        let other = staker.key.sign_personal_message(&PersonalMessage(message.into())).unwrap();
        forged.push(spell(&claims, &other.to_bytes()));
    }
    // Claims with something after them, or of another version, properly signed.
    let mut version = claims.clone();
    version[0] = 2;
    for odd in [[&claims[..], &[0]].concat(), version, claims[..claims.len() - 1].to_vec()] {
        let message = [daas_types::pop::SIGNING_LABEL, &odd].concat();
        let signed = staker.key.sign_personal_message(&PersonalMessage(message.into())).unwrap();
        forged.push(spell(&odd, &signed.to_bytes()));
    }
    // Another spelling of the same bytes.
    forged.extend([format!("{token}="), format!("{token}."), format!("{token}.AA"), format!("D{}", &token[1..])]);
    forged
}

#[tokio::test]
async fn item_10_a_lost_stake_ends_what_is_cached_watched_executed_and_forwarded() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    let client = world.http2().await;
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
    let mut watch = within(client.send(get("/api/v1/pods?watch=true", &token))).await.unwrap();
    within(watch.body_mut().frame()).await.unwrap().unwrap();
    let mut tunnels = Vec::new();
    for (path, protocol) in [("exec?command=sh", "websocket"), ("portforward", "SPDY/3.1")] {
        let mut http1 = world.http1().await;
        let request = http::Request::get(format!("/api/v1/namespaces/default/pods/p/{path}"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("connection", "Upgrade")
            .header("upgrade", protocol);
        let request = request.body(http_body_util::Full::default()).unwrap();
        let mut response = within(http1.send(request)).await.unwrap();
        assert_eq!(response.status(), 101);
        let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
        tunnel.write_all(b"ping").await.unwrap();
        within(tunnel.read_exact(&mut [0; 4])).await.unwrap();
        tunnels.push((tunnel, http1));
    }
    within(world.upstream.until_open(3)).await;
    world.chain.suspend(&mut staker);
    // No clock ends anything here before the test is given up.
    within(world.upstream.until_open(0)).await;
    assert!(within(watch.body_mut().frame()).await.is_none_or(|frame| frame.is_err()));
    for (mut tunnel, _) in tunnels {
        let mut rest = Vec::new();
        let _ = within(tunnel.read_to_end(&mut rest)).await;
        assert!(!rest.windows(3).any(|three| three == b"bye"), "it ended as if it were complete");
    }
    assert_eq!(refused(&world, &token).await, is(403, "PositionSuspended"));
}

#[tokio::test]
async fn item_11_a_refusal_is_not_remembered_and_a_herd_is_served() {
    let world = World::new().await;
    let mut staker = Staker::new(1, "5", Permissions::USER);
    let token = user(&staker);
    assert_eq!(refused(&world, &token).await, is(401, "TokenUnknown"));
    // The stake is on chain a moment later, and the same token counts at once.
    world.chain.put(&mut staker, |_| ());
    let client = world.http2().await;
    let herd = (0..200).map(|_| client.send(get("/api", &token)));
    for response in within(futures::future::join_all(herd)).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    // A stranger's tokens push nothing out, nor are they believed the second time.
    let stranger = Staker::new(9, "5", Permissions::USER);
    for _ in 0..2 {
        let bad = (0..20).map(|_| client.send(get("/api", &user(&stranger))));
        for response in within(futures::future::join_all(bad)).await {
            assert_eq!(reason(response.unwrap()).await, "TokenUnknown");
        }
    }
    assert_eq!(within(client.send(get("/api", &token))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn item_12_a_remembered_token_stands_for_itself_alone() {
    let world = World::new().await;
    let (a, b) = (world.chain.staker(1, "5", Permissions::USER), world.chain.staker(2, "5", Permissions::USER));
    let (mine, theirs) = (user(&a), user(&b));
    for (token, staker) in [(&mine, &a), (&theirs, &b), (&mine, &a)] {
        assert_eq!(world.send(get("/api", token)).await.status(), 200);
        assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
    }
    // Every character of it counts, also once it is remembered: none can be left out, doubled or exchanged.
    for at in (0..mine.len()).step_by(7).chain([mine.len() - 1]) {
        let other = if mine.as_bytes()[at] == b'A' { 'B' } else { 'A' };
        let mut forged = mine.clone();
        forged.replace_range(at..=at, &other.to_string());
        let (status, _) = refused(&world, &forged).await;
        assert_eq!(status, 401, "character {at}");
    }
    // Neither half of two remembered tokens opens anything with the other's.
    let (claims, _) = mine.rsplit_once('.').unwrap();
    let (_, signature) = theirs.rsplit_once('.').unwrap();
    assert_eq!(refused(&world, &format!("{claims}.{signature}")).await.0, 401);
    // On one connection, too, where what was shown last is not read again.
    let client = world.http2().await;
    let last = mine.len() - 1;
    let forged = format!("{}{}", &mine[..last], if mine.ends_with('A') { 'B' } else { 'A' });
    let authorization = format!("Bearer {mine}");
    let twice = [("authorization", authorization.as_str()), ("authorization", authorization.as_str())];
    let bearer = format!("base64url.bearer.authorization.k8s.io.{}", B64.encode(&theirs));
    let beside = [("authorization", authorization.as_str()), ("sec-websocket-protocol", bearer.as_str())];
    for _ in 0..2 {
        for (token, staker) in [(&mine, &a), (&mine, &a), (&theirs, &b), (&mine, &a)] {
            assert_eq!(within(client.send(get("/api", token))).await.unwrap().status(), 200);
            assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
        }
        let others = [get("/api", &forged), build("GET", "/api", &twice, ""), build("GET", "/api", &beside, "")];
        for (request, reason) in others.into_iter().zip(["TokenMalformed", "TokenAmbiguous", "TokenAmbiguous"]) {
            let response = within(client.send(request)).await.unwrap();
            assert_eq!((response.status().as_u16(), &*self::reason(response).await), (401, reason));
        }
    }
    // Opaque secrets are compared whole.
    let opaque = a.opaque();
    assert_eq!(world.send(get("/api", &opaque)).await.status(), 200);
    let last = if opaque.ends_with('0') { "1" } else { "0" };
    assert_eq!(refused(&world, &format!("{}{last}", &opaque[..63])).await, is(401, "TokenUnknown"));
}

//! Items 13 to 18: where a request ends, and whose bytes follow it. What reached the API server is read off its
//! connections byte for byte.

use super::wire::{DATA, HEADERS, Wire, conversation, frames_of, status};
use crate::harness::{World, user, within};
use daas_types::Permissions;

/// Heads that the API server was sent over HTTP/2, and all their bodies in one.
fn arrived(world: &World) -> (usize, Vec<u8>) {
    let (mut heads, mut bodies) = (0, Vec::new());
    for tape in world.upstream.tapes() {
        for frame in frames_of(&tape).unwrap_or_default() {
            match frame.kind {
                HEADERS => heads += 1,
                DATA => bodies.extend(frame.payload),
                _ => {}
            }
        }
    }
    (heads, bodies)
}

/// What the API server was sent over HTTP/1.1, connection by connection.
fn plain(world: &World) -> Vec<String> {
    let tapes = world.upstream.tapes().into_iter().filter(|tape| frames_of(tape).is_none());
    tapes.map(|tape| String::from_utf8_lossy(&tape).into_owned()).collect()
}

#[tokio::test]
async fn item_13_request_smuggling_is_refused_or_framed_identically() {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 4, 5",
        "Content-Length: 0x5",
        "Content-Length: 18446744073709551616",
    ] {
        let world = World::new().await;
        let token = user(&world.chain.staker(1, "5", Permissions::USER));
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{framing}\r\n\r\n{smuggled}"
        );
        let answer = conversation(&world, request).await;
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{framing}: {answer}");
        let (heads, bodies) = arrived(&world);
        // Refused, or one request whose body is what the client's framing says and nothing after it.
        assert_eq!(heads, usize::from(answer.starts_with("HTTP/1.1 200")), "{framing}: {answer}");
        assert!(heads == 0 || bodies.is_empty(), "{framing}: {}", String::from_utf8_lossy(&bodies));
        assert!(plain(&world).is_empty(), "{framing}");
    }
}

#[tokio::test]
async fn item_13_chunks_trailers_and_old_versions_leave_nothing_behind() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    let trailers = format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\nTrailer: X-Remote-User\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Remote-User: root\r\n\
         Authorization: Bearer x\r\n\r\n"
    );
    let answer = conversation(&world, trailers).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    let seen = world.upstream.last();
    assert!(!seen.trailers);
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    let (heads, bodies) = arrived(&world);
    assert_eq!((heads, &bodies[..]), (1, &b"hello"[..]), "a head more, or another body");
    let old =
        format!("POST /echo HTTP/1.0\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(status(&world, old).await, 400);
    for chunks in
        ["g\r\n", "5\rhello", "-1\r\n", "+5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "ffffffffffffffff1\r\n"]
    {
        let odd = format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}\
             GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let answer = conversation(&world, odd).await;
        assert!(answer.matches("HTTP/1.1 ").count() <= 1 && !answer.contains(" 200 "), "{chunks:?}: {answer}");
    }
    assert!(world.upstream.requests().iter().all(|seen| seen.target == "/echo"));
}

#[tokio::test]
async fn item_14_nothing_goes_through_before_101_and_no_tunnel_without() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Authorization: Bearer {}\r\n", user(&staker));
    let ask = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    };
    let second = format!("GET /smuggled HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n");
    // Refused, passed over, or sent elsewhere: an answer, after which the connection ends and nothing more is read.
    for (round, (path, expected)) in
        [("/refused", "403"), ("/ordinary", "200"), ("/redirect", "302")].into_iter().enumerate()
    {
        let answer = conversation(&world, ask(path) + &second).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{path}: {answer}");
        assert_eq!(world.upstream.requests().len(), round + 1);
    }
    // While the API server has not said 101, no byte after the head reaches it; then they are the tunnel's.
    let mut wire = Wire::open(&world).await;
    wire.send(ask("/held") + &second).await;
    within(world.upstream.saw(4)).await;
    let sent = plain(&world);
    assert!(
        sent.iter().all(|tape| tape.matches(" HTTP/1.1\r\n").count() == 1 && tape.ends_with("\r\n\r\n")),
        "{sent:?}"
    );
    world.upstream.let_through();
    assert!(wire.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(wire.exactly(second.len()).await, second.as_bytes(), "the tunnel's first bytes");
    assert_eq!(world.upstream.requests().len(), 4);
    // A switch to something else than was asked for is none.
    assert_eq!(status(&world, ask("/other")).await, 503);
}

#[tokio::test]
async fn item_15_only_plain_upgrades_to_known_protocols_are_forwarded() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    for lines in [
        "Connection: Upgrade\r\nUpgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
        "Connection: Upgrade\r\nUpgrade: SPDY/3",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "Connection: Upgrade\r\nUpgrade:",
        "Upgrade: websocket",
        "Connection: close\r\nUpgrade: websocket",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked",
    ] {
        let head =
            format!("POST /exec HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{lines}\r\n\r\n");
        assert_eq!(status(&world, head).await, 400, "{lines}");
    }
    let delete = format!(
        "DELETE /exec HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    assert_eq!(status(&world, delete).await, 400);
    assert!(world.upstream.requests().is_empty() && world.upstream.tapes().is_empty());
    let anonymous = "GET /exec HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(status(&world, anonymous).await, 401);
}

#[tokio::test]
async fn item_16_an_api_server_that_speaks_first_is_heard() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    for (method, protocol) in [("GET", "websocket"), ("POST", "SPDY/3.1")] {
        let mut wire = Wire::open(&world).await;
        wire.send(format!(
            "{method} /eager HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
             Upgrade: {protocol}\r\nContent-Length: 0\r\n\r\nmine",
            user(&staker)
        ))
        .await;
        assert!(wire.head().await.starts_with("HTTP/1.1 101 "));
        // What it said right behind its 101, then the echo of what came right behind the request.
        assert_eq!(wire.exactly(9).await, b"firstmine");
    }
}

#[tokio::test]
async fn item_17_redirects_are_passed_on_and_never_followed() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"] {
        let answer = {
            let mut wire = Wire::open(&world).await;
            let token = user(&staker);
            wire.send(format!(
                "GET /redirect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n"
            ))
            .await;
            wire.head().await.to_ascii_lowercase()
        };
        assert!(answer.starts_with("http/1.1 302 "), "{answer}");
        assert!(answer.contains("location: https://127.0.0.1:1/elsewhere\r\n"), "{answer}");
    }
    assert_eq!(world.upstream.requests().len(), 2);
}

#[tokio::test]
async fn item_18_another_hosts_requests_are_not_served() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    for (line, host) in [
        ("CONNECT elsewhere:443", "Host: elsewhere:443\r\n"),
        ("CONNECT localhost:443", "Host: localhost:443\r\n"),
        ("CONNECT /api", "Host: localhost\r\n"),
        ("GET https://elsewhere/api", "Host: localhost\r\n"),
        ("GET https://localhost/api", "Host: elsewhere\r\n"),
        ("GET https://localhost/api", ""),
        ("GET /api", "Host: localhost\r\nHost: elsewhere\r\n"),
        ("GET /api", "Host: localhost\r\nHost: localhost\r\n"),
        ("OPTIONS *", "Host: localhost\r\n"),
        ("GET api", "Host: localhost\r\n"),
    ] {
        let head = format!("{line} HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\n\r\n");
        assert_eq!(status(&world, head).await, 400, "{line} {host}");
    }
    // A name that TLS was not asked for.
    let head = format!("GET /api HTTP/1.1\r\nHost: elsewhere\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(status(&world, head).await, 421);
    assert!(world.upstream.requests().is_empty());
    // An address is no name, so TLS cannot have been asked for it; a port says nothing.
    for host in ["localhost", "LOCALHOST:6443", "127.0.0.1:6443", "[::1]:6443"] {
        let head = format!("GET /api HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        assert_eq!(status(&world, head).await, 200, "{host}");
        assert_eq!(world.upstream.last().authority, "kubernetes");
    }
}

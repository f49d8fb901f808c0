use crate::harness::{World, reason, text, user, within};
use daas_testkit::client;
use daas_types::Permissions;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const EXEC: &str = "/api/v1/namespaces/default/pods/p/exec?command=sh";

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let mut client = world.http1().await;
    let mut request = Request::get(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = within(client.send(request.body(Full::default()).unwrap())).await.unwrap();
    // The connection's driver must outlive the answer; tests end soon enough.
    std::mem::forget(client);
    response
}

#[tokio::test]
async fn tunnels_carry_bytes_both_ways_and_close_by_halves() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    for (upgrade, extra) in [
        ("websocket", ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io")),
        ("SPDY/3.1", ("x-stream-protocol-version", "v4.channel.k8s.io")),
    ] {
        let headers = [("authorization", bearer.as_str()), ("connection", "Upgrade"), ("upgrade", upgrade), extra];
        let mut response = ask(&world, EXEC, &headers).await;
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["upgrade"], upgrade);
        let seen = world.upstream.last();
        assert_eq!((seen.target.as_str(), seen.version), (EXEC, http::Version::HTTP_11));
        assert_eq!(seen.client.as_deref(), Some("daas:gateway"));
        assert_eq!(seen.authority, "kubernetes");
        assert_eq!(seen.all(extra.0), [extra.1]);
        assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
        assert_eq!(seen.all("upgrade"), [upgrade]);
        assert!(seen.all("authorization").is_empty());
        let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
        let sent = b"\x00\xff".repeat(200_000);
        let (mut read, mut write) = tokio::io::split(&mut tunnel);
        let send = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let ((), read) = within(async { tokio::join!(send, read.read_to_end(&mut got)) }).await;
        read.unwrap();
        assert!(got.starts_with(&sent) && got.ends_with(b"bye"), "{} bytes", got.len());
    }
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn a_tunnel_is_cut() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let headers = [("authorization", bearer.as_str()), ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    let mut response = ask(&world, EXEC, &headers).await;
    let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
    tunnel.write_all(b"ping").await.unwrap();
    let mut pong = [0; 4];
    within(tunnel.read_exact(&mut pong)).await.unwrap();
    world.upstream.until_open(1).await;
    world.chain.suspend(&mut staker);
    let mut rest = Vec::new();
    let _ = within(tunnel.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_answer_and_no_tunnel() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    // What is sent before the answer must not become a second request, nor reach the API server at all.
    let mut tls = client::tls(world.addr, &world.ca.roots(), &[]).await.unwrap();
    let head = format!(
        "GET /refused HTTP/1.1\r\nHost: h\r\nAuthorization: {bearer}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: h\r\nAuthorization: {bearer}\r\n\r\n"
    );
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(tls.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains(r#""reason":"Forbidden""#), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(world.upstream.requests().len(), 1);
    // A switch to something else than was asked for.
    let headers = [("authorization", bearer.as_str()), ("connection", "Upgrade"), ("upgrade", "websocket")];
    let response = ask(&world, "/other", &headers).await;
    assert_eq!((response.status().as_u16(), reason(response).await), (503, "ApiServerUnavailable".to_owned()));
}

#[tokio::test]
async fn only_plain_upgrades_to_known_protocols_are_forwarded() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    for headers in [
        vec![("connection", "Upgrade"), ("upgrade", "h2c")],
        vec![("connection", "Upgrade"), ("upgrade", "TLS/1.0")],
        vec![("connection", "Upgrade"), ("upgrade", "websocket, h2c")],
        vec![("connection", "Upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
        vec![("upgrade", "websocket")],
        vec![("connection", "Upgrade"), ("upgrade", "websocket"), ("content-length", "5")],
        vec![("connection", "Upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")],
    ] {
        let mut tls = client::tls(world.addr, &world.ca.roots(), &[]).await.unwrap();
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let lines = lines.concat();
        let head = format!("POST {EXEC} HTTP/1.1\r\nHost: h\r\nAuthorization: {bearer}\r\n{lines}\r\n");
        tls.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        within(tls.read_exact(&mut line)).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 400", "{headers:?}");
    }
    assert!(world.upstream.requests().is_empty());
    let anonymous = ask(&world, EXEC, &[("connection", "Upgrade"), ("upgrade", "websocket")]).await;
    assert_eq!(anonymous.status(), 401);
    assert!(text(anonymous).await.contains("TokenMissing"));
}

use crate::harness::{World, build, text, user, within};
use daas_testkit::client;
use daas_types::Permissions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What comes back for these bytes until the gateway closes.
async fn conversation(world: &World, bytes: &[u8]) -> String {
    let mut tls = client::tls(world.addr, &world.ca.roots(), &["http/1.1"]).await.unwrap();
    tls.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(tls.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn ambiguous_lengths_smuggle_nothing() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 4, 5",
    ] {
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{framing}\r\n\r\n{smuggled}"
        );
        let answer = conversation(&world, request.as_bytes()).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{framing}: {answer}");
        for seen in world.upstream.requests() {
            assert_eq!(seen.target, "/echo", "{framing}");
            assert!(seen.all("transfer-encoding").is_empty());
        }
    }
    let old =
        format!("POST /echo HTTP/1.0\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(conversation(&world, old.as_bytes()).await.contains(" 400 "));
}

#[tokio::test]
async fn request_trailers_end_here() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Remote-User\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Remote-User: root\r\nAuthorization: Bearer x\r\n\r\n",
        user(&staker)
    );
    let answer = conversation(&world, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    let seen = world.upstream.last();
    assert!(!seen.trailers);
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
}

#[tokio::test]
async fn bodies_stream_through_whole() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let body = "0123456789abcdef".repeat(1 << 16);
    let request = build("POST", "/echo", &[("authorization", &bearer)], &body);
    assert_eq!(text(world.send(request).await).await, body);
    let mut http1 = world.http1().await;
    let request =
        build("PUT", "/echo", &[("authorization", &bearer), ("host", "localhost"), ("expect", "100-continue")], &body);
    let (mut parts, body_stream) = request.into_parts();
    parts.uri = "/echo".parse().unwrap();
    let response = within(http1.send(http::Request::from_parts(parts, body_stream))).await.unwrap();
    assert_eq!(text(response).await, body);
    assert!(world.upstream.last().all("expect").is_empty());
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http11_and_tls12_is_not_spoken() {
    let world = World::new().await;
    let mut tls = client::tls(world.addr, &world.ca.roots(), &[]).await.unwrap();
    assert_eq!(tls.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    tls.write_all(b"GET /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = within(tls.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(world.ca.roots())
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let old = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp);
    assert!(within(old).await.is_err());
}

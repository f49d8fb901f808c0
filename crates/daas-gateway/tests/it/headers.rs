use crate::harness::{World, build, text, user, within};
use daas_testkit::client;
use daas_types::Permissions;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a head byte for byte over HTTP/1.1 and gives the answer's first line.
async fn raw(world: &World, head: &[u8]) -> String {
    let mut tls = client::tls(world.addr, &world.ca.roots(), &["http/1.1"]).await.unwrap();
    tls.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    within(async {
        while !answer.windows(2).any(|two| two == b"\r\n") {
            let mut buffer = [0; 4096];
            match tls.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&buffer[..n]),
            }
        }
    })
    .await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn forged_identities_and_origins_do_not_arrive() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let request = build(
        "GET",
        "/api",
        &[
            ("authorization", &bearer),
            ("x-remote-user", "system:admin"),
            ("x-remote-group", "system:masters"),
            ("x-remote-uid", "0"),
            ("x-remote-extra-scopes", "all"),
            ("x-remote-anything", "x"),
            ("x_remote_user", "system:admin"),
            ("x-remote_group", "system:masters"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-seal-token", "secret"),
            ("proxy-authorization", "Basic x"),
            ("user-agent", "kubectl/1.36"),
            ("kubectl-command", "get"),
        ],
        "",
    );
    assert_eq!(world.send(request).await.status(), 200);
    let seen = world.upstream.last();
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    assert_eq!(seen.all("x-remote-group").len(), 2);
    assert_eq!(seen.all("x-remote-uid"), [staker.state.position.to_string()]);
    let mut identity = seen.names("x-remote-");
    identity.dedup();
    identity.sort_unstable();
    assert_eq!(identity, ["x-remote-extra-daas-seal", "x-remote-group", "x-remote-uid", "x-remote-user"]);
    for gone in ["x_remote", "x-remote_", "x-forwarded", "forwarded", "x-real-ip", "x-seal", "authorization", "proxy-"]
    {
        assert!(seen.names(gone).is_empty(), "{gone}");
    }
    assert_eq!(seen.all("user-agent"), ["kubectl/1.36"]);
    assert_eq!(seen.all("kubectl-command"), ["get"]);
}

#[tokio::test]
async fn impersonation_is_the_api_servers_to_judge_and_never_mixed_in() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let request = build(
        "GET",
        "/api",
        &[
            ("authorization", &bearer),
            ("impersonate-user", "someone"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-%73cope", "x"),
        ],
        "",
    );
    world.send(request).await;
    let seen = world.upstream.last();
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    assert_eq!(seen.all("impersonate-user"), ["someone"]);
    assert_eq!(seen.all("impersonate-group"), ["a", "b"]);
    assert_eq!(seen.all("impersonate-extra-%73cope"), ["x"]);
}

#[tokio::test]
async fn connection_tokens_cannot_name_our_headers() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    for connection in [
        "Connection: X-Remote-User",
        "Connection: close, x-remote-user, X-REMOTE-GROUP, X-Remote-Uid",
        "Connection: keep-alive\r\nConnection: X-Remote-User",
        "Connection: Authorization",
        "Proxy-Connection: X-Remote-User",
        "Keep-Alive: X-Remote-User",
        "Connection: X-Remote-User\r\nX-Remote-User: root",
        "TE: X-Remote-User\r\nTrailer: X-Remote-User",
    ] {
        let before = world.upstream.requests().len();
        let head = format!(
            "GET /api HTTP/1.1\r\nHost: localhost\r\n{connection}\r\nX-Hop: 1\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        assert_eq!(raw(&world, head.as_bytes()).await, "HTTP/1.1 200 OK", "{connection}");
        assert_eq!(world.upstream.requests().len(), before + 1);
        let seen = world.upstream.last();
        assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()], "{connection}");
        assert_eq!(seen.all("x-remote-group").len(), 2, "{connection}");
        for gone in ["connection", "proxy-connection", "keep-alive", "te", "trailer", "authorization"] {
            assert!(seen.all(gone).is_empty(), "{connection}: {gone}");
        }
    }
    let head = format!(
        "GET /api HTTP/1.1\r\nHost: h\r\nConnection: X-Hop\r\nX-Hop: 1\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    raw(&world, head.as_bytes()).await;
    assert!(world.upstream.last().all("x-hop").is_empty());
}

#[tokio::test]
async fn malformed_heads_are_refused_and_not_forwarded() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let authorization = format!("Authorization: Bearer {}", user(&staker)).into_bytes();
    let heads: [&[u8]; 9] = [
        b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: \xff\xfe\r\n",
        b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: a b\r\n",
        b"GET /api HTTP/1.1\r\nHost: localhost\r\nX-Remote-User : root\r\n",
        b"GET /api HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n X-Remote-User: root\r\n",
        b"GET /api HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere\r\n",
        b"GET https://elsewhere/api HTTP/1.1\r\nHost: localhost\r\n",
        b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n",
        b"GET api HTTP/1.1\r\nHost: localhost\r\n",
    ];
    for head in heads {
        let head = [head, &authorization, b"\r\n\r\n"].concat();
        let answer = raw(&world, &head).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}: {}", String::from_utf8_lossy(&head));
    }
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn http2_pseudo_headers_and_connection_headers() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    let (status, reason) =
        world.refusal(build("GET", "/api", &[("authorization", &bearer), ("host", "elsewhere")], "")).await;
    assert_eq!((status.as_u16(), reason.as_str()), (400, "PathRefused"));
    // CONNECT over HTTP/2 has an authority and no path.
    let client = world.http2().await;
    let request = http::Request::connect("elsewhere:443").header("authorization", &bearer);
    let response = within(client.send(request.body(Full::default()).unwrap())).await;
    assert!(response.is_err() || response.unwrap().status() == 400);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn paths_go_on_byte_for_byte() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    let long = format!("/api/{}", "a".repeat(8000));
    for path in [
        "//api",
        "/./api",
        "/api/../metrics",
        "/api/%2e%2e%2fmetrics",
        "/api/v1/namespaces/a%2Fb/pods",
        "/api/v1/pods;x=1",
        "/api/%00",
        "/api/v1/pods./",
        "/api/%c0%af",
        "/api?a=%2f&a=b&&c",
        "/api?",
        "/api/v1/attestation/../secrets",
        "/api/v1/%61ttestation",
        "/api/v1/attestation/",
        "/api/v1/nodes/heartbeat",
        &long,
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = raw(&world, head.as_bytes()).await;
        assert_eq!(answer, "HTTP/1.1 200 OK", "{path}");
        assert_eq!(world.upstream.last().target, path);
        assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
    }
}

#[tokio::test]
async fn answers_pass_and_redirects_are_not_followed() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let response = world.send(crate::harness::get("/redirect", &user(&staker))).await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "https://127.0.0.1:1/elsewhere");
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("x-remote")));
    assert_eq!(text(response).await, "");
}

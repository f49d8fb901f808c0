//! Items 19 and 20: what is asked for.

use super::wire::status;
use crate::harness::{World, build, get, reason, user};
use daas_types::Permissions;

#[tokio::test]
async fn item_19_paths_go_on_byte_for_byte_and_are_decided_on_so() {
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
        // None of these is one of ours.
        "//api/v1/attestation",
        "/api/v1/./attestation",
        "/api/v1/attestation/../secrets",
        "/api/v1/%61ttestation",
        "/api/v1/attestation/",
        "/api/v1/attestation;",
        "/api/v1/staking/status%00",
        "/api/v1/nodes/heartbeat",
        &long,
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        assert_eq!(status(&world, head).await, 200, "{path}");
        assert_eq!(world.upstream.last().target, path);
        assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
    }
    assert!(world.local.attested.lock().unwrap().is_empty());
    let before = world.upstream.requests().len();
    let huge = format!("/api/{}", "a".repeat(70_000));
    for (path, expected) in [("api", 400), ("*", 400), ("/a b", 400), ("/a\x01", 400), (huge.as_str(), 414)] {
        let head = format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = status(&world, head).await;
        assert!(answer == expected || answer == 431 || answer == 400, "{path}: {answer}");
    }
    assert_eq!(world.upstream.requests().len(), before);
}

#[tokio::test]
async fn item_20_what_is_kubernetes_stays_kubernetes_and_needs_a_token() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let paths = ["/", "/api", "/version", "/healthz", "/readyz", "/livez", "/metrics", "/openapi/v2", "/debug/pprof/"];
    for path in paths {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let before = world.upstream.requests().len();
            let response = world.send(build(method, path, &[], "")).await;
            assert_eq!(response.status(), 401, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            if method == "GET" {
                assert_eq!(reason(response).await, "TokenMissing");
            }
            assert_eq!(world.upstream.requests().len(), before);
        }
        // With one it is the API server that answers, as for this user.
        assert_eq!(world.send(get(path, &user(&staker))).await.status(), 200);
        let seen = world.upstream.last();
        assert_eq!((seen.target.as_str(), seen.all("x-remote-user")), (path, vec![staker.state.owner.to_string()]));
    }
}

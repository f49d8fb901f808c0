//! Items 1 to 3 and 8: who a client says it is.

use super::wire::{conversation, status};
use crate::harness::{World, build, user};
use daas_types::Permissions;

fn get(token: &str, lines: &str) -> String {
    format!("GET /api HTTP/1.1\r\nHost: localhost\r\n{lines}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn item_01_impersonation_is_the_api_servers_to_judge_and_never_mixed_in() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    let lines = "IMPERSONATE-User: someone\r\nimpersonate-group: a\r\nImpersonate-Group: b\r\nImpersonate-Group:\r\n\
                 Impersonate-Uid: 7\r\nImpersonate-Extra-%73cope: x\r\n";
    assert_eq!(status(&world, get(&token, lines)).await, 200);
    let seen = world.upstream.last();
    // As whom is the API server's question, asked of this user's own rights; nothing of it becomes an identity of ours.
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    assert_eq!(seen.all("x-remote-uid"), [staker.state.position.to_string()]);
    assert_eq!(seen.all("x-remote-group").len(), 2);
    assert_eq!(seen.all("impersonate-user"), ["someone"]);
    assert_eq!(seen.all("impersonate-group"), ["a", "b", ""]);
    assert_eq!(seen.all("impersonate-uid"), ["7"]);
    assert_eq!(seen.all("impersonate-extra-%73cope"), ["x"]);
}

#[tokio::test]
async fn item_02_connection_cannot_name_our_headers() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    for connection in [
        "Connection: X-Remote-User",
        "Connection: close, x-remote-user, X-REMOTE-GROUP, X-Remote-Uid",
        "Connection: keep-alive\r\nConnection: X-Remote-User",
        "Connection: Authorization",
        "Connection: X-Remote-Extra-Daas-Seal",
        "Proxy-Connection: X-Remote-User",
        "Keep-Alive: X-Remote-User",
        "Connection: X-Remote-User\r\nX-Remote-User: root",
        "TE: X-Remote-User\r\nTrailer: X-Remote-User",
        "Connection: :authority,",
    ] {
        let before = world.upstream.requests().len();
        let answer = status(&world, get(&token, &format!("{connection}\r\n"))).await;
        if connection.contains(":authority") {
            assert_eq!(answer, 400);
            continue;
        }
        assert_eq!((answer, world.upstream.requests().len()), (200, before + 1), "{connection}");
        let seen = world.upstream.last();
        assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()], "{connection}");
        assert_eq!(seen.all("x-remote-group").len(), 2, "{connection}");
        assert_eq!(seen.all("x-remote-extra-daas-seal").len(), 1, "{connection}");
        for gone in ["connection", "proxy-connection", "keep-alive", "te", "trailer", "authorization"] {
            assert!(seen.all(gone).is_empty(), "{connection}: {gone}");
        }
    }
    assert_eq!(status(&world, get(&token, "Connection: X-Hop, x-HOP-2\r\nX-Hop: 1\r\nX-Hop-2: 1\r\n")).await, 200);
    assert!(world.upstream.last().names("x-hop").is_empty());
    let before = world.upstream.requests().len();
    let odd = [
        &b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: \xff\xfe\r\nAuthorization: Bearer "[..],
        token.as_bytes(),
    ];
    assert_eq!(status(&world, [&odd.concat()[..], b"\r\n\r\n"].concat()).await, 400);
    assert_eq!(world.upstream.requests().len(), before);
}

#[tokio::test]
async fn item_03_forged_identities_do_not_arrive() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let token = user(&staker);
    let forged = "X-Remote-User: system:admin\r\nX-Remote-Group: system:masters\r\nX-Remote-Uid: 0\r\n\
                  X-Remote-Extra-Scopes: all\r\nX-REMOTE-Anything: x\r\nX_Remote_User: root\r\nX-Remote_Group: x\r\n\
                  x_remote-extra-daas_seal: x\r\nX_Seal_Token: x\r\nProxy_Connection: x\r\nUser-Agent: kubectl/1.36\r\n";
    assert_eq!(status(&world, get(&token, forged)).await, 200);
    let seen = world.upstream.last();
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    assert_eq!(seen.all("x-remote-uid"), [staker.state.position.to_string()]);
    let mut identity = seen.names("x");
    identity.dedup();
    identity.sort_unstable();
    assert_eq!(identity, ["x-remote-extra-daas-seal", "x-remote-group", "x-remote-uid", "x-remote-user"]);
    assert_eq!(seen.all("user-agent"), ["kubectl/1.36"]);
    let before = world.upstream.requests().len();
    for odd in ["X-Remote-User : root\r\n", "X-A: 1\r\n X-Remote-User: root\r\n", "X-Remote-User\r\n", "X-A: \x001\r\n"]
    {
        assert_eq!(status(&world, get(&token, odd)).await, 400, "{odd:?}");
    }
    assert_eq!(world.upstream.requests().len(), before);
}

#[tokio::test]
async fn item_08_origins_are_ours_to_say() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "0.5", Permissions::USER);
    let forged = "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-host: h\r\nX_Forwarded_Proto: http\r\nX-Forwarded-Uri: /\r\n\
                  Forwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nX_Real_IP: 10.0.0.1\r\n";
    assert_eq!(status(&world, get(&user(&staker), forged)).await, 200);
    let seen = world.upstream.last();
    for gone in ["x-forwarded", "x_forwarded", "forwarded", "x-real", "x_real"] {
        assert!(seen.names(gone).is_empty(), "{gone}: {seen:?}");
    }
    // Where we ask for the address, it is the socket's.
    let request = build("GET", "/api/v1/attestation", &[("x-forwarded-for", "10.0.0.1")], "");
    assert_eq!(world.send(request).await.status(), 200);
    assert_eq!(world.local.attested.lock().unwrap()[0].0.peer.ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn item_37_nothing_of_the_gateways_own_comes_back() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let token = user(&staker);
    let marked = "X-Mark: 5ecre7\r\nUser-Agent: 5ecre7\r\nX-Seal-Token: 5ecre7\r\n";
    for path in ["/api", "/redirect", "/full", "/list", "/api/v1/attestation"] {
        let request = get(&token, marked).replace("/api ", &format!("{path} "));
        let answer = conversation(&world, request).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 "), "{path}: {answer}");
        for own in ["x-remote", "daas:gateway", "daas:position", "front-proxy", "authorization", "5ecre7"] {
            assert!(!answer.contains(own), "{path}: {own} in {answer}");
        }
        assert!(!answer.contains(&token.to_ascii_lowercase()), "{path}: {answer}");
    }
    // Nor in what a refusal says: neither the credential nor any header.
    for bad in ["5ecre7", &format!("{token}5ecre7"), &"5ecre7".repeat(300)] {
        let answer = conversation(&world, get(bad, marked)).await;
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("5ecre7"), "{answer}");
    }
}

#[tokio::test]
async fn item_38_nobody_gives_a_request_the_id_of_another() {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    for name in ["Audit-ID", "audit_id"] {
        assert_eq!(status(&world, get(&token, &format!("{name}: of-another\r\n"))).await, 200);
        let seen = world.upstream.last();
        assert!(seen.all("audit-id").is_empty() && seen.all("audit_id").is_empty(), "{name}");
    }
}

use crate::harness::{ISSUER, Options, World, get, user, within};
use daas_chain::clock;
use daas_chain::index::namespace_of;
use daas_gateway::{Limits, Owner, Streams};
use daas_types::{Mist, Permissions};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::time::Duration;

/// A token as the API server mints it for a pod; `change` makes it another.
fn token(key: &KeyPair, namespace: &str, node: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = clock::now().secs();
    let mut claims = json!({
        "iss": ISSUER,
        "aud": [ISSUER],
        "sub": format!("system:serviceaccount:{namespace}:default"),
        "iat": now, "nbf": now, "exp": now + 3600,
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": { "name": "default", "uid": "1" },
            "pod": { "name": "p", "uid": "2" },
            "node": { "name": node, "uid": "3" },
        },
    });
    change(&mut claims);
    let key = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
}

#[tokio::test]
async fn a_pods_token_passes_without_our_identity() {
    let world = World::new().await;
    let _node = world.chain.staker(1, "5", Permissions::NODE);
    let owner = world.chain.staker(2, "2", Permissions::USER);
    for namespace in ["kube-system".to_owned(), namespace_of(owner.state.position)] {
        let token = token(&world.accounts, &namespace, "worker-1", |_| ());
        let response = world.send(get("/api/v1/pods", &token)).await;
        assert_eq!(response.status(), 200);
        let seen = world.upstream.last();
        assert_eq!(seen.client, None, "the pass-through pool has no certificate");
        assert_eq!(seen.all("authorization"), [format!("Bearer {token}")]);
        assert!(seen.names("x-remote-").is_empty());
    }
    // And what it forges beside the token means nothing there.
    let bearer = format!("Bearer {}", token(&world.accounts, "kube-system", "worker-1", |_| ()));
    let forged = [("authorization", bearer.as_str()), ("x-remote-user", "root"), ("x-remote-group", "system:masters")];
    world.send(crate::harness::build("GET", "/api", &forged, "")).await;
    assert!(world.upstream.last().names("x-remote-").is_empty());
    // The other pool is another connection, and has the certificate.
    world.send(get("/api", &user(&owner))).await;
    assert_eq!(world.upstream.last().client.as_deref(), Some("daas:gateway"));
    assert!(world.upstream.last().all("authorization").is_empty());
}

#[tokio::test]
async fn tokens_not_bound_to_a_live_pod_and_node_are_refused() {
    let world = World::new().await;
    let _node = world.chain.staker(1, "5", Permissions::NODE);
    let poor = world.chain.staker(3, "0.1", Permissions::BOTH);
    let viewer = world.chain.staker(4, "0.5", Permissions::USER);
    let developer = world.chain.staker(5, "2", Permissions::USER);
    world.namespaces.set("made".to_owned(), Some(Owner::Position(developer.state.position)));
    let key = &world.accounts;
    let now = clock::now().secs();
    let stranger = KeyPair::generate().unwrap();
    let changed = |change: fn(&mut Value)| token(key, "kube-system", "worker-1", change);
    let mut cases = vec![
        (
            changed(|claims| drop(claims["kubernetes.io"].as_object_mut().unwrap().remove("pod"))),
            "ServiceAccountRefused",
        ),
        (
            changed(|claims| drop(claims["kubernetes.io"].as_object_mut().unwrap().remove("node"))),
            "ServiceAccountRefused",
        ),
        (changed(|claims| drop(claims.as_object_mut().unwrap().remove("kubernetes.io"))), "ServiceAccountRefused"),
        (changed(|claims| claims["iss"] = json!("https://elsewhere")), "ServiceAccountRefused"),
        (changed(|claims| claims["aud"] = json!(["vault"])), "ServiceAccountRefused"),
        (changed(|claims| drop(claims.as_object_mut().unwrap().remove("aud"))), "ServiceAccountRefused"),
        (changed(|claims| claims["sub"] = json!("system:serviceaccount:kube-system:admin")), "ServiceAccountRefused"),
        (changed(|claims| claims["exp"] = json!(clock::now().secs() - 1)), "TokenExpired"),
        (changed(|claims| claims["nbf"] = json!(clock::now().secs() + 600)), "TokenExpired"),
        (token(&stranger, "kube-system", "worker-1", |_| ()), "ServiceAccountRefused"),
        (token(key, "kube-system", "worker-9", |_| ()), "ServiceAccountRefused"),
        (token(key, "kube-system", "worker-3", |_| ()), "ServiceAccountRefused"),
        (token(key, "t-00000000000000000000000000000000", "worker-1", |_| ()), "ServiceAccountRefused"),
        (token(key, &namespace_of(poor.state.position), "worker-1", |_| ()), "ServiceAccountRefused"),
        // A viewer has no namespace, an admin's is not a developer's any more, and `default` is nobody's.
        (token(key, &namespace_of(viewer.state.position), "worker-1", |_| ()), "ServiceAccountRefused"),
        (token(key, "made", "worker-1", |_| ()), "ServiceAccountRefused"),
        (token(key, "default", "worker-1", |_| ()), "ServiceAccountRefused"),
    ];
    // Unsigned, and signed with the public key as if it were a shared secret.
    let claims = json!({ "iss": ISSUER, "aud": ISSUER, "sub": "x", "exp": now + 60 });
    let hmac = EncodingKey::from_secret(key.public_key_pem().as_bytes());
    cases.push((encode(&Header::new(Algorithm::HS256), &claims, &hmac).unwrap(), "ServiceAccountRefused"));
    cases.push((format!("eyJhbGciOiJub25lIn0.{}.", "eyJzdWIiOiJ4In0".repeat(5)), "ServiceAccountRefused"));
    for (token, expected) in cases {
        let (status, reason) = world.refusal(get("/api", &token)).await;
        assert_eq!((status.as_u16(), reason.as_str()), (401, expected));
    }
}

#[tokio::test]
async fn losing_the_node_or_the_namespaces_owner_cuts() {
    let world = World::new().await;
    for (round, who) in ["node", "owner", "maker"].into_iter().enumerate() {
        let n = u8::try_from(round * 2 + 1).unwrap();
        let mut node = world.chain.staker(n, "5", Permissions::NODE);
        let mut owner = world.chain.staker(n + 1, if who == "maker" { "5" } else { "2" }, Permissions::USER);
        let namespace = if who == "maker" { "made".to_owned() } else { namespace_of(owner.state.position) };
        world.namespaces.set("made".to_owned(), Some(Owner::Position(owner.state.position)));
        let token = token(&world.accounts, &namespace, &node.state.node_id, |_| ());
        let client = world.http2().await;
        let mut watch = within(client.send(get("/api/v1/pods?watch=true", &token))).await.unwrap();
        assert!(within(watch.body_mut().frame()).await.unwrap().is_ok());
        if who == "node" {
            world.chain.suspend(&mut node);
        } else {
            world.chain.put(&mut owner, |state| state.active = Mist(0));
        }
        assert!(within(watch.body_mut().frame()).await.unwrap().is_err());
        let (status, reason) = world.refusal(get("/api", &token)).await;
        assert_eq!((status.as_u16(), reason.as_str()), (401, "ServiceAccountRefused"));
    }
}

#[tokio::test]
async fn the_pods_of_one_position_are_counted_together_whatever_their_namespaces() {
    let limits = Limits { streams: Streams { admin: 2, ..Streams::default() }, ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let _node = world.chain.staker(1, "5", Permissions::NODE);
    let (owner, other) = (world.chain.staker(2, "5", Permissions::USER), world.chain.staker(3, "5", Permissions::USER));
    let (first, second) = (namespace_of(owner.state.position), "made".to_owned());
    world.namespaces.set(second.clone(), Some(Owner::Position(owner.state.position)));
    let pod = |namespace: &str| token(&world.accounts, namespace, "worker-1", |_| ());
    let client = world.http2().await;
    let watch = async |token: &str| within(client.send(get("/api/v1/pods?watch=true", token))).await.unwrap();
    let held = [watch(&pod(&first)).await, watch(&pod(&second)).await];
    assert!(held.iter().all(|watch| watch.status() == 200));
    for namespace in [&first, &second] {
        assert_eq!(watch(&pod(namespace)).await.status(), 429);
    }
    // Their owner, others' pods and the cluster's own are not held up.
    for token in [user(&owner), pod(&namespace_of(other.state.position)), pod("kube-system")] {
        assert_eq!(watch(&token).await.status(), 200);
    }
}

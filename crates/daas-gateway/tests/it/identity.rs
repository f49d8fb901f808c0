use crate::harness::{World, get, text, user};
use daas_types::onchain::Session;
use daas_types::pop::Usage;
use daas_types::{Permissions, WalletAddress};
use std::time::Duration;
use sui_crypto::ed25519::Ed25519PrivateKey;

#[tokio::test]
async fn a_person_reaches_the_api_server_as_wallet_position_and_tier() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "2", Permissions::USER);
    let response = world.send(get("/api/v1/namespaces?limit=500", &user(&staker))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, r#"{"kind":"Answer"}"#);
    let seen = world.upstream.last();
    assert_eq!(seen.target, "/api/v1/namespaces?limit=500");
    assert_eq!(seen.version, http::Version::HTTP_2);
    assert_eq!(seen.authority, "kubernetes");
    assert_eq!(seen.client.as_deref(), Some("daas:gateway"));
    assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
    assert_eq!(seen.all("x-remote-uid"), [staker.state.position.to_string()]);
    let position = format!("daas:position:{}", staker.state.position);
    assert_eq!(seen.all("x-remote-group"), ["daas:developer".to_owned(), position]);
    assert_eq!(seen.all("x-remote-extra-daas-seal"), [staker.state.seals[0].id.to_string()]);
    assert!(seen.all("authorization").is_empty());
}

#[tokio::test]
async fn a_node_reaches_it_as_its_node_id() {
    let world = World::new().await;
    let staker = world.chain.staker(3, "5", Permissions::NODE);
    world.send(get("/api/v1/nodes/worker-3", &staker.token(Usage::Kubelet))).await;
    let seen = world.upstream.last();
    assert_eq!(seen.all("x-remote-user"), ["system:node:worker-3"]);
    assert_eq!(seen.all("x-remote-group"), ["system:nodes"]);
    assert!(seen.all("x-remote-uid").is_empty());
    world.send(get("/api/v1/services", &staker.token(Usage::KubeProxy))).await;
    let seen = world.upstream.last();
    assert_eq!(seen.all("x-remote-user"), ["system:kube-proxy"]);
    assert!(seen.all("x-remote-group").is_empty());
}

#[tokio::test]
async fn the_opaque_secret_counts_as_user_here() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let node = world.chain.staker(2, "5", Permissions::NODE);
    assert_eq!(world.send(get("/api", &staker.opaque())).await.status(), 200);
    assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
    let (status, reason) = world.refusal(get("/api", &node.opaque())).await;
    assert_eq!((status.as_u16(), reason.as_str()), (403, "UsageNotPermitted"));
}

#[tokio::test]
async fn a_session_key_speaks_for_its_seal_while_it_is_registered() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let session = Ed25519PrivateKey::new([99; 32]);
    let token = staker.claims(Usage::User).sign(&session).unwrap();
    let (status, reason) = world.refusal(get("/api", &token)).await;
    assert_eq!((status.as_u16(), reason.as_str()), (401, "TokenUnknown"));
    let address = WalletAddress(session.public_key().derive_address());
    let ends = |expires_ms| Some(Session { key: address, expires_ms });
    let later = daas_chain::clock::now().plus(Duration::from_mins(10));
    world.chain.put(&mut staker, |state| state.seals[0].session = ends(later));
    assert_eq!(world.send(get("/api", &token)).await.status(), 200);
    // The verified token is remembered, its right is not.
    world.chain.put(&mut staker, |state| state.seals[0].session = None);
    assert_eq!(world.refusal(get("/api", &token)).await.1, "TokenUnknown");
    world.chain.put(&mut staker, |state| state.seals[0].session = ends(daas_chain::clock::now()));
    assert_eq!(world.refusal(get("/api", &token)).await.1, "SealExpired");
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200, "the owner's key goes on");
}

#[tokio::test]
async fn the_operators_key_signs_no_token() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let operator = Ed25519PrivateKey::new([98; 32]);
    world.chain.put(&mut staker, |state| {
        state.operator = WalletAddress(operator.public_key().derive_address());
    });
    for usage in [Usage::User, Usage::Kubelet, Usage::KubeProxy] {
        let token = staker.claims(usage).sign(&operator).unwrap();
        assert_eq!(world.refusal(get("/api", &token)).await.1, "TokenUnknown");
    }
}

#[tokio::test]
async fn a_new_owners_position_opens_nothing_to_the_old_one() {
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::USER);
    let (token, seal) = (user(&staker), staker.state.seals[0].clone());
    let heir = Ed25519PrivateKey::new([97; 32]);
    world.chain.put(&mut staker, |state| {
        state.owner = WalletAddress(heir.public_key().derive_address());
        state.seals.clear();
    });
    assert_eq!(world.refusal(get("/api", &token)).await.1, "TokenUnknown");
    // Nor under a Seal of the new owner's, whoever claims it.
    world.chain.put(&mut staker, |state| state.seals.push(seal));
    assert_eq!(world.refusal(get("/api", &token)).await.1, "TokenUnknown");
    let theirs = staker.claims(Usage::User).sign(&heir).unwrap();
    assert_eq!(world.send(get("/api", &theirs)).await.status(), 200);
    assert_eq!(world.upstream.last().all("x-remote-user"), [staker.state.owner.to_string()]);
}

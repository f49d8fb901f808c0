//! What is not given, to whom, and what the agent's log says of it.

use super::world::World;
use crate::harness::{self, within};
use daas_testkit::chain::Staker;
use daas_testkit::k3s::{RESTART, ScriptedAgent, basic, calls};
use daas_types::onchain::Status;
use daas_types::{Permissions, UnixMs};

const CONFIG: &str = "GET /v1-k3s/config any seal";

#[tokio::test]
async fn an_operator_reads_why_its_seal_is_refused() {
    let world = World::new().await;
    let put = |n: u8, change: &dyn Fn(&mut daas_types::onchain::PositionState)| {
        let mut staker = Staker::new(n, "5", Permissions::NODE);
        world.chain.put(&mut staker, |state| change(state));
        world.agent(&staker)
    };
    let later = daas_chain::clock::now().plus(std::time::Duration::from_mins(10));
    let cases: [(ScriptedAgent, &str); 8] = [
        (put(1, &|state| state.active = "0.1".parse().unwrap()), "The active stake reaches no tier."),
        (put(2, &|state| state.status = Status::Suspended), "A slash has been proposed"),
        (put(3, &|state| state.status = Status::Slashed), "The position was slashed"),
        (put(4, &|state| state.status = Status::Closed), "The stake has been withdrawn"),
        (put(5, &|state| state.jailed_until_ms = later), "The node was silent for too long"),
        (put(6, &|state| state.seals[0].permissions = Permissions::USER), "The Seal does not permit this use."),
        (put(7, &|state| state.seals[0].expires_ms = UnixMs(1)), "The Seal has expired."),
        (put(8, &|state| state.seals.clear()), "No live Seal answers to this token."),
    ];
    for (mut agent, message) in cases {
        let (ended, said) = world.refused(&mut agent, CONFIG).await;
        // Never 403, which agents take for a wrong node password.
        assert_eq!(ended, "401", "{message}");
        assert!(said.starts_with(message) && said.contains("Fix: "), "{said}");
    }
}

#[tokio::test]
async fn only_basic_with_the_user_node_joins() {
    let world = World::new().await;
    let (staker, mut agent) = world.worker(1);
    for token in ["K10nonsense", daas_testkit::k3s::AGENT_TOKEN] {
        agent.token = Some(token.to_owned());
        assert_eq!(world.refused(&mut agent, CONFIG).await.0, "401", "{token}");
    }
    agent.token = None;
    let (ended, said) = world.refused(&mut agent, "GET /v1-k3s/config any -").await;
    assert_eq!((ended.as_str(), said.starts_with("The request carries no token.")), ("401", true), "{said}");
    let client = daas_testkit::client::Http2::connect(world.addr, &world.authorities.server.roots()).await;
    let bearer = format!("Bearer {}", staker.opaque());
    let response = client.send(harness::build("GET", "/v1-k3s/config", &[("authorization", &bearer)], "")).await;
    assert_eq!(harness::reason(response.unwrap()).await, "TokenMalformed");
    assert!(world.supervisor.asked().is_empty());
}

#[tokio::test]
async fn a_bogus_or_stale_token_beside_old_certificates_gets_nothing() {
    let world = World::new().await;
    let (mut staker, mut agent) = world.joined(1).await;
    let good = agent.token.replace("00".repeat(32));
    let with_token: Vec<String> = calls(RESTART).into_iter().filter(|call| call.contains("seal")).collect();
    assert_eq!(with_token.len(), 7);
    for call in &with_token {
        let (ended, said) = world.refused(&mut agent, call.split(" -> ").next().unwrap()).await;
        assert_eq!(ended, "401", "{call}");
        assert!(said.starts_with("No live Seal answers to this token."), "{said}");
    }
    // The Seal is gone; what it was issued for stands while the position's right does, and is not issued anew.
    agent.token = good;
    world.chain.put(&mut staker, |state| state.seals.clear());
    for call in &with_token {
        assert_eq!(world.refused(&mut agent, call.split(" -> ").next().unwrap()).await.0, "401", "{call}");
    }
    assert_eq!(within(agent.call("GET /v1-k3s/connect pinned kubelet")).await, "101");
    agent.token = None;
    for file in ["serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
        let call = format!("POST /v1-k3s/{file}.crt pinned kubelet");
        let (ended, said) = world.refused(&mut agent, &call).await;
        assert!(ended == "401" && said.contains("issued to a Seal"), "{ended} {said}");
    }
}

#[tokio::test]
async fn a_node_is_called_as_its_seal_says() {
    let world = World::new().await;
    let (_, mut agent) = world.worker(1);
    agent.node = "worker-2".to_owned();
    for file in ["serving-kubelet", "client-kubelet"] {
        let (ended, said) = world.refused(&mut agent, &format!("POST /v1-k3s/{file}.crt any seal")).await;
        assert_eq!(ended, "401");
        assert!(said.starts_with("The node id is not the Seal's.") && said.contains("--node-name worker-1"), "{said}");
        assert!(!said.contains("worker-2"));
    }
    agent.node = "worker-1".to_owned();
    assert_eq!(within(agent.call("POST /v1-k3s/client-kubelet.crt any seal")).await, "200");
}

#[tokio::test]
async fn a_node_has_one_name_in_a_request() {
    let world = World::new().await;
    let (_, agent) = world.worker(1);
    let basic = basic(agent.token.as_deref().unwrap());
    let client = daas_testkit::client::Http2::connect(world.addr, &world.authorities.server.roots()).await;
    let names: [&[(&str, &str)]; 3] = [
        &[],
        &[("k3s-node-name", "worker-1"), ("k3s-node-name", "worker-1")],
        &[("k3s-node-name", "worker-1"), ("k3s-node-name", "worker-2")],
    ];
    for names in names {
        let headers = [&[("authorization", basic.as_str())][..], names].concat();
        let response = client.send(harness::build("POST", "/v1-k3s/client-kubelet.crt", &headers, "x")).await.unwrap();
        assert_eq!(harness::reason(response).await, "NodeIdMismatch", "{names:?}");
    }
    assert!(world.supervisor.asked().is_empty());
}

#[tokio::test]
async fn no_certificate_is_for_the_gateway() {
    let world = World::new().await;
    let (_, mut agent) = world.worker(1);
    agent.password = "p".to_owned();
    for file in ["serving-kubelet", "client-kubelet"] {
        for address in ["10.43.0.1", "10.0.0.9,127.0.0.1", "0.0.0.0", "::ffff:10.43.0.1", "nonsense"] {
            agent.address = address.to_owned();
            let (ended, said) = world.refused(&mut agent, &format!("POST /v1-k3s/{file}.crt any seal")).await;
            assert!(ended == "401" && said.contains("k3s-Node-IP has"), "{address}: {ended} {said}");
        }
    }
    for (name, n) in [("the-gateway", 2), ("the-server", 3), ("kubernetes", 4), ("localhost", 5)] {
        let mut staker = Staker::new(n, "5", Permissions::NODE);
        world.chain.put(&mut staker, |state| state.node_id = name.to_owned());
        let mut agent = world.agent(&staker);
        for file in ["serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
            let (ended, said) = world.refused(&mut agent, &format!("POST /v1-k3s/{file}.crt any seal")).await;
            assert!(ended == "401" && said.contains("and no node"), "{name}: {ended} {said}");
        }
    }
}

#[tokio::test]
async fn k3s_own_routes_are_closed_to_everyone() {
    let world = World::new().await;
    let (_, mut agent) = world.joined(1).await;
    let closed = [
        "/db/info",
        "/%64b/info",
        "//db/info",
        "/api/..%2f/db/info",
        "/v1-k3s/server-bootstrap",
        "/v1-k3s/token",
        "/v1-k3s/encrypt/status",
        "/v1-k3s/encrypt/config",
        "/v1-k3s/cert/cacerts",
        "/v1-k3s/config/",
        "/v1-k3s/%63onfig",
        "/v1-other/config",
        "/static/x",
        "/unknown",
    ];
    for path in closed {
        for shown in ["-", "seal", "kubelet", "controller"] {
            let (ended, said) = world.refused(&mut agent, &format!("GET {path} pinned {shown}")).await;
            assert!(ended == "403" || ended == "401", "{path} {shown}: {ended}");
            assert!(said.starts_with("The gateway does not open this path."), "{said}");
        }
    }
    // Without a request to sign, K3s would give away a key that all nodes share.
    for file in ["serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
        let (ended, said) = world.refused(&mut agent, &format!("GET /v1-k3s/{file}.crt pinned seal")).await;
        assert!(ended == "403" && said.contains("only POST is open there"), "{ended} {said}");
    }
    assert_eq!(world.refused(&mut agent, "CONNECT 127.0.0.1:10250 pinned seal").await.0, "400");
}

#[tokio::test]
async fn what_is_no_request_for_a_certificate_does_not_reach_k3s() {
    let world = World::new().await;
    let (_, agent) = world.worker(1);
    let basic = basic(agent.token.as_deref().unwrap());
    let headers = [("authorization", basic.as_str()), ("k3s-node-name", "worker-1"), ("k3s-node-password", "p")];
    let client = daas_testkit::client::Http2::connect(world.addr, &world.authorities.server.roots()).await;
    for file in ["serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
        for (body, status, reason) in
            [("", 400, "CsrRefused"), ("x", 400, "CsrRefused"), (&"x".repeat(9000), 413, "PathRefused")]
        {
            let request = harness::build("POST", &format!("/v1-k3s/{file}.crt"), &headers, body);
            let response = within(client.send(request)).await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(harness::reason(response).await, reason);
        }
    }
    assert!(world.supervisor.asked().is_empty());
}

#[tokio::test]
async fn another_machine_under_the_same_name_is_k3s_to_refuse_and_leaves_no_key() {
    let world = World::new().await;
    let (staker, mut first) = world.joined(1).await;
    let mut second = world.agent(&staker);
    second.password = "another".to_owned();
    assert_eq!(within(second.call("POST /v1-k3s/client-kubelet.crt any seal")).await, "403");
    assert!(second.message.contains("hash does not match"), "{}", second.message);
    // Whoever signs for that key, it is not known here.
    world.supervisor.delete_node("worker-1");
    let mut direct = second;
    direct.server = world.supervisor.addr;
    direct.token = Some(daas_testkit::k3s::AGENT_TOKEN.to_owned());
    assert_eq!(within(direct.call("POST /v1-k3s/client-kubelet.crt any seal")).await, "200");
    direct.server = world.addr;
    let (ended, said) = world.refused(&mut direct, "GET /v1-k3s/connect any kubelet").await;
    assert!(ended == "401" && said.contains("no certificate was issued for its key"), "{ended} {said}");
    assert_eq!(within(first.call("GET /v1-k3s/connect pinned kubelet")).await, "101");
}

#[tokio::test]
async fn what_k3s_refuses_takes_no_key_away() {
    const KUBELET: &str = "POST /v1-k3s/client-kubelet.crt any seal";
    let world = World::new().await;
    let (staker, mut first) = world.joined(1).await;
    for _ in 0..3 {
        assert_eq!(within(world.agent(&staker).call(KUBELET)).await, "200");
    }
    // As many as are kept; and one that K3s refuses, and one whose client leaves before K3s has answered.
    let mut refused = world.agent(&staker);
    refused.password = "another".to_owned();
    assert_eq!(within(refused.call(KUBELET)).await, "403");
    world.supervisor.hold(true);
    let (before, mut gone) = (world.supervisor.asked().len(), world.agent(&staker));
    tokio::select! {
        _ = gone.call(KUBELET) => panic!("nobody answers"),
        () = within(world.supervisor.until_asked(before + 1)) => {}
    }
    world.supervisor.hold(false);
    assert_eq!(within(first.call("GET /v1-k3s/connect pinned kubelet")).await, "101");
    // What K3s grants does.
    assert_eq!(within(world.agent(&staker).call(KUBELET)).await, "200");
    assert_eq!(world.refused(&mut first, "GET /v1-k3s/connect pinned kubelet").await.0, "401");
}

#[tokio::test]
async fn a_key_that_k3s_gives_to_everyone_goes_to_nobody() {
    let world = World::new().await;
    let (_, mut agent) = world.worker(1);
    world.supervisor.share_its_key();
    for file in ["client-kubelet", "client-kube-proxy", "client-k3s-controller"] {
        assert_eq!(within(agent.call(&format!("POST /v1-k3s/{file}.crt any seal"))).await, "502");
        assert!(agent.message.contains("K3s answered a request for a certificate with"), "{}", agent.message);
    }
}

#[tokio::test]
async fn a_right_that_is_lost_while_k3s_is_busy_is_lost_at_once() {
    let world = World::new().await;
    let (mut staker, mut agent) = world.worker(1);
    world.supervisor.hold(true);
    for call in [CONFIG, "POST /v1-k3s/client-kubelet.crt any seal"] {
        let before = world.supervisor.asked().len();
        let lose = async {
            world.supervisor.until_asked(before + 1).await;
            world.chain.suspend(&mut staker);
        };
        let (ended, ()) = within(async { tokio::join!(agent.call(call), lose) }).await;
        assert_eq!(ended, "401");
        assert!(agent.message.starts_with("The right behind this connection is gone."), "{}", agent.message);
        world.chain.put(&mut staker, |state| state.status = Status::Active);
    }
}
